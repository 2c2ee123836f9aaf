/* Edges of the network code that are no netlink: nft as a separate process that reads one transaction from a file in memory, and sysctls. */
#include "launcher/net/nft.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NFT_PROGRAM "/usr/sbin/nft"

/* A memfd with the text, at its start. */
static int text_fd(const char *text, GError **error) {
  int fd = memfd_create("ruleset", MFD_CLOEXEC);
  gsize length = strlen(text);
  if (fd < 0 || write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) != 0) {
    wry_errno(error, errno, "ruleset");
    if (fd >= 0)
      close(fd);
    return -1;
  }
  return fd;
}

/* The first line that nft printed to `fd`. */
static char *first_line(int fd) {
  gsize length = 0;
  if (lseek(fd, 0, SEEK_SET) != 0)
    return NULL;
  char *text = wry_fd_read(fd, 4096, &length, NULL);
  if (text)
    text[strcspn(text, "\n")] = '\0';
  return text;
}

struct WryNft {
  pid_t pid; /* 0: there was nothing to do */
  int out;   /* what nft prints */
};

static gboolean spawn(WryNft *nft, int in, GError **error) {
  char *const argv[] = {(char *)"nft", (char *)"-f", (char *)"-", NULL};
  char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin", NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, nft->out, 1);
  posix_spawn_file_actions_adddup2(&actions, nft->out, 2);
  int problem = posix_spawn(&nft->pid, NFT_PROGRAM, &actions, NULL, argv, environment);
  posix_spawn_file_actions_destroy(&actions);
  if (problem == 0)
    return TRUE;
  nft->pid = 0;
  return wry_errno(error, problem, "start of nft");
}

WryNft *wry_nft_start(const char *ruleset, GError **error) {
  g_autoptr(WryNft) nft = g_new0(WryNft, 1);
  nft->out = -1;
  if (!ruleset || !ruleset[0])
    return g_steal_pointer(&nft);
  wry_autofd int in = text_fd(ruleset, error);
  if (in < 0)
    return NULL;
  nft->out = memfd_create("nft", MFD_CLOEXEC);
  if (nft->out < 0) {
    wry_errno(error, errno, "output of nft");
    return NULL;
  }
  return spawn(nft, in, error) ? g_steal_pointer(&nft) : NULL;
}

/* TRUE when nft has done what it was told. */
static gboolean await(WryNft *nft) {
  int status = 0;
  if (nft->pid == 0)
    return TRUE;
  while (waitpid(nft->pid, &status, 0) < 0 && errno == EINTR) {
  }
  nft->pid = 0;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

gboolean wry_nft_finish(WryNft *take_nft, GError **error) {
  g_autoptr(WryNft) nft = take_nft;
  if (!nft || await(nft))
    return TRUE;
  g_autofree char *line = first_line(nft->out);
  g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "nft refused the ruleset: %s", line ? line : "no message");
  return FALSE;
}

void wry_nft_free(WryNft *nft) {
  if (!nft)
    return;
  await(nft);
  wry_fd_close(&nft->out);
  g_free(nft);
}

gboolean wry_nft_apply(const char *ruleset, GError **error) {
  WryNft *nft = wry_nft_start(ruleset, error);
  return nft && wry_nft_finish(nft, error);
}

int wry_sysctl_get(const char *name) {
  gsize length = 0;
  wry_autofd int dir = wry_dir_open("/proc/sys/net", NULL);
  g_autofree char *text = dir < 0 ? NULL : wry_vread(dir, name, 64, &length, NULL);
  return text && g_ascii_isdigit(text[0]) ? text[0] - '0' : -1;
}

gboolean wry_sysctl_set(const char *name, const char *value, GError **error) {
  wry_autofd int dir = wry_dir_open("/proc/sys/net", error);
  if (dir < 0)
    return FALSE;
  if (!wry_vexists(dir, name))
    return TRUE;
  wry_autofd int fd = wry_vopen(dir, name, O_WRONLY, 0, WRY_WANT_FILE, error);
  if (fd < 0)
    return FALSE;
  if (write(fd, value, strlen(value)) < 0)
    return wry_errno(error, errno, "net/%s", name);
  return TRUE;
}

GPtrArray *wry_sysctl_interfaces(void) {
  wry_autofd int dir = wry_dir_open("/proc/sys/net/ipv6/conf", NULL);
  return dir < 0 ? NULL : wry_vlist(dir, NULL);
}
