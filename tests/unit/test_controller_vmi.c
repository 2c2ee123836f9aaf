/* handler/controller/vmi*.c, replica_set.c, action.c: phases, conditions, lost pods, silent nodes, the end; replica sets; merge patches. */
#include <check.h>
#include <stdlib.h>

#include "handler/controller/kubevirt.h"
#include "handler/controller/replica_set.h"
#include "handler/controller/seen.h"
#include "handler/controller/vmi.h"
#include "tests/unit/support_controller.h"
#include "tests/unit/support_spec.h"

#define VMI "VirtualMachineInstance"
#define PLAIN "{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstance', 'metadata': {'name': 'a'}, 'spec': {'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}%s}}"

static FakeCluster *cluster_with(const char *spec_members) {
  FakeCluster *cluster = fake_cluster_new(NULL);
  g_autofree char *text = g_strdup_printf(PLAIN, spec_members);
  fake_cluster_add(cluster, text);
  return cluster;
}

static WryJson *vmi_of(FakeCluster *cluster) { return fake_cluster_get(cluster, VMI, NULL); }
static const char *phase_of(FakeCluster *cluster) { return fake_text(vmi_of(cluster), "status.phase"); }

static void assert_condition(WryJson *object, const char *type, const char *text) {
  g_autofree char *found = fake_condition(object, type);
  ck_assert_str_eq(found, text);
}

static FakeCluster *in_phase(const char *phase) {
  FakeCluster *cluster = cluster_with("");
  fake_cluster_settle(cluster);
  if (strcmp(phase, "Scheduling") == 0) return cluster;
  fake_cluster_add(cluster, "{'kind': 'Node', 'metadata': {'name': 'n1', 'labels': {'kubevirt.io/schedulable': 'true'}, 'annotations': {'kubevirt.io/heartbeat': '\\'2023-11-14T22:13:00Z\\''}}}");
  fake_cluster_pod_runs(cluster);
  fake_cluster_settle(cluster);
  if (strcmp(phase, "Scheduled") == 0) return cluster;
  fake_cluster_phase(cluster, phase);
  fake_cluster_settle(cluster);
  return cluster;
}

/* --- phases -------------------------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(completes_and_schedules) {
  g_autoptr(FakeCluster) cluster = cluster_with("");
  ck_assert_uint_le(fake_cluster_settle(cluster), 3); /* defaults, pod, Scheduling */
  WryJson *vmi = vmi_of(cluster), *pod = fake_cluster_get(cluster, "Pod", NULL);
  ck_assert_str_eq(phase_of(cluster), "Scheduling");
  ck_assert(wry_has_finalizer(vmi, WRY_VMI_FINALIZER));
  ck_assert_str_eq(fake_text(vmi, "spec.domain.machine.type"), "q35");
  ck_assert_str_eq(fake_text(vmi, "status.memory.guestAtBoot"), "128Mi");
  ck_assert_str_eq(fake_text(vmi, "status.phaseTransitionTimestamps[0].phase"), "Pending");
  ck_assert_str_eq(fake_text(vmi, "status.phaseTransitionTimestamps[1].phase"), "Scheduling");
  ck_assert(pod && wry_is_controlled_by(pod, vmi));
  ck_assert_str_eq(fake_text(pod, "metadata.labels[kubevirt.io/created-by]"), fake_text(vmi, "metadata.uid"));
  g_autofree char *name = wry_vmi_pod_name(vmi);
  ck_assert_str_eq(fake_text(pod, "metadata.name"), name);
  ck_assert(g_str_has_prefix(name, "virt-launcher-a-") && strlen(name) == strlen("virt-launcher-a-") + 5);
  assert_condition(vmi, "Ready", "False GuestNotRunning");
}
END_TEST

START_TEST(hands_over) {
  g_autoptr(FakeCluster) cluster = in_phase("Scheduled");
  WryJson *vmi = vmi_of(cluster);
  ck_assert_str_eq(phase_of(cluster), "Scheduled");
  ck_assert_str_eq(fake_text(vmi, "status.nodeName"), "n1");
  ck_assert_str_eq(fake_text(vmi, "metadata.labels[kubevirt.io/nodeName]"), "n1");
  ck_assert_str_eq(fake_text(vmi, "status.qosClass"), "Burstable");
  ck_assert_str_eq(fake_text(vmi, "status.migrationTransport"), "Unix");
  ck_assert_str_eq(fake_text(vmi, "status.launcherContainerImageVersion"), "localhost/wherry/launcher:1");
  ck_assert_str_eq(fake_text(vmi, "status.memory.memoryOverhead"), "105Mi");
  g_autofree char *pod = g_strdup_printf("status.activePods.%s", fake_text(fake_cluster_get(cluster, "Pod", NULL), "metadata.uid"));
  ck_assert_str_eq(fake_text(vmi, pod), "n1");
  ck_assert(fake_cluster_event(cluster, "SuccessfulHandOver"));
}
END_TEST

START_TEST(volume_status) {
  g_autoptr(FakeCluster) cluster = cluster_with(", 'volumes': [{'name': 'z', 'containerDisk': {'image': 'i:1'}}, {'name': 'p', 'persistentVolumeClaim': {'claimName': 'c'}}]");
  fake_cluster_add(cluster, "{'kind': 'PersistentVolumeClaim', 'metadata': {'name': 'c'}, 'spec': {'accessModes': ['ReadWriteOnce'], 'volumeMode': 'Filesystem'}, 'status': {'phase': 'Bound', 'capacity': {'storage': '1Gi'}}}");
  fake_cluster_settle(cluster);
  fake_cluster_pod_runs(cluster);
  fake_cluster_settle(cluster);
  WryJson *vmi = vmi_of(cluster);
  ck_assert_str_eq(fake_text(vmi, "status.volumeStatus[0].name"), "p");
  ck_assert_str_eq(fake_text(vmi, "status.volumeStatus[0].persistentVolumeClaimInfo.capacity.storage"), "1Gi");
  ck_assert_str_eq(fake_text(vmi, "status.volumeStatus[0].persistentVolumeClaimInfo.filesystemOverhead"), "0.055");
  ck_assert_str_eq(fake_text(vmi, "status.volumeStatus[1].name"), "z");
  ck_assert(wry_json_str(wry_json_path(vmi, "status.volumeStatus[1]"), "target") != NULL);
}
END_TEST

/* What happens to the pod in a phase -> the VMI's phase and reason. */
static const struct { const char *phase, *patch; const char *after, *reason; } losses[] = {
    {"Scheduling", NULL, "Failed", ""},
    {"Scheduling", "{'status': {'phase': 'Failed'}}", "Failed", ""},
    {"Scheduled", NULL, "Failed", "LauncherGone"},
    {"Running", NULL, "Failed", "LauncherGone"},
    {"Running", "{'status': {'phase': 'Failed'}}", "Failed", "LauncherGone"},
    {"Running", "{'status': {'phase': 'Succeeded', 'containerStatuses': [{'name': 'compute', 'state': {'terminated': {'finishedAt': '2023-11-14T22:13:15Z'}}}]}}", "Running", ""},
    {"Succeeded", NULL, "Succeeded", ""},
    {"Failed", NULL, "Failed", ""},
};

START_TEST(pod_lost) {
  g_autoptr(FakeCluster) cluster = in_phase(losses[_i].phase);
  if (losses[_i].patch)
    fake_cluster_patch(cluster, "Pod", NULL, losses[_i].patch);
  else if (fake_cluster_get(cluster, "Pod", NULL))
    fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
  ck_assert_str_eq(phase_of(cluster), losses[_i].after);
  ck_assert_str_eq(fake_text(vmi_of(cluster), "status.reason"), losses[_i].reason);
  if (strcmp(losses[_i].after, "Running") != 0) return;
  ck_assert_int_eq(cluster->again, 10);
  cluster->now += 10; /* the node has said nothing */
  fake_cluster_settle(cluster);
  ck_assert_str_eq(phase_of(cluster), "Failed");
}
END_TEST

START_TEST(silent_node) {
  g_autoptr(FakeCluster) cluster = in_phase("Running");
  cluster->now += 400;
  fake_cluster_settle(cluster);
  ck_assert_str_eq(fake_text(fake_cluster_get(cluster, "Node", "n1"), "metadata.labels[kubevirt.io/schedulable]"), "false");
  ck_assert(fake_cluster_event(cluster, "NodeUnresponsive Node/n1"));
  ck_assert_str_eq(phase_of(cluster), "Running"); /* its pod may live */
  fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
  ck_assert_str_eq(phase_of(cluster), "Failed");
  ck_assert_str_eq(fake_text(vmi_of(cluster), "status.reason"), "NodeUnresponsive");
}
END_TEST

/* --- the end --------------------------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(deleted_before_its_pod) {
  g_autoptr(FakeCluster) cluster = cluster_with(", 'volumes': [{'name': 'p', 'persistentVolumeClaim': {'claimName': 'c'}}]");
  fake_cluster_settle(cluster);
  ck_assert_uint_eq(fake_cluster_count(cluster, "Pod"), 0);
  fake_cluster_delete(cluster, VMI, "a");
  fake_cluster_settle(cluster);
  ck_assert(!vmi_of(cluster));
}
END_TEST

START_TEST(deleted_while_running) {
  g_autoptr(FakeCluster) cluster = in_phase("Running");
  fake_cluster_delete(cluster, VMI, "a");
  fake_cluster_settle(cluster);
  ck_assert_str_ne(fake_text(fake_cluster_get(cluster, "Pod", NULL), "metadata.deletionTimestamp"), "");
  assert_condition(vmi_of(cluster), "Ready", "False PodTerminating");
  fake_cluster_phase(cluster, "Succeeded");
  fake_cluster_settle(cluster);
  ck_assert(vmi_of(cluster) != NULL);
  fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
  ck_assert(!vmi_of(cluster));
}
END_TEST

START_TEST(over_but_not_deleted) {
  g_autoptr(FakeCluster) cluster = in_phase("Succeeded");
  ck_assert_str_ne(fake_text(fake_cluster_get(cluster, "Pod", NULL), "metadata.deletionTimestamp"), "");
  fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
  ck_assert_str_eq(phase_of(cluster), "Succeeded");
  ck_assert_uint_eq(fake_cluster_count(cluster, "Pod"), 0);
}
END_TEST

/* --- conditions -------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *pod, *type, *condition; } of_pod[] = {
    {"{'status': {'conditions': [{'type': 'PodScheduled', 'status': 'False', 'reason': 'Unschedulable', 'message': '0/1 nodes'}]}}", "PodScheduled", "False Unschedulable"},
    {"{'status': {'containerStatuses': [{'name': 'compute', 'state': {'waiting': {'reason': 'ErrImagePull', 'message': 'no'}}}]}}", "Synchronized", "False ErrImagePull"},
    {"{'status': {'initContainerStatuses': [{'name': 'volumed0-init', 'state': {'waiting': {'reason': 'ImagePullBackOff'}}}]}}", "Synchronized", "False ImagePullBackOff"},
    {"{'status': {'containerStatuses': [{'name': 'compute', 'state': {'waiting': {'reason': 'ContainerCreating'}}}]}}", "Synchronized", ""},
};

START_TEST(mirrors_its_pod) {
  g_autoptr(FakeCluster) cluster = in_phase("Scheduling");
  fake_cluster_patch(cluster, "Pod", NULL, of_pod[_i].pod);
  fake_cluster_settle(cluster);
  assert_condition(vmi_of(cluster), of_pod[_i].type, of_pod[_i].condition);
  fake_cluster_pod_runs(cluster);
  fake_cluster_settle(cluster);
  assert_condition(vmi_of(cluster), of_pod[_i].type, "");
  ck_assert_str_eq(phase_of(cluster), "Scheduled");
}
END_TEST

/* The kubelet tells ErrImagePull and ImagePullBackOff in turns. */
START_TEST(image_trouble_is_written_twice_at_most) {
  g_autoptr(FakeCluster) cluster = in_phase("Scheduling");
  guint writes = cluster->writes;
  for (guint i = 0; i < 6; i++) {
    fake_cluster_patch(cluster, "Pod", NULL, i % 2 ? "{'status': {'containerStatuses': [{'name': 'compute', 'state': {'waiting': {'reason': 'ImagePullBackOff'}}}]}}"
                                                   : "{'status': {'containerStatuses': [{'name': 'compute', 'state': {'waiting': {'reason': 'ErrImagePull'}}}]}}");
    fake_cluster_settle(cluster);
  }
  ck_assert_uint_eq(cluster->writes - writes, 2);
}
END_TEST

static const struct { const char *pod, *vmi, *ready, *gate; } readiness[] = {
    {NULL, NULL, "False ReadinessGatesNotReady", "True NotPaused"},
    {"{'status': {'conditions': [{'type': 'Ready', 'status': 'True'}]}}", NULL, "True", "True NotPaused"},
    {"{'status': {'conditions': []}}", NULL, "False PodConditionMissing", "True NotPaused"},
    {NULL, "{'status': {'conditions': [{'type': 'Paused', 'status': 'True', 'reason': 'PausedByUser'}]}}", "False ReadinessGatesNotReady", "False Paused"},
};

START_TEST(ready_and_gate) {
  g_autoptr(FakeCluster) cluster = in_phase("Running");
  if (readiness[_i].pod) fake_cluster_patch(cluster, "Pod", NULL, readiness[_i].pod);
  if (readiness[_i].vmi) fake_cluster_patch(cluster, VMI, NULL, readiness[_i].vmi);
  fake_cluster_settle(cluster);
  assert_condition(vmi_of(cluster), "Ready", readiness[_i].ready);
  assert_condition(fake_cluster_get(cluster, "Pod", NULL), "kubevirt.io/virtual-machine-unpaused", readiness[_i].gate);
}
END_TEST

START_TEST(eviction_requested) {
  g_autoptr(FakeCluster) cluster = in_phase("Running");
  fake_cluster_patch(cluster, VMI, NULL, "{'status': {'evacuationNodeName': 'n1'}}");
  fake_cluster_settle(cluster);
  assert_condition(vmi_of(cluster), "EvictionRequested", "True EvictionRequested");
  fake_cluster_patch(cluster, VMI, NULL, "{'status': {'evacuationNodeName': ''}}");
  fake_cluster_settle(cluster);
  assert_condition(vmi_of(cluster), "EvictionRequested", "");
}
END_TEST

START_TEST(label_comes_back) {
  g_autoptr(FakeCluster) cluster = in_phase("Running");
  fake_cluster_patch(cluster, VMI, NULL, "{'metadata': {'labels': null}}");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(fake_text(vmi_of(cluster), "metadata.labels[kubevirt.io/nodeName]"), "n1");
}
END_TEST

START_TEST(preset) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_add(cluster, "{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstancePreset', 'metadata': {'name': 'p'}, 'spec': {'selector': {'matchLabels': {'size': 's'}}, 'domain': {'cpu': {'cores': 3}}}}");
  fake_cluster_add(cluster, "{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstance', 'metadata': {'name': 'a', 'labels': {'size': 's'}}, 'spec': {'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}}}");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(fake_text(vmi_of(cluster), "spec.domain.cpu.cores"), "3");
  ck_assert_str_eq(fake_text(vmi_of(cluster), "metadata.annotations[virtualmachinepreset.kubevirt.io/p]"), "kubevirt.io/v1");
  ck_assert_str_eq(fake_text(fake_cluster_get(cluster, "Pod", NULL), "spec.containers[0].resources.requests.cpu"), "300m");
}
END_TEST

START_TEST(refused) {
  g_autoptr(FakeCluster) cluster = cluster_with(", 'volumes': [{'name': 'h', 'hostDisk': {'path': '/x', 'type': 'Disk'}}]");
  fake_cluster_settle(cluster);
  assert_condition(vmi_of(cluster), "Synchronized", "False FailedCreate");
  ck_assert(strstr(fake_text(wry_object_condition(vmi_of(cluster), "Synchronized"), "message"), "spec.volumes[0]"));
  ck_assert_uint_eq(fake_cluster_count(cluster, "Pod"), 0);
  ck_assert_uint_eq(cluster->events->len, 1);
}
END_TEST

/* A finalizer says nothing about who had looked at a VMI. */
START_TEST(forged_is_refused) {
  g_autoptr(FakeCluster) cluster = cluster_with(", 'volumes': [{'name': 'h', 'hostDisk': {'path': '/x', 'type': 'Disk'}}]");
  fake_cluster_patch(cluster, VMI, NULL, "{'metadata': {'finalizers': ['kubevirt.io/foregroundDeleteVirtualMachine']}, 'status': {'phase': 'Pending'}}");
  fake_cluster_settle(cluster);
  ck_assert_uint_eq(fake_cluster_count(cluster, "Pod"), 0);
}
END_TEST

/* --- replica sets ---------------------------------------------------------------------------------------------------------------------------------------------------------------- */
#define SET "{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstanceReplicaSet', 'metadata': {'name': 's'}, 'spec': {'replicas': 3, 'selector': {'matchLabels': {'k': 'v'}}, 'template': {'metadata': {'labels': {'k': 'v'}}," \
  "'spec': {'domain': {'devices': {}, 'memory': {'guest': '64Mi'}}}}}}"

START_TEST(replica_set) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_add(cluster, SET);
  fake_cluster_settle(cluster);
  WryJson *set = fake_cluster_get(cluster, "VirtualMachineInstanceReplicaSet", "s");
  ck_assert_uint_eq(fake_cluster_count(cluster, VMI), 3);
  ck_assert_uint_eq(fake_cluster_count(cluster, "Pod"), 3);
  ck_assert_str_eq(fake_text(set, "status.replicas"), "3");
  ck_assert_str_eq(fake_text(set, "status.readyReplicas"), "0");
  ck_assert_str_eq(fake_text(set, "status.labelSelector"), "k=v");
  fake_cluster_patch(cluster, "VirtualMachineInstanceReplicaSet", "s", "{'spec': {'replicas': 1}}");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(fake_text(set, "status.replicas"), "1");
  fake_cluster_patch(cluster, "VirtualMachineInstanceReplicaSet", "s", "{'spec': {'replicas': 4, 'paused': true}}");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(fake_text(set, "status.replicas"), "1");
  assert_condition(set, "ReplicaPaused", "True Paused");
  fake_cluster_patch(cluster, "VirtualMachineInstanceReplicaSet", "s", "{'spec': {'paused': false}}");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(fake_text(set, "status.replicas"), "4");
  assert_condition(set, "ReplicaPaused", "");
}
END_TEST

START_TEST(replica_set_replaces) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_add(cluster, SET);
  fake_cluster_settle(cluster);
  fake_cluster_phase(cluster, "Succeeded");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(fake_text(fake_cluster_get(cluster, "VirtualMachineInstanceReplicaSet", "s"), "status.replicas"), "3");
  ck_assert_uint_eq(fake_cluster_count(cluster, VMI), 4); /* one on its way out */
}
END_TEST

static const struct { const char *selector, *text; } selectors[] = {
    {"{'matchLabels': {'b': '2', 'a': '1'}}", "a=1,b=2"},
    {"{'matchExpressions': [{'key': 'k', 'operator': 'In', 'values': ['x', 'y']}, {'key': 'g', 'operator': 'DoesNotExist'}]}", "!g,k in (x,y)"},
    {"{'matchExpressions': [{'key': 'k', 'operator': 'NotIn', 'values': ['x']}, {'key': 'g', 'operator': 'Exists'}]}", "g,k notin (x)"},
    {"{}", ""},
};

START_TEST(selector_text) {
  g_autoptr(WryJson) selector = support_json(selectors[_i].selector);
  g_autofree char *text = wry_selector_text(selector);
  ck_assert_str_eq(text, selectors[_i].text);
}
END_TEST

/* --- merge patches ------------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static const struct { const char *from, *to, *patch; } patches[] = {
    {"{'a': 1}", "{'a': 1}", NULL},
    {"{'a': 1}", "{'a': 2}", "{\"a\":2}"},
    {"{'a': {'b': 1, 'c': 2}}", "{'a': {'b': 1}}", "{\"a\":{\"c\":null}}"},
    {"{'a': [1, 2]}", "{'a': [1]}", "{\"a\":[1]}"},
    {"{}", "{'a': {'b': {}}}", "{\"a\":{\"b\":{}}}"},
    {"{'a': {'b': 1}}", "{'a': 'x'}", "{\"a\":\"x\"}"},
};

START_TEST(merge_patch) {
  g_autoptr(WryJson) from = support_json(patches[_i].from), to = support_json(patches[_i].to), patch = wry_merge_patch(from, to);
  ck_assert_pstr_eq(patch ? json_object_to_json_string_ext(patch, JSON_C_TO_STRING_PLAIN) : NULL, patches[_i].patch);
}
END_TEST

START_TEST(told_failure) {
  g_autoptr(FakeCluster) cluster = in_phase("Scheduling");
  g_autoptr(GPtrArray) actions = wry_actions_new();
  for (guint i = 0; i < 2; i++) {
    wry_act_failed(actions, WRY_ACTION_PATCH, WRY_ON_VMI, vmi_of(cluster), "Synchronized", "False", "no room", cluster->now);
    ck_assert_uint_eq(actions->len, 1); /* said once */
    if (i == 0) fake_cluster_patch(cluster, VMI, NULL, json_object_to_json_string(((const WryAction *)actions->pdata[0])->body));
  }
  assert_condition(vmi_of(cluster), "Synchronized", "False FailedCreate");
}
END_TEST

/* --- KubeVirt ---------------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(kubevirt_status) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  WryJson *object = fake_cluster_add(cluster, "{'apiVersion': 'kubevirt.io/v1', 'kind': 'KubeVirt', 'metadata': {'name': 'kubevirt'}, 'spec': {}}");
  const WryWorld world = {.config = cluster->config, .now = cluster->now};
  g_autoptr(GPtrArray) actions = wry_kubevirt_reconcile(object, &world, "amd64");
  ck_assert_uint_eq(actions->len, 1);
  WryJson *status = wry_json_get(((const WryAction *)actions->pdata[0])->body, "status");
  ck_assert_str_eq(fake_text(status, "phase"), "Deployed");
  ck_assert_str_eq(fake_text(status, "observedKubeVirtVersion"), "v1.9.0");
  ck_assert_str_eq(fake_text(status, "defaultArchitecture"), "amd64");
  ck_assert_str_eq(fake_text(status, "conditions[0].type"), "Available");
  wry_put(object, "status", wry_json_copy(status));
  g_autoptr(GPtrArray) again = wry_kubevirt_reconcile(object, &world, "amd64");
  ck_assert_uint_eq(again->len, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("controller_vmi");
  TCase *tests = tcase_create("vmi");
  tcase_add_test(tests, completes_and_schedules);
  tcase_add_test(tests, hands_over);
  tcase_add_test(tests, volume_status);
  tcase_add_loop_test(tests, pod_lost, 0, G_N_ELEMENTS(losses));
  tcase_add_test(tests, silent_node);
  tcase_add_test(tests, deleted_before_its_pod);
  tcase_add_test(tests, deleted_while_running);
  tcase_add_test(tests, over_but_not_deleted);
  tcase_add_loop_test(tests, mirrors_its_pod, 0, G_N_ELEMENTS(of_pod));
  tcase_add_test(tests, image_trouble_is_written_twice_at_most);
  tcase_add_loop_test(tests, ready_and_gate, 0, G_N_ELEMENTS(readiness));
  tcase_add_test(tests, eviction_requested);
  tcase_add_test(tests, label_comes_back);
  tcase_add_test(tests, preset);
  tcase_add_test(tests, refused);
  tcase_add_test(tests, forged_is_refused);
  tcase_add_test(tests, replica_set);
  tcase_add_test(tests, replica_set_replaces);
  tcase_add_loop_test(tests, selector_text, 0, G_N_ELEMENTS(selectors));
  tcase_add_loop_test(tests, merge_patch, 0, G_N_ELEMENTS(patches));
  tcase_add_test(tests, told_failure);
  tcase_add_test(tests, kubevirt_status);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
