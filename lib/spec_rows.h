#pragma once
/* Short forms for the field tables of lib/spec_*.c: one macro per kind, the JSON name is the member's name. T is the struct, m the member, f the flags:
 * NEEDED   required by the CRD and written by Go even when empty     ALWAYS  written by Go even when empty
 * LATER    decoded, but not supported by this version                 CLUSTER  the cluster does it: not supported without one
 * ZERO     a Go value with omitempty: false and 0 are the same as absent
 * KEPT     a Go *string: "" is not the same as absent */
#include "wherry/fields.h"

#define NEEDED (WRY_F_REQUIRED | WRY_F_ALWAYS)
#define ALWAYS WRY_F_ALWAYS
#define LATER WRY_F_UNSUPPORTED
#define CLUSTER WRY_F_BY_CLUSTER
#define ZERO WRY_F_ZERO_ABSENT
#define KEPT WRY_F_EMPTY_KEPT

#define WRY_ROW(T, m, json, k, f, ...) {.name = json, .kind = k, .flags = (f), .offset = offsetof(T, m), __VA_ARGS__}
#define BOOL(T, m, f) WRY_ROW(T, m, #m, WRY_K_BOOL, f, .max_items = 0)
#define INT(T, m, f) WRY_ROW(T, m, #m, WRY_K_INT, f, .max_items = 0)
#define INT32(T, m, f) WRY_ROW(T, m, #m, WRY_K_INT, (f) | WRY_F_INT32, .max_items = 0)
#define STR(T, m, f) WRY_ROW(T, m, #m, WRY_K_STR, f, .max_items = 0)
#define ENUM(T, m, f, v) WRY_ROW(T, m, #m, WRY_K_ENUM, f, .values = v)
#define TIME(T, m, f) WRY_ROW(T, m, #m, WRY_K_TIME, f, .max_items = 0)
#define QTY(T, m, f) WRY_ROW(T, m, #m, WRY_K_QUANTITY, f, .max_items = 0)
#define INTORSTR(T, m, f) WRY_ROW(T, m, #m, WRY_K_INTORSTR, f, .max_items = 0)
#define OBJ(T, m, f, t) WRY_ROW(T, m, #m, WRY_K_OBJECT, f, .type = &t)
#define LIST(T, m, f, t) WRY_ROW(T, m, #m, WRY_K_LIST, f, .type = &t)
#define LIST256(T, m, f, t) WRY_ROW(T, m, #m, WRY_K_LIST, f, .type = &t, .max_items = 256)
#define STRS(T, m, f) WRY_ROW(T, m, #m, WRY_K_STRLIST, f, .max_items = 0)
#define MAP(T, m, f) WRY_ROW(T, m, #m, WRY_K_MAP, f, .max_items = 0)
#define QMAP(T, m, f) WRY_ROW(T, m, #m, WRY_K_QMAP, f, .max_items = 0)
#define RAW(T, m, f) WRY_ROW(T, m, #m, WRY_K_RAW, f, .max_items = 0)
/* kept as JSON, checked against the rows of t when it is decoded */
#define RAW_OF(T, m, f, t) WRY_ROW(T, m, #m, WRY_K_RAW, f, .type = &t)
#define RAW_LIST_OF(T, m, f, t) WRY_ROW(T, m, #m, WRY_K_RAW, (f) | WRY_F_RAW_LIST, .type = &t)
/* a member whose JSON name is no C name */
#define AS(json, k, T, m, f, ...) WRY_ROW(T, m, json, k, f, __VA_ARGS__)

#define LOCAL_TYPE(var, ctype, ...) \
  static const WryField var##_rows[] = {__VA_ARGS__, {.name = NULL}}; \
  static const WryType var = {#ctype, sizeof(ctype), var##_rows}
