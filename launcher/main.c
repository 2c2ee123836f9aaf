/* The launcher: one program, one verb per stage of a VM's life. `setup`, `init` and `jail` are programs of their own (the last two static, libc only)
 * that stand beside this one. */
#include "launcher/kvm.h"
#include "launcher/stages.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/log.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Becomes the program of that name in our own folder. Returns only on failure. */
static int become(const char *name, char **argv) {
  char path[PATH_MAX] = "";
  g_autoptr(GError) error = NULL;
  wry_autofd int self = wry_dir_open("/proc/self", &error);
  ssize_t n = self < 0 ? -1 : readlinkat(self, "exe", path, sizeof path - 1);
  g_autofree char *folder = n > 0 ? g_path_get_dirname(path) : NULL;
  wry_autofd int dir = folder ? wry_dir_open(folder, &error) : -1;
  wry_autofd int fd = dir < 0 ? -1 : wry_vopen(dir, name, O_PATH, 0, WRY_WANT_FILE, &error);
  argv[0] = (char *)name;
  if (fd >= 0)
    fexecve(fd, argv, environ);
  fprintf(stderr, "launcher: %s: %s\n", name, error ? error->message : strerror(errno));
  return 126;
}

static int init(int argc, char **argv) {
  (void)argc;
  return become("launcher-init", argv);
}

static int jail(int argc, char **argv) {
  (void)argc;
  return become("launcher-jail", argv);
}

static int setup(int argc, char **argv) {
  (void)argc;
  return become("launcher-setup", argv);
}

static int probe_kvm(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  (void)argc;
  (void)argv;
  wry_autofd int dev = wry_dir_open("/dev", &error);
  wry_autofd int kvm = dev < 0 ? -1 : wry_vopen(dev, "kvm", O_RDWR, 0, WRY_WANT_ANY, &error);
  if (kvm >= 0 && wry_kvm_probe(kvm, &error))
    return EXIT_SUCCESS;
  fprintf(stderr, "launcher: %s\n", error->message);
  return EXIT_FAILURE;
}

static int version(int argc, char **argv) {
  (void)argc;
  (void)argv;
  puts("launcher " WRY_VERSION);
  return EXIT_SUCCESS;
}

static int help(int argc, char **argv);

static const struct { const char *name; int (*main)(int argc, char **argv); const char *what; } verbs[] = {
  {"run", wry_run_main, "one VM, unprivileged, in its sandbox"},
  {"setup", setup, "privileged and short: limits, devices, network (one request on fd 3)"},
  {"init", init, "pid 1 of a sandbox"},
  {"jail", jail, "the domain's emulator: isolates itself, becomes QEMU"},
  {"console-log", wry_console_tail_main, "print the serial console's log and follow it"},
  {"probe", wry_probe_main, "fill QEMU's capability cache: --root DIR [--emulator PATH]"},
  {"probe-kvm", probe_kvm, "exit status 0 when this node's KVM runs guests"},
  {"version", version, "print the version"},
  {"help", help, "print this"},
};

static int help(int argc, char **argv) {
  (void)argc;
  (void)argv;
  puts("usage: launcher VERB ...\n");
  for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
    printf("  %-11s %s\n", verbs[i].name, verbs[i].what);
  return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  mallopt(M_ARENA_MAX, 1); /* one heap: a launcher is many small allocations on few threads */
  for (gsize i = 0; argc > 1 && i < G_N_ELEMENTS(verbs); i++)
    if (strcmp(verbs[i].name, argv[1]) == 0)
      return verbs[i].main(argc - 1, argv + 1);
  fprintf(stderr, argc > 1 ? "launcher: unknown verb \"%s\"; try: launcher help\n" : "usage: launcher VERB ...; try: launcher help\n", argc > 1 ? argv[1] : "");
  return 2;
}
