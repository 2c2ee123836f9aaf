/* The domain through libvirt's embedded driver.
 *
 * Threads: libvirt's calls block until QEMU (or the guest agent) has answered, and a stopped QEMU or a hostile guest may never answer. So they run on two worker threads, one for the
 * domain and one for the agent, each with a queue; the main loop stays free for the console, the handler and for killing QEMU. A thread that hangs is left to the process's end.
 * Results and events reach the owner on the default GMainContext only; libvirt dispatches its events there by itself (virEventRegisterDefaultImpl).
 *
 * The domain is transient (virDomainCreateXML): a transient domain is re-attached just as a defined one, and leaves nothing to undefine. */
#include "launcher/virt/virt.h"
#include "launcher/virt/virt_private.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#define MAX_QUEUED 32
#define AGENT_SECONDS 5 /* of agent calls whose timeout libvirt chooses */

typedef struct {
  WryVirt *virt; /* NULL tells a worker to end */
  WryVirtOp op;
  char *argument;
  guint timeout;
  WryVirtDone done;
  gpointer data;
  char *text; /* answer */
  GError *error;
  WryVirtStatus found; /* by OPEN */
} Job;

static void job_free(Job *job) {
  g_free(job->argument);
  g_free(job->text);
  g_clear_error(&job->error);
  g_free(job);
}

/* --- errors ----------------------------------------------------------------------------------------------------------- */

static const struct { int libvirt; WryErrorCode code; } error_codes[] = {
  {VIR_ERR_NO_DOMAIN, WRY_ERROR_NOT_FOUND},          {VIR_ERR_OPERATION_INVALID, WRY_ERROR_CONFLICT}, {VIR_ERR_AGENT_UNRESPONSIVE, WRY_ERROR_TIMEOUT},
  {VIR_ERR_OPERATION_TIMEOUT, WRY_ERROR_TIMEOUT},    {VIR_ERR_OPERATION_UNSUPPORTED, WRY_ERROR_UNSUPPORTED}, {VIR_ERR_CONFIG_UNSUPPORTED, WRY_ERROR_UNSUPPORTED},
  {VIR_ERR_ARGUMENT_UNSUPPORTED, WRY_ERROR_UNSUPPORTED},
};

/* The calling thread's last libvirt error. */
static gboolean set_error(GError **error) {
  virErrorPtr last = virGetLastError();
  WryErrorCode code = WRY_ERROR_FAILED;
  for (gsize i = 0; last && i < G_N_ELEMENTS(error_codes); i++)
    if (error_codes[i].libvirt == last->code)
      code = error_codes[i].code;
  g_set_error(error, WRY_ERROR, code, "libvirt: %s", last && last->message ? last->message : "no reason given");
  return FALSE;
}

static gboolean fail(Job *job) {
  return set_error(&job->error);
}

/* --- driver --------------------------------------------------------------------------------------------------------- */

/* libvirt would print each error too. */
static void silent(void *data, virErrorPtr error) {
  (void)data;
  (void)error;
}

/* Before the first call of libvirt. */
static void register_once(void) {
  static gsize once = 0;
  if (!g_once_init_enter(&once))
    return;
  g_setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", FALSE); /* errors reach the callers as GErrors */
  virSetErrorFunc(NULL, silent);
  virEventRegisterDefaultImpl();
  g_once_init_leave(&once, 1);
}

static virConnectPtr open_root(const char *root) {
  g_autofree char *escaped = g_uri_escape_string(root, "/", FALSE), *uri = g_strconcat("qemu:///embed?root=", escaped, NULL);
  return virConnectOpen(uri);
}

/* --- operations, on a worker ------------------------------------------------------------------------------------------ */

static virConnectPtr connection(Job *job) {
  virConnectPtr conn = g_atomic_pointer_get(&job->virt->conn);
  if (!conn)
    g_set_error_literal(&job->error, WRY_ERROR, WRY_ERROR_CONFLICT, "libvirt: not opened");
  return conn;
}

static virDomainPtr find(Job *job) {
  virConnectPtr conn = connection(job);
  const char *name = g_atomic_pointer_get(&job->virt->name);
  return conn && name ? virDomainLookupByName(conn, name) : NULL;
}

/* libvirt re-attaches on a thread of its own, which holds the domain's job until it is done (and writes the status file: it needs its space that long). A query waits for the job. */
static void await_reattached(virDomainPtr domain) {
  virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
  virDomainMemoryStats(domain, stats, G_N_ELEMENTS(stats), 0);
}

static gboolean op_open(Job *job, virDomainPtr none) {
  int state = 0, reason = 0;
  (void)none;
  const char *name = g_atomic_pointer_get(&job->virt->name);
  virConnectPtr conn = open_root(job->virt->root);
  if (!conn || !wry_virt_listen(job->virt, conn))
    return fail(job);
  g_atomic_pointer_set(&job->virt->conn, conn);
  virDomainPtr domain = name ? virDomainLookupByName(conn, name) : NULL;
  if (domain)
    await_reattached(domain);
  if (domain && virDomainGetState(domain, &state, &reason, 0) == 0)
    job->found = wry_virt_status_of_state(state, reason);
  if (domain) {
    virDomainAgentSetResponseTimeout(domain, AGENT_SECONDS, 0);
    virDomainFree(domain);
  }
  return TRUE;
}

/* A start that waits already loads what it needs by itself. */
static gboolean op_warm(Job *job, virDomainPtr none) {
  virConnectPtr conn = connection(job);
  (void)none;
  if (conn && g_async_queue_length(job->virt->queues[0]) <= 0)
    free(virConnectGetDomainCapabilities(conn, job->argument, NULL, NULL, NULL, 0));
  return conn != NULL;
}

static gboolean start(Job *job, unsigned flags) {
  virConnectPtr conn = connection(job);
  if (!conn)
    return FALSE;
  virDomainPtr domain = virDomainCreateXML(conn, job->argument, flags);
  if (!domain)
    return fail(job);
  virDomainAgentSetResponseTimeout(domain, AGENT_SECONDS, 0);
  virDomainFree(domain);
  return TRUE;
}

static gboolean op_start(Job *job, virDomainPtr none) {
  (void)none;
  return start(job, 0);
}

static gboolean op_start_paused(Job *job, virDomainPtr none) {
  (void)none;
  return start(job, VIR_DOMAIN_START_PAUSED);
}

static gboolean op_suspend(Job *job, virDomainPtr domain) {
  return virDomainSuspend(domain) == 0 || fail(job);
}

static gboolean op_resume(Job *job, virDomainPtr domain) {
  return virDomainResume(domain) == 0 || fail(job);
}

static gboolean op_reset(Job *job, virDomainPtr domain) {
  return virDomainReset(domain, 0) == 0 || fail(job);
}

static gboolean op_reboot_agent(Job *job, virDomainPtr domain) {
  return virDomainReboot(domain, VIR_DOMAIN_REBOOT_GUEST_AGENT) == 0 || fail(job);
}

static gboolean op_reboot_acpi(Job *job, virDomainPtr domain) {
  return virDomainReboot(domain, VIR_DOMAIN_REBOOT_ACPI_POWER_BTN) == 0 || fail(job);
}

static gboolean op_shutdown_agent(Job *job, virDomainPtr domain) {
  return virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_GUEST_AGENT) == 0 || fail(job);
}

static gboolean op_shutdown_acpi(Job *job, virDomainPtr domain) {
  return virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) == 0 || fail(job);
}

static gboolean op_destroy(Job *job, virDomainPtr domain) {
  return virDomainDestroy(domain) == 0 || fail(job);
}

static gboolean op_xml(Job *job, virDomainPtr domain) {
  char *xml = virDomainGetXMLDesc(domain, 0);
  job->text = g_strdup(xml);
  free(xml);
  return job->text != NULL || fail(job);
}

static gboolean op_set_time(Job *job, virDomainPtr domain) {
  gint64 now = g_get_real_time();
  return virDomainSetTime(domain, now / G_USEC_PER_SEC, (unsigned)(now % G_USEC_PER_SEC) * 1000, 0) == 0 || fail(job);
}

static gboolean op_agent(Job *job, virDomainPtr domain) {
  char *reply = virDomainQemuAgentCommand(domain, job->argument, (int)job->timeout, 0);
  job->text = g_strdup(reply);
  free(reply);
  return job->text != NULL || fail(job);
}

/* `agent`: waits in the agent's queue. `domain`: needs a domain that exists. */
static const struct { gboolean (*run)(Job *job, virDomainPtr domain); gboolean agent, domain; } ops[WRY_VIRT_OPS] = {
  [WRY_VIRT_OPEN] = {op_open, FALSE, FALSE},
  [WRY_VIRT_WARM] = {op_warm, FALSE, FALSE},
  [WRY_VIRT_START] = {op_start, FALSE, FALSE},
  [WRY_VIRT_START_PAUSED] = {op_start_paused, FALSE, FALSE},
  [WRY_VIRT_SUSPEND] = {op_suspend, FALSE, TRUE},
  [WRY_VIRT_RESUME] = {op_resume, FALSE, TRUE},
  [WRY_VIRT_RESET] = {op_reset, FALSE, TRUE},
  [WRY_VIRT_REBOOT_AGENT] = {op_reboot_agent, TRUE, TRUE},
  [WRY_VIRT_REBOOT_ACPI] = {op_reboot_acpi, FALSE, TRUE},
  [WRY_VIRT_SHUTDOWN_AGENT] = {op_shutdown_agent, TRUE, TRUE},
  [WRY_VIRT_SHUTDOWN_ACPI] = {op_shutdown_acpi, FALSE, TRUE},
  [WRY_VIRT_DESTROY] = {op_destroy, FALSE, TRUE},
  [WRY_VIRT_XML] = {op_xml, FALSE, TRUE},
  [WRY_VIRT_SET_TIME] = {op_set_time, TRUE, TRUE},
  [WRY_VIRT_AGENT] = {op_agent, TRUE, TRUE},
};

/* --- queues ----------------------------------------------------------------------------------------------------------- */

/* On the main loop. */
static gboolean deliver(gpointer data) {
  Job *job = data;
  WryVirt *virt = job->virt;
  g_atomic_int_add(&virt->waiting[ops[job->op].agent], -1);
  if (job->op == WRY_VIRT_OPEN && !job->error)
    virt->status = job->found;
  if (job->done)
    job->done(job->text, job->error, job->data);
  job_free(job);
  return G_SOURCE_REMOVE;
}

static void answer(Job *job) {
  g_autoptr(GSource) source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(source, deliver, job, NULL);
  g_source_attach(source, NULL);
}

static gpointer work(gpointer data) {
  GAsyncQueue *queue = data;
  Job *job;
  for (; (job = g_async_queue_pop(queue))->virt; answer(job)) {
    virDomainPtr domain = ops[job->op].domain ? find(job) : NULL;
    if (!ops[job->op].domain || domain)
      ops[job->op].run(job, domain);
    else if (!job->error)
      fail(job);
    if (domain)
      virDomainFree(domain);
  }
  job_free(job);
  g_async_queue_unref(queue);
  return NULL;
}

void wry_virt_do(WryVirt *virt, WryVirtOp op, const char *argument, guint timeout, WryVirtDone done, gpointer data) {
  int queue = ops[op].agent;
  g_autoptr(GError) full = NULL;
  if (g_atomic_int_get(&virt->waiting[queue]) >= MAX_QUEUED) {
    g_set_error_literal(&full, WRY_ERROR, WRY_ERROR_TOO_LARGE, "libvirt: too many operations wait");
    if (done)
      done(NULL, full, data);
    return;
  }
  Job *job = g_new0(Job, 1);
  *job = (Job){.virt = virt, .op = op, .argument = g_strdup(argument), .timeout = timeout, .done = done, .data = data};
  g_atomic_int_inc(&virt->waiting[queue]);
  g_async_queue_push(virt->queues[queue], job);
}

WryVirtStatus wry_virt_status(const WryVirt *virt) {
  return virt->status;
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

WryVirt *wry_virt_new(const char *root, const char *name, const WryVirtEvents *events, gpointer data) {
  static const char *const names[] = {"wry-domain", "wry-agent"};
  register_once();
  WryVirt *virt = g_new0(WryVirt, 1);
  *virt = (WryVirt){.root = g_strdup(root), .name = g_strdup(name), .events = events, .data = data};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    virt->queues[i] = g_async_queue_new();
    g_thread_unref(g_thread_new(names[i], work, g_async_queue_ref(virt->queues[i])));
  }
  return virt;
}

void wry_virt_set_name(WryVirt *virt, const char *name) {
  g_atomic_pointer_set(&virt->name, g_strdup(name));
}

void wry_virt_free(WryVirt *virt) {
  if (!virt)
    return;
  virt->events = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(virt->queues); i++) {
    g_async_queue_push(virt->queues[i], g_new0(Job, 1));
    g_async_queue_unref(virt->queues[i]);
  }
  /* The rest belongs to threads that may still be in a call; it is freed with the process, of which this is the end. */
}

/* Beside the cache: what answered, for whoever looks after the node. */
static gboolean write_versions(virConnectPtr conn, const char *root, GError **error) {
  g_autofree char *path = g_build_filename(root, "cache/qemu/capabilities", NULL);
  unsigned long libvirt = 0, qemu = 0;
  if (virConnectGetLibVersion(conn, &libvirt) != 0 || virConnectGetVersion(conn, &qemu) != 0)
    return set_error(error);
  g_autofree char *text = g_strdup_printf("libvirt %lu.%lu.%lu\nqemu %lu.%lu.%lu\n", libvirt / 1000000, libvirt / 1000 % 1000, libvirt % 1000, qemu / 1000000, qemu / 1000 % 1000,
                                          qemu % 1000);
  wry_autofd int dir = wry_dir_open(path, error);
  return dir >= 0 && wry_vwrite(dir, "versions", text, strlen(text), 0644, error);
}

gboolean wry_virt_probe(const char *root, const char *emulator, GError **error) {
  register_once();
  virConnectPtr conn = open_root(root);
  char *caps = conn ? virConnectGetDomainCapabilities(conn, emulator, NULL, NULL, NULL, 0) : NULL;
  gboolean ok = caps ? write_versions(conn, root, error) : set_error(error);
  free(caps);
  return ok; /* the driver ends with the process */
}
