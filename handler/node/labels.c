/* Labels of a node.
 *
 * How it works: libvirt's cache is a flat list of elements `<machine type='kvm' name='...' alias='...'` and `<cpu type='kvm' name='...' usable='yes'`, written by our own probe; names are taken out by
 * their attributes, and only those that can be a label's name. The patch sets what is missing and removes what is there and not found any more.
 * Relies on: libvirt's form of its cache (qemu_capabilities.c); the annotation by which a user keeps his node's labels. */
#include "handler/node/labels.h"

#include <string.h>

#define MACHINE "machine-type.node.kubevirt.io/"
#define MODEL "cpu-model.node.kubevirt.io/"
#define SKIP "node-labeller.kubevirt.io/skip-node"
#define LABELS_MAX 1024u /* of both kinds: a Node is no database */

static WryJson *add_object(WryJson *parent, const char *key) {
  WryJson *child = json_object_new_object();
  json_object_object_add(parent, key, child);
  return child;
}

WryJson *wry_heartbeat_patch(gboolean schedulable, const char *now) {
  WryJson *patch = json_object_new_object(), *meta = add_object(patch, "metadata");
  g_autofree char *quoted = g_strdup_printf("\"%s\"", now);
  json_object_object_add(add_object(meta, "labels"), "kubevirt.io/schedulable", json_object_new_string(schedulable ? "true" : "false"));
  json_object_object_add(add_object(meta, "annotations"), "kubevirt.io/heartbeat", json_object_new_string(quoted));
  return patch;
}

/* The attribute's value inside one element's text; NULL when it is absent or no name of a label. */
static char *attribute(const char *element, gsize length, const char *name) {
  g_autofree char *mark = g_strdup_printf(" %s='", name);
  const char *at = g_strstr_len(element, (gssize)length, mark);
  const char *end = at ? memchr(at + strlen(mark), '\'', length - (gsize)(at - element) - strlen(mark)) : NULL;
  if (!end) return NULL;
  g_autofree char *value = g_strndup(at + strlen(mark), (gsize)(end - at) - strlen(mark));
  gsize size = strlen(value);
  for (const char *c = value; *c; c++)
    if (!g_ascii_isalnum(*c) && !strchr("-_.", *c)) return NULL;
  return size > 0 && size <= 63 && g_ascii_isalnum(value[0]) && g_ascii_isalnum(value[size - 1]) ? g_steal_pointer(&value) : NULL;
}

static void take(WryJson *labels, const char *prefix, char *take_name) {
  g_autofree char *name = take_name, *key = name ? g_strconcat(prefix, name, NULL) : NULL;
  if (key && json_object_object_length(labels) < (int)LABELS_MAX) json_object_object_add(labels, key, json_object_new_string("true"));
}

static void scan(WryJson *labels, const char *caps, const char *start, const char *type, gboolean machine) {
  gsize skip = strlen(start);
  for (const char *at = strstr(caps, start); at; at = strstr(at + skip, start)) {
    const char *end = strchr(at, '>');
    gsize length = end ? (gsize)(end - at) : 0;
    g_autofree char *kind = attribute(at, length, "type"), *usable = attribute(at, length, "usable");
    if (g_strcmp0(kind, type) != 0 || (!machine && g_strcmp0(usable, "yes") != 0)) continue;
    take(labels, machine ? MACHINE : MODEL, attribute(at, length, "name"));
    if (machine) take(labels, MACHINE, attribute(at, length, "alias"));
  }
}

static gboolean is_kind(const char *key) { return g_str_has_prefix(key, MACHINE) || g_str_has_prefix(key, MODEL); }

WryJson *wry_labels_patch(WryJson *node, const char *caps, gboolean kvm) {
  WryJson *meta = wry_json_get(node, "metadata"), *present = meta ? wry_json_get(meta, "labels") : NULL, *annotations = meta ? wry_json_get(meta, "annotations") : NULL;
  if (!caps || !meta || (annotations && wry_json_get(annotations, SKIP))) return NULL;
  g_autoptr(WryJson) wanted = json_object_new_object();
  g_autoptr(WryJson) patch = json_object_new_object();
  scan(wanted, caps, "<machine ", kvm ? "kvm" : "tcg", TRUE);
  scan(wanted, caps, "<cpu ", kvm ? "kvm" : "tcg", FALSE);
  WryJson *labels = add_object(add_object(patch, "metadata"), "labels");
  json_object_object_foreach(wanted, key, value) {
    if (!present || g_strcmp0(wry_json_str(present, key), "true") != 0) json_object_object_add(labels, key, json_object_get(value));
  }
  if (present) {
    json_object_object_foreach(present, old, ignored) {
      (void)ignored;
      if (is_kind(old) && !wry_json_get(wanted, old)) json_object_object_add(labels, old, NULL);
    }
  }
  return json_object_object_length(labels) ? g_steal_pointer(&patch) : NULL;
}
