/* Takes a stream of JSON apart while it arrives.
 *
 * How it works: a table [state][class of byte] walks the grammar of RFC 8259, with a bit per level that tells objects from arrays, so that a cut at any byte costs nothing: all there is to keep is the state. A
 * piece that lies within one feed is handed out where it lies; only one that is cut is copied. What belongs to no piece is collected: a list without its items.
 * Relies on GLib only. */
#include "handler/kube/splitter.h"

#include <string.h>

#include "wherry/error.h"
#include "wherry/limits.h"

typedef enum { C_OTHER, C_SPACE, C_OBJECT, C_OBJECT_END, C_ARRAY, C_ARRAY_END, C_COLON, C_COMMA, C_QUOTE, C_MINUS, C_PLUS, C_ZERO, C_DIGIT, C_DOT, C_E, C_WORD, CLASSES } Class;

/* 'e' is of a class of its own; no word begins with it. */
static const guchar classes[256] = {
    [' '] = C_SPACE, ['\t'] = C_SPACE, ['\n'] = C_SPACE, ['\r'] = C_SPACE, ['{'] = C_OBJECT, ['}'] = C_OBJECT_END, ['['] = C_ARRAY, [']'] = C_ARRAY_END, [':'] = C_COLON, [','] = C_COMMA, ['"'] = C_QUOTE,
    ['-'] = C_MINUS, ['+'] = C_PLUS, ['0'] = C_ZERO, ['1'] = C_DIGIT, ['2'] = C_DIGIT, ['3'] = C_DIGIT, ['4'] = C_DIGIT, ['5'] = C_DIGIT, ['6'] = C_DIGIT, ['7'] = C_DIGIT, ['8'] = C_DIGIT, ['9'] = C_DIGIT,
    ['.'] = C_DOT, ['e'] = C_E, ['E'] = C_E, ['t'] = C_WORD, ['f'] = C_WORD, ['n'] = C_WORD,
};

/* 0 is a refusal. From TOP to EXP_DIGITS states, then what is done. */
enum {
  TOP = 1, END, VALUE, FIRST_ELEMENT, FIRST_KEY, KEY, COLON, NEXT, MINUS, ZERO, INT, DOT, FRACTION, EXP, EXP_SIGN, EXP_DIGITS, STATES,
  OPEN_OBJECT = STATES, OPEN_ARRAY, CLOSE_OBJECT, CLOSE_ARRAY, COMMA, BEGIN_STRING, BEGIN_KEY, BEGIN_WORD,
  /* within a token: not in the table */
  STRING, ESCAPE, HEX, WORD
};

#define BEGIN_VALUE [C_OBJECT] = OPEN_OBJECT, [C_ARRAY] = OPEN_ARRAY, [C_QUOTE] = BEGIN_STRING, [C_MINUS] = MINUS, [C_ZERO] = ZERO, [C_DIGIT] = INT, [C_WORD] = BEGIN_WORD
static const guchar table[STATES][CLASSES] = {
    [TOP] = {[C_SPACE] = TOP, [C_OBJECT] = OPEN_OBJECT},
    [END] = {[C_SPACE] = END},
    [VALUE] = {[C_SPACE] = VALUE, BEGIN_VALUE},
    [FIRST_ELEMENT] = {[C_SPACE] = FIRST_ELEMENT, BEGIN_VALUE, [C_ARRAY_END] = CLOSE_ARRAY},
    [FIRST_KEY] = {[C_SPACE] = FIRST_KEY, [C_QUOTE] = BEGIN_KEY, [C_OBJECT_END] = CLOSE_OBJECT},
    [KEY] = {[C_SPACE] = KEY, [C_QUOTE] = BEGIN_KEY},
    [COLON] = {[C_SPACE] = COLON, [C_COLON] = VALUE},
    [NEXT] = {[C_SPACE] = NEXT, [C_COMMA] = COMMA, [C_OBJECT_END] = CLOSE_OBJECT, [C_ARRAY_END] = CLOSE_ARRAY},
    [MINUS] = {[C_ZERO] = ZERO, [C_DIGIT] = INT},
    [ZERO] = {[C_DOT] = DOT, [C_E] = EXP},
    [INT] = {[C_ZERO] = INT, [C_DIGIT] = INT, [C_DOT] = DOT, [C_E] = EXP},
    [DOT] = {[C_ZERO] = FRACTION, [C_DIGIT] = FRACTION},
    [FRACTION] = {[C_ZERO] = FRACTION, [C_DIGIT] = FRACTION, [C_E] = EXP},
    [EXP] = {[C_MINUS] = EXP_SIGN, [C_PLUS] = EXP_SIGN, [C_ZERO] = EXP_DIGITS, [C_DIGIT] = EXP_DIGITS},
    [EXP_SIGN] = {[C_ZERO] = EXP_DIGITS, [C_DIGIT] = EXP_DIGITS},
    [EXP_DIGITS] = {[C_ZERO] = EXP_DIGITS, [C_DIGIT] = EXP_DIGITS},
};
/* A number may end in these; what follows is looked at as NEXT. */
static const gboolean is_number[STATES] = {[ZERO] = TRUE, [INT] = TRUE, [FRACTION] = TRUE, [EXP_DIGITS] = TRUE};

#define MAX_REST (64u << 10)
#define ITEMS "items"

G_STATIC_ASSERT(WRY_MAX_JSON_DEPTH <= 64);

struct WryKubeSplitter {
  WryKubeSplit split;
  WryKubePiece piece;
  gpointer data;
  guint state, depth, hex;
  guint64 objects;     /* bit n: level n + 1 is an object */
  const char *word;    /* what is left of true, false, null */
  gboolean in_key, in_piece;
  char key[8];         /* of level 1, as far as it matters */
  gsize key_length;
  gboolean items;      /* the key read last was "items" */
  guint items_depth;   /* level of the list's array; 0: not in it */
  gboolean had_items;
  const char *start;   /* of the piece within this feed */
  GString *held, *rest;
};

WryKubeSplitter *wry_kube_splitter_new(WryKubeSplit split, WryKubePiece piece, gpointer data) {
  WryKubeSplitter *s = g_new0(WryKubeSplitter, 1);
  *s = (WryKubeSplitter){.split = split, .piece = piece, .data = data, .state = TOP, .held = g_string_new(NULL), .rest = g_string_new(NULL)};
  return s;
}

void wry_kube_splitter_free(WryKubeSplitter *s) {
  if (!s) return;
  g_string_free(s->held, TRUE);
  g_string_free(s->rest, TRUE);
  g_free(s);
}

const GString *wry_kube_splitter_rest(const WryKubeSplitter *s) {
  return s->rest;
}

static gboolean too_large(GError **error) {
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "an object of the API server's answer is too large");
  return FALSE;
}

static gboolean refuse(const char *what, GError **error) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "the API server's answer is no JSON as expected: %s", what);
  return FALSE;
}

/* --- pieces ------------------------------------------------------------------------------------------------------------------------------------------------------ */
static gboolean keep_rest(WryKubeSplitter *s, const char *bytes, gsize length, GError **error) {
  if (s->in_piece || s->split != WRY_KUBE_SPLIT_LIST) return TRUE;
  if (s->rest->len + length > MAX_REST) return too_large(error);
  g_string_append_len(s->rest, bytes, (gssize)length);
  return TRUE;
}

/* `end` is behind the piece's last byte. */
static gboolean hold(WryKubeSplitter *s, const char *end, GError **error) {
  gsize length = (gsize)(end - s->start);
  if (s->held->len + length > WRY_MAX_KUBE_OBJECT) return too_large(error);
  g_string_append_len(s->held, s->start, (gssize)length);
  return TRUE;
}

static gboolean hand_out(WryKubeSplitter *s, const char *end, GError **error) {
  s->in_piece = FALSE;
  if (s->held->len == 0) {
    gsize length = (gsize)(end - s->start);
    return length <= WRY_MAX_KUBE_OBJECT ? s->piece(s->start, length, s->data, error) : too_large(error);
  }
  if (!hold(s, end, error)) return FALSE;
  gboolean good = s->piece(s->held->str, s->held->len, s->data, error);
  g_string_truncate(s->held, 0);
  return good;
}

static guint piece_depth(const WryKubeSplitter *s) {
  return s->split == WRY_KUBE_SPLIT_VALUES ? 0 : s->items_depth;
}

static gboolean at_piece(const WryKubeSplitter *s) {
  return !s->in_piece && s->depth == piece_depth(s) && (s->split == WRY_KUBE_SPLIT_VALUES || s->items_depth);
}

/* --- structure ------------------------------------------------------------------------------------------------------------------------------------------------------ */
static gboolean open_container(WryKubeSplitter *s, gboolean object, GError **error) {
  if (s->depth >= WRY_MAX_JSON_DEPTH) return refuse("nested too deep", error);
  if (object)
    s->objects |= G_GUINT64_CONSTANT(1) << s->depth;
  else
    s->objects &= ~(G_GUINT64_CONSTANT(1) << s->depth);
  s->depth++;
  s->state = object ? FIRST_KEY : FIRST_ELEMENT;
  if (!object && s->items && s->depth == 2) s->items_depth = 2;
  s->items = FALSE;
  return TRUE;
}

static gboolean is_object(const WryKubeSplitter *s) {
  return s->depth && s->objects >> (s->depth - 1) & 1;
}

static gboolean close_container(WryKubeSplitter *s, gboolean object, GError **error) {
  if (is_object(s) != object) return refuse("brackets do not match", error);
  if (s->depth == s->items_depth) s->items_depth = 0;
  s->depth--;
  s->state = s->depth ? NEXT : s->split == WRY_KUBE_SPLIT_VALUES ? TOP : END;
  return TRUE;
}

/* At a byte that opens a container. */
static gboolean enter(WryKubeSplitter *s, const char *at, gboolean object, GError **error) {
  if (at_piece(s)) {
    if (!object) return refuse("an item is no object", error);
    s->in_piece = TRUE;
    s->start = at;
  }
  return keep_rest(s, at, 1, error) && open_container(s, object, error);
}

static gboolean leave(WryKubeSplitter *s, const char *at, gboolean object, GError **error) {
  gboolean in_piece = s->in_piece;
  if (!close_container(s, object, error)) return FALSE;
  if (in_piece && s->depth == piece_depth(s)) return hand_out(s, at + 1, error);
  return keep_rest(s, at, 1, error);
}

static gboolean begin_key(WryKubeSplitter *s) {
  s->in_key = TRUE;
  s->key_length = 0;
  s->state = STRING;
  return TRUE;
}

static gboolean end_string(WryKubeSplitter *s, GError **error) {
  s->state = s->in_key ? COLON : NEXT;
  s->items = s->in_key && s->depth == 1 && s->split == WRY_KUBE_SPLIT_LIST && s->key_length == strlen(ITEMS) && !memcmp(s->key, ITEMS, strlen(ITEMS));
  s->in_key = FALSE;
  if (s->items && s->had_items) return refuse("\"items\" twice", error);
  s->had_items |= s->items;
  return TRUE;
}

/* What the table says to do, at a byte outside a token. */
static gboolean act(WryKubeSplitter *s, guint action, const char *at, GError **error) {
  gboolean value = action == BEGIN_STRING || action == BEGIN_WORD || action == MINUS || ((action == ZERO || action == INT) && s->state != MINUS && s->state != INT);
  if (value && at_piece(s)) return refuse("an item is no object", error);
  if (action == OPEN_OBJECT || action == OPEN_ARRAY) return enter(s, at, action == OPEN_OBJECT, error);
  if (action == CLOSE_OBJECT || action == CLOSE_ARRAY) return leave(s, at, action == CLOSE_OBJECT, error);
  gboolean between = s->items_depth && s->depth == s->items_depth; /* the comma between two items goes with them */
  if (!(between && (action == COMMA || classes[(guchar)*at] == C_SPACE)) && !keep_rest(s, at, 1, error)) return FALSE;
  if (value) s->items = FALSE;
  if (action < STATES) {
    s->state = action;
  } else if (action == COMMA) {
    s->state = is_object(s) ? KEY : VALUE;
  } else if (action == BEGIN_KEY) {
    begin_key(s);
  } else if (action == BEGIN_STRING) {
    s->state = STRING;
  } else {
    s->word = *at == 't' ? "rue" : *at == 'f' ? "alse" : "ull";
    s->state = WORD;
  }
  return TRUE;
}

/* --- tokens -------------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The run of bytes of a string that mean themselves, and the byte behind it. Returns where to go on, NULL on failure. */
static const char *string_run(WryKubeSplitter *s, const char *at, const char *end, GError **error) {
  const char *p = at;
  while (p < end && *p != '"' && *p != '\\' && (guchar)*p >= 0x20) p++;
  for (const char *k = at; s->in_key && s->depth == 1 && k < p && s->key_length < sizeof s->key; k++) s->key[s->key_length++] = *k;
  gboolean last = p == end;
  if (!last && (guchar)*p < 0x20) {
    refuse("a control character in a string", error);
    return NULL;
  }
  if (!keep_rest(s, at, (gsize)(p - at) + !last, error)) return NULL;
  if (last) return p;
  if (*p == '"') return end_string(s, error) ? p + 1 : NULL;
  s->key_length = sizeof s->key; /* a key with an escape is none that matters */
  s->state = ESCAPE;
  return p + 1;
}

static gboolean in_token(WryKubeSplitter *s, char c, GError **error) {
  if (s->state == ESCAPE) {
    if (!strchr("\"\\/bfnrtu", c) || !c) return refuse("a bad escape", error);
    s->hex = 0;
    s->state = c == 'u' ? HEX : STRING;
  } else if (s->state == HEX) {
    if (!g_ascii_isxdigit(c)) return refuse("a bad \\u escape", error);
    if (++s->hex == 4) s->state = STRING;
  } else {
    if (*s->word != c) return refuse("a word that is none", error);
    if (!*++s->word) s->state = NEXT;
  }
  return TRUE;
}

static const char *step(WryKubeSplitter *s, const char *at, const char *end, GError **error) {
  if (s->state == STRING) return string_run(s, at, end, error);
  if (s->state > STATES) return keep_rest(s, at, 1, error) && in_token(s, *at, error) ? at + 1 : NULL;
  Class class = classes[(guchar)*at];
  guint action = table[s->state][class];
  if (!action && is_number[s->state]) action = table[s->state = NEXT][class];
  if (!action) {
    refuse("an unexpected byte", error);
    return NULL;
  }
  return act(s, action, at, error) ? at + 1 : NULL;
}

gboolean wry_kube_splitter_feed(WryKubeSplitter *s, const char *bytes, gsize length, GError **error) {
  const char *end = bytes + length;
  s->start = bytes;
  for (const char *at = bytes; at && at < end;)
    if (!(at = step(s, at, end, error))) return FALSE;
  return !s->in_piece || hold(s, end, error);
}

gboolean wry_kube_splitter_finish(const WryKubeSplitter *s, GError **error) {
  if (s->state == (guint)(s->split == WRY_KUBE_SPLIT_VALUES ? TOP : END)) return TRUE;
  return refuse("it ends too early", error);
}
