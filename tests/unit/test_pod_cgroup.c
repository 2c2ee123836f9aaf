/* Which pod a process is in: every form of the kubelet's cgroups, and what must not be taken for one. */
#include "handler/node/pod_cgroup.h"
#include "handler/launchers.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define UID "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
#define SLICE "0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9"
#define OTHER "ffffffff-4e5f-6071-8293-a4b5c6d7e8f9"

static const struct { const char *text, *pod; } rows[] = {
  {"0::/kubepods/burstable/pod" UID "/abc\n", UID},
  {"0::/kubepods/pod" UID "/abc\n", UID},
  {"12:memory:/kubepods/besteffort/pod" UID "/abc\n11:cpu,cpuacct:/kubepods/besteffort/pod" UID "/abc\n0::/\n", UID},
  {"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" SLICE ".slice/cri-containerd-abc.scope\n", UID},
  {"0::/kubepods.slice/kubepods-pod" SLICE ".slice/cri-containerd-abc.scope\n", UID},
  {"0::/k3s.slice/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" SLICE ".slice/x.scope\n", UID},
  {"0::/../../kubepods/burstable/pod" UID "/abc\n", UID},
  {"0::/kubepods/burstable/pod0123456789abcdef0123456789abcdef/x\n", "0123456789abcdef0123456789abcdef"},
  /* a container's own directories come later in the path */
  {"0::/kubepods/burstable/pod" UID "/abc/pod" OTHER "/x\n", UID},
  {"0::/kubepods/burstable/pod" UID "/abc/kubepods/pod" OTHER "\n", UID},
  {"12:memory:/kubepods/pod" UID "/a\n0::/kubepods/pod" OTHER "/a\n", NULL},
  {"0::/system.slice/pod" UID "/abc\n", NULL},
  {"0::/user/kubepodsx/pod" UID "\n", NULL},
  {"0::/kubepods/burstable/podnotauid/x\n", NULL},
  {"0::/kubepods/burstable/pod../x\n", NULL},
  {"0::/kubepods.slice/other-pod" SLICE ".slice/x\n", NULL},
  {"0::/kubepods.slice/kubepods-.slice\n", NULL},
  {"kubepods/pod" UID "\n", NULL},
  {"", NULL},
};

START_TEST(pods) {
  g_autofree char *pod = wry_cgroup_pod(rows[_i].text);
  ck_assert_msg(g_strcmp0(pod, rows[_i].pod) == 0, "%s: %s", rows[_i].text, pod ? pod : "none");
}
END_TEST

START_TEST(parents) {
  ck_assert_int_eq(wry_stat_parent("12 (launcher) S 7 12 12 0 -1"), 7);
  ck_assert_int_eq(wry_stat_parent("12 (a) b) R 4194303 12"), 4194303);
  ck_assert_int_eq(wry_stat_parent("12 (launcher"), 0);
  ck_assert_int_eq(wry_stat_parent("12 (launcher) S"), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pod_cgroup");
  TCase *tcase = tcase_create("cgroup");
  SRunner *runner = srunner_create(suite);
  tcase_add_loop_test(tcase, pods, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, parents);
  suite_add_tcase(suite, tcase);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
