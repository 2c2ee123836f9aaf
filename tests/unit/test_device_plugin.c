/* The device plugin against a kubelet of the test's own: sockets made by a root half that is a thread's loop here, registration, lists, allocation, a kubelet that starts anew. */
#include "device_plugin.pb-c.h"
#include "handler/node/device_plugin.h"
#include "handler/node/grpc.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <check.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- messages ------------------------------------------------------------------------------------------------------------------------------------------- */
static const WryDeviceGrant grant = {"rw", "/run/wherry/node"};

START_TEST(grants) {
  V1beta1__ContainerAllocateRequest one = V1BETA1__CONTAINER_ALLOCATE_REQUEST__INIT;
  V1beta1__AllocateRequest request = V1BETA1__ALLOCATE_REQUEST__INIT;
  V1beta1__ContainerAllocateRequest *list[] = {&one, &one};
  guint8 text[64];
  request.containers = list;
  request.n_containers = 2;
  gsize length = v1beta1__allocate_request__pack(&request, text);
  for (guint i = 0; i < WRY_DEVICE_KINDS; i++) {
    const WryDeviceKind *kind = &wry_device_kinds[i];
    g_autoptr(GBytes) packed = wry_device_allocate(kind, &grant, text, length, NULL);
    ck_assert_ptr_nonnull(packed);
    V1beta1__AllocateResponse *answer = v1beta1__allocate_response__unpack(NULL, g_bytes_get_size(packed), g_bytes_get_data(packed, NULL));
    ck_assert_uint_eq(answer->n_containers, 2);
    const V1beta1__ContainerAllocateResponse *container = answer->containers[1];
    ck_assert_uint_eq(container->n_devices, kind->node ? 1 : 0);
    ck_assert_uint_eq(container->n_mounts, kind->node ? 0 : 1);
    if (kind->node) {
      ck_assert(g_str_has_suffix(container->devices[0]->host_path, kind->node));
      ck_assert_str_eq(container->devices[0]->host_path, container->devices[0]->container_path);
      ck_assert_str_eq(container->devices[0]->permissions, "rw");
    } else {
      ck_assert_str_eq(container->mounts[0]->container_path, "/run/wherry/node");
      ck_assert(container->mounts[0]->read_only);
    }
    v1beta1__allocate_response__free_unpacked(answer, NULL);
  }
}
END_TEST

START_TEST(refuses_what_is_no_message) {
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(wry_device_allocate(&wry_device_kinds[0], &grant, "\x0a\xff", 2, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_PROTOCOL));
  g_clear_error(&error);
  guint8 many[2 * 65];
  for (gsize i = 0; i < sizeof many; i += 2) many[i] = 0x0a, many[i + 1] = 0;
  ck_assert_ptr_null(wry_device_allocate(&wry_device_kinds[0], &grant, many, sizeof many, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
  g_clear_error(&error);
  ck_assert_ptr_null(wry_device_prefer(many, sizeof many, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
}
END_TEST

START_TEST(prefers_what_must_be) {
  char *available[] = {(char *)(gpointer)"kvm0", (char *)(gpointer)"kvm1", (char *)(gpointer)"kvm2"}, *must[] = {(char *)(gpointer)"kvm2"};
  V1beta1__ContainerPreferredAllocationRequest one = V1BETA1__CONTAINER_PREFERRED_ALLOCATION_REQUEST__INIT, *list[] = {&one};
  V1beta1__PreferredAllocationRequest request = V1BETA1__PREFERRED_ALLOCATION_REQUEST__INIT;
  guint8 text[128];
  one.available = available, one.n_available = 3, one.must_include = must, one.n_must_include = 1, one.allocation_size = 2;
  request.containers = list, request.n_containers = 1;
  gsize length = v1beta1__preferred_allocation_request__pack(&request, text);
  g_autoptr(GBytes) packed = wry_device_prefer(text, length, NULL);
  V1beta1__PreferredAllocationResponse *answer = v1beta1__preferred_allocation_response__unpack(NULL, g_bytes_get_size(packed), g_bytes_get_data(packed, NULL));
  ck_assert_uint_eq(answer->n_containers, 1);
  ck_assert_uint_eq(answer->containers[0]->n_ids, 2);
  ck_assert_str_eq(answer->containers[0]->ids[0], "kvm2");
  ck_assert_str_eq(answer->containers[0]->ids[1], "kvm0");
  v1beta1__preferred_allocation_response__free_unpacked(answer, NULL);
}
END_TEST

/* --- a kubelet ------------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  int fd;                  /* its directory */
  WryGrpcServer *server;   /* kubelet.sock */
  GHashTable *seen;        /* resource -> endpoint */
  guint registrations;
} Kubelet;

static void on_register(WryGrpcCall *call, const char *path, GBytes *message, gpointer data) {
  Kubelet *kubelet = data;
  V1beta1__RegisterRequest *request = v1beta1__register_request__unpack(NULL, g_bytes_get_size(message), g_bytes_get_data(message, NULL));
  g_autoptr(GBytes) empty = g_bytes_new_static("", 0);
  ck_assert_str_eq(path, "/v1beta1.Registration/Register");
  ck_assert_str_eq(request->version, "v1beta1");
  g_hash_table_replace(kubelet->seen, g_strdup(request->resource_name), g_strdup(request->endpoint));
  kubelet->registrations++;
  v1beta1__register_request__free_unpacked(request, NULL);
  wry_grpc_send(call, empty);
  wry_grpc_finish(call, WRY_GRPC_OK, NULL);
}

static void on_over(WryGrpcCall *call G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED) {}
static const WryGrpcCalls kubelet_calls = {on_register, on_over};

static void kubelet_start(Kubelet *kubelet) {
  int fd = wry_vlisten(kubelet->fd, WRY_KUBELET_SOCKET, SOCK_STREAM, 0600, NULL);
  ck_assert_int_ge(fd, 0);
  kubelet->server = wry_grpc_serve(fd, getuid(), &kubelet_calls, kubelet);
}

/* As the real one does at its start: all other sockets of the directory go. */
static void kubelet_restart(Kubelet *kubelet) {
  g_clear_pointer(&kubelet->server, wry_grpc_server_free);
  g_autoptr(GPtrArray) names = wry_vlist(kubelet->fd, NULL);
  for (guint i = 0; i < names->len; i++) wry_vunlink(kubelet->fd, names->pdata[i], NULL);
  g_hash_table_remove_all(kubelet->seen);
  kubelet_start(kubelet);
}

/* --- a root half ------------------------------------------------------------------------------------------------------------------------------------------ */
static gboolean on_request(gint sock, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  Kubelet *kubelet = data;
  static WryRootRequest request;
  static WryRootReply reply;
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct iovec iov = {&reply, sizeof reply};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (recv(sock, &request, sizeof request, 0) != (ssize_t)sizeof request) return G_SOURCE_REMOVE;
  ck_assert_uint_eq(request.op, WRY_ROOT_KUBELET);
  wry_autofd int fd = request.index == 0 ? wry_vconnect(kubelet->fd, WRY_KUBELET_SOCKET, SOCK_STREAM, NULL)
                                         : wry_vlisten(kubelet->fd, wry_device_kinds[request.index - 1].endpoint, SOCK_STREAM, 0600, NULL);
  reply = (WryRootReply){.version = WRY_ROOT_VERSION, .op = request.op, .seq = request.seq, .code = fd < 0 ? 1 : 0};
  if (fd >= 0) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof fd);
  }
  ck_assert_int_eq(sendmsg(sock, &msg, MSG_NOSIGNAL), (ssize_t)sizeof reply);
  return G_SOURCE_CONTINUE;
}

/* --- fixture -------------------------------------------------------------------------------------------------------------------------------------------- */
static char *path;
static Kubelet kubelet;
static WryDevicePluginOptions options;
static WryDevicePlugin *plugin;
static WryRoot *root;
static guint root_source;
static int root_sock, changes;

static void on_changed(gpointer data G_GNUC_UNUSED) { changes++; }

static void make_node(const char *name) {
  wry_autofd int fd = wry_vopen(options.dev_fd, name, O_WRONLY | O_CREAT, 0600, WRY_WANT_FILE, NULL);
  ck_assert_int_ge(fd, 0);
}

static void setup(void) {
  int pair[2];
  path = g_dir_make_tmp("wherry-plugin-XXXXXX", NULL);
  wry_autofd int top = wry_dir_open(path, NULL);
  kubelet = (Kubelet){.fd = wry_vmkdir(top, "kubelet", 0700, NULL), .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
  options = (WryDevicePluginOptions){.dev_fd = wry_vmkdir(top, "dev", 0700, NULL), .kubelet_fd = kubelet.fd, .kubelet_uid = getuid(), .grant = grant};
  wry_autofd int net = wry_vmkdir(options.dev_fd, "net", 0700, NULL);
  ck_assert_int_ge(net, 0);
  make_node("kvm");
  make_node("net/tun");
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  root = wry_root_new(pair[0]);
  root_sock = pair[1];
  root_source = g_unix_fd_add(root_sock, G_IO_IN, on_request, &kubelet);
  changes = 0;
  plugin = wry_device_plugin_new(&options, on_changed, NULL, NULL);
  ck_assert_ptr_nonnull(plugin);
}

static void teardown(void) {
  g_autofree char *name = g_path_get_basename(path);
  wry_autofd int tmp = wry_dir_open(g_get_tmp_dir(), NULL);
  wry_device_plugin_free(plugin);
  g_source_remove(root_source);
  wry_root_free(root);
  wry_grpc_server_free(kubelet.server);
  g_hash_table_unref(kubelet.seen);
  close(root_sock);
  close(kubelet.fd);
  close(options.dev_fd);
  wry_vremove_tree(tmp, name, NULL);
  g_free(path);
}

static gboolean on_late(gpointer data) {
  *(gboolean *)data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Runs the loop until `done` says so, at most 20 s. */
static void await(gboolean (*done)(void)) {
  gboolean late = FALSE;
  guint limit = g_timeout_add_seconds(20, on_late, &late);
  while (!done() && !late) g_main_context_iteration(NULL, TRUE);
  ck_assert(!late);
  g_source_remove(limit);
}

static gboolean three_known(void) { return g_hash_table_size(kubelet.seen) == 3 && wry_device_plugin_ready(plugin); }
static gboolean four_known(void) { return g_hash_table_size(kubelet.seen) == 4 && wry_device_plugin_ready(plugin); }

/* A resource is offered when its device is there; the launcher's always. */
START_TEST(registers) {
  kubelet_start(&kubelet);
  ck_assert(!wry_device_plugin_ready(plugin));
  wry_device_plugin_start(plugin, root);
  await(three_known);
  ck_assert(g_hash_table_contains(kubelet.seen, "devices.kubevirt.io/kvm") && g_hash_table_contains(kubelet.seen, "devices.kubevirt.io/tun"));
  ck_assert_str_eq(g_hash_table_lookup(kubelet.seen, "devices.wherry.io/launcher"), "wherry-launcher.sock");
  make_node("vhost-net");
  await(four_known);
}
END_TEST

START_TEST(meets_every_kubelet) {
  wry_device_plugin_start(plugin, root);
  kubelet_start(&kubelet); /* later than the plugin */
  await(three_known);
  for (guint i = 0; i < 3; i++) {
    guint before = kubelet.registrations;
    kubelet_restart(&kubelet);
    await(three_known);
    ck_assert_uint_ge(kubelet.registrations, before + 3);
  }
}
END_TEST

/* --- calls of the kubelet ------------------------------------------------------------------------------------------------------------------------------- */
static GBytes *answer;
static char *failure;
static gboolean answered;

static void on_answer(GBytes *reply, const GError *error, gpointer data G_GNUC_UNUSED) {
  answered = TRUE;
  g_clear_pointer(&answer, g_bytes_unref);
  g_clear_pointer(&failure, g_free);
  if (reply) answer = g_bytes_ref(reply);
  if (error) failure = g_strdup(error->message);
}

static gboolean is_answered(void) { return answered; }

static void call(const char *endpoint, const char *method, const void *message, gsize length) {
  int fd = wry_vconnect(kubelet.fd, endpoint, SOCK_STREAM, NULL);
  g_autoptr(GBytes) bytes = g_bytes_new(message, length);
  ck_assert_int_ge(fd, 0);
  answered = FALSE;
  wry_grpc_ask(fd, method, bytes, on_answer, NULL);
  await(is_answered);
}

START_TEST(answers) {
  kubelet_start(&kubelet);
  wry_device_plugin_start(plugin, root);
  await(three_known);
  call("kubevirt-kvm.sock", "/v1beta1.DevicePlugin/GetDevicePluginOptions", "", 0);
  ck_assert_msg(answer != NULL, "%s", failure);
  call("kubevirt-kvm.sock", "/v1beta1.DevicePlugin/Allocate", "\x0a\x06\x0a\x04kvm7", 8);
  ck_assert_msg(answer != NULL, "%s", failure);
  V1beta1__AllocateResponse *allocated = v1beta1__allocate_response__unpack(NULL, g_bytes_get_size(answer), g_bytes_get_data(answer, NULL));
  ck_assert_str_eq(allocated->containers[0]->devices[0]->host_path, "/dev/kvm");
  v1beta1__allocate_response__free_unpacked(allocated, NULL);
  call("kubevirt-tun.sock", "/v1beta1.DevicePlugin/PreStartContainer", "", 0);
  ck_assert_ptr_nonnull(answer);
  call("kubevirt-tun.sock", "/v1beta1.DevicePlugin/Allocate", "\x0a\xff", 2);
  ck_assert(answer == NULL && strstr(failure, "status 3"));
  call("kubevirt-tun.sock", "/v1beta1.DevicePlugin/Nonsense", "", 0);
  ck_assert(answer == NULL && strstr(failure, "status 12"));
}
END_TEST

/* A stream that is not HTTP/2, one that ends at once, more connections than are taken: the plugin serves on. */
START_TEST(survives_nonsense) {
  kubelet_start(&kubelet);
  wry_device_plugin_start(plugin, root);
  await(three_known);
  int fds[2 * WRY_GRPC_MAX_PEERS];
  for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
    fds[i] = wry_vconnect(kubelet.fd, "kubevirt-kvm.sock", SOCK_STREAM, NULL);
    ck_assert_int_ge(fds[i], 0);
    if (i % 2) ck_assert_int_gt(send(fds[i], "GET / HTTP/1.1\r\n\r\n\0\0\0", 20, MSG_NOSIGNAL), 0);
    g_main_context_iteration(NULL, FALSE);
  }
  for (guint i = 0; i < 50; i++) g_main_context_iteration(NULL, FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) close(fds[i]);
  for (guint i = 0; i < 50; i++) g_main_context_iteration(NULL, FALSE);
  call("kubevirt-kvm.sock", "/v1beta1.DevicePlugin/GetDevicePluginOptions", "", 0);
  ck_assert_msg(answer != NULL, "%s", failure);
}
END_TEST

START_TEST(lists) {
  g_autoptr(GBytes) list = wry_device_list(&wry_device_kinds[WRY_DEVICE_TUN], WRY_DEVICE_COUNT, FALSE);
  V1beta1__ListAndWatchResponse *response = v1beta1__list_and_watch_response__unpack(NULL, g_bytes_get_size(list), g_bytes_get_data(list, NULL));
  ck_assert_uint_eq(response->n_devices, WRY_DEVICE_COUNT);
  ck_assert_str_eq(response->devices[999]->id, "tun999");
  ck_assert_str_eq(response->devices[0]->health, "Unhealthy");
  v1beta1__list_and_watch_response__free_unpacked(response, NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("device_plugin");
  TCase *messages = tcase_create("messages"), *served = tcase_create("served");
  SRunner *runner = srunner_create(suite);
  tcase_add_test(messages, grants);
  tcase_add_test(messages, refuses_what_is_no_message);
  tcase_add_test(messages, prefers_what_must_be);
  tcase_add_test(messages, lists);
  tcase_add_checked_fixture(served, setup, teardown);
  tcase_set_timeout(served, 60);
  tcase_add_test(served, registers);
  tcase_add_test(served, meets_every_kubelet);
  tcase_add_test(served, answers);
  tcase_add_test(served, survives_nonsense);
  suite_add_tcase(suite, messages);
  suite_add_tcase(suite, served);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
