#pragma once
/* What the YAML files share. Only lib/ includes this. */
#include "json_internal.h"

/* What a plain (unquoted) scalar means in YAML 1.1 as Kubernetes reads it. */
typedef enum { WRY_YAML_STR, WRY_YAML_NULL, WRY_YAML_FALSE, WRY_YAML_TRUE, WRY_YAML_INT, WRY_YAML_FLOAT, WRY_YAML_INFINITE, WRY_YAML_MERGE } WryYamlSort;

typedef struct {
  WryYamlSort sort;
  guint64 magnitude; /* of INT */
  gboolean negative;
  double real;       /* of FLOAT */
} WryYamlScalar;

WryYamlScalar wry_yaml_resolve(const char *text);
/* JSON text of an INT or FLOAT: shortest digits that read back as the same double. New string. */
char *wry_yaml_number(const WryYamlScalar *scalar);
/* The scalar as the key of a JSON object; NULL when it cannot be one (null). `text` is what was written. New string. */
char *wry_yaml_key(const WryYamlScalar *scalar, const char *text);
/* Base 60 ("12:30"): text to us, a number to other readers of YAML 1.1, so it is written in quotes. */
gboolean wry_yaml_is_base60(const char *text);
/* A date, or date and time: text to us, a time to other readers. */
gboolean wry_yaml_is_timestamp(const char *text);
/* Order of keys as go-yaml writes them: digits as numbers, signs before letters. */
int wry_yaml_compare_keys(const char *a, const char *b);

/* Every document of a YAML stream, appended to `documents` (WryDocument). Empty documents are skipped. */
gboolean wry_yaml_read(const char *text, gsize length, GPtrArray *documents, GError **error);
