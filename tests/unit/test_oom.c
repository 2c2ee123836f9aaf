/* handler/oom.c: the out-of-memory killer's count, as v1 and v2 tell it. */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>

#include "handler/oom.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

static const struct { const char *directory, *file, *text; guint64 kills; } rows[] = {
    {"wherry/0000beef/u", "memory.events", "low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n", 1},
    {"wherry/0000beef/u", "memory.events", "low 0\noom 2\noom_kill 0\n", 0},
    {"memory/wherry/0000beef/u", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 12\n", 12},
    {"memory/wherry/0000beef/u", "memory.oom_control", "oom_kill_disable 1\nunder_oom 0\n", 0},
    {"memory/wherry/0000beef/u", "memory.oom_control", "", 0},
    {"memory/wherry/0000beef/other", "memory.oom_control", "oom_kill 3\n", 0},
    {"memory/wherry/00000bad/u", "memory.oom_control", "oom_kill 3\n", 0},
};

START_TEST(count) {
  g_autofree char *path = g_dir_make_tmp("wherry-oom-XXXXXX", NULL);
  wry_autofd int top = wry_dir_open(path, NULL);
  wry_autofd int dir = wry_vmkdir(top, rows[_i].directory, 0755, NULL);
  ck_assert(wry_vwrite(dir, rows[_i].file, rows[_i].text, strlen(rows[_i].text), 0644, NULL));
  ck_assert_uint_eq(wry_oom_kills(top, 0xbeef, "u"), rows[_i].kills);
  ck_assert(wry_vremove_tree(top, "wherry", NULL) && wry_vremove_tree(top, "memory", NULL));
  g_rmdir(path);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("oom");
  TCase *tcase = tcase_create("oom");
  tcase_add_loop_test(tcase, count, 0, G_N_ELEMENTS(rows));
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
