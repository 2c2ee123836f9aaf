#pragma once
/* HTTP on the default main context, behind TLS (front.h): requests in, answers when they are ready, connections that turn into streams. The only user of libmicrohttpd.
 *
 * A request is handed on when it is whole (headers and body); it may be answered at once or later, from the main context. Slow answers hold one connection each, nothing else.
 * Limits: headers 16 KiB, a body WRY_API_MAX_BODY, WRY_FRONT_CONNECTIONS connections, WRY_API_IDLE_SECONDS for a request to come; HTTP/1.1 only. */
#include "handler/api/front.h"
#include "wherry/json.h"

#define WRY_API_MAX_BODY (4u << 20)
#define WRY_API_IDLE_SECONDS 10u

typedef struct WryApiServer WryApiServer;
typedef struct WryApiRequest WryApiRequest;
typedef struct WryApiStream WryApiStream;

/* --- the server ------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct {
  int listener;      /* listening; taken */
  gboolean tls12;    /* as WryFrontOptions has them, all three */
  void (*certificate)(gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key, gpointer data);
  char *(*identify)(gnutls_session_t session, gpointer data);
  void (*handle)(WryApiRequest *request, gpointer data);
  gpointer data;
} WryApiServerOptions;

WryApiServer *wry_api_server_new(const WryApiServerOptions *options, GError **error);
/* Requests without an answer are answered with 503, streams are closed without a word to their owner: end them before. */
void wry_api_server_free(WryApiServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryApiServer, wry_api_server_free)

/* --- a request: borrowed, valid until it is answered ------------------------------------------------------------------------------------------------------- */
const char *wry_api_method(const WryApiRequest *request);
/* As it stood in the request line, without the query. */
const char *wry_api_path(const WryApiRequest *request);
/* A parameter of the query, decoded; NULL: absent. */
const char *wry_api_query(const WryApiRequest *request, const char *name);
/* A header; NULL: absent. Several of one name: the first. */
const char *wry_api_header(const WryApiRequest *request, const char *name);
/* Every header in order, those of one name each. */
void wry_api_headers(const WryApiRequest *request, void (*each)(const char *name, const char *value, gpointer data), gpointer data);
const char *wry_api_http(const WryApiRequest *request); /* "HTTP/1.1" */
/* The body; never NULL, may be empty. Not ended with NUL. */
const guint8 *wry_api_body(const WryApiRequest *request, gsize *ret_length);
/* Whom `identify` saw when the connection was made; NULL: nobody. */
const char *wry_api_peer(const WryApiRequest *request);

/* --- answers: each request gets one ------------------------------------------------------------------------------------------------------------------------ */
void wry_api_answer(WryApiRequest *request, guint status, const char *content_type, const void *bytes, gsize length);
void wry_api_answer_text(WryApiRequest *request, guint status, const char *text);
void wry_api_answer_json(WryApiRequest *request, guint status, WryJson *take_object);

/* --- streams ----------------------------------------------------------------------------------------------------------------------------------------------- */
/* Answers 101 with the header fields of a WebSocket; then `opened` is called with the stream and what the client has sent already. `protocol` NULL: none is named.
 * When the client goes before, `opened` is called with NULL. */
typedef void (*WryApiOpened)(WryApiStream *stream, const guint8 *bytes, gsize length, gpointer data);
void wry_api_upgrade(WryApiRequest *request, const char *accept, const char *protocol, WryApiOpened opened, gpointer data);
/* A non-blocking socket with the plain bytes; the stream's. */
int wry_api_stream_fd(const WryApiStream *stream);
/* Ends the connection and frees the stream. */
void wry_api_stream_close(WryApiStream *stream);
