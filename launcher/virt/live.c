/* Reads libvirt's live XML with GLib's markup parser: an element is known by its path, a table says what is taken from it. */
#include "launcher/virt/live.h"
#include "wherry/error.h"
#include <string.h>

#define AGENT_CHANNEL "org.qemu.guest_agent.0"

static const char *attribute(const char **names, const char **values, const char *name) {
  for (gsize i = 0; names[i]; i++)
    if (strcmp(names[i], name) == 0)
      return values[i];
  return NULL;
}

static void take_machine(WryLive *live, const char **names, const char **values) {
  g_free(live->machine);
  live->machine = g_strdup(attribute(names, values, "machine"));
}

static void take_mac(WryLive *live, const char **names, const char **values) {
  const char *mac = attribute(names, values, "address");
  if (mac)
    g_ptr_array_add(live->macs, g_strdup(mac));
}

static void take_channel(WryLive *live, const char **names, const char **values) {
  if (g_strcmp0(attribute(names, values, "name"), AGENT_CHANNEL) == 0)
    live->agent = g_strcmp0(attribute(names, values, "state"), "connected") == 0;
}

static const struct { const char *path; void (*take)(WryLive *live, const char **names, const char **values); } elements[] = {
  {"domain/os/type", take_machine},
  {"domain/devices/interface/mac", take_mac},
  {"domain/devices/channel/target", take_channel},
};

/* "domain/os/type" from the parser's stack, which has the innermost element first. */
static char *path_of(GMarkupParseContext *context) {
  GString *path = g_string_new(NULL);
  for (const GSList *e = g_markup_parse_context_get_element_stack(context); e; e = e->next) {
    if (path->len > 0)
      g_string_prepend_c(path, '/');
    g_string_prepend(path, e->data);
  }
  return g_string_free(path, FALSE);
}

static void on_start(GMarkupParseContext *context, const char *name, const char **names, const char **values, gpointer data, GError **error) {
  g_autofree char *path = path_of(context);
  (void)name;
  (void)error;
  for (gsize i = 0; i < G_N_ELEMENTS(elements); i++)
    if (strcmp(elements[i].path, path) == 0)
      elements[i].take(data, names, values);
}

/* libvirt writes memory in KiB. */
static void on_text(GMarkupParseContext *context, const char *text, gsize length, gpointer data, GError **error) {
  g_autofree char *path = path_of(context), *number = g_strndup(text, length);
  WryLive *live = data;
  (void)error;
  if (strcmp(path, "domain/currentMemory") == 0)
    live->memory = g_ascii_strtoll(number, NULL, 10) * 1024;
}

WryLive *wry_live_parse(const char *xml, GError **error) {
  static const GMarkupParser parser = {.start_element = on_start, .text = on_text};
  g_autoptr(WryLive) live = g_new0(WryLive, 1);
  g_autoptr(GError) local = NULL;
  live->macs = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, G_MARKUP_TREAT_CDATA_AS_TEXT, live, NULL);
  if (g_markup_parse_context_parse(context, xml, -1, &local) && g_markup_parse_context_end_parse(context, &local))
    return g_steal_pointer(&live);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the domain's live XML: %s", local->message);
  return NULL;
}

void wry_live_free(WryLive *live) {
  if (!live)
    return;
  g_free(live->machine);
  g_ptr_array_unref(live->macs);
  g_free(live);
}
