/* A fleet for tests: see support_fleet.h. The root half is the other end of main's socket, answered from the same loop; a launcher is known by a file that stands for its
 * cgroup in a directory that stands for /proc. */
#include "tests/unit/support_fleet.h"

#include <check.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

#define ROOT_ID 0x1234abcdu

static FakeNode *only; /* the image lookup has no data */

static gboolean lookup(int images_fd G_GNUC_UNUSED, const char *reference, const char *path G_GNUC_UNUSED, WryImageDisk *ret, GError **error) {
  if (!only->image_there) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_IMAGE_MISSING, "image %s is not in the store", reference);
    return FALSE;
  }
  *ret = (WryImageDisk){g_strdup("abc/disk.img"), g_strdup("raw"), 1 << 20, g_strdup("sha256:abc")};
  return TRUE;
}

/* --- the root half ------------------------------------------------------------------------------------------------------------------------------------- */
FakeSandbox *fake_node_sandbox(FakeNode *node, const char *vmi) {
  for (guint i = 0; i < FAKE_SANDBOXES; i++)
    if (strcmp(node->sandboxes[i].vmi, vmi) == 0) return &node->sandboxes[i];
  return NULL;
}

guint fake_node_alive(const FakeNode *node) {
  guint alive = 0;
  for (guint i = 0; i < FAKE_SANDBOXES; i++) alive += node->sandboxes[i].alive;
  return alive;
}

static void refuse(WryRootReply *reply, WryErrorCode code, const char *message) {
  reply->code = (gint32)code + 1;
  g_strlcpy(reply->message, message, sizeof reply->message);
}

static void fill_setup(const WryRootRequest *request, WryRootReply *reply) {
  reply->setup.ok = 1;
  reply->setup.n_interfaces = request->setup.n_interfaces;
  for (guint i = 0; i < request->setup.n_interfaces; i++) {
    WrySetupInterfaceResult *made = &reply->setup.interfaces[i];
    made->mtu = 1500;
    memcpy(made->guest_mac, request->setup.interfaces[i].guest_mac, 6);
    made->guest4 = request->setup.interfaces[i].guest4;
    made->gateway4 = request->setup.interfaces[i].gateway4;
    made->pod4 = (WryIp4){{127, 0, 0, 1}, 8, 1}; /* where a probe finds the test's own listener */
  }
}

static int start(FakeNode *node, const WryRootRequest *request, WryRootReply *reply) {
  FakeSandbox *sandbox = fake_node_sandbox(node, request->vmi);
  if (sandbox && sandbox->alive) {
    refuse(reply, WRY_ERROR_EXISTS, "a process is left in the cgroup");
    return -1;
  }
  if (node->refusals > 0) {
    node->refusals--;
    refuse(reply, node->refuse, "refused by the test");
    return -1;
  }
  if (!sandbox) sandbox = fake_node_sandbox(node, "");
  ck_assert_ptr_nonnull(sandbox);
  node->starts++;
  node->last_start = *request;
  g_strlcpy(sandbox->vmi, request->vmi, sizeof sandbox->vmi);
  sandbox->alive = TRUE;
  sandbox->death = eventfd(0, EFD_CLOEXEC);
  fill_setup(request, reply);
  reply->uid = getuid();
  reply->alive = 1;
  return sandbox->death;
}

static int query(FakeNode *node, const WryRootRequest *request, WryRootReply *reply) {
  FakeSandbox *sandbox = fake_node_sandbox(node, request->vmi);
  reply->alive = sandbox && sandbox->alive;
  reply->uid = getuid();
  return reply->alive ? sandbox->death : -1;
}

static int end(FakeNode *node, const WryRootRequest *request, WryRootReply *reply G_GNUC_UNUSED) {
  FakeSandbox *sandbox = fake_node_sandbox(node, request->vmi);
  node->ends++;
  if (!sandbox || !*request->vmi) return -1;
  if (sandbox->alive) fake_node_kill(node, request->vmi);
  close(sandbox->death);
  *sandbox = (FakeSandbox){.death = -1};
  return -1;
}

static int list(FakeNode *node, const WryRootRequest *request, WryRootReply *reply) {
  guint seen = 0;
  for (guint i = 0; i < FAKE_SANDBOXES; i++) {
    if (!*node->sandboxes[i].vmi || seen++ != request->index) continue;
    reply->alive = 1;
    g_strlcpy(reply->vmi, node->sandboxes[i].vmi, sizeof reply->vmi);
    return -1;
  }
  return -1;
}

static int vm_remove(FakeNode *node, const WryRootRequest *request G_GNUC_UNUSED, WryRootReply *reply G_GNUC_UNUSED) {
  node->removals++;
  return -1;
}

static int run_kill(FakeNode *node, const WryRootRequest *request, WryRootReply *reply) {
  if (!fake_node_sandbox(node, request->vmi)) refuse(reply, WRY_ERROR_NOT_FOUND, "no such sandbox");
  node->run_kills++;
  return -1;
}

static int pvc_remove(FakeNode *node, const WryRootRequest *request, WryRootReply *reply G_GNUC_UNUSED) {
  g_autofree char *path = g_strdup_printf("pvc/%s/%s", request->namespace_, request->name);
  node->claim_removals++;
  wry_vremove_tree(node->state, path, NULL);
  return -1;
}

static int probe(FakeNode *node, const WryRootRequest *request G_GNUC_UNUSED, WryRootReply *reply) {
  reply->kvm_present = reply->kvm_usable = node->kvm;
  reply->cgroup_version = 2;
  return -1;
}

static int (*const operations[WRY_ROOT_OPS])(FakeNode *, const WryRootRequest *, WryRootReply *) = {
  [WRY_ROOT_SANDBOX_START] = start, [WRY_ROOT_SANDBOX_QUERY] = query, [WRY_ROOT_SANDBOX_END] = end,       [WRY_ROOT_SANDBOX_LIST] = list,
  [WRY_ROOT_VM_REMOVE] = vm_remove, [WRY_ROOT_PVC_REMOVE] = pvc_remove, [WRY_ROOT_PROBE] = probe,
  [WRY_ROOT_RUN_KILL] = run_kill,
};

static void answer(int fd, const WryRootReply *reply, int pidfd) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {{0}};
  struct iovec iov = {(gpointer)reply, sizeof *reply};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (pidfd >= 0) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &pidfd, sizeof(int));
  }
  ck_assert_int_eq(sendmsg(fd, &msg, MSG_NOSIGNAL), sizeof *reply);
}

static gboolean on_request(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  FakeNode *node = data;
  g_autofree WryRootRequest *request = g_new0(WryRootRequest, 1);
  g_autofree WryRootReply *reply = g_new0(WryRootReply, 1);
  if (recv(fd, request, sizeof *request, 0) != (ssize_t)sizeof *request) {
    node->root_source = 0;
    return G_SOURCE_REMOVE;
  }
  if (node->silent) return G_SOURCE_CONTINUE;
  ck_assert_uint_eq(request->version, WRY_ROOT_VERSION);
  ck_assert(request->op > 0 && request->op < WRY_ROOT_OPS);
  *reply = (WryRootReply){.version = WRY_ROOT_VERSION, .op = request->op, .seq = request->seq};
  answer(fd, reply, operations[request->op](node, request, reply));
  return G_SOURCE_CONTINUE;
}

void fake_node_kill(FakeNode *node, const char *vmi) {
  FakeSandbox *sandbox = fake_node_sandbox(node, vmi);
  ck_assert(sandbox && sandbox->alive);
  sandbox->alive = FALSE;
  ck_assert_int_eq(eventfd_write(sandbox->death, 1), 0);
}

/* --- the node ------------------------------------------------------------------------------------------------------------------------------------------ */
static void on_shown(WryObjectKind kind, const char *type, WryJson *object, gpointer data) {
  FakeNode *node = data;
  WryJson *meta = wry_json_get(object, "metadata");
  g_ptr_array_add(node->shown, g_strdup_printf("%s %s %s/%s", kind == WRY_OBJECT_KINDS ? "Event" : wry_object_kind_name(kind), type, wry_json_str(meta, "namespace"), wry_json_str(meta, "name")));
}

static int make_dir(FakeNode *node, const char *name) {
  g_autoptr(GError) error = NULL;
  int fd = wry_vmkdir(node->dirfd, name, 0755, &error);
  ck_assert_msg(fd >= 0, "%s", error ? error->message : "");
  return fd;
}

FakeNode *fake_node_new(void) {
  FakeNode *node = only = g_new0(FakeNode, 1);
  node->dir = g_dir_make_tmp("wherry-fleet-XXXXXX", NULL);
  node->dirfd = wry_dir_open(node->dir, NULL);
  node->manifests = make_dir(node, "manifests");
  node->images = make_dir(node, "images");
  node->state = make_dir(node, "state");
  node->objects = make_dir(node, "state/objects");
  node->node = make_dir(node, "run/node");
  node->proc = make_dir(node, "proc");
  node->shown = g_ptr_array_new_with_free_func(g_free);
  node->refuse = WRY_ERROR_FAILED;
  node->kvm = node->image_there = TRUE;
  for (guint i = 0; i < FAKE_SANDBOXES; i++) node->sandboxes[i].death = -1;
  node->options = (WryFleetOptions){.node = "node1", .arch = "amd64", .root_id = ROOT_ID, .manifests_fd = node->manifests, .images_fd = node->images, .state_fd = node->state,
                                    .objects_fd = node->objects, .node_fd = node->node, .proc_fd = node->proc, .lookup = lookup, .boot_id = "boot1"};
  return node;
}

void fake_node_begin(FakeNode *node) {
  int ends[2];
  g_autoptr(GError) error = NULL;
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  node->root_end = ends[1];
  node->root_source = g_unix_fd_add(ends[1], G_IO_IN, on_request, node);
  node->root = wry_root_new(ends[0]);
  node->fleet = wry_fleet_new(&node->options, node->root, on_shown, node, &error);
  ck_assert_msg(node->fleet != NULL, "%s", error ? error->message : "");
}

void fake_node_crash(FakeNode *node) {
  wry_fleet_free(node->fleet);
  wry_root_free(node->root);
  if (node->root_source) g_source_remove(node->root_source);
  close(node->root_end);
  node->fleet = NULL;
}

void fake_node_free(FakeNode *node) {
  if (node->fleet) fake_node_crash(node);
  while (g_main_context_iteration(NULL, FALSE)) continue;
  wry_vremove_tree(node->dirfd, "manifests", NULL);
  for (const char *const *name = (const char *const[]){"manifests", "images", "state", "run", "proc", NULL}; *name; name++) wry_vremove_tree(node->dirfd, *name, NULL);
  const int fds[] = {node->dirfd, node->manifests, node->images, node->state, node->objects, node->node, node->proc};
  for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) close(fds[i]);
  for (guint i = 0; i < FAKE_SANDBOXES; i++) wry_fd_close(&node->sandboxes[i].death);
  g_rmdir(node->dir);
  g_ptr_array_unref(node->shown);
  g_free(node->dir);
  g_free(node);
}

void fake_node_write(FakeNode *node, const char *file, const char *text) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(wry_vwrite(node->manifests, file, text, strlen(text), 0644, &error), "%s", error ? error->message : "");
}

void fake_node_remove(FakeNode *node, const char *file) { ck_assert(wry_vunlink(node->manifests, file, NULL)); }

/* --- launchers ----------------------------------------------------------------------------------------------------------------------------------------- */
static void keep_bundle(FakeLauncher *launcher, int fd) {
  gsize length;
  g_autoptr(GError) error = NULL;
  ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
  g_autofree char *text = wry_fd_read(fd, WRY_MAX_BUNDLE, &length, NULL);
  g_clear_pointer(&launcher->bundle, json_object_put);
  launcher->bundle = wry_json_parse(text, length, &error);
  ck_assert_msg(launcher->bundle != NULL, "%s", error ? error->message : "");
}

static void on_message(WryWire *wire, WryMsgType type, gpointer body, int *fds, guint n_fds, gpointer data) {
  FakeLauncher *launcher = data;
  WryMsgReply reply = {.seq = *(const WryOptInt *)body, .code = {TRUE, 0}};
  int given = -1;
  g_ptr_array_add(launcher->received, g_strdup(wry_msg_name(type)));
  if (type == WRY_MSG_PING) {
    if (!launcher->hangs) ck_assert(wry_wire_send(wire, WRY_MSG_PONG, body, NULL, 0, NULL));
    return;
  }
  if (type == WRY_MSG_SYNC && n_fds == 1) keep_bundle(launcher, fds[0]);
  if (type == WRY_MSG_SYNC && launcher->refuse != WRY_ERROR_CODES) {
    reply.code.v = launcher->refuse + 1;
    reply.message = (char *)(gpointer)"refused by the test";
  }
  if (type == WRY_MSG_PROBE && launcher->deaf) reply.code.v = WRY_ERROR_TIMEOUT + 1;
  if (type == WRY_MSG_SHUTDOWN) launcher->grace = ((WryMsgShutdown *)body)->graceSeconds.v;
  wry_autofd int null = type == WRY_MSG_CONSOLE || type == WRY_MSG_VNC ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
  given = null;
  if (!launcher->hold) ck_assert(wry_wire_send(wire, WRY_MSG_REPLY, &reply, &given, given >= 0, NULL));
}

static void on_closed(WryWire *wire G_GNUC_UNUSED, const GError *error G_GNUC_UNUSED, gpointer data) { ((FakeLauncher *)data)->closed = TRUE; }

/* What /proc/<pid>/cgroup of the launcher says. */
static void place(FakeNode *node, const char *vmi) {
  g_autofree char *dir = g_strdup_printf("%d", getpid()), *text = g_strdup_printf("0::/system.slice/wherry/%08x/%s\n", ROOT_ID, vmi);
  wry_autofd int fd = wry_vmkdir(node->proc, dir, 0755, NULL);
  ck_assert(fd >= 0 && wry_vwrite(fd, "cgroup", text, strlen(text), 0644, NULL));
}

void fake_node_state(FakeNode *node, const char *stat) {
  g_autofree char *dir = g_strdup_printf("%d", getpid());
  wry_autofd int fd = wry_vmkdir(node->proc, dir, 0755, NULL);
  ck_assert(fd >= 0 && wry_vwrite(fd, "stat", stat, strlen(stat), 0644, NULL));
}

FakeLauncher *fake_launcher_new(FakeNode *node, const char *vmi) {
  FakeLauncher *launcher = g_new0(FakeLauncher, 1);
  g_autoptr(GError) error = NULL;
  place(node, vmi);
  int fd = wry_vconnect(node->node, "launcher.sock", SOCK_SEQPACKET, &error);
  ck_assert_msg(fd >= 0, "%s", error ? error->message : "");
  launcher->received = g_ptr_array_new_with_free_func(g_free);
  launcher->refuse = WRY_ERROR_CODES;
  launcher->grace = -1;
  launcher->wire = wry_wire_new(fd, on_message, on_closed, launcher);
  WryMsgHello hello = {{TRUE, WRY_WIRE_VERSION}, {TRUE, 1}};
  ck_assert(wry_wire_send(launcher->wire, WRY_MSG_HELLO, &hello, NULL, 0, NULL));
  return launcher;
}

void fake_launcher_free(FakeLauncher *launcher) {
  wry_wire_free(launcher->wire);
  g_ptr_array_unref(launcher->received);
  g_clear_pointer(&launcher->bundle, json_object_put);
  g_free(launcher);
}

void fake_launcher_report(FakeLauncher *launcher, const char *state, const char *reason, const char *failure) {
  WryVmiReport report = {.state = (char *)(gpointer)state, .reason = (char *)(gpointer)reason, .failure = (char *)(gpointer)failure};
  ck_assert(wry_wire_send(launcher->wire, WRY_MSG_STATUS, &report, NULL, 0, NULL));
}

gboolean fake_launcher_got(const FakeLauncher *launcher, const char *message) {
  return g_ptr_array_find_with_equal_func(launcher->received, message, g_str_equal, NULL);
}

/* --- looking ------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_tick(gpointer data) {
  *(gboolean *)data = TRUE;
  return G_SOURCE_REMOVE;
}

/* One event, or 5 ms. */
void fake_turn(void) {
  gboolean ticked = FALSE;
  guint tick = g_timeout_add(5, on_tick, &ticked);
  g_main_context_iteration(NULL, TRUE);
  if (!ticked) g_source_remove(tick);
}

void fake_settle(void) {
  for (gint64 limit = g_get_monotonic_time() + G_USEC_PER_SEC / 5; g_get_monotonic_time() < limit;) fake_turn();
}

WryGuest *fake_guest(FakeNode *node, const char *name) {
  WryGuest *guest = wry_fleet_find(node->fleet, WRY_OBJECT_VM, "default", name);
  return guest ? guest : wry_fleet_find(node->fleet, WRY_OBJECT_VMI, "default", name);
}

WryLife fake_life(FakeNode *node, const char *name) {
  const WryGuest *guest = fake_guest(node, name);
  return guest ? guest->life : WRY_LIFE_NONE;
}

const char *fake_vmi(FakeNode *node, const char *name) {
  const WryGuest *guest = fake_guest(node, name);
  return guest && wry_guest_vmi(guest) ? wry_guest_vmi(guest)->uid : "";
}

WryPhase fake_phase(FakeNode *node, const char *name) {
  const WryGuest *guest = fake_guest(node, name);
  return guest ? wry_instance_phase(wry_guest_vmi(guest)) : WRY_PHASE_NONE;
}

char *fake_printable(FakeNode *node, const char *name) {
  const WryGuest *guest = fake_guest(node, name);
  g_autoptr(WryJson) vm = guest ? wry_guest_vm_json(guest) : NULL;
  WryJson *status = vm ? wry_json_path(vm, "status.printableStatus") : NULL;
  return g_strdup(status ? json_object_get_string(status) : "");
}

gboolean fake_event(FakeNode *node, const char *reason) {
  for (GList *at = wry_events_list(wry_fleet_events(node->fleet))->head; at; at = at->next)
    if (g_strcmp0(wry_json_str(at->data, "reason"), reason) == 0) return TRUE;
  return FALSE;
}

char *fake_vm(const char *name, const char *strategy) {
  return g_strdup_printf("apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: %s, namespace: default}\nspec:\n  runStrategy: %s\n  template:\n    metadata: {labels: {app: a}}\n"
                         "    spec:\n      domain:\n        memory: {guest: 128Mi}\n        devices:\n          disks: [{name: root, disk: {bus: virtio}}]\n"
                         "          interfaces: [{name: default, masquerade: {}}]\n      networks: [{name: default, pod: {}}]\n"
                         "      volumes: [{name: root, containerDisk: {image: test/disk}}]\n",
                         name, strategy);
}

void fake_write_vm(FakeNode *node, const char *name, const char *strategy) {
  g_autofree char *text = fake_vm(name, strategy), *file = g_strconcat(name, ".yaml", NULL);
  fake_node_write(node, file, text);
}

FakeLauncher *fake_bring_up(FakeNode *node, const char *name) {
  fake_wait(fake_life(node, name) == WRY_LIFE_BOOTING);
  FakeLauncher *launcher = fake_launcher_new(node, fake_vmi(node, name));
  fake_wait(fake_life(node, name) == WRY_LIFE_SYNCED);
  fake_launcher_report(launcher, "Running", NULL, NULL);
  fake_wait(fake_life(node, name) == WRY_LIFE_RUNNING);
  return launcher;
}
