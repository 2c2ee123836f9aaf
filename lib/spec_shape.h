#pragma once
/* Shapes: types whose values stay JSON. Their rows are for checking and for the CRDs, no C code reads a member, so there is no struct to write: a row takes the
 * next of SHAPE_ROWS slots, each as large as the largest kind. Rows are as in spec_rows.h, without the struct. */
#include "lib/spec_rows.h"

#define SHAPE_ROWS 64u
#define SHAPE_SLOT 16u
G_STATIC_ASSERT(sizeof(WryOptInt) <= SHAPE_SLOT && sizeof(gpointer) <= SHAPE_SLOT);

/* Neighbours in one table never share a slot: their counters differ by less than SHAPE_ROWS. */
#define S_ROW(json, k, f, ...) {.name = json, .kind = k, .flags = (f), .offset = (__COUNTER__ % SHAPE_ROWS) * SHAPE_SLOT, __VA_ARGS__}
#define S_BOOL(n, f) S_ROW(#n, WRY_K_BOOL, f, .max_items = 0)
#define S_INT(n, f) S_ROW(#n, WRY_K_INT, f, .max_items = 0)
#define S_INT32(n, f) S_ROW(#n, WRY_K_INT, (f) | WRY_F_INT32, .max_items = 0)
#define S_NUMBER(n, f) S_ROW(#n, WRY_K_NUMBER, f, .max_items = 0)
#define S_STR(n, f) S_ROW(#n, WRY_K_STR, f, .max_items = 0)
#define S_ENUM(n, f, v) S_ROW(#n, WRY_K_ENUM, f, .values = v)
#define S_TIME(n, f) S_ROW(#n, WRY_K_TIME, f, .max_items = 0)
#define S_QTY(n, f) S_ROW(#n, WRY_K_QUANTITY, f, .max_items = 0)
#define S_OBJ(n, f, t) S_ROW(#n, WRY_K_OBJECT, f, .type = &t)
#define S_LIST(n, f, t) S_ROW(#n, WRY_K_LIST, f, .type = &t)
#define S_LIST_MAX(n, f, t, most) S_ROW(#n, WRY_K_LIST, f, .type = &t, .max_items = most)
#define S_STRS(n, f) S_ROW(#n, WRY_K_STRLIST, f, .max_items = 0)
#define S_INTS(n, f) S_ROW(#n, WRY_K_INTLIST, f, .max_items = 0)
#define S_MAP(n, f) S_ROW(#n, WRY_K_MAP, f, .max_items = 0)
#define S_QMAP(n, f) S_ROW(#n, WRY_K_QMAP, f, .max_items = 0)
#define S_INTMAP(n, f) S_ROW(#n, WRY_K_INTMAP, f, .max_items = 0)
#define S_BOOLMAP(n, f) S_ROW(#n, WRY_K_BOOLMAP, f, .max_items = 0)
#define S_OBJMAP(n, f, t) S_ROW(#n, WRY_K_OBJMAP, f, .type = &t)

#define SHAPE_OF(scope, var, label, ...)                                    \
  static const WryField var##_rows[] = {__VA_ARGS__, {.name = NULL}};       \
  G_STATIC_ASSERT(G_N_ELEMENTS(var##_rows) <= SHAPE_ROWS + 1);              \
  scope const WryType var = {label, SHAPE_ROWS * SHAPE_SLOT, var##_rows}
#define SHAPE(var, label, ...) SHAPE_OF(, var, label, __VA_ARGS__)
#define LOCAL_SHAPE(var, label, ...) SHAPE_OF(static, var, label, __VA_ARGS__)
