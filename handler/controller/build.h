#pragma once
/* Short forms for building the JSON of Kubernetes objects. `put` functions take their value over; nothing is put for NULL. */
#include "wherry/fields.h"

static inline void wry_put(WryJson *object, const char *key, WryJson *take_value) {
  if (take_value) json_object_object_add(object, key, take_value);
}
static inline void wry_put_str(WryJson *object, const char *key, const char *value) {
  if (value && *value) json_object_object_add(object, key, json_object_new_string(value));
}
/* Also the empty string. */
static inline void wry_put_text(WryJson *object, const char *key, const char *value) { json_object_object_add(object, key, json_object_new_string(value)); }
static inline void wry_put_int(WryJson *object, const char *key, gint64 value) { json_object_object_add(object, key, json_object_new_int64(value)); }
static inline void wry_put_bool(WryJson *object, const char *key, gboolean value) { json_object_object_add(object, key, json_object_new_boolean(value)); }

/* A new object or array under `key`; borrowed. */
static inline WryJson *wry_put_object(WryJson *object, const char *key) {
  WryJson *value = json_object_new_object();
  json_object_object_add(object, key, value);
  return value;
}
static inline WryJson *wry_put_array(WryJson *object, const char *key) {
  WryJson *value = json_object_new_array();
  json_object_object_add(object, key, value);
  return value;
}
/* A new object at the end of `array`; borrowed. */
static inline WryJson *wry_append(WryJson *array) {
  WryJson *value = json_object_new_object();
  json_object_array_add(array, value);
  return value;
}
static inline void wry_append_str(WryJson *array, const char *text) { json_object_array_add(array, json_object_new_string(text)); }

/* The object under `key`, made when it is absent; borrowed. */
static inline WryJson *wry_child(WryJson *object, const char *key) {
  WryJson *value = wry_json_get(object, key);
  return value ? value : wry_put_object(object, key);
}
static inline gsize wry_json_length(WryJson *array) { return array && json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0; }
static inline WryJson *wry_json_copy(WryJson *value) {
  WryJson *copy = NULL;
  if (value) json_object_deep_copy(value, &copy, NULL);
  return copy;
}
