/* One object of a watched collection as text, and the store of them.
 *
 * How it works: an item is one block of memory: names, uid, resourceVersion and text behind the struct; the store is a hash set of items by namespace and name. A list is compared by stamps: each item carries the
 * number of the list that had it last, and what has an older number at the end of a whole list is gone.
 * Relies on: scan.h for looking at text; zlib through GIO for packing; wry_json_parse for trees on demand. */
#include "handler/kube/item.h"

#include <gio/gio.h>
#include <string.h>

#include "wherry/limits.h"

struct WryKubeItem {
  guint refs;
  guint list;      /* number of the list that had it last */
  gboolean packed;
  const WryKubeResource *resource;
  const char *ns, *name, *uid, *version; /* in `data` */
  const char *text;                      /* in `data`; NULL: not kept */
  gsize length, plain_length;            /* of text; of it unpacked */
  char data[];
};

/* --- text -------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The member's bytes with one comma, when it has one beside it. */
static void widen(WryKubeSpan within, const char **from, const char **to) {
  const char *p = *from, *end = within.text + within.length;
  while (p > within.text + 1 && g_ascii_isspace(p[-1])) p--;
  if (p > within.text + 1 && p[-1] == ',') {
    *from = p - 1;
    return;
  }
  for (p = *to; p < end && g_ascii_isspace(*p); p++) {}
  if (p < end && *p == ',') *to = p + 1;
}

char *wry_kube_item_strip(WryKubeSpan text, gsize *ret_length) {
  WryKubeSpan metadata = wry_kube_scan_member(text, "metadata");
  WryKubeScan scan;
  wry_kube_scan_init(&scan, metadata);
  while (wry_kube_scan_next(&scan)) {
    if (!wry_kube_span_is(scan.key, "managedFields")) continue;
    const char *from = scan.key.text - 1, *to = scan.value.text + scan.value.length;
    widen(metadata, &from, &to);
    gsize head = (gsize)(from - text.text), tail = (gsize)(text.text + text.length - to);
    char *cut = g_malloc(head + tail + 1);
    memcpy(cut, text.text, head);
    memcpy(cut + head, to, tail);
    cut[*ret_length = head + tail] = '\0';
    return cut;
  }
  *ret_length = text.length;
  return g_strndup(text.text, text.length);
}

/* --- items -------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static const char *append(char **at, WryKubeSpan span) {
  char *start = *at;
  memcpy(start, span.text, span.length);
  start[span.length] = '\0';
  *at = start + span.length + 1;
  return start;
}

/* namespace, name, uid, resourceVersion, text. */
enum { NAMESPACE, NAME, UID, VERSION, TEXT, SPANS };

static WryKubeItem *item_alloc(const WryKubeResource *resource, const WryKubeSpan spans[SPANS], gboolean packed, gsize plain_length) {
  gsize size = SPANS;
  for (guint i = 0; i < SPANS; i++) size += spans[i].length;
  WryKubeItem *item = g_malloc(sizeof *item + size);
  char *at = item->data;
  *item = (WryKubeItem){.refs = 1, .packed = packed, .resource = resource, .length = spans[TEXT].length, .plain_length = plain_length};
  item->ns = append(&at, spans[NAMESPACE]);
  item->name = append(&at, spans[NAME]);
  item->uid = append(&at, spans[UID]);
  item->version = append(&at, spans[VERSION]);
  item->text = spans[TEXT].text ? append(&at, spans[TEXT]) : NULL;
  return item;
}

WryKubeItem *wry_kube_item_new(const WryKubeResource *resource, WryKubeSpan text, GError **error) {
  static const char *const names[] = {"namespace", "name", "uid", "resourceVersion"};
  WryKubeSpan spans[SPANS] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}};
  WryKubeScan scan;
  wry_kube_scan_init(&scan, wry_kube_scan_member(text, "metadata"));
  while (wry_kube_scan_next(&scan))
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
      if (wry_kube_span_is(scan.key, names[i])) spans[i] = wry_kube_scan_string(scan.value);
  if (!spans[NAME].length || !spans[UID].length || !spans[VERSION].length || !g_utf8_validate_len(text.text, text.length, NULL)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "an object of kind %s has no name, uid or resourceVersion, or is no UTF-8", resource->kind);
    return NULL;
  }
  g_autofree char *stripped = wry_kube_item_strip(text, &spans[TEXT].length);
  spans[TEXT].text = stripped;
  return item_alloc(resource, spans, FALSE, spans[TEXT].length);
}

WryKubeItem *wry_kube_item_ref(const WryKubeItem *item) {
  ((WryKubeItem *)item)->refs++; /* the count is not the state of the object */
  return (WryKubeItem *)item;
}

void wry_kube_item_unref(WryKubeItem *item) {
  if (item && --item->refs == 0) g_free(item);
}

const char *wry_kube_item_namespace(const WryKubeItem *item) {
  return item->ns;
}

const char *wry_kube_item_name(const WryKubeItem *item) {
  return item->name;
}

const char *wry_kube_item_uid(const WryKubeItem *item) {
  return item->uid;
}

const char *wry_kube_item_version(const WryKubeItem *item) {
  return item->version;
}

/* --- packing --------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* All of `in` through `converter` into `out`; the bytes written, 0 when they do not fit. */
static gsize convert(GConverter *converter, const char *in, gsize in_length, char *out, gsize out_length) {
  gsize consumed, written;
  g_converter_reset(converter);
  GConverterResult result = g_converter_convert(converter, in, in_length, out, out_length, G_CONVERTER_INPUT_AT_END, &consumed, &written, NULL);
  return result == G_CONVERTER_FINISHED ? written : 0;
}

/* One of each for the process: a compressor takes a quarter of a MiB. The loop is the only thread that comes here. */
static GConverter *compressor(void) {
  static GConverter *converter;
  if (!converter) converter = G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_RAW, 1));
  return converter;
}

static GConverter *decompressor(void) {
  static GConverter *converter;
  if (!converter) converter = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_RAW));
  return converter;
}

static WryKubeItem *with_text(const WryKubeItem *item, WryKubeSpan text, gboolean packed) {
  const WryKubeSpan spans[SPANS] = {{item->ns, strlen(item->ns)}, {item->name, strlen(item->name)}, {item->uid, strlen(item->uid)}, {item->version, strlen(item->version)}, text};
  return item_alloc(item->resource, spans, packed, item->plain_length);
}

WryKubeItem *wry_kube_item_keep(WryKubeItem *item, WryKubeKeep keep) {
  if (keep == WRY_KUBE_KEEP_NAMES) return with_text(item, (WryKubeSpan){NULL, 0}, FALSE);
  if (keep == WRY_KUBE_KEEP_TEXT || item->packed || !item->text) return wry_kube_item_ref(item);
  g_autofree char *room = g_malloc(item->length);
  gsize length = convert(compressor(), item->text, item->length, room, item->length);
  return length ? with_text(item, (WryKubeSpan){room, length}, TRUE) : wry_kube_item_ref(item);
}

static char *plain_text(const WryKubeItem *item) {
  char *text = g_malloc(item->plain_length + 1);
  gsize length = item->plain_length;
  if (item->packed)
    length = convert(decompressor(), item->text, item->length, text, item->plain_length);
  else
    memcpy(text, item->text, length);
  text[length] = '\0';
  return text;
}

static void set_absent(WryJson *object, const char *key, const char *value) {
  if (!wry_json_get(object, key)) json_object_object_add(object, key, json_object_new_string(value));
}

WryJson *wry_kube_item_object(const WryKubeItem *item, GError **error) {
  if (!item->text) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "%s %s/%s: only its names are kept", item->resource->kind, item->ns, item->name);
    return NULL;
  }
  g_autofree char *unpacked = item->packed ? plain_text(item) : NULL;
  WryJson *object = wry_json_parse(unpacked ? unpacked : item->text, unpacked ? strlen(unpacked) : item->length, error);
  if (!object) {
    g_prefix_error(error, "%s %s/%s: ", item->resource->kind, item->ns, item->name);
    return NULL;
  }
  g_autofree char *api_version = wry_kube_api_version(item->resource);
  set_absent(object, "apiVersion", api_version);
  set_absent(object, "kind", item->resource->kind);
  return object;
}

/* --- store ------------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
struct WryKubeStore {
  WryKubeKeep keep;
  WryKubeStoreChanged changed;
  gpointer data;
  GHashTable *items; /* a set */
  guint list;
};

static guint item_hash(gconstpointer data) {
  const WryKubeItem *item = data;
  return g_str_hash(item->ns) * 31 + g_str_hash(item->name);
}

static gboolean item_equal(gconstpointer a, gconstpointer b) {
  const WryKubeItem *x = a, *y = b;
  return !strcmp(x->name, y->name) && !strcmp(x->ns, y->ns);
}

static void item_unref(gpointer item) {
  wry_kube_item_unref(item);
}

WryKubeStore *wry_kube_store_new(WryKubeKeep keep, WryKubeStoreChanged changed, gpointer data) {
  WryKubeStore *store = g_new0(WryKubeStore, 1);
  *store = (WryKubeStore){.keep = keep, .changed = changed, .data = data, .items = g_hash_table_new_full(item_hash, item_equal, item_unref, NULL)};
  return store;
}

void wry_kube_store_free(WryKubeStore *store) {
  if (!store) return;
  g_hash_table_unref(store->items);
  g_free(store);
}

guint wry_kube_store_count(const WryKubeStore *store) {
  return g_hash_table_size(store->items);
}

static WryKubeItem *find(const WryKubeStore *store, const WryKubeItem *like) {
  gpointer item;
  return g_hash_table_lookup_extended(store->items, like, &item, NULL) ? item : NULL;
}

const WryKubeItem *wry_kube_store_find(const WryKubeStore *store, const char *ns, const char *name) {
  const WryKubeItem like = {.ns = ns ? ns : "", .name = name};
  return find(store, &like);
}

void wry_kube_store_each(const WryKubeStore *store, WryKubeEach each, gpointer data) {
  GHashTableIter iter;
  gpointer item;
  g_hash_table_iter_init(&iter, store->items);
  while (g_hash_table_iter_next(&iter, &item, NULL))
    if (!each(item, data)) return;
}

static void forget(WryKubeStore *store, WryKubeItem *item, const WryKubeItem *last) {
  g_autoptr(WryKubeItem) held = wry_kube_item_ref(last);
  g_hash_table_remove(store->items, item);
  store->changed(WRY_KUBE_DELETED, held, store->data);
}

void wry_kube_store_put(WryKubeStore *store, WryKubeItem *item) {
  WryKubeItem *known = find(store, item);
  gboolean same = known && !strcmp(known->uid, item->uid);
  if (same && !strcmp(known->version, item->version)) {
    known->list = store->list;
    return;
  }
  if (known && !same) forget(store, known, known);
  WryKubeItem *kept = wry_kube_item_keep(item, store->keep);
  kept->list = store->list;
  g_hash_table_add(store->items, kept); /* in the place of an older one */
  store->changed(same ? WRY_KUBE_MODIFIED : WRY_KUBE_ADDED, item, store->data);
}

void wry_kube_store_drop(WryKubeStore *store, WryKubeItem *item) {
  WryKubeItem *known = find(store, item);
  if (known && !strcmp(known->uid, item->uid)) forget(store, known, item);
}

void wry_kube_store_list_begin(WryKubeStore *store) {
  store->list++;
}

void wry_kube_store_list_end(WryKubeStore *store) {
  g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(item_unref);
  GHashTableIter iter;
  gpointer item;
  g_hash_table_iter_init(&iter, store->items);
  while (g_hash_table_iter_next(&iter, &item, NULL))
    if (((WryKubeItem *)item)->list != store->list) g_ptr_array_add(gone, wry_kube_item_ref(item));
  for (guint i = 0; i < gone->len; i++) forget(store, g_ptr_array_index(gone, i), g_ptr_array_index(gone, i));
}
