/* The handler: starts its two halves and keeps them. The root half starts a helper of its own (handler/birth.h) before it gives anything up.
 *
 * How it works: this process makes the directories, takes the root's lock and starts itself twice more: the root half (handler/priv.c, as root) and main (handler/node.c, which
 * gives all privilege up before it reads anything), joined by a socket pair. It reads nothing itself: it waits. When one half ends the other is ended and both are started anew, with
 * back-off; VMs run on meanwhile. When this process goes, main sees the lifeline end and goes too. SIGTERM and SIGINT go to main, which ends by itself; the root half ends with main's end of the socket.
 * Once the halves run no capability is effective here; what is started as uid 0 has them again. The outer system call list (policies/starter.allow) is in force from before the halves
 * are started, and so for all that comes of them.
 * Relies on: execveat of its own binary, so an installed update does not change what a running handler starts. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handler/birth.h"
#include "handler/options.h"
#include "handler/root.h"
#include "policy_starter.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

#define FIRST_FD 3   /* the socket, then the directories, then the lock, then the lifeline */
#define FDS (1 + WRY_DIRS + 2)
#define LIFELINE_FD (FIRST_FD + FDS - 1)
#define LOCK_FD (FIRST_FD + FDS - 2)
#define BACKOFF_MAX_SECONDS 30u
#define GOOD_SECONDS 60 /* a pair that lived so long starts anew at once */

typedef struct {
  const WryOptions *options;
  char **argv;
  int self, dirs[WRY_DIRS], lock;
  int lifeline[2];   /* a pipe that nothing is written to: its end tells main that this process is gone, however it went */
  sigset_t signals;
} Starter;

/* --- starting a half ----------------------------------------------------------------------------------------------------------------------------------- */
/* In the child: fds to their places, then this very program in another role. */
static void become(const Starter *starter, char **argv, int sock) {
  int fds[FDS] = {sock};
  for (guint i = 0; i < WRY_DIRS; i++) fds[1 + i] = starter->dirs[i];
  fds[FDS - 2] = starter->lock;
  fds[FDS - 1] = starter->lifeline[0];
  int self = fcntl(starter->self, F_DUPFD_CLOEXEC, FIRST_FD + 2 * FDS);
  for (guint i = 0; i < FDS; i++) fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + FDS);
  for (guint i = 0; i < FDS; i++)
    if (dup2(fds[i], FIRST_FD + (int)i) < 0) _exit(127);
  sigprocmask(SIG_UNBLOCK, &starter->signals, NULL);
  setpgid(0, 0); /* a terminal's ^C is for the starter: it passes it on to main */
  execveat(self, "", argv, environ, AT_EMPTY_PATH);
  _exit(127);
}

static pid_t start_half(const Starter *starter, const char *role, int sock) {
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_autofree char *option = g_strconcat("--role=", role, NULL);
  g_ptr_array_add(argv, starter->argv[0]);
  g_ptr_array_add(argv, option);
  for (guint i = 1; starter->argv[i]; i++) g_ptr_array_add(argv, starter->argv[i]);
  g_ptr_array_add(argv, NULL);
  pid_t pid = fork();
  if (pid == 0) become(starter, (char **)argv->pdata, sock);
  return pid;
}

/* --- keeping the pair ---------------------------------------------------------------------------------------------------------------------------------- */
typedef struct { pid_t root, main; int main_status, root_status; gboolean ended; } Pair;

static gboolean start_pair(const Starter *starter, Pair *pair) {
  int ends[2];
  *pair = (Pair){0};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return FALSE;
  pair->root = start_half(starter, "root", ends[0]);
  pair->main = start_half(starter, "main", ends[1]);
  close(ends[0]);
  close(ends[1]);
  return pair->root > 0 && pair->main > 0;
}

static void tell_end(const char *half, int status) {
  g_autofree char *text = WIFSIGNALED(status) ? g_strdup_printf("signal %d (%s)", WTERMSIG(status), g_strsignal(WTERMSIG(status))) : g_strdup_printf("status %d", WEXITSTATUS(status));
  wry_log(status ? WRY_LOG_ERROR : WRY_LOG_DEBUG, "a half of the handler ended", "half", half, "with", text, NULL);
}

/* Main is of another uid; nothing else that this process does once the halves run needs a capability. */
static void signal_main(const Pair *pair, int number) {
  static const int needs[] = {CAP_KILL + 1, 0};
  g_autoptr(GError) error = NULL;
  if (pair->main && (!wry_isolate_effective(needs, &error) || kill(pair->main, number) != 0))
    wry_log(WRY_LOG_ERROR, "main is not told to end", "why", error ? error->message : g_strerror(errno), NULL);
  wry_isolate_effective(NULL, NULL);
}

/* Takes the dead in. The end of one half is the end of the pair. */
static void reap(Pair *pair) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    tell_end(pid == pair->main ? "main" : "root", status);
    if (pid == pair->main) {
      pair->main = 0;
      pair->main_status = status;
    } else if (pid == pair->root) {
      pair->root = 0;
      pair->root_status = status;
    }
    if (!pair->main && !pair->root) pair->ended = TRUE;
    /* A root half that ended well saw main's end of the socket close: main is ending by itself. */
    if (!pair->root && pair->main && pair->root_status != 0) signal_main(pair, SIGKILL);
  }
}

/* One signal, or the end of the time: 0. */
static int next_signal(const Starter *starter, guint seconds) {
  struct timespec limit = {.tv_sec = (time_t)seconds};
  int number;
  do number = sigtimedwait(&starter->signals, NULL, seconds ? &limit : NULL);
  while (number < 0 && errno == EINTR);
  return number < 0 ? 0 : number;
}

/* Until both are gone; TRUE when the end was asked for. */
static gboolean keep_pair(const Starter *starter, Pair *pair) {
  gboolean asked = FALSE;
  reap(pair);
  while (!pair->ended) {
    int number = next_signal(starter, 0);
    if (number == SIGCHLD) {
      reap(pair);
    } else if (number > 0) {
      asked = TRUE;
      signal_main(pair, SIGTERM);
    }
  }
  return asked;
}

static int keep(const Starter *starter) {
  guint wait = 1;
  for (;;) {
    Pair pair;
    gint64 began = g_get_monotonic_time();
    if (!start_pair(starter, &pair) || !wry_isolate_effective(NULL, NULL)) return 1;
    if (keep_pair(starter, &pair)) return WIFEXITED(pair.main_status) ? WEXITSTATUS(pair.main_status) : 1;
    if (WIFEXITED(pair.main_status) && WEXITSTATUS(pair.main_status) == WRY_NODE_HOPELESS) return 1;
    if (g_get_monotonic_time() - began > GOOD_SECONDS * G_USEC_PER_SEC) wait = 1;
    wry_log(WRY_LOG_ERROR, "the handler's halves ended and are started anew; VMs run on", NULL);
    for (int number = next_signal(starter, wait); number; number = next_signal(starter, wait))
      if (number != SIGCHLD) return 0;
    wait = MIN(2 * wait, BACKOFF_MAX_SECONDS);
  }
}

/* --- roles --------------------------------------------------------------------------------------------------------------------------------------------- */
/* Where the handler itself lies, when the launcher lies there too. */
static char *find_libexec(const WryOptions *options) {
  if (options->libexec) return g_canonicalize_filename(options->libexec, NULL);
  char path[4096];
  wry_autofd int self = wry_dir_open("/proc/self", NULL);
  ssize_t length = self >= 0 ? readlinkat(self, "exe", path, sizeof path - 1) : -1;
  if (length > 0) {
    path[length] = '\0';
    g_autofree char *directory = g_path_get_dirname(path);
    wry_autofd int fd = wry_dir_open(directory, NULL);
    if (fd >= 0 && wry_vexists(fd, "launcher-init")) return g_steal_pointer(&directory);
  }
  return g_strdup("/usr/libexec/wherry");
}

/* In the child of the root half: the socket and the lock to their places, then this very program in the role of the birth helper. */
G_NORETURN static void become_birth(char **argv, int self, int sock) {
  if (dup2(sock, FIRST_FD) == FIRST_FD && dup2(LOCK_FD, FIRST_FD + 1) == FIRST_FD + 1) execveat(self, "", argv, environ, AT_EMPTY_PATH);
  _exit(127);
}

/* Starts the birth helper; its end of the socket, -1 without one. `given`: the root half's own arguments, its role the first. */
static int start_birth(char **given, pid_t *ret_pid) {
  int ends[2];
  wry_autofd int proc = wry_dir_open("/proc/self", NULL);
  wry_autofd int self = proc < 0 ? -1 : openat(proc, "exe", O_PATH | O_CLOEXEC);
  if (self < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  g_autofree char **argv = g_memdup2(given, sizeof *given * (g_strv_length(given) + 1));
  char role[] = "--role=birth";
  argv[1] = role;
  *ret_pid = fork();
  if (*ret_pid == 0) become_birth(argv, self, ends[1]);
  close(ends[1]);
  return ends[0];
}

static int be_birth(const WryOptions *options, const WryPlaces *places) {
  g_autofree char *libexec = find_libexec(options);
  WryBirthOptions birth = {.libexec = libexec, .first_uid = wry_root_first_uid(wry_places_root_id(places)), .n_uids = WRY_VM_UIDS};
  wry_log_init("birth");
  return wry_birth_serve(FIRST_FD, &birth);
}

static int be_root_half(const WryOptions *options, const WryPlaces *places, char **given) {
  static const char *const none[] = {NULL};
  g_autoptr(GError) error = NULL;
  wry_autofd int kubelet = wry_options_roles(options, NULL) & WRY_ROLE_NODE ? wry_dir_open(options->kubelet_dir, &error) : -1;
  WryIdentity identity = wry_identity();
  g_autofree char *libexec = find_libexec(options);
  WryPrivOptions priv = {
    .root_dir = options->root ? options->root : "", .run_fd = FIRST_FD + 1 + WRY_DIR_RUN, .state_fd = FIRST_FD + 1 + WRY_DIR_STATE,
    .images_fd = FIRST_FD + 1 + WRY_DIR_IMAGES, .libexec = libexec, .root_id = wry_places_root_id(places), .handler_uid = identity.uid, .handler_gid = identity.gid, .kubelet_fd = kubelet,
    .host_bridge = options->host_bridge ? options->host_bridge : "",
    .host_disk_roots = options->host_disk_roots ? (const char *const *)options->host_disk_roots : none,
  };
  wry_log_init("root");
  if (error) wry_log(WRY_LOG_ERROR, "directory of device plugins", "why", error->message, NULL);
  priv.birth_fd = start_birth(given, &priv.birth);
  return priv.birth_fd >= 0 && priv.birth > 0 ? wry_priv_serve(FIRST_FD, &priv) : 1;
}

static int be_half(const WryOptions *options, const WryPlaces *places, char **given) {
  int dirs[WRY_DIRS];
  for (guint i = 0; i < WRY_DIRS; i++) dirs[i] = FIRST_FD + 1 + (int)i;
  for (int fd = FIRST_FD; fd < FIRST_FD + FDS; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (strcmp(options->role, "birth") == 0) return be_birth(options, places);
  return strcmp(options->role, "root") == 0 ? be_root_half(options, places, given) : wry_node_run(options, places, FIRST_FD, dirs, LIFELINE_FD);
}

static gboolean prepare(Starter *starter, const WryPlaces *places, GError **error) {
  WryIdentity identity = wry_identity();
  if (geteuid() != 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_DENIED, "the handler is started as root; it gives all privilege up in its main half");
    return FALSE;
  }
  wry_autofd int self = wry_dir_open("/proc/self", error);
  if (self < 0 || !wry_places_open(places, &identity, starter->dirs, error)) return FALSE;
  starter->self = openat(self, "exe", O_PATH | O_CLOEXEC);
  if (pipe2(starter->lifeline, O_CLOEXEC) != 0) return wry_errno(error, errno, "lifeline");
  starter->lock = wry_places_lock(starter->dirs[WRY_DIR_STATE], error);
  const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
  sigemptyset(&starter->signals);
  for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) sigaddset(&starter->signals, numbers[i]);
  sigprocmask(SIG_BLOCK, &starter->signals, NULL);
  if (starter->lock < 0) return FALSE;
  return wry_isolate_no_new_privs(error) && wry_isolate_seccomp(wry_policy_starter, G_N_ELEMENTS(wry_policy_starter), error);
}

static int be_starter(const WryOptions *options, const WryPlaces *places, char **argv) {
  Starter starter = {.options = options, .argv = argv};
  g_autoptr(GError) error = NULL;
  wry_log_init("handler");
  if (!prepare(&starter, places, &error)) {
    wry_log(WRY_LOG_ERROR, error->message, NULL);
    return 1;
  }
  return keep(&starter);
}

int main(int argc, char **argv) {
  WryOptions options = {0};
  WryPlaces places = {0};
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) given = g_strdupv(argv);
  umask(022);
  if (!wry_options_parse(&options, &argc, &argv, &error)) {
    fprintf(stderr, "handler: %s\nTry 'handler --help'.\n", error->message);
    return 2;
  }
  if (options.version) {
    printf("handler %s\n", WRY_VERSION);
    return 0;
  }
  wry_places_fill(&places, &options);
  int status = options.role ? be_half(&options, &places, given) : be_starter(&options, &places, given);
  wry_places_clear(&places);
  wry_options_clear(&options);
  return status;
}
