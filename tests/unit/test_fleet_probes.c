/* handler/probe.c and handler/fleet_probes.c: probes by tcp, http and guest agent, and what their verdicts do. */
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/unit/support_fleet.h"
#include "wherry/fd.h"

static void write_probed(FakeNode *node, const char *name, const char *probe) {
  g_autofree char *vm = fake_vm(name, "Once"), *file = g_strconcat(name, ".yaml", NULL);
  g_autoptr(GString) text = g_string_new(vm);
  g_autofree char *with = g_strdup_printf("    spec:\n      %s\n      domain:", probe);
  g_string_replace(text, "    spec:\n      domain:", with, 0);
  fake_node_write(node, file, text->str);
}

static const char *ready_of(FakeNode *node, const char *name) {
  const WryInstance *vmi = wry_guest_vmi(fake_guest(node, name));
  const WryCondition *ready = vmi ? wry_condition_find(vmi->conditions, "Ready") : NULL;
  return ready ? ready->status : "absent";
}

static int listen_anywhere(guint *ret_port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0);
  *ret_port = ntohs(address.sin_port);
  return fd;
}

START_TEST(readiness_by_tcp) {
  FakeNode *node = fake_node_new();
  guint port;
  wry_autofd int listener = listen_anywhere(&port);
  fake_node_begin(node);
  g_autofree char *probe = g_strdup_printf("readinessProbe: {tcpSocket: {port: %u}, periodSeconds: 1}", port);
  write_probed(node, "a", probe);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_settle();
  ck_assert_str_eq(ready_of(node, "a"), "False"); /* bound, but nobody listens */
  ck_assert_int_eq(listen(listener, 8), 0);
  fake_wait(strcmp(ready_of(node, "a"), "True") == 0);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* By the name that an interface gives to the port. */
START_TEST(readiness_by_name) {
  FakeNode *node = fake_node_new();
  guint port;
  wry_autofd int listener = listen_anywhere(&port);
  ck_assert_int_eq(listen(listener, 8), 0);
  fake_node_begin(node);
  g_autofree char *vm = fake_vm("a", "Once"), *ports = g_strdup_printf("masquerade: {}, ports: [{name: ssh, port: 1}, {name: web, port: %u}]", port);
  g_autoptr(GString) text = g_string_new(vm);
  g_string_replace(text, "masquerade: {}", ports, 1);
  g_string_replace(text, "    spec:\n      domain:", "    spec:\n      readinessProbe: {tcpSocket: {port: web}, periodSeconds: 1}\n      domain:", 1);
  fake_node_write(node, "a.yaml", text->str);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_wait(strcmp(ready_of(node, "a"), "True") == 0);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

static gboolean serve_http(int listener, const char *answer) {
  int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  char request[512] = "";
  if (peer < 0) return FALSE;
  for (guint i = 0; i < 50 && recv(peer, request, sizeof request - 1, 0) <= 0; i++) fake_turn();
  ck_assert(g_str_has_prefix(request, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
  ck_assert_int_eq(send(peer, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
  close(peer);
  return TRUE;
}

START_TEST(readiness_by_http) {
  FakeNode *node = fake_node_new();
  guint port;
  wry_autofd int listener = listen_anywhere(&port);
  ck_assert(listen(listener, 8) == 0 && fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
  fake_node_begin(node);
  g_autofree char *probe = g_strdup_printf("readinessProbe: {httpGet: {port: %u, path: /healthz}, periodSeconds: 1, failureThreshold: 1}", port);
  write_probed(node, "a", probe);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_wait(serve_http(listener, "HTTP/1.1 200 OK\r\n\r\n"));
  fake_wait(strcmp(ready_of(node, "a"), "True") == 0);
  fake_wait(serve_http(listener, "HTTP/1.1 500 Bad\r\n\r\n"));
  fake_wait(strcmp(ready_of(node, "a"), "False") == 0);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

START_TEST(liveness_by_agent) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_probed(node, "a", "livenessProbe: {guestAgentPing: {}, periodSeconds: 1, failureThreshold: 2}");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_wait(fake_launcher_got(launcher, "probe"));
  ck_assert(!fake_launcher_got(launcher, "shutdown"));
  launcher->deaf = TRUE;
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  ck_assert_int_eq(launcher->grace, 30);
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(fake_life(node, "a") == WRY_LIFE_OVER);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_FAILED);
  ck_assert_str_eq(wry_guest_vmi(fake_guest(node, "a"))->reason, "LivenessProbeFailed");
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fleet_probes");
  TCase *tests = tcase_create("fleet_probes");
  g_setenv("WRY_LOG_LEVEL", "error", FALSE);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, readiness_by_tcp);
  tcase_add_test(tests, readiness_by_name);
  tcase_add_test(tests, readiness_by_http);
  tcase_add_test(tests, liveness_by_agent);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
