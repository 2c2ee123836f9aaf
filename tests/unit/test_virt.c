/* libvirt's edge: words, the guards around its directory, and the embedded driver without a domain. Domains with real QEMU are in tests/launcher. */
#include "launcher/virt/guard.h"
#include "launcher/virt/virt.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <check.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

typedef struct { gboolean event; int state, reason; WryVirtState expected; const char *word; } Word;
static const Word words[] = {
  {FALSE, VIR_DOMAIN_NOSTATE, 0, WRY_VIRT_NONE, NULL},
  {FALSE, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, WRY_VIRT_RUNS, "Unknown"},
  {FALSE, VIR_DOMAIN_BLOCKED, 0, WRY_VIRT_RUNS, "Unknown"},
  {FALSE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, WRY_VIRT_PAUSED, "User"},
  {FALSE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR, WRY_VIRT_PAUSED, "IOError"},
  {FALSE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, WRY_VIRT_PAUSED, "PostcopyFailed"},
  {FALSE, VIR_DOMAIN_PAUSED, 99, WRY_VIRT_PAUSED, "Unknown"},
  {FALSE, VIR_DOMAIN_PAUSED, -1, WRY_VIRT_PAUSED, "Unknown"},
  {FALSE, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED, WRY_VIRT_OFF, "Crashed"},
  {FALSE, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DAEMON, WRY_VIRT_OFF, "Destroyed"},
  {FALSE, VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED, WRY_VIRT_CRASHED, "Panicked"},
  {FALSE, VIR_DOMAIN_PMSUSPENDED, 0, WRY_VIRT_PAUSED, "PMSuspended"},
  {FALSE, 99, 0, WRY_VIRT_NONE, NULL},
  {FALSE, -1, 0, WRY_VIRT_NONE, NULL},
  {TRUE, VIR_DOMAIN_EVENT_DEFINED, 0, WRY_VIRT_NONE, NULL},
  {TRUE, VIR_DOMAIN_EVENT_STARTED, 0, WRY_VIRT_RUNS, "Unknown"},
  {TRUE, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, WRY_VIRT_PAUSED, "User"},
  {TRUE, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG, WRY_VIRT_PAUSED, "Watchdog"},
  {TRUE, VIR_DOMAIN_EVENT_RESUMED, 0, WRY_VIRT_RUNS, "Unknown"},
  {TRUE, VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_GUEST, WRY_VIRT_SHUTTING_DOWN, "Guest"},
  {TRUE, VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_HOST, WRY_VIRT_SHUTTING_DOWN, "Host"},
  {TRUE, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, WRY_VIRT_OFF, "Shutdown"},
  {TRUE, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, WRY_VIRT_OFF, "Failed"},
  {TRUE, VIR_DOMAIN_EVENT_CRASHED, 0, WRY_VIRT_CRASHED, "Panicked"},
  {TRUE, 99, 0, WRY_VIRT_NONE, NULL},
};

START_TEST(numbers_become_words) {
  const Word *w = &words[_i];
  WryVirtStatus got = w->event ? wry_virt_status_of_event(w->state, w->reason) : wry_virt_status_of_state(w->state, w->reason);
  ck_assert_int_eq(got.state, w->expected);
  ck_assert_pstr_eq(got.reason, w->word);
}
END_TEST

/* --- guard ------------------------------------------------------------------------------------------------------------- */

#define STATUS "libvirt/run/qemu/ns_vm.xml"
#define LOG "libvirt/log/qemu/ns_vm.log"

static char *path;
static int dir;

static void setup(void) {
  path = g_dir_make_tmp("wherry-virt-XXXXXX", NULL);
  dir = wry_dir_open(path, NULL);
  ck_assert_int_ge(dir, 0);
}

static void teardown(void) {
  g_autofree char *name = g_path_get_basename(path);
  wry_autofd int tmp = wry_dir_open(g_get_tmp_dir(), NULL);
  wry_fd_close(&dir);
  wry_vremove_tree(tmp, name, NULL);
  g_free(path);
}

static void put(const char *name, const char *text) {
  ck_assert(wry_vwrite(dir, name, text, strlen(text), 0600, NULL));
}

static char *get(const char *name) {
  gsize length;
  return wry_vread(dir, name, 1 << 20, &length, NULL);
}

START_TEST(prepare_is_idempotent_and_copies_the_cache) {
  wry_autofd int caps = wry_vmkdir(dir, "caps", 0700, NULL);
  put("caps/one.xml", "<qemuCaps/>");
  put("caps/note.txt", "not a cache file");
  ck_assert(wry_guard_prepare(dir, caps, NULL));
  put("libvirt/cache/qemu/capabilities/one.xml", "<newer/>");
  ck_assert(wry_guard_prepare(dir, caps, NULL));
  g_autofree char *cache = get("libvirt/cache/qemu/capabilities/one.xml"), *conf = get("libvirt/etc/qemu.conf");
  ck_assert_str_eq(cache, "<newer/>");
  ck_assert_ptr_nonnull(strstr(conf, "stdio_handler = \"file\""));
  ck_assert(!wry_vexists(dir, "libvirt/cache/qemu/capabilities/note.txt"));
  ck_assert(wry_vexists(dir, "reserve/0"));
}
END_TEST

static const struct { const char *text; gboolean whole; } texts[] = {
  {"<domstatus state='running' pid='7'><a b=\"c\"/><!-- x --></domstatus>\n", TRUE}, {"<!--\nWARNING\n-->\n<domstatus><a/></domstatus>", TRUE},
  {"", FALSE}, {"<domstatus state='running'", FALSE}, {"<domstatus><a>", FALSE}, {"<domstatus></other>", FALSE}, {"\n", FALSE},
};

START_TEST(whole_or_not) {
  ck_assert_int_eq(wry_guard_is_whole(texts[_i].text, strlen(texts[_i].text)), texts[_i].whole);
}
END_TEST

START_TEST(zeros_are_not_whole) {
  const char zeros[512] = {0};
  ck_assert(!wry_guard_is_whole(zeros, sizeof zeros));
}
END_TEST

/* Cut at every byte, the file is rewritten from the copy. */
START_TEST(a_status_file_cut_anywhere_is_repaired) {
  const char *text = "<domstatus state='running' pid='7'><domain id='1'><name>ns_vm</name></domain></domstatus>";
  ck_assert(wry_guard_prepare(dir, -1, NULL));
  put(STATUS, text);
  ck_assert(wry_guard_keep_status(dir, "ns_vm", NULL));
  for (gsize cut = 0; cut < strlen(text); cut++) {
    ck_assert(wry_vwrite(dir, STATUS, text, cut, 0600, NULL));
    ck_assert(!wry_guard_keep_status(dir, "ns_vm", NULL)); /* a broken file never becomes the copy */
    ck_assert(wry_guard_before_attach(dir, "ns_vm", NULL));
    g_autofree char *now = get(STATUS);
    ck_assert_str_eq(now, text);
  }
  ck_assert(wry_vunlink(dir, STATUS, NULL));
  ck_assert(wry_guard_before_attach(dir, "ns_vm", NULL));
  g_autofree char *now = get(STATUS);
  ck_assert_str_eq(now, text);
}
END_TEST

START_TEST(without_any_copy_attaching_is_refused) {
  g_autoptr(GError) error = NULL;
  ck_assert(wry_guard_prepare(dir, -1, NULL));
  put(STATUS, "<domstatus");
  ck_assert(!wry_guard_before_attach(dir, "ns_vm", &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_NOT_FOUND));
}
END_TEST

static const struct { const char *text; gboolean ran; } statuses[] = {
  {"<domstatus state='running' reason='booted' pid='7'><domain/></domstatus>", TRUE}, {"<domstatus state='paused' reason='user' pid='7'/>", TRUE},
  {"<!-- x -->\n<domstatus state='paused' reason='starting up' pid='7'/>", FALSE}, {"<domstatus state='running'", FALSE}, {"<domstatus/>", FALSE},
  {"<other state='running'/>", FALSE}, {"", FALSE}, {"<domstatus state='shutdown' reason='unknown'/>", FALSE},
};

START_TEST(whether_the_guest_ran) {
  ck_assert(wry_guard_prepare(dir, -1, NULL));
  ck_assert(!wry_guard_has_run(dir, "ns_vm"));
  put(STATUS, statuses[_i].text);
  ck_assert_int_eq(wry_guard_has_run(dir, "ns_vm"), statuses[_i].ran);
}
END_TEST

START_TEST(forgetting) {
  ck_assert(wry_guard_prepare(dir, -1, NULL));
  put(STATUS, "<domstatus/>");
  ck_assert(wry_guard_keep_status(dir, "ns_vm", NULL));
  wry_guard_forget(dir, "ns_vm");
  ck_assert(!wry_vexists(dir, STATUS));
  ck_assert(!wry_guard_before_attach(dir, "ns_vm", NULL));
}
END_TEST

START_TEST(pid_and_log) {
  ck_assert(wry_guard_prepare(dir, -1, NULL));
  ck_assert_int_eq(wry_guard_pid(dir, "ns_vm"), 0);
  put("libvirt/run/qemu/ns_vm.pid", "4711");
  ck_assert_int_eq(wry_guard_pid(dir, "ns_vm"), 4711);
  put("libvirt/run/qemu/ns_vm.pid", "-3");
  ck_assert_int_eq(wry_guard_pid(dir, "ns_vm"), 0);
  g_autofree char *none = wry_guard_log_tail(dir, "ns_vm", 20);
  ck_assert_str_eq(none, "");
  put(LOG, "starting up\nqemu-system-x86_64: \x1b[2Jno \xff space\n");
  g_autofree char *tail = wry_guard_log_tail(dir, "ns_vm", 14);
  ck_assert_ptr_nonnull(strstr(tail, "space"));
  ck_assert_ptr_null(strchr(tail, '\x1b'));
  ck_assert(g_utf8_validate(tail, -1, NULL));
}
END_TEST

/* A tmpfs of our own, in a child with a mount namespace; its exit status is the verdict. */
static int on_small_tmpfs(int (*body)(const char *mountpoint), const char *options) {
  pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", path, "tmpfs", 0, options) != 0)
      _exit(77);
    _exit(body(path));
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void fill_up(int fd, const char *name, gboolean inodes) {
  char page[4096] = {1};
  if (!inodes) {
    wry_autofd int file = wry_vopen(fd, name, O_WRONLY | O_CREAT, 0600, WRY_WANT_FILE, NULL);
    while (write(file, page, sizeof page) > 0)
      ;
    return;
  }
  for (int i = 0; i < 100000; i++) {
    g_autofree char *one = g_strdup_printf("%s%d", name, i);
    wry_autofd int file = wry_vopen(fd, one, O_WRONLY | O_CREAT, 0600, WRY_WANT_FILE, NULL);
    if (file < 0)
      return;
  }
}

static int full(const char *mountpoint, gboolean inodes) {
  wry_autofd int fd = wry_dir_open(mountpoint, NULL);
  g_autoptr(GError) error = NULL;
  if (!wry_guard_prepare(fd, -1, NULL) || !wry_vwrite(fd, STATUS, "<domstatus/>", 12, 0600, NULL))
    return 1;
  fill_up(fd, "fill", inodes);
  if (wry_vwrite(fd, "more", "x", 1, 0600, NULL))
    return 2; /* not full: the test would prove nothing */
  if (!wry_guard_before_attach(fd, "ns_vm", &error))
    return 3; /* the reserve did not help */
  if (!wry_vwrite(fd, "libvirt/run/qemu/ns_vm.xml.new", "<domstatus/>", 12, 0600, NULL))
    return 4;
  fill_up(fd, "again", inodes);
  return wry_guard_before_attach(fd, "ns_vm", &error) || !g_error_matches(error, WRY_ERROR, WRY_ERROR_NO_SPACE) ? 5 : 0;
}

static int full_of_bytes(const char *mountpoint) {
  return full(mountpoint, FALSE);
}

static int full_of_inodes(const char *mountpoint) {
  return full(mountpoint, TRUE);
}

START_TEST(a_full_directory_is_emptied_or_not_touched) {
  int bytes = on_small_tmpfs(full_of_bytes, "size=1m"), inodes = on_small_tmpfs(full_of_inodes, "size=8m,nr_inodes=100");
  if (bytes != 77)
    ck_assert_int_eq(bytes, 0);
  if (inodes != 77)
    ck_assert_int_eq(inodes, 0);
}
END_TEST

/* --- the embedded driver ------------------------------------------------------------------------------------------------ */

typedef struct { int left; char *text; GError *error; } Answer;

static void answered(const char *text, const GError *error, gpointer data) {
  Answer *answer = data;
  answer->left--;
  answer->text = g_strdup(text);
  answer->error = error ? g_error_copy(error) : NULL;
}

static void ask(WryVirt *virt, WryVirtOp op, const char *argument, Answer *answer) {
  *answer = (Answer){1, NULL, NULL};
  wry_virt_do(virt, op, argument, 1, answered, answer);
  while (answer->left > 0)
    g_main_context_iteration(NULL, TRUE);
}

START_TEST(the_embedded_driver_without_a_domain) {
  static const WryVirtEvents none = {0};
  g_autofree char *root = g_build_filename(path, "libvirt", NULL);
  Answer answer;
  ck_assert(wry_guard_prepare(dir, -1, NULL));
  WryVirt *virt = wry_virt_new(root, "ns_vm", &none, NULL);
  ask(virt, WRY_VIRT_RESET, NULL, &answer);
  ck_assert(g_error_matches(answer.error, WRY_ERROR, WRY_ERROR_CONFLICT));
  g_clear_error(&answer.error);
  ask(virt, WRY_VIRT_OPEN, NULL, &answer);
  ck_assert_msg(!answer.error, "%s", answer.error ? answer.error->message : "");
  ck_assert_int_eq(wry_virt_status(virt).state, WRY_VIRT_NONE);
  static const WryVirtOp need_a_domain[] = {WRY_VIRT_SUSPEND, WRY_VIRT_RESUME, WRY_VIRT_RESET, WRY_VIRT_REBOOT_AGENT, WRY_VIRT_REBOOT_ACPI, WRY_VIRT_SHUTDOWN_AGENT,
                                            WRY_VIRT_SHUTDOWN_ACPI, WRY_VIRT_DESTROY, WRY_VIRT_XML, WRY_VIRT_SET_TIME, WRY_VIRT_AGENT};
  for (gsize i = 0; i < G_N_ELEMENTS(need_a_domain); i++) {
    ask(virt, need_a_domain[i], "{}", &answer);
    ck_assert_msg(g_error_matches(answer.error, WRY_ERROR, WRY_ERROR_NOT_FOUND), "operation %d: %s", need_a_domain[i], answer.error ? answer.error->message : "done");
    g_clear_error(&answer.error);
  }
  ask(virt, WRY_VIRT_START, "<domain type='nonsense'/>", &answer);
  ck_assert_ptr_nonnull(answer.error);
  g_clear_error(&answer.error);
  wry_virt_free(virt);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("virt");
  TCase *pure = tcase_create("words"), *guard = tcase_create("guard"), *driver = tcase_create("driver");
  tcase_add_loop_test(pure, numbers_become_words, 0, G_N_ELEMENTS(words));
  tcase_add_loop_test(pure, whole_or_not, 0, G_N_ELEMENTS(texts));
  tcase_add_test(pure, zeros_are_not_whole);
  tcase_add_checked_fixture(guard, setup, teardown);
  tcase_add_test(guard, prepare_is_idempotent_and_copies_the_cache);
  tcase_add_test(guard, a_status_file_cut_anywhere_is_repaired);
  tcase_add_test(guard, without_any_copy_attaching_is_refused);
  tcase_add_loop_test(guard, whether_the_guest_ran, 0, G_N_ELEMENTS(statuses));
  tcase_add_test(guard, forgetting);
  tcase_add_test(guard, pid_and_log);
  tcase_add_test(guard, a_full_directory_is_emptied_or_not_touched);
  tcase_add_checked_fixture(driver, setup, teardown);
  tcase_set_timeout(driver, 30);
  tcase_add_test(driver, the_embedded_driver_without_a_domain);
  suite_add_tcase(suite, pure);
  suite_add_tcase(suite, guard);
  suite_add_tcase(suite, driver);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
