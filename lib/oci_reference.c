/* Image references as container tools write them: [registry/]path[:tag][@algorithm:digest]. A first component with a dot, a colon or the name "localhost" is a registry; without one
 * the name belongs to docker.io, and a single component there to "library". Grammar: distribution's reference format, lower case only. */
#include "wherry/error.h"
#include "wherry/images.h"
#include <string.h>

#define MAX_REFERENCE 255u

static gboolean is_registry(const char *first, gsize n) {
  return memchr(first, '.', n) || memchr(first, ':', n) || (n == 9 && memcmp(first, "localhost", 9) == 0);
}

/* Lower case letters, digits and the separators of `extra`; not at either end. */
static gboolean is_word(const char *text, gsize n, const char *extra) {
  if (n == 0 || !g_ascii_isalnum(text[0]) || !g_ascii_isalnum(text[n - 1]))
    return FALSE;
  for (gsize i = 0; i < n; i++)
    if (!g_ascii_isdigit(text[i]) && !g_ascii_islower(text[i]) && !strchr(extra, text[i]))
      return FALSE;
  return TRUE;
}

static gboolean is_path(const char *name) {
  const char *slash = strchr(name, '/');
  gsize first = slash ? (gsize)(slash - name) : 0;
  const char *rest = slash && is_registry(name, first) ? slash + 1 : name;
  if (rest != name && !is_word(name, first, ".-:"))
    return FALSE;
  for (const char *at = rest;; at++) {
    gsize n = strcspn(at, "/");
    if (!is_word(at, n, "._-"))
      return FALSE;
    at += n;
    if (!*at)
      return TRUE;
  }
}

static gboolean is_tag(const char *tag) {
  gsize n = strlen(tag);
  if (n == 0 || n > 128 || tag[0] == '.' || tag[0] == '-')
    return FALSE;
  for (gsize i = 0; i < n; i++)
    if (!g_ascii_isalnum(tag[i]) && !strchr("._-", tag[i]))
      return FALSE;
  return TRUE;
}

static gboolean is_digest(const char *digest) {
  return g_str_has_prefix(digest, "sha256:") && strlen(digest) == 7 + 64 && strspn(digest + 7, "0123456789abcdef") == 64;
}

/* Cuts `*at` at the last `mark` of its last component; returns what follows, or NULL. */
static char *cut(char *text, char mark) {
  char *last = strrchr(text, '/');
  char *at = strchr(last ? last : text, mark);
  if (!at)
    return NULL;
  *at = '\0';
  return at + 1;
}

static char *qualified(const char *name) {
  const char *slash = strchr(name, '/');
  if (slash && is_registry(name, (gsize)(slash - name)))
    return g_strdup(name);
  return g_strconcat("docker.io/", slash ? "" : "library/", name, NULL);
}

/* The whole reference; NULL when it is none, or too long with what it leaves out. */
static char *complete(char *copy) {
  const char *digest = cut(copy, '@');
  const char *tag = cut(copy, ':');
  if (!is_path(copy) || (tag && !is_tag(tag)) || (digest && !is_digest(digest)))
    return NULL;
  g_autofree char *name = qualified(copy);
  g_autofree char *whole = digest ? g_strconcat(name, "@", digest, NULL) : g_strconcat(name, ":", tag ? tag : "latest", NULL);
  return strlen(whole) <= MAX_REFERENCE ? g_steal_pointer(&whole) : NULL;
}

char *wry_image_reference(const char *text, GError **error) {
  g_autofree char *copy = g_strndup(text, MAX_REFERENCE + 1);
  char *whole = strlen(text) <= MAX_REFERENCE ? complete(copy) : NULL;
  if (!whole)
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "\"%.80s\" is no image reference: want [registry/]name[:tag][@sha256:digest]", text);
  return whole;
}
