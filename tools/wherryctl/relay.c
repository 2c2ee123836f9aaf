/* A relay with one poll loop and no buffering beyond one block a direction: a slow reader slows its writer. */
#include "tools/wherryctl/relay.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 16384

static gboolean write_all(int fd, const char *data, size_t n) {
  while (n) {
    ssize_t done = write(fd, data, n);
    if (done < 0 && (errno == EINTR || errno == EAGAIN)) {
      struct pollfd p = {.fd = fd, .events = POLLOUT};
      poll(&p, 1, -1);
      continue;
    }
    if (done < 0)
      return FALSE;
    data += done;
    n -= (size_t)done;
  }
  return TRUE;
}

typedef enum { MOVED, ENDED, ESCAPED } Move;

static Move move_block(int from, int to, char escape) {
  char block[BLOCK];
  ssize_t n = read(from, block, sizeof block);
  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return MOVED;
  if (n <= 0)
    return ENDED;
  char *stop = escape ? memchr(block, escape, (size_t)n) : NULL;
  if (!write_all(to, block, stop ? (size_t)(stop - block) : (size_t)n))
    return ENDED;
  return stop ? ESCAPED : MOVED;
}

void wry_relay(int a, int b, int c, int d, char escape) {
  /* The third tells only that nobody reads d any more. */
  struct pollfd p[3] = {{.fd = a, .events = POLLIN}, {.fd = c, .events = POLLIN}, {.fd = d}};
  for (;;) {
    if (poll(p, 3, -1) < 0) {
      if (errno != EINTR)
        return;
      continue;
    }
    if (p[2].revents & (POLLERR | POLLHUP))
      return;
    if (p[1].revents && move_block(c, d, 0) != MOVED)
      return;
    Move up = p[0].revents ? move_block(a, b, escape) : MOVED;
    if (up == ESCAPED)
      return;
    if (up == ENDED)
      p[0].fd = -1; /* poll leaves it out */
  }
}
