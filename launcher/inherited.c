/* What run inherits from init: descriptors named in the environment, and the channel on which init tells of the dead. */
#include "launcher/inherited.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/setup.h"
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

static const struct { const char *name; int what; } kinds[] = {
  {"init", WRY_INHERITED_INIT}, {"dhcp4", WRY_SETUP_FD_DHCP4}, {"dhcp6", WRY_SETUP_FD_DHCP6}, {"ra", WRY_SETUP_FD_RA},
};

/* A whole decimal number of at most `max`. */
static gboolean number(const char *text, guint64 max, guint64 *ret) {
  return g_ascii_string_to_unsigned(text, 10, 0, max, ret, NULL);
}

/* "<name>[:<interface>]=<fd>" */
static gboolean parse_one(char *text, WryInherited *ret) {
  guint64 interface = 0, fd = 0;
  char *value = strchr(text, '='), *index = strchr(text, ':');
  if (!value || (index && index > value))
    return FALSE;
  *value++ = 0;
  if (index)
    *index++ = 0;
  if (!number(value, 1023, &fd) || fd <= STDERR_FILENO || (index && !number(index, WRY_MAX_INTERFACES - 1, &interface)))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (strcmp(kinds[i].name, text) == 0 && (kinds[i].what == WRY_INHERITED_INIT) == (index == NULL)) {
      *ret = (WryInherited){kinds[i].what, (guint)interface, (int)fd};
      return TRUE;
    }
  return FALSE;
}

static gboolean is_named(const GArray *list, int fd) {
  for (guint i = 0; i < list->len; i++)
    if (g_array_index(list, WryInherited, i).fd == fd)
      return TRUE;
  return FALSE;
}

GArray *wry_inherited_parse(const char *text, GError **error) {
  g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(WryInherited));
  g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);
  for (char **part = parts; *part; part++) {
    WryInherited one;
    if (!parse_one(*part, &one) || is_named(list, one.fd) || list->len > WRY_MAX_SETUP_FDS) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "WRY_FDS: \"%s\"", *part);
      return NULL;
    }
    g_array_append_val(list, one);
  }
  return g_steal_pointer(&list);
}

struct WryInitChannel {
  int fd;
  guint source;
  WryInitExited exited;
  gpointer data;
};

void wry_init_channel_drain(WryInitChannel *channel) {
  WryInitExit message;
  while (recv(channel->fd, &message, sizeof message, MSG_DONTWAIT) == (ssize_t)sizeof message)
    channel->exited(message.pid, message.status, channel->data);
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data) {
  WryInitChannel *channel = data;
  (void)fd;
  wry_init_channel_drain(channel);
  if (!(condition & (G_IO_HUP | G_IO_ERR)))
    return G_SOURCE_CONTINUE;
  channel->source = 0; /* init is pid 1: it does not outlive us, we end with it */
  return G_SOURCE_REMOVE;
}

WryInitChannel *wry_init_channel_new(int take_fd, WryInitExited exited, gpointer data) {
  WryInitChannel *channel = g_new0(WryInitChannel, 1);
  *channel = (WryInitChannel){.fd = take_fd, .exited = exited, .data = data};
  fcntl(take_fd, F_SETFD, FD_CLOEXEC);
  channel->source = g_unix_fd_add(take_fd, G_IO_IN, readable, channel);
  return channel;
}

void wry_init_channel_free(WryInitChannel *channel) {
  if (!channel)
    return;
  g_clear_handle_id(&channel->source, g_source_remove);
  wry_fd_close(&channel->fd);
  g_free(channel);
}
