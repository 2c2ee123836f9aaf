/* The report: what is planned, what libvirt says, what the guest says, how it ended; and what is kept of it for the next run. */
#include "launcher/end.h"
#include "launcher/facts.h"
#include "launcher/report.h"
#include "support_bundle.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Of wait(2). */
#define EXITED(code) ((code) << 8)
#define KILLED(sig) (sig)

/* --- end ---------------------------------------------------------------------------------------------------------------- */

typedef struct { WryEndFacts facts; const char *state, *reason, *failure, *message; } End;
static const End ends[] = {
  {{.started = TRUE, .has_status = TRUE, .guest_shutdown = TRUE, .off_reason = "Shutdown"}, "Shutoff", "Shutdown", NULL, NULL},
  {{.started = TRUE, .has_status = TRUE, .status = KILLED(SIGKILL), .guest_shutdown = TRUE}, "Shutoff", "Shutdown", NULL, NULL}, /* libvirt was impatient */
  {{.started = TRUE, .has_status = TRUE, .killed = TRUE, .off_reason = "Shutdown"}, "Shutoff", "Destroyed", NULL, NULL},
  {{.started = TRUE, .has_status = TRUE, .status = KILLED(SIGKILL), .killed = TRUE}, "Shutoff", "Destroyed", NULL, NULL},
  {{.started = TRUE, .has_status = TRUE, .killed = TRUE, .untouched = TRUE}, "Shutoff", "Shutdown", NULL, NULL},
  {{.started = TRUE, .has_status = TRUE, .status = KILLED(SIGKILL), .untouched = TRUE}, "Shutoff", "Crashed", "QEMUKilled", "QEMU was ended by signal 9 (SIGKILL)"},
  {{.started = TRUE, .has_status = TRUE, .status = KILLED(SIGKILL)}, "Shutoff", "Crashed", "QEMUKilled", "QEMU was ended by signal 9 (SIGKILL)"},
  {{.started = TRUE, .has_status = TRUE, .status = KILLED(SIGSEGV) | 0x80}, "Shutoff", "Crashed", "QEMUKilled", "QEMU was ended by signal 11 (SIGSEGV)"},
  {{.started = TRUE, .has_status = TRUE, .status = KILLED(SIGSYS)}, "Shutoff", "Crashed", "SeccompKill", "QEMU made a system call that its policy forbids and was killed (SIGSYS)"},
  {{.started = TRUE, .has_status = TRUE, .status = KILLED(SIGSYS), .killed = TRUE}, "Shutoff", "Crashed", "SeccompKill",
   "QEMU made a system call that its policy forbids and was killed (SIGSYS)"},
  {{.started = TRUE, .has_status = TRUE, .status = EXITED(1), .log_tail = "out of memory"}, "Shutoff", "Crashed", "QEMUExited", "QEMU exited with status 1: out of memory"},
  {{.started = TRUE, .has_status = TRUE, .status = EXITED(1)}, "Shutoff", "Crashed", "QEMUExited", "QEMU exited with status 1"},
  {{.started = TRUE, .has_status = TRUE, .panicked = TRUE, .off_reason = "Crashed"}, "Crashed", "Panicked", "GuestPanicked", "the guest's kernel panicked"},
  {{.started = TRUE, .has_status = TRUE, .host_signal = TRUE, .off_reason = "Shutdown"}, "Shutoff", "Crashed", "QEMUKilled",
   "QEMU was told to end by a signal that Wherry did not send"},
  {{.started = TRUE, .has_status = TRUE, .off_reason = "Shutdown"}, "Shutoff", "Shutdown", NULL, NULL},
  {{.started = TRUE, .has_status = TRUE, .watchdog = TRUE, .off_reason = "Crashed"}, "Shutoff", "Crashed", "WatchdogExpired", "the guest did not feed its watchdog, whose action is poweroff"},
  {{.started = TRUE, .off_reason = "Failed"}, "Shutoff", "Crashed", "QEMUKilled", "QEMU is gone; libvirt says: Failed"},
  {{.started = TRUE}, "Shutoff", "Crashed", "QEMUKilled", "QEMU is gone"},
  {{.start_error = "no such image"}, "Shutoff", "Failed", "StartFailed", "no such image"},
  {{.started = FALSE}, "Shutoff", "Destroyed", NULL, NULL}, /* told to stop before it ran */
};

START_TEST(ends_are_told_apart) {
  const End *end = &ends[_i];
  WryVmiReport *report = wry_report_new(NULL);
  report->qemuPid = (WryOptInt){TRUE, 7};
  wry_end_judge(&end->facts, report);
  ck_assert_str_eq(report->state, end->state);
  ck_assert_pstr_eq(report->reason, end->reason);
  ck_assert_pstr_eq(report->failure, end->failure);
  ck_assert_pstr_eq(report->message, end->message);
  ck_assert(!report->qemuPid.set);
  wry_struct_free(&wry_vmi_report_type, report);
}
END_TEST

/* --- report ------------------------------------------------------------------------------------------------------------- */

static WryVmi *vmi;
static WryBundle *bundle;
static WryDomainPlan *plan;

static void setup(void) {
  g_autoptr(GError) error = NULL;
  vmi = support_domain_vmi("'domain': {'memory': {'guest': '128Mi'}, 'devices': {'disks': [{'name': 'a', 'disk': {'bus': 'virtio'}}, {'name': 'b', 'cdrom': {'bus': 'sata'}}],"
                           "'interfaces': [{'name': 'default', 'masquerade': {}}, {'name': 'lan', 'bridge': {}, 'state': 'down'}]}},"
                           "'networks': [{'name': 'default', 'pod': {}}, {'name': 'lan', 'multus': {'networkName': 'lan'}}],"
                           "'volumes': [{'name': 'a', 'hostDisk': {'path': '/a', 'type': 'Disk'}}, {'name': 'b', 'hostDisk': {'path': '/b', 'type': 'Disk'}}]");
  bundle = support_domain_bundle("'volumes': [{'name': 'a', 'path': '/v/a', 'format': 'raw'}, {'name': 'b', 'path': '/v/b', 'format': 'raw'}],"
                                 "'interfaces': [{'name': 'default', 'tap': 'tap0', 'bridge': 'k6t-eth0', 'mac': '52:54:00:aa:bb:01', 'podIPs': ['10.9.0.7', 'fd00::7']},"
                                 "{'name': 'lan', 'tap': 'tap1', 'bridge': 'k6t-net1'}]");
  plan = wry_domain_plan(vmi, bundle, NULL, NULL, &error);
  ck_assert_msg(plan != NULL, "%s", error ? error->message : "");
}

static void teardown(void) {
  wry_domain_plan_free(plan);
  wry_struct_free(&wry_bundle_type, bundle);
  wry_struct_free(&wry_vmi_type, vmi);
}

/* The report as JSON text with ' for ". */
static char *text_of(const WryVmiReport *report) {
  g_autoptr(WryJson) json = wry_encode(&wry_vmi_report_type, report);
  return g_strdelimit(g_strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)), "\"", '\'');
}

static void has(const WryVmiReport *report, const char *expected) {
  g_autofree char *text = text_of(report);
  ck_assert_msg(strstr(text, expected) != NULL, "%s\nis not in\n%s", expected, text);
}

START_TEST(before_the_start) {
  WryVmiReport *report = wry_report_new(plan);
  has(report, "'state':'NoState'");
  has(report, "'memoryCurrent':134217728");
  has(report, "'volumes':[{'name':'a','target':'vda'},{'name':'b','target':'sda'}]");
  has(report, "{'name':'default','mac':'52:54:00:aa:bb:01','ipAddress':'10.9.0.7','ipAddresses':['10.9.0.7','fd00::7'],'infoSource':'domain','queueCount':1,'linkState':'up'}");
  has(report, "'infoSource':'domain','queueCount':1,'linkState':'down'}");
  wry_struct_free(&wry_vmi_report_type, report);
}
END_TEST

typedef struct { WryVirtStatus status; const char *state, *reason; } Said;
static const Said said[] = {
  {{WRY_VIRT_NONE, NULL}, "NoState", NULL},          {{WRY_VIRT_RUNS, "Unknown"}, "Running", NULL},        {{WRY_VIRT_PAUSED, "User"}, "Paused", "User"},
  {{WRY_VIRT_PAUSED, "IOError"}, "Paused", "IOError"}, {{WRY_VIRT_PAUSED, "PMSuspended"}, "PMSuspended", NULL}, {{WRY_VIRT_SHUTTING_DOWN, "Guest"}, "ShuttingDown", NULL},
  {{WRY_VIRT_OFF, "Shutdown"}, "Shutoff", "Shutdown"}, {{WRY_VIRT_CRASHED, "Panicked"}, "Crashed", "Panicked"},
};

START_TEST(libvirts_words) {
  WryVmiReport *report = wry_report_new(NULL);
  wry_report_status(report, said[_i].status);
  ck_assert_str_eq(report->state, said[_i].state);
  ck_assert_pstr_eq(report->reason, said[_i].reason);
  wry_struct_free(&wry_vmi_report_type, report);
}
END_TEST

START_TEST(the_live_domain) {
  const char *xml = "<domain type='kvm' id='1'><name>n</name><memory unit='KiB'>262144</memory><currentMemory unit='KiB'>65536</currentMemory>"
                    "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices><interface type='ethernet'><mac address='52:54:00:aa:bb:01'/></interface>"
                    "<interface type='ethernet'><mac address='52:54:00:aa:bb:02'/></interface><hostdev><mac address='ff:ff:ff:ff:ff:ff'/></hostdev>"
                    "<channel type='unix'><target type='virtio' name='other' state='connected'/></channel>"
                    "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel></devices></domain>";
  g_autoptr(WryLive) live = wry_live_parse(xml, NULL);
  WryVmiReport *report = wry_report_new(plan);
  ck_assert_ptr_nonnull(live);
  ck_assert(live->agent);
  wry_report_live(report, live);
  has(report, "'machine':'pc-q35-7.2'");
  has(report, "'memoryCurrent':67108864");
  has(report, "'name':'lan','mac':'52:54:00:aa:bb:02'");
  wry_report_guest(report, plan, NULL, NULL, NULL); /* what only libvirt knows is kept */
  has(report, "'name':'lan','mac':'52:54:00:aa:bb:02'");
  wry_struct_free(&wry_vmi_report_type, report);
  ck_assert_ptr_null(wry_live_parse("<domain><os>", NULL));
  ck_assert_ptr_null(wry_live_parse("", NULL));
}
END_TEST

static WryJson *json(const char *text) {
  g_autofree char *real = g_strdelimit(g_strdup(text), "'", '"');
  WryJson *value = wry_json_parse(real, strlen(real), NULL);
  ck_assert_ptr_nonnull(value);
  return value;
}

START_TEST(what_the_guest_says) {
  WryVmiReport *report = wry_report_new(plan);
  g_autoptr(WryJson) info = json("{'version':'7.2','supportedCommands':[]}"), os = json("{'name':'Debian'}"),
                     interfaces = json("[{'name':'eth0','mac':'52:54:00:aa:bb:01','ipAddresses':['10.0.2.2','fe80::1']}]");
  wry_report_agent(report, TRUE);
  wry_report_guest(report, plan, info, os, interfaces);
  has(report, "'agentConnected':true,'agentVersionSupported':false");
  has(report, "'guestOSInfo':{'name':'Debian'}");
  has(report, "'ipAddresses':['10.9.0.7'],'interfaceName':'eth0','infoSource':'domain, guest-agent'");
  WryVmiReport *again = wry_struct_copy(&wry_vmi_report_type, report);
  wry_report_guest(again, plan, info, os, interfaces); /* merging starts from the domain each time */
  ck_assert(wry_struct_equal(&wry_vmi_report_type, report, again));
  wry_report_agent(report, FALSE);
  wry_report_guest(report, plan, NULL, NULL, NULL);
  has(report, "'agentConnected':false");
  has(report, "'ipAddresses':['10.9.0.7','fd00::7'],'infoSource':'domain'");
  g_autofree char *text = text_of(report);
  ck_assert_ptr_null(strstr(text, "guestOSInfo"));
  wry_struct_free(&wry_vmi_report_type, report);
  wry_struct_free(&wry_vmi_report_type, again);
}
END_TEST

/* --- facts -------------------------------------------------------------------------------------------------------------- */

START_TEST(facts_survive) {
  g_autofree char *path = g_dir_make_tmp("wherry-facts-XXXXXX", NULL), *name = g_path_get_basename(path);
  wry_autofd int dir = wry_dir_open(path, NULL), tmp = wry_dir_open(g_get_tmp_dir(), NULL);
  WryFacts none = wry_facts_read(dir), facts = {.runs = 3, .live = TRUE, .killed = TRUE, .user_paused = TRUE};
  ck_assert(none.runs == 0 && !none.live);
  ck_assert(wry_facts_write(dir, &facts, NULL));
  WryFacts got = wry_facts_read(dir);
  ck_assert(got.runs == 3 && got.live && got.killed && got.user_paused && !got.panicked && !got.guest_shutdown && !got.host_signal);
  wry_vremove_tree(tmp, name, NULL);
}
END_TEST

START_TEST(facts_as_text) {
  WryFacts facts = wry_facts_parse("runs=2 live guest-shutdown host-signal panicked killed user-paused untouched watchdog");
  g_autofree char *text = wry_facts_print(&facts);
  ck_assert_str_eq(text, "runs=2 live guest-shutdown host-signal panicked killed user-paused untouched watchdog");
  WryFacts odd = wry_facts_parse("nonsense runs=x live2 \x01");
  ck_assert(odd.runs == 0 && !odd.live);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("report");
  TCase *end = tcase_create("end"), *report = tcase_create("report"), *facts = tcase_create("facts");
  tcase_add_loop_test(end, ends_are_told_apart, 0, G_N_ELEMENTS(ends));
  tcase_add_checked_fixture(report, setup, teardown);
  tcase_add_test(report, before_the_start);
  tcase_add_loop_test(report, libvirts_words, 0, G_N_ELEMENTS(said));
  tcase_add_test(report, the_live_domain);
  tcase_add_test(report, what_the_guest_says);
  tcase_add_test(facts, facts_survive);
  tcase_add_test(facts, facts_as_text);
  suite_add_tcase(suite, end);
  suite_add_tcase(suite, report);
  suite_add_tcase(suite, facts);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
