#pragma once
/* A fleet in a directory of its own, with a root half and launchers that the test plays. Everything runs on the default main context. */
#include "handler/fleet.h"
#include "handler/guest.h"

#define FAKE_SANDBOXES 16

typedef struct {
  char vmi[40];
  gboolean alive;
  int death;              /* eventfd given as pidfd: written when init ends */
  int pidfd_of_handler;
} FakeSandbox;

typedef struct {
  char *dir;
  int dirfd, manifests, images, state, objects, node, proc;
  WryFleetOptions options;
  WryRoot *root;
  WryFleet *fleet;
  /* the root half */
  int root_end;
  guint root_source;
  FakeSandbox sandboxes[FAKE_SANDBOXES];
  guint starts, ends, removals, claim_removals, run_kills;
  WryErrorCode refuse;    /* of the next starts; WRY_ERROR_CODES: none */
  guint refusals;         /* how many */
  gboolean silent;        /* does not answer */
  WryRootRequest last_start;
  gboolean kvm;
  /* what was shown */
  GPtrArray *shown;       /* "VirtualMachine ADDED default/a" */
  gboolean image_there;
} FakeNode;

typedef struct {
  WryWire *wire;
  GPtrArray *received;    /* names of messages */
  gboolean closed, hold;  /* hold: does not answer */
  gboolean deaf;          /* its guest agent does not answer pings */
  gboolean hangs;         /* nor does it */
  WryErrorCode refuse;    /* of the next sync; WRY_ERROR_CODES: none */
  WryJson *bundle;        /* of the last sync */
  gint64 grace;           /* of the last shutdown */
} FakeLauncher;

FakeNode *fake_node_new(void);
void fake_node_free(FakeNode *node);
/* Starts the handler on it; again after fake_node_crash. */
void fake_node_begin(FakeNode *node);
/* As kill -9: nothing more is written; sandboxes live on. */
void fake_node_crash(FakeNode *node);
void fake_node_write(FakeNode *node, const char *file, const char *text);
void fake_node_remove(FakeNode *node, const char *file);
/* The number of sandboxes that live. */
guint fake_node_alive(const FakeNode *node);
FakeSandbox *fake_node_sandbox(FakeNode *node, const char *vmi);
/* init of a sandbox ends, and all in it. */
void fake_node_kill(FakeNode *node, const char *vmi);

/* What /proc/<pid>/stat of every launcher says. */
void fake_node_state(FakeNode *node, const char *stat);

/* A launcher of the VMI connects and says hello. */
FakeLauncher *fake_launcher_new(FakeNode *node, const char *vmi);
void fake_launcher_free(FakeLauncher *launcher);
void fake_launcher_report(FakeLauncher *launcher, const char *state, const char *reason, const char *failure);
gboolean fake_launcher_got(const FakeLauncher *launcher, const char *message);

/* Turns the main loop until the condition holds, at most five seconds. */
#define fake_wait(condition) \
  do { \
    gint64 fake_limit = g_get_monotonic_time() + 5 * G_USEC_PER_SEC; \
    while (!(condition)) { \
      ck_assert_msg(g_get_monotonic_time() < fake_limit, "not within five seconds: %s", #condition); \
      fake_turn(); \
    } \
  } while (0)
void fake_turn(void);
/* Turns for a while, for what must not happen. */
void fake_settle(void);

WryGuest *fake_guest(FakeNode *node, const char *name);
WryLife fake_life(FakeNode *node, const char *name);
const char *fake_vmi(FakeNode *node, const char *name); /* uid, "" when there is none */
WryPhase fake_phase(FakeNode *node, const char *name);
/* printableStatus; new string. */
char *fake_printable(FakeNode *node, const char *name);
/* An event with this reason is there. */
gboolean fake_event(FakeNode *node, const char *reason);
/* A VirtualMachine with one containerDisk. New string. */
char *fake_vm(const char *name, const char *strategy);
/* Its manifest, as <name>.yaml. */
void fake_write_vm(FakeNode *node, const char *name, const char *strategy);
/* From its manifest to a running guest, with a launcher. */
FakeLauncher *fake_bring_up(FakeNode *node, const char *name);
