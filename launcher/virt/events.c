/* libvirt's events, turned into the owner's callbacks. libvirt dispatches them on the default GMainContext. A handler here makes no libvirt call: what an event says is taken from
 * the event alone, so that nothing in the main loop waits for a lock that a worker may hold. */
#include "launcher/virt/virt_private.h"

/* The owner's callback, when there is an owner that has one. */
#define TELL(virt, what, ...) \
  do { \
    if ((virt)->events && (virt)->events->what) \
      (virt)->events->what(__VA_ARGS__, (virt)->data); \
  } while (0)

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *data) {
  WryVirt *virt = data;
  WryVirtStatus status = wry_virt_status_of_event(event, detail);
  (void)conn;
  (void)domain;
  if (!status.reason)
    return 0;
  virt->status = status;
  TELL(virt, changed, status);
  return 0;
}

static void on_reboot(virConnectPtr conn, virDomainPtr domain, void *data) {
  WryVirt *virt = data;
  (void)conn;
  (void)domain;
  if (virt->events && virt->events->rebooted)
    virt->events->rebooted(virt->data);
}

static void on_watchdog(virConnectPtr conn, virDomainPtr domain, int action, void *data) {
  static const char *const actions[] = {
    [VIR_DOMAIN_EVENT_WATCHDOG_NONE] = "none",         [VIR_DOMAIN_EVENT_WATCHDOG_PAUSE] = "pause",       [VIR_DOMAIN_EVENT_WATCHDOG_RESET] = "reset",
    [VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF] = "poweroff", [VIR_DOMAIN_EVENT_WATCHDOG_SHUTDOWN] = "shutdown", [VIR_DOMAIN_EVENT_WATCHDOG_DEBUG] = "debug",
    [VIR_DOMAIN_EVENT_WATCHDOG_INJECTNMI] = "inject-nmi",
  };
  WryVirt *virt = data;
  (void)conn;
  (void)domain;
  TELL(virt, watchdog, action >= 0 && (gsize)action < G_N_ELEMENTS(actions) ? actions[action] : "none");
}

static void on_io_error(virConnectPtr conn, virDomainPtr domain, const char *path, const char *alias, int action, const char *reason, void *data) {
  WryVirt *virt = data;
  (void)conn;
  (void)domain;
  TELL(virt, io_error, alias ? alias : "", path ? path : "", reason ? reason : "", action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE);
}

static void on_agent(virConnectPtr conn, virDomainPtr domain, int state, int reason, void *data) {
  WryVirt *virt = data;
  (void)conn;
  (void)domain;
  (void)reason;
  TELL(virt, agent, state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED);
}

static void on_graphics(virConnectPtr conn, virDomainPtr domain, int phase, const virDomainEventGraphicsAddress *local, const virDomainEventGraphicsAddress *remote,
                        const char *scheme, const virDomainEventGraphicsSubject *subject, void *data) {
  WryVirt *virt = data;
  (void)conn;
  (void)domain;
  (void)local;
  (void)remote;
  (void)scheme;
  (void)subject;
  if (phase != VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE)
    TELL(virt, vnc, phase == VIR_DOMAIN_EVENT_GRAPHICS_CONNECT);
}

static const struct { int event; virConnectDomainEventGenericCallback callback; } callbacks[] = {
  {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)},
  {VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot)},
  {VIR_DOMAIN_EVENT_ID_WATCHDOG, VIR_DOMAIN_EVENT_CALLBACK(on_watchdog)},
  {VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_CALLBACK(on_io_error)},
  {VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_agent)},
  {VIR_DOMAIN_EVENT_ID_GRAPHICS, VIR_DOMAIN_EVENT_CALLBACK(on_graphics)},
};

gboolean wry_virt_listen(WryVirt *virt, virConnectPtr conn) {
  for (gsize i = 0; i < G_N_ELEMENTS(callbacks); i++)
    if (virConnectDomainEventRegisterAny(conn, NULL, callbacks[i].event, callbacks[i].callback, virt, NULL) < 0)
      return FALSE;
  return TRUE;
}
