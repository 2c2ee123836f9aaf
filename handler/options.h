#pragma once
/* Options of the handler, and the directories that follow from them. */
#include <glib.h>
#include <sys/types.h>

#define WRY_HANDLER_USER "wherry"
#define WRY_HANDLER_UID 64100u /* when there is no such user */

typedef struct {
  char *root;              /* absolute; NULL: the default layout */
  gboolean allow_emulation, stop_vms_on_exit, version;
  char *kvm;               /* "auto" | "always" | "never" */
  char *host_bridge, *node_name, *libexec;
  char **host_disk_roots;
  gboolean kube;           /* in a cluster, by the configuration of its pod; or by `kubeconfig` */
  char *kubeconfig, *roles, *kubelet_dir;
  char *role;              /* inside: "main" | "root" | "birth"; NULL: the process that starts them */
} WryOptions;

/* FALSE with error for a usage error. Frees nothing on failure that wry_options_clear would not. */
gboolean wry_options_parse(WryOptions *options, int *argc, char ***argv, GError **error);
void wry_options_clear(WryOptions *options);
guint wry_options_kvm_mode(const WryOptions *options);

typedef enum { WRY_ROLE_NODE = 1, WRY_ROLE_CONTROLLER = 2, WRY_ROLE_API = 4 } WryRoles;
/* 0: on one box, of no cluster; 0 with error: unknown role. */
WryRoles wry_options_roles(const WryOptions *options, GError **error);

/* The four directories, absolute. */
typedef struct { char *manifests, *images, *state, *run; } WryPlaces;
void wry_places_fill(WryPlaces *places, const WryOptions *options);
void wry_places_clear(WryPlaces *places);

/* Their fds, in the order in which they are inherited. */
enum { WRY_DIR_MANIFESTS, WRY_DIR_IMAGES, WRY_DIR_STATE, WRY_DIR_RUN, WRY_DIRS };

/* Who main is, and who may use the control socket ((gid_t)-1: root alone). */
typedef struct { uid_t uid; gid_t gid, group; } WryIdentity;
WryIdentity wry_identity(void);

/* Makes what is absent below the four directories with their owners and modes, and opens them. */
gboolean wry_places_open(const WryPlaces *places, const WryIdentity *identity, int dirs[WRY_DIRS], GError **error);
/* The lock of a root: held as long as the fd, or a copy of it, is open. WRY_ERROR_LOCKED when another handler has it for WRY_LOCK_SECONDS. */
#define WRY_LOCK_SECONDS 10u /* a root half whose handler was killed may be in the middle of the node's probe */
int wry_places_lock(int state_fd, GError **error);
guint32 wry_places_root_id(const WryPlaces *places);

/* node.c: main. Returns the exit status. `sock` is the socket to the root half; `lifeline` becomes readable when the starting process is gone. */
int wry_node_run(const WryOptions *options, const WryPlaces *places, int sock, const int dirs[WRY_DIRS], int lifeline);
/* Exit status of main by which the starting process knows that another try is of no use. */
#define WRY_NODE_HOPELESS 64
