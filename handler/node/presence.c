/* Heartbeat and labels of the Node object.
 *
 * How it works: a strategic merge patch every one to two minutes and whenever the node becomes schedulable or ceases to be (contract 4.3); after the node's probe the Node is read once and its labels
 * of machine types and CPU models are put right. A write that fails is repeated by the next beat.
 * Relies on: labels.h for what is written. */
#include "handler/node/presence.h"

#include <fcntl.h>

#include "handler/instance.h"
#include "handler/node/labels.h"
#include "wherry/fd.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

#define BEAT_SECONDS 60
#define BEAT_JITTER 72 /* of factor 1.2 */
#define AGAIN_SECONDS 10u
#define CAPS_BYTES (4u << 20)

struct WryPresence {
  WryKube *kube;
  char *node;
  int node_fd;
  guint timer, label_timer;
  WryKubeCall *beat, *labels;
  gboolean schedulable, begun, kvm, again;
};

static void beat(WryPresence *presence);

static gboolean on_beat(gpointer data) {
  WryPresence *presence = data;
  presence->timer = 0;
  beat(presence);
  return G_SOURCE_REMOVE;
}

static void on_beaten(WryJson *object G_GNUC_UNUSED, const WryKubeFailure *failure, gpointer data) {
  WryPresence *presence = data;
  presence->beat = NULL;
  if (failure) wry_log(WRY_LOG_WARNING, "heartbeat not written", "why", failure->error->message, NULL);
  if (presence->again) {
    presence->again = FALSE;
    beat(presence);
    return;
  }
  presence->timer = g_timeout_add_seconds(failure ? AGAIN_SECONDS : (guint)g_random_int_range(BEAT_SECONDS, BEAT_SECONDS + BEAT_JITTER), on_beat, presence);
}

static void beat(WryPresence *presence) {
  g_autofree char *now = wry_time_text(g_get_real_time() / G_USEC_PER_SEC);
  g_autoptr(WryJson) patch = wry_heartbeat_patch(presence->schedulable, now);
  g_clear_handle_id(&presence->timer, g_source_remove);
  presence->again = presence->beat != NULL;
  if (!presence->beat) presence->beat = wry_kube_patch(presence->kube, &wry_kube_nodes, NULL, presence->node, NULL, WRY_KUBE_PATCH_STRATEGIC, patch, on_beaten, presence);
}

void wry_presence_schedulable(WryPresence *presence, gboolean schedulable) {
  if (presence->begun && presence->schedulable == schedulable) return;
  presence->begun = TRUE;
  presence->schedulable = schedulable;
  beat(presence);
}

/* --- labels ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void read_node(WryPresence *presence);

static gboolean on_label_timer(gpointer data) {
  WryPresence *presence = data;
  presence->label_timer = 0;
  read_node(presence);
  return G_SOURCE_REMOVE;
}

static gboolean failed(WryPresence *presence, const WryKubeFailure *failure) {
  presence->labels = NULL;
  if (!failure) return FALSE;
  wry_log(WRY_LOG_WARNING, "labels of the node not written", "why", failure->error->message, NULL);
  if (!presence->label_timer) presence->label_timer = g_timeout_add_seconds(AGAIN_SECONDS, on_label_timer, presence);
  return TRUE;
}

static void on_labelled(WryJson *object G_GNUC_UNUSED, const WryKubeFailure *failure, gpointer data) {
  if (!failed(data, failure)) wry_log(WRY_LOG_INFO, "labels of the node written", NULL);
}

/* libvirt names the file by a digest of the emulator's path: there is one. */
static char *read_caps(const WryPresence *presence) {
  wry_autofd int dir = wry_vopen(presence->node_fd, "qemu-caps", O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  g_autoptr(GPtrArray) names = dir < 0 ? NULL : wry_vlist(dir, NULL);
  gsize length;
  return names && names->len ? wry_vread(dir, names->pdata[0], CAPS_BYTES, &length, NULL) : NULL;
}

static void on_node(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryPresence *presence = data;
  if (failed(presence, failure) || !object) return;
  g_autofree char *caps = read_caps(presence);
  g_autoptr(WryJson) patch = wry_labels_patch(object, caps, presence->kvm);
  if (patch) presence->labels = wry_kube_patch(presence->kube, &wry_kube_nodes, NULL, presence->node, NULL, WRY_KUBE_PATCH_STRATEGIC, patch, on_labelled, presence);
}

static void read_node(WryPresence *presence) {
  wry_kube_cancel(presence->labels);
  presence->labels = wry_kube_get(presence->kube, &wry_kube_nodes, NULL, presence->node, on_node, presence);
}

void wry_presence_probed(WryPresence *presence, gboolean kvm) {
  presence->kvm = kvm;
  read_node(presence);
}

WryPresence *wry_presence_new(WryKube *kube, const char *node, int node_fd) {
  WryPresence *presence = g_new0(WryPresence, 1);
  *presence = (WryPresence){.kube = kube, .node = g_strdup(node), .node_fd = node_fd};
  return presence;
}

void wry_presence_free(WryPresence *presence) {
  if (!presence) return;
  g_clear_handle_id(&presence->timer, g_source_remove);
  g_clear_handle_id(&presence->label_timer, g_source_remove);
  wry_kube_cancel(presence->beat);
  wry_kube_cancel(presence->labels);
  g_free(presence->node);
  g_free(presence);
}
