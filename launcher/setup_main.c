/* The program of `launcher setup`, beside the launcher and apart from it: it is started for every VM while the guest waits, and to load and bind libvirt's some fifty libraries would cost
 * more than all that it does. */
#include "launcher/setup.h"
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
  return wry_setup_serve(SETUP_FD);
}
