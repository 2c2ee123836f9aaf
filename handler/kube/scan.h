#pragma once
/* Looks at JSON text without making a tree of it: the members of an object one after another, as pieces of the text. For text that the splitter has walked through; on any other it stays within its bounds and
 * finds less. Pure. */
#include <glib.h>

typedef struct {
  const char *text;
  gsize length;
} WryKubeSpan;

typedef struct {
  const char *at, *end;
  WryKubeSpan key;   /* without quotes, escapes as written */
  WryKubeSpan value; /* as written */
} WryKubeScan;

/* `object`: text that starts with '{'. */
void wry_kube_scan_init(WryKubeScan *scan, WryKubeSpan object);
/* The next member into key and value; FALSE at the end. */
gboolean wry_kube_scan_next(WryKubeScan *scan);
gboolean wry_kube_span_is(WryKubeSpan span, const char *text);
/* The value of a member; length 0 when absent. */
WryKubeSpan wry_kube_scan_member(WryKubeSpan object, const char *key);
/* What stands between the quotes of a string without escapes; length 0 for anything else. */
WryKubeSpan wry_kube_scan_string(WryKubeSpan value);
