/* Parts of a VM's life measured alone, for tests/bench/parts.py.
 *
 *   parts relay ours|plain BYTES       a guest prints BYTES as fast as one reader takes them: nanoseconds of processor time of the relaying thread, bytes that reached the reader
 *   parts network SETUP SANDBOX_NETNS  starts SETUP (launcher-setup) for one masquerade interface, both sides of its network; the caller's network namespace is the host's side
 *   parts seccomp                      nanoseconds to load the policy of launcher run */
#include "launcher/console.h"
#include "policy_run.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/setup.h"
#include "wherry/vpath.h"
#include <fcntl.h>
#include <glib-unix.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536u
#define AHEAD (256u << 10) /* less than the console's ring */

static gint64 nanoseconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (gint64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int fail(const char *what) {
  perror(what);
  return 1;
}

/* --- relay ---------------------------------------------------------------------------------------------------------------- */

static gsize taken; /* by the reader, so far */

typedef struct { int fd, told; gsize bytes; } Printer;

/* Never so far ahead that anything would be dropped. Then the other pipe tells that all is printed: a console's FIFO itself never ends. */
static gpointer print(gpointer data) {
  Printer *printer = data;
  g_autofree char *block = g_malloc0(BLOCK);
  for (gsize done = 0; done < printer->bytes;) {
    while (done - __atomic_load_n(&taken, __ATOMIC_RELAXED) > AHEAD)
      g_thread_yield();
    ssize_t n = write(printer->fd, block, MIN(printer->bytes - done, BLOCK));
    done += (gsize)MAX(n, 0);
  }
  close(printer->fd);
  close(printer->told);
  return NULL;
}

static gpointer take(gpointer data) {
  g_autofree char *block = g_malloc(BLOCK);
  for (ssize_t n; (n = read(*(int *)data, block, BLOCK)) > 0;)
    __atomic_add_fetch(&taken, (gsize)n, __ATOMIC_RELAXED);
  return NULL;
}

static void relay_plainly(int from, int to) {
  g_autofree char *block = g_malloc(BLOCK);
  for (ssize_t n; (n = read(from, block, BLOCK)) > 0;)
    for (ssize_t done = 0, m; done < n; done += m)
      if ((m = write(to, block + done, (size_t)(n - done))) < 0)
        return;
}

static gboolean has_ended(gint fd, GIOCondition condition, gpointer data) {
  (void)fd;
  (void)condition;
  g_main_loop_quit(data);
  return G_SOURCE_REMOVE;
}

static void relay_ours(WryConsole *console, int end) {
  g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
  g_unix_fd_add(end, G_IO_HUP, has_ended, loop);
  g_main_loop_run(loop);
  wry_console_finish(console);
}

static int relay(gboolean ours, gsize bytes) {
  int out[2], in[2], told[2], session[2];
  if (pipe2(out, O_CLOEXEC) || pipe2(in, O_CLOEXEC | O_NONBLOCK) || pipe2(told, O_CLOEXEC) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, session))
    return fail("pipes");
  WryConsole *console = NULL;
  if (ours) {
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    console = wry_console_new(out[0], in[1], NULL);
    session[1] = wry_console_attach(console, TRUE, FALSE, FALSE, NULL);
    fcntl(session[1], F_SETFL, 0);
  }
  Printer printer = {out[1], told[1], bytes};
  GThread *prints = g_thread_new("prints", print, &printer), *takes = g_thread_new("takes", take, &session[1]);
  gint64 before = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  if (ours)
    relay_ours(console, told[0]);
  else
    relay_plainly(out[0], session[0]);
  gint64 spent = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - before;
  wry_console_free(console);
  close(session[0]);
  g_thread_join(prints);
  g_thread_join(takes);
  printf("%" G_GINT64_FORMAT " %" G_GSIZE_FORMAT "\n", spent, taken);
  return 0;
}

/* --- network -------------------------------------------------------------------------------------------------------------- */

static WrySetupRequest request(void) {
  WrySetupInterface interface = {.pod = "eth0", .bridge = "k6t-eth0", .tap = "tap0", .binding = WRY_BIND_MASQUERADE, .queues = 1,
                                 .gateway4 = {{10, 0, 2, 1}, 24, 1}, .guest4 = {{10, 0, 2, 2}, 24, 1},
                                 .gateway6 = {{0xfd, 0x10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 120, 1}, .guest6 = {{0xfd, 0x10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 120, 1}};
  WrySetupRequest r = {.version = WRY_SETUP_VERSION, .op = WRY_SETUP_NETWORK_UP, .root_id = 0xbe9c4001, .slot = 1, .uid = 600000001, .gid = 600000001,
                       .pod4 = {{10, 250, 0, 2}, 16, 1}, .pod4_gateway = {{10, 250, 0, 1}, 16, 1},
                       .pod6 = {{0xfd, 0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 64, 1}, .pod6_gateway = {{0xfd, 0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 64, 1}, .n_interfaces = 1};
  r.interfaces[0] = interface;
  return r;
}

static gboolean send_request(int sock, int netns) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
  WrySetupRequest r = request();
  struct iovec iov = {&r, sizeof r};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
  *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof netns)};
  memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &netns, sizeof netns);
  return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof r;
}

static int network(const char *setup, const char *path) {
  char *const argv[] = {(char *)setup, NULL}, *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  posix_spawn_file_actions_t actions;
  WrySetupReply reply = {0};
  int pair[2], status;
  pid_t pid;
  g_autofree char *folder = g_path_get_dirname(path), *name = g_path_get_basename(path);
  wry_autofd int dir = wry_dir_open(folder, NULL);
  int netns = dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_CLOEXEC);
  if (netns < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return fail(path);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
  if (posix_spawn(&pid, setup, &actions, NULL, argv, environment) != 0)
    return fail(setup);
  close(pair[1]);
  if (!send_request(pair[0], netns) || recv(pair[0], &reply, sizeof reply, 0) != (ssize_t)sizeof reply || !reply.ok) {
    fprintf(stderr, "network: %s\n", reply.message);
    return 1;
  }
  return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

/* --- seccomp -------------------------------------------------------------------------------------------------------------- */

static int seccomp(void) {
  g_autoptr(GError) error = NULL;
  if (!wry_isolate_no_new_privs(&error))
    return fail("no_new_privs");
  gint64 before = nanoseconds(CLOCK_MONOTONIC);
  gboolean loaded = wry_isolate_seccomp(wry_policy_run, G_N_ELEMENTS(wry_policy_run), &error);
  gint64 spent = nanoseconds(CLOCK_MONOTONIC) - before;
  if (!loaded)
    return fail("policy");
  char text[32];
  int n = snprintf(text, sizeof text, "%" G_GINT64_FORMAT "\n", spent);
  _exit(write(STDOUT_FILENO, text, (size_t)n) == n ? 0 : 1);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "relay") == 0)
    return relay(strcmp(argv[2], "ours") == 0, g_ascii_strtoull(argv[3], NULL, 10));
  if (argc == 4 && strcmp(argv[1], "network") == 0)
    return network(argv[2], argv[3]);
  if (argc == 2 && strcmp(argv[1], "seccomp") == 0)
    return seccomp();
  fputs("usage: parts relay ours|plain BYTES | network SETUP NETNS | seccomp\n", stderr);
  return 2;
}
