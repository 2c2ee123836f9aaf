/* Streams of an API server: whatever the bytes and the cuts, the splitter finds the same pieces as in one go; it takes every object that the JSON reader takes, and what it takes can be scanned, stripped and stored.
 *
 * First byte: 1 = a list, 0 = values; second: how many bytes are fed at a time. */
#include <stdint.h>
#include <string.h>

#include "handler/kube/item.h"
#include "handler/kube/splitter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gboolean collect(const char *text, gsize length, gpointer data, GError **error) {
  (void)error;
  g_ptr_array_add(data, g_strndup(text, length)); /* NUL is no byte of JSON outside an escape */
  return TRUE;
}

typedef struct {
  GPtrArray *pieces;
  char *rest;
  gboolean fed, whole;
} Outcome;

static Outcome split(WryKubeSplit kind, const char *text, gsize size, gsize step) {
  Outcome out = {.pieces = g_ptr_array_new_with_free_func(g_free), .fed = TRUE};
  g_autoptr(WryKubeSplitter) splitter = wry_kube_splitter_new(kind, collect, out.pieces);
  for (gsize at = 0; at < size && out.fed; at += step) out.fed = wry_kube_splitter_feed(splitter, text + at, MIN(step, size - at), NULL);
  out.whole = out.fed && wry_kube_splitter_finish(splitter, NULL);
  out.rest = g_strdup(wry_kube_splitter_rest(splitter)->str);
  return out;
}

static void clear(Outcome *out) {
  g_ptr_array_unref(out->pieces);
  g_free(out->rest);
}

static void expect(gboolean truth) {
  if (!truth) __builtin_trap();
}

static void same(const Outcome *a, const Outcome *b) {
  expect(a->fed == b->fed && a->whole == b->whole && a->pieces->len == b->pieces->len && (!a->fed || !strcmp(a->rest, b->rest)));
  for (guint i = 0; i < a->pieces->len; i++) expect(!strcmp(g_ptr_array_index(a->pieces, i), g_ptr_array_index(b->pieces, i)));
}

/* What is stripped is an object still; what is stored comes out as it was, packed or not. */
static void store(const char *text) {
  WryKubeSpan span = {text, strlen(text)};
  gsize length;
  g_autofree char *stripped = wry_kube_item_strip(span, &length);
  Outcome again = split(WRY_KUBE_SPLIT_VALUES, stripped, length, length ? length : 1);
  expect(again.whole && again.pieces->len == 1);
  clear(&again);
  g_autoptr(WryKubeItem) item = wry_kube_item_new(&wry_kube_vmis, span, NULL);
  if (!item) return;
  g_autoptr(WryKubeItem) packed = wry_kube_item_keep(item, WRY_KUBE_KEEP_PACKED);
  g_autoptr(WryJson) a = wry_kube_item_object(item, NULL), b = wry_kube_item_object(packed, NULL);
  expect(!a == !b && (!a || !strcmp(json_object_to_json_string(a), json_object_to_json_string(b))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  WryKubeSplit kind = data[0] & 1 ? WRY_KUBE_SPLIT_LIST : WRY_KUBE_SPLIT_VALUES;
  const char *text = (const char *)data + 2;
  size -= 2;
  Outcome once = split(kind, text, size, size ? size : 1), cut = split(kind, text, size, data[1] ? data[1] : 1);
  same(&once, &cut);
  g_autoptr(WryJson) object = wry_json_parse(text, size, NULL);
  if (json_object_is_type(object, json_type_object) && kind == WRY_KUBE_SPLIT_VALUES) expect(once.whole && once.pieces->len == 1);
  for (guint i = 0; i < once.pieces->len; i++) store(g_ptr_array_index(once.pieces, i));
  clear(&once);
  clear(&cut);
  return 0;
}
