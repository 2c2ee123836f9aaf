#pragma once
/* A cluster in memory for tests of the controller's pure functions: objects, what the API server does with writes, and the controllers that are run on them. */
#include "handler/controller/action.h"

typedef struct {
  GPtrArray *objects; /* WryJson */
  GPtrArray *events;  /* "Reason Kind/name: message" */
  WryConfig *config;
  gint64 now;
  guint writes, uids, versions;
  gint64 again;       /* seconds until the soonest wish to be looked at again, in the last turn; -1: none */
} FakeCluster;

FakeCluster *fake_cluster_new(const char *configuration);
void fake_cluster_free(FakeCluster *cluster);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeCluster, fake_cluster_free)
/* From text in which ' stands for "; namespace default when it has none. Borrowed. */
WryJson *fake_cluster_add(FakeCluster *cluster, const char *text);
/* A VirtualMachine "a" with that run strategy and these members of its template's spec. */
WryJson *fake_cluster_vm(FakeCluster *cluster, const char *strategy, const char *template_members);
/* Borrowed; NULL: not there. `name` NULL: the first of its kind. */
WryJson *fake_cluster_get(FakeCluster *cluster, const char *kind, const char *name);
guint fake_cluster_count(FakeCluster *cluster, const char *kind);
/* As another client: a merge patch, in any part of the object. */
void fake_cluster_patch(FakeCluster *cluster, const char *kind, const char *name, const char *patch);
/* As a user: DELETE. */
void fake_cluster_delete(FakeCluster *cluster, const char *kind, const char *name);
/* As the kubelet: the pod of VMI "a" runs on node n1, or ends, or is gone. */
void fake_cluster_pod_runs(FakeCluster *cluster);
void fake_cluster_pod_gone(FakeCluster *cluster);
/* As the node's handler. */
void fake_cluster_phase(FakeCluster *cluster, const char *phase);
/* Runs the controllers until they want nothing more; fails the test when they do not come to rest. The number of writes that took. */
guint fake_cluster_settle(FakeCluster *cluster);
gboolean fake_cluster_event(FakeCluster *cluster, const char *reason);
/* Text of the value at "a.b[0]"; "" when there is none. */
const char *fake_text(WryJson *object, const char *path);
/* "status reason" of a condition; "" when it is not there. New string. */
char *fake_condition(WryJson *object, const char *type);
