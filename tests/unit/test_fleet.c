/* handler/fleet*.c: manifests to running guests and back, with a root half and launchers that the test plays. */
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/unit/support_fleet.h"
#include "wherry/fd.h"
#include "wherry/record.h"
#include "wherry/vpath.h"

static void write_vm(FakeNode *node, const char *name, const char *strategy) {
  g_autofree char *text = fake_vm(name, strategy), *file = g_strconcat(name, ".yaml", NULL);
  fake_node_write(node, file, text);
}

/* Up to a running guest. */
static FakeLauncher *bring_up(FakeNode *node, const char *name) {
  fake_wait(fake_life(node, name) == WRY_LIFE_BOOTING);
  FakeLauncher *launcher = fake_launcher_new(node, fake_vmi(node, name));
  fake_wait(fake_life(node, name) == WRY_LIFE_SYNCED);
  fake_launcher_report(launcher, "Running", NULL, NULL);
  fake_wait(fake_life(node, name) == WRY_LIFE_RUNNING);
  return launcher;
}

static void end_guest(FakeNode *node, FakeLauncher *launcher, const char *name, const char *state, const char *reason, const char *failure) {
  (void)node, (void)name;
  fake_launcher_report(launcher, state, reason, failure);
}

START_TEST(a_vm_runs) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  FakeLauncher *launcher = bring_up(node, "a");
  ck_assert_uint_eq(node->starts, 1);
  fake_settle();
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "Running");
  ck_assert(fake_event(node, "SuccessfulCreate") && fake_event(node, "Created") && fake_event(node, "Started"));
  ck_assert_int_eq(node->last_start.n_volumes, 1);
  ck_assert_str_eq(node->last_start.volumes[0].source, "abc/disk.img");
  ck_assert_str_eq(node->last_start.setup.interfaces[0].tap, "tap0");
  ck_assert_str_eq(json_object_get_string(wry_json_path(launcher->bundle, "interfaces[0].guest4")), "10.0.2.2");
  ck_assert_str_eq(json_object_get_string(wry_json_path(launcher->bundle, "volumes[0].path")), "/run/wherry/volumes/root/disk.img");
  ck_assert_str_eq(json_object_get_string(wry_json_path(launcher->bundle, "vmi.metadata.uid")), fake_vmi(node, "a"));
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

START_TEST(removal_stops_and_forgets) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  FakeLauncher *launcher = bring_up(node, "a");
  fake_node_remove(node, "a.yaml");
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  ck_assert_int_eq(launcher->grace, 30);
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "Terminating");
  end_guest(node, launcher, "a", "Shutoff", "Shutdown", NULL);
  fake_wait(fake_guest(node, "a") == NULL);
  ck_assert(fake_launcher_got(launcher, "finish"));
  ck_assert_uint_eq(fake_node_alive(node), 0);
  ck_assert_uint_eq(node->removals, 1);
  g_autoptr(GPtrArray) left = wry_vlist(node->objects, NULL);
  ck_assert_uint_eq(left->len, 0);
  ck_assert(fake_event(node, "ShuttingDown") && fake_event(node, "Stopped") && fake_event(node, "Deleted"));
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* What a strategy does when the guest shuts down, and when it crashes. */
static const struct { const char *strategy, *reason, *failure; gboolean again; WryPhase left; const char *event; } endings[] = {
    {"Always", "Shutdown", NULL, TRUE, WRY_PHASE_NONE, "Stopped"},
    {"Always", "Crashed", "QEMUKilled", TRUE, WRY_PHASE_NONE, "QEMUKilled"},
    {"RerunOnFailure", "Shutdown", NULL, FALSE, WRY_PHASE_NONE, "Stopped"},
    {"RerunOnFailure", "Crashed", "OOMKilled", TRUE, WRY_PHASE_NONE, "OOMKilled"},
    {"Once", "Shutdown", NULL, FALSE, WRY_PHASE_SUCCEEDED, "Stopped"},
    {"Once", "Crashed", "SeccompKill", FALSE, WRY_PHASE_FAILED, "SeccompKill"},
    {"Once", "Panicked", "GuestPanicked", FALSE, WRY_PHASE_FAILED, "GuestPanicked"},
};

START_TEST(strategies) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", endings[_i].strategy);
  FakeLauncher *launcher = bring_up(node, "a");
  g_autofree char *first = g_strdup(fake_vmi(node, "a"));
  end_guest(node, launcher, "a", "Shutoff", endings[_i].reason, endings[_i].failure);
  if (endings[_i].again) {
    fake_wait(node->starts == 2);
    ck_assert_str_ne(first, fake_vmi(node, "a"));
  } else {
    fake_wait(node->ends >= 1);
    fake_settle();
    ck_assert_uint_eq(node->starts, 1);
    ck_assert_int_eq(fake_phase(node, "a"), endings[_i].left);
  }
  ck_assert(fake_event(node, endings[_i].event));
  ck_assert(fake_node_sandbox(node, first) == NULL);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

START_TEST(halted_and_manual_wait) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "h", "Halted");
  write_vm(node, "m", "Manual");
  fake_wait(fake_guest(node, "m") != NULL);
  fake_settle();
  ck_assert_uint_eq(node->starts, 0);
  g_autofree char *printable = fake_printable(node, "h");
  ck_assert_str_eq(printable, "Stopped");
  fake_node_free(node);
}
END_TEST

/* kill -9 of the handler at any time of a life: the guest is taken over, never started twice. */
START_TEST(adopted_after_crash) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  FakeLauncher *launcher = bring_up(node, "a");
  g_autofree char *vmi = g_strdup(fake_vmi(node, "a"));
  fake_node_crash(node);
  fake_launcher_free(launcher);
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_RUNNING);
  launcher = fake_launcher_new(node, vmi);
  fake_wait(fake_launcher_got(launcher, "sync"));
  ck_assert_str_eq(json_object_get_string(wry_json_path(launcher->bundle, "interfaces[0].guest4")), "10.0.2.2");
  fake_launcher_report(launcher, "Running", NULL, NULL);
  fake_settle();
  ck_assert_uint_eq(node->starts, 1);
  ck_assert_str_eq(vmi, fake_vmi(node, "a"));
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* The handler dies between asking for the sandbox and hearing of it: what was made is removed and made again. */
START_TEST(crash_while_starting) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  fake_wait(node->starts == 1);
  fake_node_crash(node);
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_BOOTING);
  ck_assert_uint_eq(fake_node_alive(node), 1);
  fake_node_free(node);
}
END_TEST

/* It ended while no handler was there; its record says how. */
START_TEST(final_record_is_read) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Once");
  FakeLauncher *launcher = bring_up(node, "a");
  g_autofree char *vmi = g_strdup(fake_vmi(node, "a")), *vm = g_strdup(wry_object_meta(fake_guest(node, "a")->object)->uid);
  fake_node_crash(node);
  fake_launcher_free(launcher);
  g_autofree char *path = g_strdup_printf("vms/%s", vm), *body = g_strdup_printf("{\"vmi\":\"%s\",\"report\":{\"state\":\"Shutoff\",\"reason\":\"Shutdown\"}}", vmi);
  wry_autofd int fd = wry_vmkdir(node->state, path, 0755, NULL);
  ck_assert(wry_record_write(fd, WRY_FINAL_RECORD, body, strlen(body), NULL));
  fake_node_kill(node, vmi);
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_OVER);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_SUCCEEDED);
  ck_assert_ptr_null(fake_node_sandbox(node, vmi));
  fake_node_free(node);
}
END_TEST

/* After a reboot nothing lives: Always comes back, Once has failed. */
START_TEST(reboot) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  write_vm(node, "o", "Once");
  FakeLauncher *first = bring_up(node, "a"), *second = bring_up(node, "o");
  g_autofree char *a = g_strdup(fake_vmi(node, "a")), *o = g_strdup(fake_vmi(node, "o"));
  fake_node_crash(node);
  fake_launcher_free(first);
  fake_launcher_free(second);
  fake_node_kill(node, a);
  fake_node_kill(node, o);
  node->options.boot_id = "boot2";
  fake_node_begin(node);
  fake_wait(node->starts == 3 && fake_life(node, "o") == WRY_LIFE_OVER);
  ck_assert_str_ne(a, fake_vmi(node, "a"));
  ck_assert_int_eq(fake_phase(node, "o"), WRY_PHASE_FAILED);
  ck_assert_str_eq(wry_guest_vmi(fake_guest(node, "o"))->reason, "NodeReboot");
  ck_assert(fake_event(node, "NodeReboot"));
  fake_node_free(node);
}
END_TEST

START_TEST(init_dies) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Once");
  FakeLauncher *launcher = bring_up(node, "a");
  fake_node_kill(node, fake_vmi(node, "a"));
  fake_launcher_free(launcher);
  fake_wait(fake_life(node, "a") == WRY_LIFE_OVER);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_FAILED);
  ck_assert_str_eq(wry_guest_vmi(fake_guest(node, "a"))->reason, "LauncherGone");
  fake_node_free(node);
}
END_TEST

/* The last word counts, also when the end of init is seen before it. */
START_TEST(last_word_counts) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Once");
  FakeLauncher *launcher = bring_up(node, "a");
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_node_kill(node, fake_vmi(node, "a"));
  fake_launcher_free(launcher);
  fake_wait(fake_life(node, "a") == WRY_LIFE_OVER);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_SUCCEEDED);
  fake_node_free(node);
}
END_TEST

START_TEST(launcher_restarts) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  FakeLauncher *launcher = bring_up(node, "a");
  fake_launcher_free(launcher);
  fake_wait(fake_guest(node, "a")->launcher == NULL);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  launcher = fake_launcher_new(node, fake_vmi(node, "a"));
  fake_wait(fake_launcher_got(launcher, "sync"));
  ck_assert_uint_eq(node->starts, 1);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* A peer of another sandbox, or of none, is not heard. */
START_TEST(strangers_are_refused) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  fake_wait(fake_life(node, "a") == WRY_LIFE_BOOTING);
  FakeLauncher *stranger = fake_launcher_new(node, "00000000-0000-0000-0000-000000000000");
  fake_wait(stranger->closed);
  ck_assert_int_eq(fake_life(node, "a"), WRY_LIFE_BOOTING);
  fake_launcher_free(stranger);
  fake_node_free(node);
}
END_TEST

START_TEST(missing_image_waits) {
  FakeNode *node = fake_node_new();
  node->image_there = FALSE;
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  fake_wait(fake_event(node, "ErrImagePull"));
  fake_settle();
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "ErrImagePull");
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_PENDING);
  ck_assert_uint_eq(node->starts, 0);
  node->image_there = TRUE;
  wry_fleet_images_changed(node->fleet);
  fake_wait(node->starts == 1);
  fake_node_free(node);
}
END_TEST

START_TEST(no_kvm_is_unschedulable) {
  FakeNode *node = fake_node_new();
  node->kvm = FALSE;
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  fake_wait(fake_guest(node, "a") && wry_guest_vmi(fake_guest(node, "a")) && wry_condition_find(wry_guest_vmi(fake_guest(node, "a"))->conditions, "PodScheduled"));
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "ErrorUnschedulable");
  fake_node_write(node, "kubevirt.yaml", "apiVersion: kubevirt.io/v1\nkind: KubeVirt\nmetadata: {name: kubevirt, namespace: kubevirt}\nspec: {configuration: {developerConfiguration: {useEmulation: true}}}\n");
  fake_wait(node->starts == 1);
  ck_assert(!node->last_start.kvm);
  fake_node_free(node);
}
END_TEST

START_TEST(refused_start_is_tried_again) {
  FakeNode *node = fake_node_new();
  node->refuse = WRY_ERROR_NO_SPACE;
  node->refusals = 1;
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  fake_wait(fake_event(node, "NoSpace"));
  fake_wait(node->starts == 1);
  ck_assert_int_eq(fake_guest(node, "a")->object->state->failures.v, 0);
  fake_node_free(node);
}
END_TEST

/* A start that fails in the launcher counts, and waits before the next. */
START_TEST(failed_start_backs_off) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  fake_wait(fake_life(node, "a") == WRY_LIFE_BOOTING);
  FakeLauncher *launcher = fake_launcher_new(node, fake_vmi(node, "a"));
  launcher->refuse = WRY_ERROR_INVALID;
  fake_wait(fake_guest(node, "a")->object->state->failures.v == 1 && !wry_guest_vmi(fake_guest(node, "a")));
  fake_settle();
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "CrashLoopBackOff");
  ck_assert_uint_eq(node->starts, 1);
  gint64 wait = fake_guest(node, "a")->object->state->retryAt.v - wry_now_seconds();
  ck_assert(wait >= 8 && wait <= 15);
  ck_assert(fake_event(node, "StartFailed"));
  /* and its removal does not wait for that */
  fake_node_remove(node, "a.yaml");
  fake_wait(fake_guest(node, "a") == NULL);
  ck_assert_uint_eq(node->removals, 1);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

START_TEST(bad_file_touches_nothing_else) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  FakeLauncher *launcher = bring_up(node, "a");
  fake_node_write(node, "bad.yaml", "kind: [\n");
  fake_wait(fake_event(node, "InvalidManifest"));
  fake_node_write(node, "a.yaml", "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a}\nspec: {runStrategy: Sometimes, template: {spec: {domain: {devices: {}}}}}\n");
  fake_wait(fake_guest(node, "a")->object->problem != NULL);
  fake_settle();
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  ck_assert(g_str_has_prefix(fake_guest(node, "a")->object->problem, "a.yaml:4: spec.runStrategy"));
  ck_assert(!fake_launcher_got(launcher, "shutdown"));
  write_vm(node, "a", "Always");
  fake_wait(fake_guest(node, "a")->object->problem == NULL);
  ck_assert_uint_eq(node->starts, 1);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* A sandbox that no object knows is ended, after a grace; what is new waits for that. */
START_TEST(orphans_end) {
  FakeNode *node = fake_node_new();
  g_strlcpy(node->sandboxes[0].vmi, "22222222-2222-2222-2222-222222222222", 40);
  node->sandboxes[0].alive = TRUE;
  node->sandboxes[0].death = dup(node->dirfd);
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  fake_wait(fake_guest(node, "a") != NULL && node->fleet->orphan_timer != 0);
  fake_settle();
  ck_assert_uint_eq(node->starts, 0);
  ck_assert_uint_eq(node->fleet->orphans, 1);
  fake_node_free(node);
}
END_TEST

static void on_all_stopped(gpointer data) { *(gboolean *)data = TRUE; }

/* The handler's end with its guests: each has its grace period, and comes back with the next handler where its strategy says so. */
START_TEST(stop_all) {
  FakeNode *node = fake_node_new();
  gboolean done = FALSE;
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  write_vm(node, "r", "RerunOnFailure");
  write_vm(node, "o", "Once");
  const char *const names[] = {"a", "r", "o"};
  FakeLauncher *launchers[3];
  for (guint i = 0; i < 3; i++) launchers[i] = bring_up(node, names[i]);
  node->image_there = FALSE;
  write_vm(node, "waits", "Always");
  fake_wait(fake_life(node, "waits") == WRY_LIFE_NEW);
  wry_fleet_stop_all(node->fleet, -1, on_all_stopped, &done);
  for (guint i = 0; i < 3; i++) {
    fake_wait(fake_launcher_got(launchers[i], "shutdown"));
    fake_launcher_report(launchers[i], "Shutoff", "Shutdown", NULL);
  }
  fake_wait(done);
  ck_assert_uint_eq(fake_node_alive(node), 0);
  ck_assert_uint_eq(node->starts, 3);
  for (guint i = 0; i < 3; i++) fake_launcher_free(launchers[i]);
  fake_node_crash(node);
  node->image_there = TRUE;
  fake_node_begin(node);
  fake_wait(node->starts == 6); /* a, r and the one that waited */
  fake_settle();
  ck_assert_uint_eq(node->starts, 6);
  ck_assert_str_eq(wry_guest_vmi(fake_guest(node, "o"))->reason, "NodeShutdown");
  fake_node_free(node);
}
END_TEST

/* An orderly shutdown of the node ends the guests without a handler; that is no wish of the guests. */
START_TEST(orderly_reboot) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "r", "RerunOnFailure");
  FakeLauncher *launcher = bring_up(node, "r");
  g_autofree char *vmi = g_strdup(fake_vmi(node, "r")), *vm = g_strdup(wry_object_meta(fake_guest(node, "r")->object)->uid);
  fake_node_crash(node);
  fake_launcher_free(launcher);
  g_autofree char *path = g_strdup_printf("vms/%s", vm), *body = g_strdup_printf("{\"vmi\":\"%s\",\"report\":{\"state\":\"Shutoff\",\"reason\":\"Shutdown\"}}", vmi);
  wry_autofd int fd = wry_vmkdir(node->state, path, 0755, NULL);
  ck_assert(wry_record_write(fd, WRY_FINAL_RECORD, body, strlen(body), NULL));
  fake_node_kill(node, vmi);
  node->options.boot_id = "boot2";
  fake_node_begin(node);
  fake_wait(node->starts == 2);
  ck_assert(fake_event(node, "NodeReboot"));
  fake_node_free(node);
}
END_TEST

START_TEST(claims) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  g_autofree char *vm = fake_vm("a", "Always");
  g_autoptr(GString) text = g_string_new(vm);
  g_string_replace(text, "containerDisk: {image: test/disk}", "persistentVolumeClaim: {claimName: data}", 0);
  fake_node_write(node, "a.yaml", text->str);
  fake_wait(fake_event(node, "FailedPvcNotFound"));
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "ErrorPvcNotFound");
  fake_node_write(node, "data.yaml", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n");
  fake_wait(node->starts == 1);
  struct stat file;
  wry_autofd int fd = wry_vopen(node->state, "pvc/default/data/disk.img", 0, 0, WRY_WANT_FILE, NULL);
  ck_assert(fd >= 0 && fstat(fd, &file) == 0 && file.st_size == 1 << 20);
  /* the data stays as long as a VMI uses it */
  fake_node_remove(node, "data.yaml");
  fake_settle();
  ck_assert_uint_eq(node->claim_removals, 0);
  fake_node_remove(node, "a.yaml");
  fake_wait(fake_life(node, "a") == WRY_LIFE_STOPPING);
  fake_node_kill(node, fake_vmi(node, "a"));
  fake_wait(node->claim_removals == 1);
  fake_wait(!wry_vexists(node->state, "pvc/default/data"));
  fake_node_free(node);
}
END_TEST

START_TEST(single_vmi) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_node_write(node, "s.yaml", "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: s}\nspec: {domain: {memory: {guest: 64Mi}, devices: {autoattachPodInterface: false}}}\n");
  FakeLauncher *launcher = bring_up(node, "s");
  ck_assert_str_eq(fake_vmi(node, "s"), wry_object_meta(fake_guest(node, "s")->object)->uid);
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(fake_life(node, "s") == WRY_LIFE_OVER);
  fake_settle();
  ck_assert_int_eq(fake_phase(node, "s"), WRY_PHASE_SUCCEEDED);
  ck_assert_uint_eq(node->starts, 1);
  fake_node_remove(node, "s.yaml");
  fake_wait(fake_guest(node, "s") == NULL);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* --- probes -------------------------------------------------------------------------------------------------------------------------------------------- */
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
  FakeLauncher *launcher = bring_up(node, "a");
  fake_settle();
  ck_assert_str_eq(ready_of(node, "a"), "False"); /* bound, but nobody listens */
  ck_assert_int_eq(listen(listener, 8), 0);
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
  FakeLauncher *launcher = bring_up(node, "a");
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
  FakeLauncher *launcher = bring_up(node, "a");
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

/* --- what outlives the handler ------------------------------------------------------------------------------------------------------------------------- */
/* A record that cannot be written: nothing is started that no record tells of; it goes on by itself. */
START_TEST(no_start_without_record) {
  FakeNode *node = fake_node_new();
  wry_autofd int objects = dup(node->objects);
  fake_node_begin(node);
  wry_autofd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ck_assert_int_ge(dup2(null, node->objects), 0);
  write_vm(node, "a", "Always");
  fake_wait(fake_guest(node, "a") && wry_guest_vmi(fake_guest(node, "a")) && wry_condition_find(wry_guest_vmi(fake_guest(node, "a"))->conditions, "Synchronized"));
  fake_settle();
  ck_assert_uint_eq(node->starts, 0);
  ck_assert_int_ge(dup2(objects, node->objects), 0);
  fake_wait(node->starts == 1);
  fake_node_free(node);
}
END_TEST

/* A stop holds after a crash, until the manifest says something else. */
START_TEST(stop_outlives_the_handler) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  FakeLauncher *launcher = bring_up(node, "a");
  WryGuest *guest = fake_guest(node, "a");
  guest->object->state->strategy = g_strdup("Halted");
  ck_assert(wry_fleet_save(guest, NULL));
  wry_fleet_kick(guest);
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  fake_node_crash(node);
  fake_launcher_free(launcher);
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_STOPPING);
  launcher = fake_launcher_new(node, fake_vmi(node, "a"));
  fake_wait(fake_launcher_got(launcher, "shutdown")); /* told again, with what is left of the grace period */
  ck_assert_int_le(launcher->grace, 30);
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(!wry_guest_vmi(fake_guest(node, "a")));
  fake_settle();
  ck_assert_uint_eq(node->starts, 1);
  g_autofree char *text = fake_vm("a", "Always");
  g_autoptr(GString) changed = g_string_new(text);
  g_string_replace(changed, "128Mi", "256Mi", 0);
  fake_node_write(node, "a.yaml", changed->str);
  fake_wait(node->starts == 2);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* Removed while no handler was there. */
START_TEST(removed_meanwhile) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  FakeLauncher *launcher = bring_up(node, "a");
  g_autofree char *vmi = g_strdup(fake_vmi(node, "a"));
  fake_node_crash(node);
  fake_launcher_free(launcher);
  fake_node_remove(node, "a.yaml");
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_STOPPING);
  launcher = fake_launcher_new(node, vmi);
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(fake_guest(node, "a") == NULL);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* Its file is wrong when the handler starts: the last good spec is in force. */
START_TEST(bad_file_at_start) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  write_vm(node, "a", "Always");
  FakeLauncher *launcher = bring_up(node, "a");
  fake_node_crash(node);
  fake_launcher_free(launcher);
  fake_node_write(node, "a.yaml", "kind: [\n");
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_RUNNING);
  fake_settle();
  ck_assert_ptr_nonnull(fake_guest(node, "a")->object->problem);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  fake_node_free(node);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fleet");
  TCase *tests = tcase_create("fleet");
  g_setenv("WRY_LOG_LEVEL", "error", FALSE);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, a_vm_runs);
  tcase_add_test(tests, removal_stops_and_forgets);
  tcase_add_loop_test(tests, strategies, 0, G_N_ELEMENTS(endings));
  tcase_add_test(tests, halted_and_manual_wait);
  tcase_add_test(tests, adopted_after_crash);
  tcase_add_test(tests, crash_while_starting);
  tcase_add_test(tests, final_record_is_read);
  tcase_add_test(tests, reboot);
  tcase_add_test(tests, init_dies);
  tcase_add_test(tests, last_word_counts);
  tcase_add_test(tests, launcher_restarts);
  tcase_add_test(tests, strangers_are_refused);
  tcase_add_test(tests, missing_image_waits);
  tcase_add_test(tests, no_kvm_is_unschedulable);
  tcase_add_test(tests, refused_start_is_tried_again);
  tcase_add_test(tests, failed_start_backs_off);
  tcase_add_test(tests, bad_file_touches_nothing_else);
  tcase_add_test(tests, orphans_end);
  tcase_add_test(tests, stop_all);
  tcase_add_test(tests, orderly_reboot);
  tcase_add_test(tests, claims);
  tcase_add_test(tests, single_vmi);
  tcase_add_test(tests, readiness_by_tcp);
  tcase_add_test(tests, readiness_by_http);
  tcase_add_test(tests, liveness_by_agent);
  tcase_add_test(tests, no_start_without_record);
  tcase_add_test(tests, stop_outlives_the_handler);
  tcase_add_test(tests, removed_meanwhile);
  tcase_add_test(tests, bad_file_at_start);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
