#pragma once
/* HTTP transfers on the main loop: the only file that knows libcurl. Knows nothing of Kubernetes. */
#include <glib.h>

typedef struct WryKubeConfig WryKubeConfig;
typedef struct WryTransport WryTransport;
typedef struct WryTransfer WryTransfer;

/* `config` (borrowed) has the server, its authority and names. */
WryTransport *wry_transport_new(const WryKubeConfig *config, gboolean http1, const char *user_agent, GError **error);
/* Open transfers are dropped and not answered. */
void wry_transport_free(WryTransport *transport);

typedef struct {
  const char *method;       /* "GET" */
  const char *target;       /* path and query; copied */
  const char *content_type; /* of the body; NULL: none. Copied */
  const char *accept;       /* copied */
  const char *body;         /* NULL: none. Copied */
  gsize body_length;
  gboolean once;            /* never sent twice, whatever happens to the connection */
  guint timeout_seconds;    /* of the whole; 0: never */
  guint idle_seconds;       /* without a byte; 0: never */
} WryTransferRequest;

/* How a transfer ended. */
typedef struct {
  int http;             /* 0: no answer */
  const char *why;      /* NULL: the answer was whole. Borrowed */
  gboolean unsent;      /* the server cannot have seen the request */
  gboolean timeout;
  gboolean stopped;     /* `bytes` said so */
  gboolean json;        /* the answer's content type */
  guint retry_after;    /* seconds; 0: not told */
} WryTransferEnd;

typedef struct {
  /* The answer's head is there. May be NULL. */
  void (*begin)(int http, gpointer data);
  /* Some of the answer's body. FALSE ends the transfer. */
  gboolean (*bytes)(int http, const char *bytes, gsize length, gpointer data);
  void (*end)(const WryTransferEnd *end, gpointer data);
} WryTransferCalls;

/* With the configuration's identity as it is now. Never calls back from within. Owned by the transport until `end`. */
WryTransfer *wry_transport_start(WryTransport *transport, const WryTransferRequest *request, const WryTransferCalls *calls, gpointer data);
/* No call follows any more. May be called from any callback. */
void wry_transfer_drop(WryTransfer *transfer);
