/* launcher setup over a real socket pair: every kind of bad request gets an answer; limits and device rules are set; a failure of a later step undoes them. */
#include "launcher/cgroup/backend.h"
#include "launcher/setup.h"
#include "wherry/error.h"
#include "wherry/landlock_abi.h"
#include "wherry/vpath.h"
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static WrySetupReply reply;

/* Runs setup in a child (it enters namespaces); the exit status. The answer is in `reply`. */
static int serve(const void *request, gsize length, const int *fds, guint n_fds) {
  int pair[2], status;
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * WRY_MAX_SETUP_FDS)]; } control = {0};
  struct iovec iov = {(void *)request, length};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (n_fds > 0) {
    msg.msg_control = &control;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n_fds)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(int) * n_fds);
  }
  ck_assert_int_eq(sendmsg(pair[0], &msg, 0), (ssize_t)length);
  pid_t pid = fork();
  if (pid == 0)
    _exit(wry_setup_serve(pair[1]));
  close(pair[1]);
  ck_assert_int_eq(recv(pair[0], &reply, sizeof reply, 0), (ssize_t)sizeof reply);
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  close(pair[0]);
  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), reply.ok ? 0 : 1);
  ck_assert_uint_eq(reply.version, WRY_SETUP_VERSION);
  return WEXITSTATUS(status);
}

static const WrySetupRequest devices_request = {.version = WRY_SETUP_VERSION, .op = WRY_SETUP_DEVICES, .cgroup = "wherry-test/none"};
static const WrySetupRequest sandbox_request = {.version = WRY_SETUP_VERSION, .op = WRY_SETUP_SANDBOX_UP};

/* One way each to break a request that is fine. */
#define BREAK(name, statement) static void name(WrySetupRequest *r) { statement; }
BREAK(version, r->version = 2)
BREAK(operation_zero, r->op = 0)
BREAK(operation_high, r->op = 99)
BREAK(cgroup_up, strcpy(r->cgroup, "wherry/../x"))
BREAK(cgroup_absolute, strcpy(r->cgroup, "/wherry"))
BREAK(cgroup_empty, r->cgroup[0] = '\0')
BREAK(cgroup_double, strcpy(r->cgroup, "a//b"))
BREAK(cgroup_newline, strcpy(r->cgroup, "a\nb"))
BREAK(cgroup_open, memset(r->cgroup, 'a', sizeof r->cgroup))
BREAK(host_bridge_open, memset(r->host_bridge, 'a', sizeof r->host_bridge))
BREAK(host_bridge_name, strcpy(r->host_bridge, "a b"))
BREAK(forwards, r->n_forwards = WRY_MAX_SETUP_FORWARDS + 1)
BREAK(interfaces, r->n_interfaces = 9)
BREAK(interface_empty, r->n_interfaces = 1)
BREAK(devices_many, r->n_devices = WRY_MAX_SETUP_DEVICES + 1)
BREAK(device_kind, (r->n_devices = 1, r->devices[0].kind = 'a', r->devices[0].read = 1))
BREAK(device_nothing, (r->n_devices = 1, r->devices[0].kind = 'c'))

static WrySetupInterface *interface(WrySetupRequest *r) {
  WrySetupInterface *one = &r->interfaces[0];
  r->n_interfaces = 1;
  *one = (WrySetupInterface){.pod = "eth0", .bridge = "k6t-eth0", .tap = "tap0", .binding = WRY_BIND_MASQUERADE};
  return one;
}
BREAK(interface_slash, strcpy(interface(r)->tap, "../x"))
BREAK(interface_dots, strcpy(interface(r)->pod, ".."))
BREAK(interface_open, memset(interface(r)->bridge, 'a', 16))
BREAK(interface_ports, interface(r)->n_ports = WRY_MAX_PORTS + 1)
BREAK(interface_binding, interface(r)->binding = 3)

static void (*const breaks[])(WrySetupRequest *) = {
  version,     operation_zero, operation_high,  cgroup_up,       cgroup_absolute, cgroup_empty,    cgroup_double,  cgroup_newline,  cgroup_open,      host_bridge_open, host_bridge_name,
  forwards,    interfaces,     interface_empty, devices_many,    device_kind,     device_nothing,  interface_slash, interface_dots, interface_open,   interface_ports,  interface_binding,
};

START_TEST(test_bad_request) {
  WrySetupRequest request = devices_request;
  GError *error = NULL;
  ck_assert(wry_setup_check(&request, 0, &error));
  breaks[_i](&request);
  serve(&request, sizeof request, NULL, 0);
  ck_assert_uint_eq(reply.ok, 0);
  ck_assert_int_eq(reply.code, WRY_ERROR_PROTOCOL);
  ck_assert_ptr_nonnull(strstr(reply.message, "setup request"));
}
END_TEST

START_TEST(test_bad_size_and_fds) {
  const int fds[] = {0, 1, 2};
  char large[sizeof(WrySetupRequest) + 1] = {0};
  serve(&devices_request, sizeof devices_request - 1, NULL, 0);
  ck_assert_int_eq(reply.code, WRY_ERROR_PROTOCOL);
  serve(large, sizeof large, NULL, 0);
  ck_assert_int_eq(reply.code, WRY_ERROR_PROTOCOL);
  serve(&devices_request, sizeof devices_request, fds, 1);
  ck_assert_int_eq(reply.code, WRY_ERROR_PROTOCOL);
  serve(&sandbox_request, sizeof sandbox_request, NULL, 0);
  ck_assert_int_eq(reply.code, WRY_ERROR_PROTOCOL);
  serve(&sandbox_request, sizeof sandbox_request, fds, 3);
  ck_assert_int_eq(reply.code, WRY_ERROR_PROTOCOL);
}
END_TEST

START_TEST(test_missing_cgroup) {
  if (geteuid() != 0)
    return;
  serve(&devices_request, sizeof devices_request, NULL, 0);
  ck_assert_uint_eq(reply.ok, 0);
  ck_assert_ptr_nonnull(strstr(reply.message, "wherry-test/none"));
}
END_TEST

/* --- on real cgroups and namespaces ---------------------------------------------------------------------------------------- */

static char name[64];
static int netns = -1;
static gboolean usable;

static const char *const trees[] = {"memory", "cpu", "pids", "devices", "."};

static void set_up(void) {
  g_snprintf(name, sizeof name, "wherry-test-setup-%d", getpid());
  for (gsize i = 0; i < G_N_ELEMENTS(trees); i++) {
    g_autofree char *path = g_strdup_printf("/sys/fs/cgroup/%s/cgroup.procs", trees[i]), *dir = g_strdup_printf("/sys/fs/cgroup/%s/%s", trees[i], name);
    if (access(path, F_OK) == 0)
      (void)!mkdir(dir, 0755);
  }
  g_autoptr(WryCgroup) cgroup = wry_cgroup_open(name, NULL);
  usable = geteuid() == 0 && cgroup != NULL;
  int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (usable && unshare(CLONE_NEWNET) == 0) {
    netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(setns(before, CLONE_NEWNET), 0);
  }
  close(before);
}

static void tear_down(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(trees); i++) {
    g_autofree char *dir = g_strdup_printf("/sys/fs/cgroup/%s/%s", trees[i], name);
    rmdir(dir);
  }
  if (netns >= 0)
    close(netns);
}

static WrySetupRequest request_of(guint op) {
  WrySetupRequest request = {.version = WRY_SETUP_VERSION, .op = op, .uid = 601000, .gid = 601000, .memory_max = 64 << 20, .pids_max = 77, .n_devices = 1,
                             .devices = {{.kind = 'c', .major = 1, .minor = 3, .read = 1, .write = 1}}};
  g_strlcpy(request.cgroup, name, sizeof request.cgroup);
  return request;
}

static char *pids_max(void) {
  static char text[WRY_CGROUP_TEXT];
  g_autoptr(WryCgroup) cgroup = wry_cgroup_open(name, NULL);
  ck_assert(cgroup->backend->get(cgroup, "pids", "pids.max", text, NULL));
  return text;
}

START_TEST(test_sandbox_up) {
  if (!usable)
    return;
  WrySetupRequest request = request_of(WRY_SETUP_SANDBOX_UP);
  for (int i = 0; i < 2; i++) {
    serve(&request, sizeof request, &netns, 1);
    ck_assert_msg(reply.ok == 1, "%s", reply.message);
    ck_assert_uint_eq(reply.landlock_abi, (guint)wry_ll_abi());
    ck_assert(reply.cgroup_version == 1 || reply.cgroup_version == 2);
    ck_assert_uint_eq(reply.n_fds, 0);
    ck_assert_str_eq(pids_max(), "77");
  }
}
END_TEST

START_TEST(test_devices) {
  if (!usable)
    return;
  WrySetupRequest request = request_of(WRY_SETUP_DEVICES);
  serve(&request, sizeof request, NULL, 0);
  ck_assert_msg(reply.ok == 1, "%s", reply.message);
  ck_assert_str_eq(pids_max(), "max"); /* limits are not its business */
}
END_TEST

START_TEST(test_limits) {
  if (!usable)
    return;
  WrySetupRequest request = request_of(WRY_SETUP_LIMITS);
  serve(&request, sizeof request, NULL, 0);
  ck_assert_msg(reply.ok == 1, "%s", reply.message);
  ck_assert(reply.cgroup_version == 1 || reply.cgroup_version == 2);
  ck_assert_str_eq(pids_max(), "77");
  request.cgroup[0] = '\0';
  serve(&request, sizeof request, NULL, 0);
  ck_assert_int_eq(reply.code, WRY_ERROR_PROTOCOL);
}
END_TEST

/* The network part fails (no such pod interface): limits and rules are as before. */
START_TEST(test_undo) {
  if (!usable)
    return;
  WrySetupRequest request = request_of(WRY_SETUP_SANDBOX_UP);
  strcpy(interface(&request)->pod, "absent0");
  request.interfaces[0].gateway4 = (WryIp4){{10, 0, 2, 1}, 24, 1};
  request.interfaces[0].guest4 = (WryIp4){{10, 0, 2, 2}, 24, 1};
  serve(&request, sizeof request, &netns, 1);
  ck_assert_uint_eq(reply.ok, 0);
  ck_assert_uint_eq(reply.n_fds, 0);
  ck_assert_str_eq(pids_max(), "max");
  g_autoptr(WryCgroup) cgroup = wry_cgroup_open(name, NULL);
  GError *error = NULL;
  g_autoptr(WryCgroupTrial) trial = wry_cgroup_trial_new(cgroup, request.devices, 1, &error);
  ck_assert(trial && !wry_cgroup_trial_finish(trial, &error)); /* everything opens again */
  g_clear_error(&error);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("setup");
  TCase *requests = tcase_create("requests"), *real = tcase_create("real");
  tcase_add_loop_test(requests, test_bad_request, 0, (int)G_N_ELEMENTS(breaks));
  tcase_add_test(requests, test_bad_size_and_fds);
  tcase_add_test(requests, test_missing_cgroup);
  tcase_add_checked_fixture(real, set_up, tear_down);
  tcase_set_timeout(real, 30);
  tcase_add_test(real, test_sandbox_up);
  tcase_add_test(real, test_devices);
  tcase_add_test(real, test_limits);
  tcase_add_test(real, test_undo);
  suite_add_tcase(suite, requests);
  suite_add_tcase(suite, real);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
