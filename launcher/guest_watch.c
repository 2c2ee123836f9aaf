/* What the status shows of the guest, kept fresh. The agent has no events for it, so it is asked: at once, then after 5, 15 and 60 s (addresses come late at boot), then every 240 s: a round
 * costs some sixteen wake-ups, and an idle VM may have one in ten seconds (measured: 0.13 a second at 120 s). */
#include "launcher/guest.h"

#define ANSWER_SECONDS 5

struct WryGuestWatch {
  WryGuestSend send;
  gpointer transport;
  WryGuestLearned learned;
  gpointer data;
  gboolean connected, asking;
  guint round, timer;
};

static const WryAgentCommand questions[] = {WRY_AGENT_INFO, WRY_AGENT_OSINFO, WRY_AGENT_INTERFACES, WRY_AGENT_COMMANDS};
static const WryAgentCommand refresh[] = {WRY_AGENT_INTERFACES, WRY_AGENT_COMMANDS};
static const guint intervals[] = {5, 15, 60, 240};

guint wry_guest_interval(guint round) {
  return intervals[MIN(round, G_N_ELEMENTS(intervals) - 1)];
}

static void ask(WryGuestWatch *watch);

static gboolean again(gpointer data) {
  WryGuestWatch *watch = data;
  watch->timer = 0;
  ask(watch);
  return G_SOURCE_REMOVE;
}

static void answered(WryJson *const *answers, const GError *error, gpointer data) {
  WryGuestWatch *watch = data;
  watch->asking = FALSE;
  if (!watch->connected)
    return;
  if (!error)
    watch->learned(answers[WRY_AGENT_INFO], answers[WRY_AGENT_OSINFO], answers[WRY_AGENT_INTERFACES], watch->data);
  watch->timer = g_timeout_add_seconds(wry_guest_interval(watch->round++), again, watch);
}

/* The first rounds ask for everything: an agent may be connected before its system is up. */
static void ask(WryGuestWatch *watch) {
  watch->asking = TRUE;
  wry_guest_ask(watch->send, watch->transport, watch->round < G_N_ELEMENTS(intervals) ? questions : refresh, ANSWER_SECONDS, answered, watch);
}

WryGuestWatch *wry_guest_watch_new(WryGuestSend send, gpointer transport, WryGuestLearned learned, gpointer data) {
  WryGuestWatch *watch = g_new0(WryGuestWatch, 1);
  *watch = (WryGuestWatch){.send = send, .transport = transport, .learned = learned, .data = data};
  return watch;
}

void wry_guest_watch_free(WryGuestWatch *watch) {
  if (!watch)
    return;
  g_clear_handle_id(&watch->timer, g_source_remove);
  g_free(watch);
}

void wry_guest_watch_connected(WryGuestWatch *watch, gboolean connected) {
  watch->connected = connected;
  watch->round = 0;
  g_clear_handle_id(&watch->timer, g_source_remove);
  if (connected && !watch->asking)
    ask(watch);
}
