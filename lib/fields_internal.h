#pragma once
/* What the field modules share. Only lib/ includes this. */
#include "wherry/fields.h"

/* Where a field lives in a struct. */
#define WRY_SLOT(ctype, s, field) ((ctype *)(gpointer)((char *)(s) + (field)->offset))
#define WRY_CONST_SLOT(ctype, s, field) ((ctype const *)(gconstpointer)((const char *)(s) + (field)->offset))

/* TRUE when the field is present. Empty strings, lists and maps are present. */
gboolean wry_field_present(const WryField *field, gconstpointer s);
/* TRUE when Go's omitempty would drop it although it is present: an empty string, list or map. */
gboolean wry_field_empty(const WryField *field, gconstpointer s);
/* New list with the right way to free elements. */
GPtrArray *wry_field_list_new(const WryField *field);
/* A path in a buffer from what callers write: "spec", "spec." and "" all work. */
GString *wry_field_path(const char *path);
