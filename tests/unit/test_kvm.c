/* The KVM probe gives a verdict on every node: the guest came to its end, or the exit that it met instead; never a hang, never a crash. */
#include "launcher/kvm.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

START_TEST(not_kvm) {
  g_autoptr(GError) error = NULL;
  wry_autofd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  ck_assert(!wry_kvm_probe(fd, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_NO_KVM));
}
END_TEST

START_TEST(this_node) {
  g_autoptr(GError) error = NULL;
  wry_autofd int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return;
  gboolean runs = wry_kvm_probe(fd, &error);
  ck_assert(runs == (error == NULL));
  ck_assert(runs || g_error_matches(error, WRY_ERROR, WRY_ERROR_NO_KVM));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kvm");
  TCase *tcase = tcase_create("probe");
  tcase_add_test(tcase, not_kvm);
  tcase_add_test(tcase, this_node);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
