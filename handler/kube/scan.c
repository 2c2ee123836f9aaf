/* Looks at JSON text without making a tree of it.
 *
 * How it works: a value is skipped by counting brackets outside strings. Every step is bounded by the end of the text, so text that is no JSON ends a scan early and does no harm.
 * Relies on GLib only. */
#include "handler/kube/scan.h"

#include <string.h>

static const char *skip_space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
  return p;
}

/* At the opening quote; returns what is behind the closing one, `end` when there is none. */
static const char *skip_string(const char *p, const char *end) {
  for (p++; p < end && *p != '"'; p++)
    if (*p == '\\') p++;
  return p < end ? p + 1 : end;
}

static const char *skip_value(const char *p, const char *end) {
  guint depth = 0;
  while (p < end) {
    switch (*p) {
    case '"': p = skip_string(p, end); break;
    case '{': case '[': depth++; p++; break;
    case '}': case ']':
      if (!depth) return p;
      depth--;
      p++;
      break;
    case ',': case ' ': case '\n': case '\t': case '\r':
      if (!depth) return p;
      p++;
      break;
    default: p++; continue; /* of a number or a word */
    }
    if (!depth) return p;
  }
  return end;
}

void wry_kube_scan_init(WryKubeScan *scan, WryKubeSpan object) {
  *scan = (WryKubeScan){.at = object.text, .end = object.text + object.length};
  if (object.length && *object.text == '{')
    scan->at++;
  else
    scan->at = scan->end;
}

gboolean wry_kube_scan_next(WryKubeScan *scan) {
  const char *p = skip_space(scan->at, scan->end);
  if (p < scan->end && *p == ',') p = skip_space(p + 1, scan->end);
  if (p >= scan->end || *p != '"') return FALSE;
  const char *behind = skip_string(p, scan->end);
  if (behind - p < 2) return FALSE;
  scan->key = (WryKubeSpan){p + 1, (gsize)(behind - p) - 2};
  p = skip_space(behind, scan->end);
  if (p >= scan->end || *p != ':') return FALSE;
  p = skip_space(p + 1, scan->end);
  scan->at = skip_value(p, scan->end);
  scan->value = (WryKubeSpan){p, (gsize)(scan->at - p)};
  return TRUE;
}

gboolean wry_kube_span_is(WryKubeSpan span, const char *text) {
  return span.length == strlen(text) && !memcmp(span.text, text, span.length);
}

WryKubeSpan wry_kube_scan_member(WryKubeSpan object, const char *key) {
  WryKubeScan scan;
  wry_kube_scan_init(&scan, object);
  while (wry_kube_scan_next(&scan))
    if (wry_kube_span_is(scan.key, key)) return scan.value;
  return (WryKubeSpan){"", 0};
}

WryKubeSpan wry_kube_scan_string(WryKubeSpan value) {
  if (value.length < 2 || *value.text != '"' || value.text[value.length - 1] != '"' || memchr(value.text, '\\', value.length)) return (WryKubeSpan){"", 0};
  return (WryKubeSpan){value.text + 1, value.length - 2};
}
