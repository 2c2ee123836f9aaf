/* Varlink from the caller's side: JSON objects ended by NUL on a UNIX stream socket. Replies are collected in a buffer; an fd arrives with the first byte of its reply and is kept until that
 * reply is taken. */
#include "tools/wherryctl/client.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct WryClient {
  int fd, received_fd;
  GByteArray *buffer;
};

WryClient *wry_client_open(const char *root, GError **error) {
  g_autofree char *run = root ? g_build_filename(root, "run", NULL) : g_strdup("/run/wherry");
  g_autoptr(GError) problem = NULL;
  wry_autofd int dir = wry_dir_open(run, &problem);
  int fd = dir < 0 ? -1 : wry_vconnect(dir, WRY_CONTROL_SOCKET, SOCK_STREAM, &problem);
  if (fd < 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "error: no handler answers at %s/%s (%s); is it running? Another root: --root DIR or WHERRY_ROOT", run, WRY_CONTROL_SOCKET,
                problem->message);
    return NULL;
  }
  WryClient *client = g_new0(WryClient, 1);
  client->fd = fd;
  client->received_fd = -1;
  client->buffer = g_byte_array_new();
  return client;
}

void wry_client_free(WryClient *client) {
  if (!client)
    return;
  close(client->fd);
  if (client->received_fd >= 0)
    close(client->received_fd);
  g_byte_array_unref(client->buffer);
  g_free(client);
}

int wry_client_fd(const WryClient *client) {
  return client->fd;
}

static gboolean send_all(int fd, const char *data, gsize n, GError **error) {
  while (n) {
    ssize_t done = send(fd, data, n, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return wry_errno(error, errno, "error: the handler's socket");
    data += done;
    n -= (gsize)done;
  }
  return TRUE;
}

gboolean wry_client_send(WryClient *client, WryControlMethod method, gconstpointer parameters, gboolean more, GError **error) {
  g_autoptr(WryJson) call = json_object_new_object();
  g_autofree char *name = g_strconcat(WRY_CONTROL_NAME ".", wry_control_method_name(method), NULL);
  json_object_object_add(call, "method", json_object_new_string(name));
  json_object_object_add(call, "parameters", wry_encode(wry_control_parameters_type(method), parameters));
  if (more)
    json_object_object_add(call, "more", json_object_new_boolean(TRUE));
  const char *text = json_object_to_json_string_ext(call, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
  return send_all(client->fd, text, strlen(text) + 1, error);
}

static gboolean receive_some(WryClient *client, GError **error) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
  guint8 block[16384];
  struct iovec iov = {block, sizeof block};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t n = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC);
  if (n < 0 && errno == EINTR)
    return TRUE;
  if (n <= 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_IO, "error: the handler closed the connection");
    return FALSE;
  }
  struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int))) {
    wry_fd_close(&client->received_fd);
    memcpy(&client->received_fd, CMSG_DATA(c), sizeof(int));
  }
  g_byte_array_append(client->buffer, block, (guint)n);
  if (client->buffer->len <= WRY_MAX_CONTROL_MESSAGE)
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "error: the handler's reply is longer than %u bytes", WRY_MAX_CONTROL_MESSAGE);
  return FALSE;
}

gboolean wry_client_pending(const WryClient *client) {
  return memchr(client->buffer->data, '\0', client->buffer->len) != NULL;
}

/* One whole message, taken out of the buffer. */
static WryJson *take_message(WryClient *client, GError **error) {
  while (!client->buffer->len || !wry_client_pending(client))
    if (!receive_some(client, error))
      return NULL;
  gsize n = strlen((const char *)client->buffer->data);
  WryJson *message = wry_json_parse((const char *)client->buffer->data, n, error);
  g_byte_array_remove_range(client->buffer, 0, (guint)n + 1);
  return message;
}

static WryErrorCode code_of(gint64 http) {
  static const struct { gint64 http; WryErrorCode code; } rows[] = {
      {404, WRY_ERROR_NOT_FOUND}, {409, WRY_ERROR_CONFLICT}, {403, WRY_ERROR_DENIED}, {400, WRY_ERROR_INVALID}, {422, WRY_ERROR_INVALID}, {504, WRY_ERROR_TIMEOUT}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].http == http)
      return rows[i].code;
  return WRY_ERROR_FAILED;
}

static void error_from(WryJson *reply, const char *name, GError **error) {
  WryJson *p = wry_json_get(reply, "parameters"), *causes = wry_json_get(p, "causes");
  const char *reason = wry_json_str(p, "reason"), *message = wry_json_str(p, "message");
  GString *text = g_string_new(NULL);
  if (strcmp(name, WRY_CONTROL_FAILED) != 0)
    g_string_printf(text, "error: the handler answered %s", name);
  else
    g_string_printf(text, "Error from server (%s): %s", reason ? reason : "Unknown", message ? message : "");
  gsize n = json_object_is_type(causes, json_type_array) ? json_object_array_length(causes) : 0;
  for (gsize i = 0; n > 1 && i < n; i++) {
    WryJson *cause = json_object_array_get_idx(causes, i);
    const char *field = wry_json_str(cause, "field"), *what = wry_json_str(cause, "message");
    g_string_append_printf(text, "\n* %s: %s", field ? field : "", what ? what : "");
  }
  g_set_error_literal(error, WRY_ERROR, (gint)code_of(wry_json_int(p, "code", 0)), text->str);
  g_string_free(text, TRUE);
}

WryJson *wry_client_receive(WryClient *client, gboolean *ret_continues, int *ret_fd, GError **error) {
  g_autoptr(WryJson) reply = take_message(client, error);
  if (ret_fd)
    *ret_fd = -1;
  if (!reply)
    return NULL;
  const char *problem = wry_json_str(reply, "error");
  if (problem) {
    error_from(reply, problem, error);
    return NULL;
  }
  if (ret_continues)
    *ret_continues = wry_json_bool(reply, "continues", FALSE);
  if (ret_fd)
    *ret_fd = g_steal_fd(&client->received_fd);
  WryJson *parameters = wry_json_get(reply, "parameters");
  return parameters ? json_object_get(parameters) : json_object_new_object();
}

WryJson *wry_client_call(const char *root, WryControlMethod method, gconstpointer parameters, int *ret_fd, GError **error) {
  g_autoptr(WryClient) client = wry_client_open(root, error);
  if (!client || !wry_client_send(client, method, parameters, FALSE, error))
    return NULL;
  return wry_client_receive(client, NULL, ret_fd, error);
}
