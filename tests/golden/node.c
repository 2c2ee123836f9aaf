/* See node.h. */
#include "tests/golden/node.h"

#include <string.h>

struct WryNode {
  GHashTable *words;
};

static const char *const keys[] = {"kvm", "emulation", "arch", "mac", "direct", "block", "raw", "qcow2", "readonly", "missing", NULL};

WryNode *wry_node_new(const char *words, GError **error) {
  g_autoptr(WryNode) node = g_new0(WryNode, 1);
  node->words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_auto(GStrv) parts = g_strsplit_set(words, " \t", -1);
  for (guint i = 0; parts[i]; i++) {
    if (!*parts[i]) continue;
    g_auto(GStrv) pair = g_strsplit(parts[i], "=", 2);
    if (!pair[1] || !g_strv_contains(keys, pair[0])) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "\"%s\" says nothing about a node", parts[i]);
      return NULL;
    }
    g_hash_table_insert(node->words, g_strdup(pair[0]), g_strdup(pair[1]));
  }
  return g_steal_pointer(&node);
}

void wry_node_free(WryNode *node) {
  if (!node) return;
  g_hash_table_unref(node->words);
  g_free(node);
}

const char *wry_node_word(const WryNode *node, const char *key, const char *absent) {
  const char *value = g_hash_table_lookup(node->words, key);
  return value ? value : absent;
}

static gboolean listed(const WryNode *node, const char *key, const char *name) {
  g_auto(GStrv) names = g_strsplit(wry_node_word(node, key, ""), ",", -1);
  return g_strv_contains((const char *const *)names, name);
}

GPtrArray *wry_node_direct(const WryNode *node) {
  if (!wry_node_word(node, "direct", NULL)) return NULL;
  g_auto(GStrv) names = g_strsplit(wry_node_word(node, "direct", ""), ",", -1);
  GPtrArray *direct = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; names[i]; i++) g_ptr_array_add(direct, g_strdup(names[i]));
  return direct;
}

static WryOptBool yes(gboolean value) {
  return (WryOptBool){.set = TRUE, .v = value};
}

/* What the launcher itself makes has no path in a bundle. */
static WryBundleVolume *volume_of(const WryNode *node, const WryVolume *volume) {
  WryBundleVolume *given = g_new0(WryBundleVolume, 1);
  gboolean made = volume->emptyDisk || wry_domain_is_iso(volume), block = listed(node, "block", volume->name);
  given->name = g_strdup(volume->name);
  if (made) return given;
  given->path = g_strdup_printf("/run/wherry/volumes/%s/disk.img", volume->name);
  given->format = g_strdup(listed(node, "raw", volume->name) ? "raw" : listed(node, "qcow2", volume->name) || volume->containerDisk ? "qcow2" : "raw");
  if (block) given->block = yes(TRUE);
  if (listed(node, "readonly", volume->name)) given->readOnly = yes(TRUE);
  return given;
}

static GPtrArray *volumes_of(const WryNode *node, const WryVmiSpec *spec) {
  GPtrArray *volumes = g_ptr_array_new();
  for (guint i = 0; spec->volumes && i < spec->volumes->len; i++) {
    const WryVolume *volume = g_ptr_array_index(spec->volumes, i);
    if (!listed(node, "missing", volume->name)) g_ptr_array_add(volumes, volume_of(node, volume));
  }
  return volumes;
}

static GPtrArray *interfaces_of(const WryNode *node, const WryVmiSpec *spec) {
  const GPtrArray *asked = spec->domain->devices->interfaces;
  GPtrArray *interfaces = g_ptr_array_new();
  gboolean generate = g_str_equal(wry_node_word(node, "mac", "generated"), "generated");
  for (guint i = 0; asked && i < asked->len; i++) {
    const WryInterface *one = g_ptr_array_index(asked, i);
    WryBundleInterface *given = g_new0(WryBundleInterface, 1);
    given->name = g_strdup(one->name);
    given->tap = g_strdup_printf("tap%u", i);
    if (generate) given->mac = g_strdup_printf("02:57:52:59:00:%02x", i + 1);
    given->mtu = (WryOptInt){.set = TRUE, .v = 1500};
    g_ptr_array_add(interfaces, given);
  }
  return interfaces;
}

WryBundle *wry_node_bundle(const WryNode *node, const WryVmi *vmi, WryJson *smbios) {
  WryBundle *bundle = g_new0(WryBundle, 1);
  bundle->version = (WryOptInt){.set = TRUE, .v = 1};
  bundle->vmi = wry_encode(&wry_vmi_type, vmi);
  bundle->volumes = volumes_of(node, vmi->spec);
  bundle->interfaces = interfaces_of(node, vmi->spec);
  bundle->node = g_new0(WryBundleNode, 1);
  bundle->node->kvm = yes(g_str_equal(wry_node_word(node, "kvm", "yes"), "yes"));
  bundle->node->allowEmulation = yes(g_str_equal(wry_node_word(node, "emulation", "no"), "yes"));
  bundle->node->arch = g_strdup(wry_node_word(node, "arch", "amd64"));
  if (smbios) bundle->node->smbios = json_object_get(smbios);
  if (!listed(node, "missing", "kernel")) {
    bundle->kernel = g_new0(WryBundleKernel, 1);
    bundle->kernel->kernel = g_strdup("/run/wherry/volumes/kernel/vmlinuz");
    bundle->kernel->initrd = g_strdup("/run/wherry/volumes/kernel/initrd");
  }
  return bundle;
}
