#pragma once
/* JSON values: json-c objects, made strict. Ownership is json-c's: `get` functions borrow, `new` functions give a reference. */
#include <glib.h>
#include <json-c/json.h>

static inline void wry_json_put(json_object *o) { if (o) json_object_put(o); }
typedef json_object WryJson;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryJson, wry_json_put)

/* Parses one JSON text: UTF-8, no duplicate keys, no NaN, no single quotes, no trailing bytes, depth <= WRY_MAX_JSON_DEPTH, tree <= WRY_MAX_JSON_MEMORY
 * (WRY_ERROR_TOO_LARGE). Numbers print as they were written. The text "null" is an error. New reference. */
WryJson *wry_json_parse(const char *text, gsize length, GError **error);

/* Where values of a manifest stand: field path ("spec.domain.cpu.cores", "spec.volumes[0].name") -> line, from 1. */
typedef struct WryLines WryLines;
void wry_lines_free(WryLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryLines, wry_lines_free)
/* Line of the path, or of its nearest known parent, at last of the document's first line; 0 only when `lines` is NULL. */
guint wry_lines_find(const WryLines *lines, const char *path);

typedef struct {
  WryJson *object; /* one document */
  WryLines *lines;
} WryDocument;
void wry_document_free(WryDocument *doc);

/* Parses a manifest: YAML 1.1 as Kubernetes reads it (sigs.k8s.io/yaml: yes/no booleans, octal, no duplicate keys, anchors with an expansion limit), JSON included,
 * several documents, empty ones skipped. List kinds ("kind: List") are flattened. Elements: WryDocument. The error names line and column. */
GPtrArray *wry_manifest_parse(const char *text, gsize length, GError **error);

/* Writes an object as YAML as kubectl prints it (keys sorted). New string. */
char *wry_yaml_write(WryJson *object);

/* Typed reads of members; absent or of another type (a string with NUL inside, an integer beyond int64): NULL, the default. */
const char *wry_json_str(WryJson *object, const char *key);
gint64 wry_json_int(WryJson *object, const char *key, gint64 absent);
gboolean wry_json_bool(WryJson *object, const char *key, gboolean absent);
WryJson *wry_json_get(WryJson *object, const char *key);
/* Follows "a.b[0].c"; a key that holds a dot, slash or bracket stands in brackets: "metadata.labels[k8s.io/name]". NULL when a step is absent. Borrowed. */
WryJson *wry_json_path(WryJson *object, const char *path);
