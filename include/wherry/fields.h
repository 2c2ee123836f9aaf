#pragma once
/* Structs described by tables: one row per field drives decoding, encoding, freeing, copying, and the CRD schema.
 *
 * A type is a C struct and its rows. `wry_decode` fills the struct from JSON and reports every problem with its field path; unknown fields are
 * causes too (no field is ever silently ignored). `wry_encode` writes it back: absent stays absent, WRY_F_ALWAYS objects appear as {}.
 *
 * How a kind is stored:
 *   BOOL      WryOptBool          INT  WryOptInt          STR, ENUM, QUANTITY, TIME, INTORSTR  char * (NULL = absent; text as written; INTORSTR numbers are
 *   kept as decimal text)         OBJECT  T * (NULL = absent; an "empty object" type has no rows)      LIST  GPtrArray * of T * (NULL = absent)
 *   STRLIST   GPtrArray * of char *        MAP (string -> string or quantity) and RAW (checked elsewhere)  json_object * (NULL = absent)
 *   NUMBER (any JSON number), INTLIST, INTMAP, BOOLMAP, OBJMAP (string -> object of the row's type)  json_object * (NULL = absent), as written */
#include "error.h"
#include "json.h"

typedef struct { gboolean set; gboolean v; } WryOptBool;
typedef struct { gboolean set; gint64 v; } WryOptInt;

typedef enum {
  WRY_K_BOOL, WRY_K_INT, WRY_K_STR, WRY_K_ENUM, WRY_K_QUANTITY, WRY_K_TIME, WRY_K_INTORSTR,
  WRY_K_OBJECT, WRY_K_LIST, WRY_K_STRLIST, WRY_K_MAP, WRY_K_QMAP, WRY_K_RAW,
  WRY_K_NUMBER, WRY_K_INTLIST, WRY_K_INTMAP, WRY_K_BOOLMAP, WRY_K_OBJMAP,
} WryKind;

enum {
  WRY_F_REQUIRED = 1 << 0,    /* absent: FieldValueRequired */
  WRY_F_ALWAYS = 1 << 1,      /* encoded even when absent/empty (Go fields without omitempty) */
  WRY_F_UNSUPPORTED = 1 << 2, /* decoded; wry_refuse_unsupported() refuses a set one with "not supported by this version" */
  WRY_F_INT32 = 1 << 3,       /* CRD format int32 and range; default int64 */
  WRY_F_INLINE_QTY = 1 << 4,  /* a quantity list/map value kind */
  WRY_F_RAW_LIST = 1 << 5,    /* RAW with a type: a list of that type (without the flag: one object) */
  WRY_F_ZERO_ABSENT = 1 << 6, /* BOOL, INT: Go's value type with omitempty: false and 0 are written as absent (spec_normal.c) */
  WRY_F_EMPTY_KEPT = 1 << 7,  /* STR: Go's *string: "" is written (other strings, lists and maps are written as absent when empty) */
  WRY_F_BY_CLUSTER = 1 << 8,  /* the cluster does it (scheduler, kubelet): there is nothing that could without one. Refused like WRY_F_UNSUPPORTED where asked so */
};

typedef struct WryType WryType;

typedef struct {
  const char *name;            /* JSON name */
  WryKind kind;
  guint flags;
  gsize offset;                /* in the struct */
  const WryType *type;         /* of OBJECT, LIST and OBJMAP; of RAW when it is checked */
  const char *const *values;   /* of ENUM: NULL-terminated. Empty string is not a member unless listed */
  gint64 max_items;            /* of LIST: 0 = no limit */
} WryField;

struct WryType {
  const char *name;            /* "CPU"; for messages and schemas */
  gsize size;
  const WryField *fields;      /* ends with a row whose name is NULL */
};

#define WRY_TYPE(var, ctype, ...) \
  static const WryField var##_rows[] = {__VA_ARGS__, {0}}; \
  const WryType var = {#ctype, sizeof(ctype), var##_rows}

/* New struct, zeroed (all absent). */
gpointer wry_struct_new(const WryType *type);
void wry_struct_free(const WryType *type, gpointer s);
gpointer wry_struct_copy(const WryType *type, gconstpointer s);
gboolean wry_struct_equal(const WryType *type, gconstpointer a, gconstpointer b);

/* Decodes `object` into a new struct; problems are added to `causes` with paths that start with `path` ("" or "spec."...). NULL only when `object` is no
 * JSON object; otherwise the struct holds what could be read. */
gpointer wry_decode(const WryType *type, WryJson *object, const char *path, WryCauses *causes);
/* New reference. */
WryJson *wry_encode(const WryType *type, gconstpointer s);
/* One cause (FieldValueNotSupported, "not supported by this version") for each set field whose row has one of `flags`: WRY_F_UNSUPPORTED, without a cluster also
 * WRY_F_BY_CLUSTER. An empty string, list or map asks for nothing and passes. */
void wry_refuse_unsupported(const WryType *type, gconstpointer s, guint flags, const char *path, WryCauses *causes);
/* Calls `each` for every row reachable from `type`, depth first; `path` as "spec.domain.cpu.features[].name". */
typedef void (*WryFieldVisit)(const char *path, const WryField *field, gpointer data);
void wry_fields_walk(const WryType *type, const char *path, WryFieldVisit each, gpointer data);

/* Quantities (resource.Quantity). */
gboolean wry_quantity_valid(const char *text);
/* Whole value, rounded up; FALSE when not a quantity or out of int64. */
gboolean wry_quantity_value(const char *text, gint64 *ret_value);
/* Thousandths, rounded up. */
gboolean wry_quantity_milli(const char *text, gint64 *ret_milli);
/* Canonical text as Kubernetes prints it after a round trip ("1024Mi" -> "1Gi"). New string, NULL when invalid. */
char *wry_quantity_canonical(const char *text);
