/* Forms of names that Kubernetes asks for, and amounts of requests and limits, for the rules. Pure. */
#include <string.h>

#include "lib/spec_rules.h"

static gboolean is_alnum(char c) {
  return g_ascii_islower(c) || g_ascii_isdigit(c);
}

/* One label of at most `most` characters that ends at `end`. */
static gboolean is_label(const char *start, const char *end, gsize most) {
  if (end == start || (gsize)(end - start) > most || !is_alnum(*start) || !is_alnum(end[-1])) return FALSE;
  for (const char *at = start; at < end; at++)
    if (!is_alnum(*at) && *at != '-') return FALSE;
  return TRUE;
}

gboolean wry_is_dns_label(const char *text) {
  return text && is_label(text, text + strlen(text), 63);
}

gboolean wry_is_dns_subdomain(const char *text) {
  if (!text || strlen(text) > 253) return FALSE;
  for (const char *end; (end = strchr(text, '.')); text = end + 1)
    if (!is_label(text, end, 253)) return FALSE;
  return is_label(text, text + strlen(text), 253);
}

gboolean wry_is_qualified_name(const char *text) {
  if (!text) return FALSE;
  const char *slash = strchr(text, '/');
  g_autofree char *prefix = slash ? g_strndup(text, (gsize)(slash - text)) : NULL;
  const char *name = slash ? slash + 1 : text;
  gsize length = strlen(name);
  if ((prefix && !wry_is_dns_subdomain(prefix)) || !length || length > 63) return FALSE;
  if (!g_ascii_isalnum(name[0]) || !g_ascii_isalnum(name[length - 1])) return FALSE;
  for (const char *at = name; *at; at++)
    if (!g_ascii_isalnum(*at) && !strchr("-_.", *at)) return FALSE;
  return TRUE;
}

gboolean wry_is_one_of(const char *text, const char *const *values) {
  return text && g_strv_contains(values, text);
}

gint64 wry_amount_milli(WryJson *amounts, const char *name) {
  gint64 milli = 0;
  const char *text = amounts ? wry_json_str(amounts, name) : NULL;
  return text && wry_quantity_milli(text, &milli) ? milli : 0;
}

gint64 wry_amount(WryJson *amounts, const char *name) {
  gint64 value = 0;
  const char *text = amounts ? wry_json_str(amounts, name) : NULL;
  return text && wry_quantity_value(text, &value) ? value : 0;
}

gint64 wry_opt_int(WryOptInt value) {
  return value.set ? value.v : 0;
}

gboolean wry_text(const char *text) {
  return text && *text;
}
