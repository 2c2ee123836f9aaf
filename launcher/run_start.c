/* From a bundle to a running guest, and from a living QEMU to an attached one.
 *
 * Thread: preparing storage writes files, an ISO image of many megabytes for one; that is done on a thread of its own, which ends with it, so that console, handler and a cancelling request are
 * served meanwhile. It works on what does not change: VMI and bundle.
 *
 * Whether a guest is started or found is decided by what a former `run` of this sandbox noted (facts.h) and by the kernel (qemu.h), never by libvirt alone. */
#include "launcher/report.h"
#include "launcher/run.h"
#include "launcher/storage/pod.h"
#include "launcher/storage/storage.h"
#include "launcher/virt/guard.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"
#include "wherry/vpath.h"
#include <fcntl.h>
#include <string.h>

#define BUNDLE_FILE "bundle.json"
#define SWEEP_MS 5000u

/* --- bundle ----------------------------------------------------------------------------------------------------------- */

static WryBundle *decode_bundle(const char *text, gsize length, GError **error) {
  g_autoptr(WryJson) json = wry_json_parse(text, length, error);
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryBundle *bundle = json ? wry_decode(&wry_bundle_type, json, "", causes) : NULL;
  if (!json || (bundle && wry_causes_count(causes) == 0))
    return bundle;
  g_autofree char *problems = wry_causes_text(causes);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "bundle: %s", problems);
  if (bundle)
    wry_struct_free(&wry_bundle_type, bundle);
  return NULL;
}

static const char *uid_of(const WryVmi *vmi) {
  return vmi->metadata && vmi->metadata->uid ? vmi->metadata->uid : "";
}

/* A later bundle is of the same VMI; what it brings anew (labels, annotations, probes) is the handler's to use. */
static gboolean is_same(const WryRun *run, const WryVmi *vmi, GError **error) {
  if (strcmp(uid_of(run->vmi), uid_of(vmi)) == 0)
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_CONFLICT, "this sandbox belongs to another VirtualMachineInstance");
  return FALSE;
}

gboolean wry_run_adopt(WryRun *run, const char *text, gsize length, gboolean keep, GError **error) {
  WryBundle *bundle = decode_bundle(text, length, error);
  WryVmi *vmi = bundle ? wry_domain_decode(bundle, error) : NULL;
  gboolean known = run->bundle != NULL, pod = bundle && wry_opt_bool(bundle->pod, FALSE);
  gboolean ok = vmi && (known || !pod || wry_storage_locate(bundle, vmi, NULL, error)) && (!known || is_same(run, vmi, error)) && (!keep || wry_vwrite(run->vm_dir, BUNDLE_FILE, text, length, 0600, error));
  if (ok && !known) {
    run->bundle = g_steal_pointer(&bundle);
    run->vmi = g_steal_pointer(&vmi);
    run->domain = g_strdup_printf("%s_%s", run->vmi->metadata->namespace_ ? run->vmi->metadata->namespace_ : "default", run->vmi->metadata->name);
  }
  if (vmi)
    wry_struct_free(&wry_vmi_type, vmi);
  if (bundle)
    wry_struct_free(&wry_bundle_type, bundle);
  return ok;
}

/* A guest that never ran is started from scratch: whatever its unfinished start has left goes first. */
static void start_over(WryRun *run) {
  if (!wry_qemu_sweep(run->proc_dir, SWEEP_MS)) {
    wry_log(WRY_LOG_ERROR, "a process of an unfinished start does not end", NULL);
    return; /* init starts us again when the loop has ended */
  }
  wry_guard_forget(run->vm_dir, run->domain);
  wry_run_feed(run, WRY_VM_EV_BUNDLE, NULL);
}

/* The guest runs, but the former run did not live to note it, or had no space to. */
static gboolean runs_unnoted(const WryRun *run) {
  return wry_guard_has_run(run->vm_dir, run->domain) && wry_qemu_find(run->proc_dir, wry_guard_pid(run->vm_dir, run->domain)) > 0;
}

void wry_run_resume_former(WryRun *run) {
  gsize length;
  g_autoptr(GError) error = NULL;
  run->facts = wry_facts_read(run->vm_dir);
  run->facts.runs++;
  g_autofree char *text = wry_vread(run->vm_dir, BUNDLE_FILE, WRY_MAX_BUNDLE, &length, NULL);
  if (!wry_facts_write(run->vm_dir, &run->facts, &error)) /* a full directory stops nothing */
    wry_log(WRY_LOG_WARNING, "facts not kept", "why", error->message, NULL);
  g_clear_error(&error);
  if (text && !wry_run_adopt(run, text, length, FALSE, &error)) {
    wry_log(WRY_LOG_WARNING, "the bundle that a former run kept", "why", error->message, NULL);
    return;
  }
  if (!text || wry_run_recall_end(run))
    return;
  if (run->facts.live || runs_unnoted(run))
    wry_run_feed(run, WRY_VM_EV_ATTACH, NULL);
  else
    start_over(run);
}

/* --- prepare ---------------------------------------------------------------------------------------------------------- */

typedef struct {
  WryRun *run;
  WryDomainPlan *plan;
  char *xml;
  GError *error;
} Preparation;

static void fail_start(WryRun *run, const char *what) {
  g_free(run->start_error);
  run->start_error = g_strdup(what);
  wry_log(WRY_LOG_ERROR, "the VM cannot be started", "why", what, NULL);
  wry_run_feed(run, WRY_VM_EV_FAILED, NULL);
}

static gboolean prepared(gpointer data) {
  Preparation *p = data;
  WryRun *run = p->run;
  run->plan = p->plan;
  run->xml = p->xml;
  if (p->error)
    fail_start(run, p->error->message);
  else
    wry_run_feed(run, WRY_VM_EV_PREPARED, NULL);
  g_clear_error(&p->error);
  g_free(p);
  return G_SOURCE_REMOVE;
}

static gpointer prepare(gpointer data) {
  Preparation *p = data;
  const WryRun *run = p->run;
  g_autoptr(GPtrArray) direct = NULL;
  if (wry_storage_prepare(run->vmi, run->bundle, NULL, &direct, &p->error))
    p->plan = wry_domain_plan(run->vmi, run->bundle, direct, NULL, &p->error);
  p->xml = p->plan ? wry_domain_emit(p->plan, &p->error) : NULL;
  g_idle_add_full(G_PRIORITY_DEFAULT, prepared, p, NULL);
  return NULL;
}

static void open_virt(WryRun *run, WryVirtDone done) {
  g_autofree char *root = g_build_filename(wry_domain_dirs.vm, WRY_GUARD_ROOT, NULL);
  run->virt = wry_virt_new(root, run->domain, &wry_run_events, run);
  wry_virt_do(run->virt, WRY_VIRT_OPEN, NULL, 0, done, run);
}

/* libvirt opens while something else is being prepared; its start waits in the same queue behind. */
static void opened_for_start(const char *text, const GError *error, gpointer data) {
  WryRun *run = data;
  (void)text;
  if (error && !run->start_error)
    run->start_error = g_strdup(error->message);
}

static gboolean open_for_start(WryRun *run, GError **error) {
  wry_autofd int caps = run->node_dir < 0 ? -1 : wry_vopen(run->node_dir, "qemu-caps", O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  if (!wry_guard_prepare(run->vm_dir, caps, error))
    return FALSE;
  open_virt(run, opened_for_start);
  wry_virt_do(run->virt, WRY_VIRT_WARM, wry_domain_dirs.emulator, 0, NULL, NULL);
  return TRUE;
}

/* The first bundle comes when the network stands. Until then there is nothing to do but what every start needs. Only where libvirt never was: anywhere else it might re-attach, which is
 * done with care and by ATTACH alone. */
void wry_run_get_ready(WryRun *run) {
  g_autoptr(GError) error = NULL;
  gboolean fresh = run->phase == WRY_VM_WAITING && !run->bundle && !wry_vexists(run->vm_dir, WRY_GUARD_ROOT);
  if (fresh && !open_for_start(run, &error))
    wry_log(WRY_LOG_DEBUG, "not opened ahead", "why", error->message, NULL); /* the start meets the same trouble and reports it */
}

void wry_run_prepare(WryRun *run) {
  Preparation *p = g_new0(Preparation, 1);
  p->run = run;
  if (!run->virt && !open_for_start(run, &p->error)) {
    g_idle_add(prepared, p);
    return;
  }
  wry_virt_set_name(run->virt, run->domain);
  g_thread_unref(g_thread_new("wry-prepare", prepare, p));
}

/* --- console ---------------------------------------------------------------------------------------------------------- */

/* Open for both directions, so that neither we nor QEMU ever see an end of file. */
static int open_fifo(WryRun *run, const char *name, GError **error) {
  if (!wry_vexists(run->vm_dir, name) && !wry_vmkfifo(run->vm_dir, name, 0600, error))
    return -1;
  return wry_vopen(run->vm_dir, name, O_RDWR | O_NONBLOCK, 0, WRY_WANT_FIFO, error);
}

static gboolean open_console(WryRun *run, GError **error) {
  if (!run->plan->serial || run->console)
    return TRUE;
  g_autofree char *base = g_path_get_basename(run->plan->serial), *in = g_strconcat(base, ".in", NULL), *out = g_strconcat(base, ".out", NULL);
  wry_autofd int from = open_fifo(run, out, error);
  wry_autofd int to = from < 0 ? -1 : open_fifo(run, in, error);
  if (to < 0)
    return FALSE;
  if (run->state_dir >= 0 && wry_opt_bool(run->bundle->node->serialLog, TRUE))
    run->console_log = wry_console_log_new(run->state_dir, run->facts.runs == 1, error);
  if (error && *error)
    return FALSE;
  run->console = wry_console_new(from, to, run->console_log);
  from = to = -1;
  return TRUE;
}

static void make_report(WryRun *run) {
  if (run->report)
    wry_struct_free(&wry_vmi_report_type, run->report);
  run->report = wry_report_new(run->plan);
  run->report->userPaused = (WryOptBool){TRUE, run->facts.user_paused};
}

/* --- start ------------------------------------------------------------------------------------------------------------ */

static gboolean starts_paused(const WryRun *run) {
  return g_strcmp0(run->vmi->spec->startStrategy, "Paused") == 0;
}

static void failed_to_start(WryRun *run, const char *why) {
  g_autofree char *tail = wry_guard_log_tail(run->vm_dir, run->domain, 1024), *text = run->start_error ? g_steal_pointer(&run->start_error) : g_strdup(why);
  const char *complaint = strstr(tail, "qemu-system"); /* QEMU's own words, when it came that far */
  g_autofree char *all = complaint && !strstr(text, complaint) ? g_strdup_printf("%s: %s", text, complaint) : g_strdup(text);
  if (!wry_qemu_sweep(run->proc_dir, SWEEP_MS))
    wry_log(WRY_LOG_ERROR, "a process of a failed start does not end", NULL);
  fail_start(run, all);
}

static void started(const char *text, const GError *error, gpointer data) {
  WryRun *run = data;
  (void)text;
  if (error) {
    failed_to_start(run, error->message);
    return;
  }
  wry_run_watch_qemu(run, wry_qemu_find(run->proc_dir, wry_guard_pid(run->vm_dir, run->domain)));
  wry_run_feed(run, starts_paused(run) ? WRY_VM_EV_HALTED : WRY_VM_EV_RUNS, NULL);
  if (!run->qemu) /* it has ended already */
    wry_run_feed(run, WRY_VM_EV_GONE, NULL);
}

void wry_run_start(WryRun *run) {
  g_autoptr(GError) error = NULL;
  if (!open_console(run, &error)) {
    fail_start(run, error->message);
    return;
  }
  make_report(run);
  wry_run_report(run);
  wry_run_serve_network(run);
  wry_run_note(run, &run->facts.untouched, starts_paused(run));
  wry_virt_do(run->virt, starts_paused(run) ? WRY_VIRT_START_PAUSED : WRY_VIRT_START, run->xml, 0, started, run);
  g_clear_pointer(&run->xml, g_free);
}

/* --- attach ----------------------------------------------------------------------------------------------------------- */

/* The driver is opened once per process; when that went wrong, the next `run` does it better. */
static void attached(const char *text, const GError *error, gpointer data) {
  WryRun *run = data;
  WryVirtState state = error ? WRY_VIRT_NONE : wry_virt_status(run->virt).state;
  (void)text;
  wry_guard_after_attach(run->vm_dir);
  if (run->phase != WRY_VM_ATTACHING)
    return;
  if (state == WRY_VIRT_NONE || state == WRY_VIRT_OFF) {
    wry_log(WRY_LOG_ERROR, "libvirt did not attach to the living QEMU", "why", error ? error->message : "it knows no such domain", NULL);
    g_main_loop_quit(run->loop);
    return;
  }
  wry_run_feed(run, state == WRY_VIRT_PAUSED ? WRY_VM_EV_HALTED : WRY_VM_EV_RUNS, NULL);
}

static gboolean plan_again(WryRun *run, GError **error) {
  run->plan = run->plan ? run->plan : wry_domain_plan(run->vmi, run->bundle, NULL, NULL, error);
  if (!run->plan)
    return FALSE;
  if (!run->report)
    make_report(run);
  return open_console(run, error);
}

void wry_run_attach(WryRun *run) {
  g_autoptr(GError) error = NULL;
  if (!plan_again(run, &error)) /* the VM lives on without what is missing */
    wry_log(WRY_LOG_WARNING, "attach", "why", error->message, NULL);
  g_clear_error(&error);
  wry_run_serve_network(run);
  wry_run_watch_qemu(run, wry_qemu_find(run->proc_dir, wry_guard_pid(run->vm_dir, run->domain)));
  if (!run->qemu) {
    wry_run_feed(run, WRY_VM_EV_GONE, NULL);
    return;
  }
  if (!wry_guard_before_attach(run->vm_dir, run->domain, &error)) {
    wry_log(WRY_LOG_WARNING, "not attached; the VM runs on", "why", error->message, NULL);
    wry_run_feed(run, WRY_VM_EV_FAILED, NULL);
    return;
  }
  open_virt(run, attached);
}
