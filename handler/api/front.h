#pragma once
/* TLS in front of the HTTP server: accepts, shakes hands, and hands on a plain socket whose bytes it carries both ways.
 *
 * The HTTP library's own TLS gives an upgraded connection a buffer of four bytes (0.9.75) and no word about whose handshake a certificate is asked for; so TLS ends
 * here. At most WRY_BUFFER_SIZE (buffer.h) bytes are held each way; a side is read only when what came from it before has been written. */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <glib.h>

#define WRY_FRONT_CONNECTIONS 512u
#define WRY_FRONT_HANDSHAKE_SECONDS 10u

typedef struct WryFront WryFront;

typedef struct {
  int listener;      /* listening, non-blocking; taken */
  gboolean tls12;    /* TLS 1.2 too; else 1.3 only */
  /* The certificate to show, asked for each handshake, so that it may be replaced while connections live. Borrowed until the next call. Length 0: none, the handshake fails. */
  void (*certificate)(gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key, gpointer data);
  /* Who the peer is, by its certificate; it is asked for one, not made to give it. New, or NULL. */
  char *(*identify)(gnutls_session_t session, gpointer data);
  /* A connection stands: its plain socket (non-blocking, taken) and its peer (borrowed, may be NULL). FALSE: not wanted. */
  gboolean (*connected)(int take_fd, const char *peer, gpointer data);
  gpointer data;
} WryFrontOptions;

/* FALSE with error (through NULL): the TLS library refused. */
WryFront *wry_front_new(const WryFrontOptions *options, GError **error);
/* Every connection is dropped. */
void wry_front_free(WryFront *front);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryFront, wry_front_free)
