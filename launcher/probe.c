/* `launcher probe --root DIR [--emulator PATH]`: asks libvirt once what the emulator can do, so that its capability cache is filled below DIR (cache/qemu/capabilities). The cache is
 * named after the emulator's path and holds its ctime and whether KVM could be opened: it must be made with the path, the file and the device access that VMs will have.
 *
 * libvirt's probes detach from it (-daemonize) and it waits until they are gone, reaped. In a sandbox the probe may be pid 1, whose task that is: so the asking is done by a child, and
 * its parent reaps whoever ends. */
#include "launcher/domain/domain.h"
#include "launcher/stages.h"
#include "launcher/virt/virt.h"
#include "wherry/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int probe(const char *root, const char *emulator) {
  g_autoptr(GError) error = NULL;
  if (wry_virt_probe(root, emulator, &error))
    return EXIT_SUCCESS;
  wry_log(WRY_LOG_ERROR, "launcher probe", "why", error->message, NULL);
  return EXIT_FAILURE;
}

/* The exit status of `child`, everybody else reaped meanwhile. */
static int reap_until(pid_t child) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR;)
    if (pid == child)
      return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
  return EXIT_FAILURE;
}

int wry_probe_main(int argc, char **argv) {
  g_autofree char *root = NULL, *emulator = NULL;
  const GOptionEntry options[] = {
    {"root", 0, 0, G_OPTION_ARG_FILENAME, &root, "libvirt's directory to fill", "DIR"},
    {"emulator", 0, 0, G_OPTION_ARG_FILENAME, &emulator, "instead of the sandbox's", "PATH"},
    {0},
  };
  g_autoptr(GError) error = NULL;
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, options, NULL);
  wry_log_init("launcher");
  if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 1 || !root) {
    fprintf(stderr, "usage: launcher probe --root DIR [--emulator PATH]%s%s\n", error ? ": " : "", error ? error->message : "");
    return 2;
  }
  pid_t child = fork();
  if (child == 0)
    _exit(probe(root, emulator ? emulator : wry_domain_dirs.emulator));
  return child < 0 ? EXIT_FAILURE : reap_until(child);
}
