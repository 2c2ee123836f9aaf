/* The program of `launcher setup`, beside the launcher and apart from it: it is started for every VM while the guest waits, and to load and bind libvirt's some fifty libraries would cost
 * more than all that it does. Its system call policy is in force before it reads the request. */
#include "launcher/setup.h"
#include "policy_setup.h"
#include "wherry/isolate.h"
#include "wherry/log.h"
#include <stdio.h>

#define SETUP_FD 3

int main(int argc, char **argv) {
  (void)argv;
  wry_log_init("setup");
  if (argc != 1) {
    fputs("usage: launcher-setup, with one request on fd 3\n", stderr);
    return 2;
  }
  g_autoptr(GError) error = NULL;
  if (!wry_isolate_seccomp(wry_policy_setup, G_N_ELEMENTS(wry_policy_setup), &error)) {
    wry_log(WRY_LOG_ERROR, error->message, NULL);
    return 1;
  }
  return wry_setup_serve(SETUP_FD);
}
