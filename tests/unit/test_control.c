/* handler/control*.c: the Varlink calls, over the real socket, on a fleet with a played root half; and what the description promises. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "handler/control.h"
#include "tests/unit/support_fleet.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

typedef struct {
  FakeNode *node;
  int run, fd;
  WryControlOptions options;
  WryControl *control;
  GByteArray *in;
  GQueue fds; /* received, as pointers */
} Place;

static void shown(WryObjectKind kind, const char *type, WryJson *object, gpointer data) { wry_control_shown(kind, type, object, ((Place *)data)->control); }

static int connect_to(Place *place) {
  int fd = wry_vconnect(place->run, WRY_CONTROL_SOCKET, SOCK_STREAM, NULL);
  ck_assert_int_ge(fd, 0);
  return fd;
}

static Place *open_place(void) {
  Place *place = g_new0(Place, 1);
  g_autoptr(GError) error = NULL;
  place->node = fake_node_new();
  fake_node_begin(place->node);
  place->run = wry_vmkdir(place->node->dirfd, "run", 0755, NULL);
  place->options = (WryControlOptions){.run_fd = place->run, .state_fd = place->node->state, .images_fd = place->node->images, .group = (gid_t)-1, .manifests = "/m", .images = "/i", .state = "/s", .run = "/r"};
  place->control = wry_control_new(&place->options, &error);
  ck_assert_msg(place->control != NULL, "%s", error ? error->message : "");
  wry_control_set_fleet(place->control, place->node->fleet);
  place->node->fleet->shown = shown;
  place->node->fleet->shown_data = place;
  place->in = g_byte_array_new();
  g_queue_init(&place->fds);
  place->fd = connect_to(place);
  return place;
}

static void close_place(Place *place) {
  for (gpointer fd; (fd = g_queue_pop_head(&place->fds));) close(GPOINTER_TO_INT(fd));
  close(place->fd);
  wry_control_free(place->control);
  place->node->fleet->shown = NULL;
  fake_node_free(place->node);
  close(place->run);
  g_byte_array_unref(place->in);
  g_free(place);
}

static void send_text(Place *place, const char *text, gsize length) { ck_assert_int_eq(send(place->fd, text, length, MSG_NOSIGNAL), length); }

static void ask(Place *place, const char *method, const char *parameters, gboolean more) {
  g_autofree char *text = g_strdup_printf("{\"method\":\"%s%s\",\"parameters\":%s%s}", strchr(method, '.') ? "" : WRY_CONTROL_NAME ".", method, parameters, more ? ",\"more\":true" : "");
  send_text(place, text, strlen(text) + 1);
}

/* Takes in what has come; FALSE at the end. */
static gboolean receive(Place *place) {
  char buffer[65536];
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
  struct iovec iov = {buffer, sizeof buffer};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t n = recvmsg(place->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n <= 0) return n < 0;
  const struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
  if (header && header->cmsg_type == SCM_RIGHTS) {
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    g_queue_push_tail(&place->fds, GINT_TO_POINTER(fd));
  }
  g_byte_array_append(place->in, (const guint8 *)buffer, (guint)n);
  return TRUE;
}

/* The next answer. New reference. */
static WryJson *answer(Place *place) {
  const guint8 *end = NULL;
  fake_wait((receive(place), end = place->in->len ? memchr(place->in->data, 0, place->in->len) : NULL) != NULL);
  g_autoptr(GError) error = NULL;
  gsize length = (gsize)(end - place->in->data);
  WryJson *json = wry_json_parse((const char *)place->in->data, length, &error);
  ck_assert_msg(json != NULL, "%s", error ? error->message : "");
  g_byte_array_remove_range(place->in, 0, (guint)length + 1);
  return json;
}

static WryJson *call(Place *place, const char *method, const char *parameters) {
  ask(place, method, parameters, FALSE);
  return answer(place);
}

static const char *text_at(WryJson *json, const char *path) {
  WryJson *at = wry_json_path(json, path);
  return at ? json_object_get_string(at) : "";
}

static void expect_error(WryJson *take_json, const char *error, const char *reason) {
  g_autoptr(WryJson) json = take_json;
  ck_assert_str_eq(text_at(json, "error"), error);
  if (reason) ck_assert_str_eq(text_at(json, "parameters.reason"), reason);
}

static void expect_code(WryJson *take_json, int code) {
  g_autoptr(WryJson) json = take_json;
  ck_assert_msg(wry_json_int(wry_json_get(json, "parameters"), "code", 0) == code, "%s", json_object_to_json_string(json));
}

static void apply_vm(Place *place, const char *name, const char *strategy) {
  g_autofree char *manifest = fake_vm(name, strategy);
  WryJson *parameters = json_object_new_object();
  json_object_object_add(parameters, "manifest", json_object_new_string(manifest));
  ask(place, "Apply", json_object_to_json_string(parameters), FALSE);
  json_object_put(parameters);
}

/* --- org.varlink.service and the frame ----------------------------------------------------------------------------------------------------------------- */
START_TEST(service) {
  Place *place = open_place();
  g_autoptr(WryJson) info = call(place, "org.varlink.service.GetInfo", "{}");
  ck_assert_str_eq(text_at(info, "parameters.interfaces[1]"), WRY_CONTROL_NAME);
  g_autoptr(WryJson) description = call(place, "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"io.wherry.Node\"}");
  ck_assert_str_eq(text_at(description, "parameters.description"), wry_control_interface);
  expect_error(call(place, "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"no.such\"}"), "org.varlink.service.InterfaceNotFound", NULL);
  expect_error(call(place, "no.such.Method", "{}"), "org.varlink.service.InterfaceNotFound", NULL);
  expect_error(call(place, "Fly", "{}"), "org.varlink.service.MethodNotFound", NULL);
  expect_error(call(place, "Get", "{\"kind\":\"VirtualMachine\",\"colour\":\"red\"}"), "org.varlink.service.InvalidParameter", NULL);
  expect_error(call(place, "Get", "{\"kind\":\"VirtualMachine\"}"), "org.varlink.service.ExpectedMore", NULL);
  expect_error(call(place, "Get", "{\"kind\":\"Pod\",\"name\":\"a\"}"), "org.varlink.service.InvalidParameter", NULL);
  close_place(place);
}
END_TEST

/* Each method and each parameter of the tables stands in the description, and no method but those. */
START_TEST(description) {
  g_auto(GStrv) lines = g_strsplit(wry_control_interface, "\n", -1);
  guint methods = 0;
  for (guint i = 0; lines[i]; i++) methods += g_str_has_prefix(lines[i], "method ");
  ck_assert_uint_eq(methods, WRY_CONTROL_METHODS);
  for (WryControlMethod method = 0; method < WRY_CONTROL_METHODS; method++) {
    g_autofree char *start = g_strdup_printf("method %s(", wry_control_method_name(method));
    const char *line = NULL;
    for (guint i = 0; lines[i]; i++)
      if (g_str_has_prefix(lines[i], start)) line = lines[i];
    ck_assert_msg(line != NULL, "%s", start);
    for (const WryField *field = wry_control_parameters_type(method)->fields; field->name; field++) {
      g_autofree char *parameter = g_strdup_printf("%s: ", field->name);
      ck_assert_msg(strstr(line, parameter) != NULL, "%s: %s", line, field->name);
    }
  }
}
END_TEST

static const char *const broken[] = {"{", "[]", "{}", "{\"method\":7}", "{\"method\":\"nodots\"}", "{\"method\":\"a.b\",\"parameters\":[]}", "", "\xff"};

START_TEST(broken_frames_disconnect) {
  Place *place = open_place();
  send_text(place, broken[_i], strlen(broken[_i]) + 1);
  fake_wait(!receive(place));
  close_place(place);
}
END_TEST

START_TEST(calls_in_pieces_and_in_a_row) {
  Place *place = open_place();
  static const char text[] = "{\"method\":\"io.wherry.Node.Version\"}\0{\"method\":\"io.wherry.Node.Version\"}\0{\"method\":\"io.wherry.Node.Version\",\"oneway\":true}\0{\"method\":\"io.wherry.Node.Node\"}";
  for (gsize i = 0; i < sizeof text; i += 7) {
    send_text(place, text + i, MIN(7, sizeof text - i));
    fake_turn();
  }
  for (guint i = 0; i < 2; i++) {
    g_autoptr(WryJson) version = answer(place);
    ck_assert_str_eq(text_at(version, "parameters.version"), WRY_VERSION);
  }
  g_autoptr(WryJson) node = answer(place);
  ck_assert_str_eq(text_at(node, "parameters.facts.nodeName"), "node1");
  ck_assert_str_eq(text_at(node, "parameters.facts.manifests"), "/m");
  close_place(place);
}
END_TEST

START_TEST(half_closed_client_is_answered) {
  Place *place = open_place();
  ask(place, "Version", "{}", FALSE);
  shutdown(place->fd, SHUT_WR);
  g_autoptr(WryJson) version = answer(place);
  ck_assert_str_eq(text_at(version, "parameters.version"), WRY_VERSION);
  fake_wait(!receive(place));
  close_place(place);
}
END_TEST

START_TEST(endless_message) {
  Place *place = open_place();
  g_autofree char *text = g_strnfill(WRY_MAX_CONTROL_MESSAGE + 65536, ' ');
  gsize sent = 0, length = strlen(text);
  gboolean gone = FALSE;
  gint64 limit = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
  while (sent < length && !gone) {
    ssize_t n = send(place->fd, text + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) sent += (gsize)n;
    gone = n < 0 && errno != EAGAIN;
    ck_assert(g_get_monotonic_time() < limit);
    fake_turn();
  }
  fake_wait(!receive(place));
  close_place(place);
}
END_TEST

/* --- objects ------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(apply_get_delete) {
  Place *place = open_place();
  apply_vm(place, "a", "Halted");
  g_autoptr(WryJson) created = answer(place);
  ck_assert_str_eq(text_at(created, "parameters.results[0].action"), "created");
  ck_assert(wry_vexists(place->node->manifests, "virtualmachine.default.a.yaml"));
  apply_vm(place, "a", "Halted");
  g_autoptr(WryJson) unchanged = answer(place);
  ck_assert_str_eq(text_at(unchanged, "parameters.results[0].action"), "unchanged");
  apply_vm(place, "a", "Manual");
  g_autoptr(WryJson) configured = answer(place);
  ck_assert_str_eq(text_at(configured, "parameters.results[0].action"), "configured");
  g_autoptr(WryJson) got = call(place, "Get", "{\"kind\":\"VirtualMachine\",\"name\":\"a\"}");
  ck_assert_str_eq(text_at(got, "parameters.object.metadata.generation"), "2");
  ck_assert_str_eq(text_at(got, "parameters.object.spec.runStrategy"), "Manual");
  ck_assert_str_eq(text_at(got, "parameters.object.status.printableStatus"), "Stopped");
  expect_code(call(place, "Get", "{\"kind\":\"VirtualMachineInstance\",\"name\":\"a\"}"), 404);
  expect_code(call(place, "Get", "{\"kind\":\"VirtualMachine\",\"name\":\"a\",\"namespace\":\"other\"}"), 404);
  g_autoptr(WryJson) deleted = call(place, "Delete", "{\"kind\":\"VirtualMachine\",\"name\":\"a\"}");
  ck_assert_str_eq(text_at(deleted, "parameters.object.metadata.name"), "a");
  fake_wait(fake_guest(place->node, "a") == NULL);
  expect_code(call(place, "Delete", "{\"kind\":\"VirtualMachine\",\"name\":\"a\"}"), 404);
  ck_assert(!wry_vexists(place->node->manifests, "virtualmachine.default.a.yaml"));
  close_place(place);
}
END_TEST

START_TEST(apply_refuses) {
  Place *place = open_place();
  g_autoptr(WryJson) refused = call(place, "Apply",
                                    "{\"fileName\":\"x.yaml\",\"manifest\":\"apiVersion: v1\\nkind: Secret\\nmetadata: {name: s}\\n---\\napiVersion: v1\\nkind: Secret\\nmetadata: {name: t}\\nodd: 1\\n\"}");
  ck_assert_str_eq(text_at(refused, "error"), WRY_CONTROL_FAILED);
  ck_assert_str_eq(text_at(refused, "parameters.code"), "422");
  ck_assert_str_eq(text_at(refused, "parameters.causes[0].field"), "odd");
  ck_assert(g_str_has_prefix(text_at(refused, "parameters.causes[0].message"), "x.yaml:8: "));
  expect_code(call(place, "Get", "{\"kind\":\"Secret\",\"name\":\"s\"}"), 404);
  expect_code(call(place, "Apply", "{\"manifest\":\"a: [\"}"), 400);
  expect_error(call(place, "Apply", "{}"), "org.varlink.service.InvalidParameter", NULL);
  g_autoptr(WryJson) dry = call(place, "Apply", "{\"dryRun\":true,\"manifest\":\"apiVersion: v1\\nkind: Secret\\nmetadata: {name: s}\\n\"}");
  ck_assert_str_eq(text_at(dry, "parameters.results[0].action"), "created");
  expect_code(call(place, "Get", "{\"kind\":\"Secret\",\"name\":\"s\"}"), 404);
  g_autoptr(WryJson) placed = call(place, "Apply", "{\"namespace\":\"n1\",\"manifest\":\"apiVersion: v1\\nkind: Secret\\nmetadata: {name: s}\\n\"}");
  ck_assert_str_eq(text_at(placed, "parameters.results[0].namespace"), "n1");
  close_place(place);
}
END_TEST

/* An object keeps its place in a file of several. */
START_TEST(apply_and_delete_in_a_shared_file) {
  Place *place = open_place();
  fake_node_write(place->node, "two.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: t}\n");
  fake_wait(wry_objects_find(wry_fleet_objects(place->node->fleet), WRY_OBJECT_SECRET, "default", "t"));
  g_autoptr(WryJson) changed = call(place, "Apply", "{\"manifest\":\"apiVersion: v1\\nkind: Secret\\nmetadata: {name: s}\\nstringData: {k: v}\\n\"}");
  ck_assert_str_eq(text_at(changed, "parameters.results[0].action"), "configured");
  ck_assert(!wry_vexists(place->node->manifests, "secret.default.s.yaml"));
  g_autoptr(WryJson) deleted = call(place, "Delete", "{\"kind\":\"Secret\",\"name\":\"s\"}");
  ck_assert_str_eq(text_at(deleted, "error"), "");
  expect_code(call(place, "Get", "{\"kind\":\"Secret\",\"name\":\"s\"}"), 404);
  g_autoptr(WryJson) left = call(place, "Get", "{\"kind\":\"Secret\",\"name\":\"t\"}");
  ck_assert_str_eq(text_at(left, "parameters.object.kind"), "Secret");
  close_place(place);
}
END_TEST

START_TEST(watch) {
  Place *place = open_place();
  apply_vm(place, "a", "Halted");
  json_object_put(answer(place));
  ask(place, "Get", "{\"kind\":\"VirtualMachine\",\"allNamespaces\":true,\"watch\":true}", TRUE);
  g_autoptr(WryJson) first = answer(place);
  ck_assert_str_eq(text_at(first, "parameters.type"), "ADDED");
  ck_assert_str_eq(text_at(first, "continues"), "true");
  g_autoptr(WryJson) mark = answer(place);
  ck_assert_str_eq(text_at(mark, "parameters.type"), "BOOKMARK");
  ck_assert_str_eq(text_at(mark, "continues"), "true");
  fake_node_remove(place->node, "virtualmachine.default.a.yaml");
  for (;;) {
    g_autoptr(WryJson) next = answer(place);
    const char *type = text_at(next, "parameters.type");
    ck_assert(strcmp(type, "MODIFIED") == 0 || strcmp(type, "DELETED") == 0);
    if (strcmp(type, "DELETED") == 0) break;
  }
  close_place(place);
}
END_TEST

START_TEST(lists_and_events) {
  Place *place = open_place();
  apply_vm(place, "b", "Always");
  json_object_put(answer(place));
  apply_vm(place, "a", "Halted");
  json_object_put(answer(place));
  fake_wait(fake_life(place->node, "b") == WRY_LIFE_BOOTING);
  ask(place, "Get", "{\"kind\":\"VirtualMachine\"}", TRUE);
  g_autoptr(WryJson) a = answer(place);
  g_autoptr(WryJson) b = answer(place);
  g_autoptr(WryJson) end = answer(place);
  ck_assert_str_eq(text_at(a, "parameters.object.metadata.name"), "a");
  ck_assert_str_eq(text_at(b, "parameters.object.metadata.name"), "b");
  ck_assert_str_eq(text_at(end, "parameters.type"), "BOOKMARK");
  ck_assert_str_eq(text_at(end, "continues"), "");
  ask(place, "Events", "{\"kind\":\"VirtualMachine\",\"name\":\"b\"}", TRUE);
  g_autoptr(WryJson) event = answer(place);
  ck_assert_str_eq(text_at(event, "parameters.object.reason"), "SuccessfulCreate");
  ck_assert_str_eq(text_at(event, "parameters.object.involvedObject.name"), "b");
  g_autoptr(WryJson) last = answer(place);
  ck_assert_str_eq(text_at(last, "parameters.type"), "BOOKMARK");
  close_place(place);
}
END_TEST

/* --- guests -------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(verbs) {
  Place *place = open_place();
  apply_vm(place, "a", "Manual");
  json_object_put(answer(place));
  expect_code(call(place, "Verb", "{\"verb\":\"stop\",\"kind\":\"VirtualMachine\",\"name\":\"a\"}"), 409);
  expect_code(call(place, "Verb", "{\"verb\":\"start\",\"kind\":\"VirtualMachine\",\"name\":\"nobody\"}"), 404);
  expect_error(call(place, "Verb", "{\"verb\":\"fly\",\"kind\":\"VirtualMachine\",\"name\":\"a\"}"), "org.varlink.service.InvalidParameter", NULL);
  g_autoptr(WryJson) dry = call(place, "Verb", "{\"verb\":\"start\",\"kind\":\"VirtualMachine\",\"name\":\"a\",\"dryRun\":true}");
  ck_assert_str_eq(text_at(dry, "error"), "");
  fake_settle();
  ck_assert_uint_eq(place->node->starts, 0);
  g_autoptr(WryJson) started = call(place, "Verb", "{\"verb\":\"start\",\"kind\":\"VirtualMachine\",\"name\":\"a\",\"paused\":true}");
  ck_assert_str_eq(text_at(started, "error"), "");
  fake_wait(fake_life(place->node, "a") == WRY_LIFE_BOOTING);
  ck_assert_str_eq(wry_guest_vmi(fake_guest(place->node, "a"))->object->spec->startStrategy, "Paused");
  FakeLauncher *launcher = fake_launcher_new(place->node, fake_vmi(place->node, "a"));
  fake_wait(fake_life(place->node, "a") == WRY_LIFE_SYNCED);
  fake_launcher_report(launcher, "Running", NULL, NULL);
  fake_wait(fake_life(place->node, "a") == WRY_LIFE_RUNNING);
  g_autoptr(WryJson) paused = call(place, "Verb", "{\"verb\":\"pause\",\"kind\":\"VirtualMachineInstance\",\"name\":\"a\"}");
  ck_assert_str_eq(text_at(paused, "error"), "");
  ck_assert(fake_launcher_got(launcher, "pause"));
  g_autoptr(WryJson) stopped = call(place, "Verb", "{\"verb\":\"stop\",\"kind\":\"VirtualMachine\",\"name\":\"a\",\"gracePeriodSeconds\":3}");
  ck_assert_str_eq(text_at(stopped, "error"), "");
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  ck_assert_int_eq(launcher->grace, 3);
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(!wry_guest_vmi(fake_guest(place->node, "a")));
  fake_launcher_free(launcher);
  close_place(place);
}
END_TEST

START_TEST(consoles) {
  Place *place = open_place();
  apply_vm(place, "a", "Always");
  json_object_put(answer(place));
  fake_wait(fake_life(place->node, "a") == WRY_LIFE_BOOTING);
  expect_code(call(place, "Console", "{\"name\":\"a\"}"), 400);
  expect_code(call(place, "Vnc", "{\"name\":\"nobody\"}"), 404);
  FakeLauncher *launcher = fake_launcher_new(place->node, fake_vmi(place->node, "a"));
  fake_wait(fake_life(place->node, "a") == WRY_LIFE_SYNCED);
  fake_launcher_report(launcher, "Running", NULL, NULL);
  fake_wait(fake_phase(place->node, "a") == WRY_PHASE_RUNNING);
  g_autoptr(WryJson) console = call(place, "Console", "{\"name\":\"a\",\"scrollback\":true}");
  ck_assert_str_eq(text_at(console, "error"), "");
  ck_assert_uint_eq(g_queue_get_length(&place->fds), 1);
  g_autoptr(WryJson) vnc = call(place, "Vnc", "{\"name\":\"a\"}");
  ck_assert_str_eq(text_at(vnc, "error"), "");
  ck_assert_uint_eq(g_queue_get_length(&place->fds), 2);
  expect_code(call(place, "Logs", "{\"name\":\"a\"}"), 404);
  g_autofree char *dir = g_strdup_printf("vms/%s", wry_object_meta(fake_guest(place->node, "a")->object)->uid);
  wry_autofd int fd = wry_vmkdir(place->node->state, dir, 0755, NULL);
  ck_assert(wry_vwrite(fd, "serial0.log", "hello", 5, 0640, NULL));
  g_autoptr(WryJson) log = call(place, "Logs", "{\"name\":\"a\"}");
  ck_assert_str_eq(text_at(log, "error"), "");
  ck_assert_uint_eq(g_queue_get_length(&place->fds), 3);
  expect_error(call(place, "GuestInfo", "{\"name\":\"a\",\"what\":\"secrets\"}"), "org.varlink.service.InvalidParameter", NULL);
  /* a launcher that goes while it is asked */
  launcher->hold = TRUE;
  ask(place, "GuestInfo", "{\"name\":\"a\",\"what\":\"osinfo\"}", FALSE);
  fake_wait(fake_launcher_got(launcher, "guestinfo"));
  fake_launcher_free(launcher);
  expect_code(answer(place), 500);
  close_place(place);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("control");
  TCase *tests = tcase_create("control");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, service);
  tcase_add_test(tests, description);
  tcase_add_loop_test(tests, broken_frames_disconnect, 0, G_N_ELEMENTS(broken));
  tcase_add_test(tests, calls_in_pieces_and_in_a_row);
  tcase_add_test(tests, half_closed_client_is_answered);
  tcase_add_test(tests, endless_message);
  tcase_add_test(tests, apply_get_delete);
  tcase_add_test(tests, apply_refuses);
  tcase_add_test(tests, apply_and_delete_in_a_shared_file);
  tcase_add_test(tests, watch);
  tcase_add_test(tests, lists_and_events);
  tcase_add_test(tests, verbs);
  tcase_add_test(tests, consoles);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
