#pragma once
/* Short forms for the field tables of the handler's own structs. T is the struct, m the member; the JSON name is the member's. */
#include <stddef.h>

#include "wherry/fields.h"

#define WRY_ROW_STR(T, m) {.name = #m, .kind = WRY_K_STR, .offset = offsetof(T, m)}
#define WRY_ROW_INT(T, m) {.name = #m, .kind = WRY_K_INT, .offset = offsetof(T, m)}
#define WRY_ROW_BOOL(T, m) {.name = #m, .kind = WRY_K_BOOL, .offset = offsetof(T, m)}
#define WRY_ROW_RAW(T, m) {.name = #m, .kind = WRY_K_RAW, .offset = offsetof(T, m)}
#define WRY_ROW_OBJ(T, m, t) {.name = #m, .kind = WRY_K_OBJECT, .offset = offsetof(T, m), .type = &t}
#define WRY_ROW_LIST(T, m, t) {.name = #m, .kind = WRY_K_LIST, .offset = offsetof(T, m), .type = &t}
