/* The bundle: the VMI and what it needs, as JSON in a sealed memfd.
 *
 * How it works: structs are filled here and in volumes.c and network.c, written by their field table, and sealed so that the launcher can trust the length it maps.
 * Relies on: bundle.h of the contract. */
#include "handler/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "wherry/fd.h"
#include "wherry/limits.h"

#define NAMESERVERS 3 /* resolv.conf(5): MAXNS */
#define SEARCHES 6    /* resolv.conf(5): MAXDNSRCH */

static void add_word(GPtrArray *list, const char *word, guint max) {
  if (*word && list->len < max) g_ptr_array_add(list, g_strdup(word));
}

void wry_resolv_parse(const char *text, GPtrArray **ret_nameservers, GPtrArray **ret_searches) {
  GPtrArray *servers = *ret_nameservers = g_ptr_array_new_with_free_func(g_free), *searches = *ret_searches = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(lines[i]), " \t", -1);
    if (g_strcmp0(words[0], "search") == 0) {
      g_ptr_array_set_size(searches, 0);
      for (guint j = 1; words[j]; j++) add_word(searches, words[j], SEARCHES);
    } else if (g_strcmp0(words[0], "nameserver") == 0) {
      for (guint j = 1; words[j]; j++)
        if (!g_str_has_prefix(words[j], "127.") && strcmp(words[j], "::1") != 0) add_word(servers, words[j], NAMESERVERS);
    }
  }
}

static void put(WryJson *map, const char *key, const char *value) { json_object_object_add(map, key, json_object_new_string(value)); }

/* KubeVirt's defaults (contract 2.3), then what the configuration says. */
static WryJson *smbios_of(const WryConfig *config) {
  static const char *const keys[] = {"manufacturer", "family", "product", "version", "sku"};
  WryJson *map = json_object_new_object(), *set = config ? wry_config_get(config, "smbios") : NULL;
  put(map, "family", "KubeVirt");
  put(map, "manufacturer", "KubeVirt");
  put(map, "product", "None");
  for (gsize i = 0; set && i < G_N_ELEMENTS(keys); i++)
    if (wry_json_str(set, keys[i])) put(map, keys[i], wry_json_str(set, keys[i]));
  return map;
}

/* The serial console is logged unless the VMI or the configuration says no (contract 5.5). */
static gboolean logs_serial(const WryInstance *instance, const WryConfig *config) {
  const WryDevices *devices = instance->object->spec->domain->devices;
  WryJson *disabled = config ? wry_config_get(config, "virtualMachineOptions.disableSerialConsoleLog") : NULL;
  return wry_opt_bool(devices->autoattachSerialConsole, TRUE) && wry_opt_bool(devices->logSerialConsole, disabled == NULL);
}

static WryJson *vmi_of(const WryInstance *instance) {
  WryJson *vmi = wry_encode(&wry_vmi_type, instance->object), *meta = wry_json_get(vmi, "metadata");
  put(meta, "uid", instance->uid);
  put(meta, "creationTimestamp", instance->creationTimestamp);
  json_object_object_del(vmi, "status");
  return vmi;
}

void wry_bundle_fill(WryBundle *bundle, const WryInstance *instance, const WryBundleFacts *facts, const char *resolv) {
  bundle->version = (WryOptInt){TRUE, 1};
  bundle->vmi = vmi_of(instance);
  WryBundleNode *node = bundle->node = g_new0(WryBundleNode, 1);
  node->kvm = (WryOptBool){TRUE, facts->kvm};
  node->allowEmulation = (WryOptBool){TRUE, facts->allow_emulation};
  node->arch = g_strdup(facts->arch);
  node->node = g_strdup(facts->name);
  node->ovmf = g_strdup(strcmp(facts->arch, "arm64") == 0 ? "/usr/share/AAVMF" : "/usr/share/OVMF");
  node->smbios = smbios_of(facts->config);
  node->serialLog = (WryOptBool){TRUE, logs_serial(instance, facts->config)};
  wry_resolv_parse(resolv, &node->nameservers, &node->searches);
}

static gboolean write_all(int fd, const char *text, gsize length, GError **error) {
  for (gsize done = 0; done < length;) {
    ssize_t n = write(fd, text + done, length - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return wry_errno(error, errno, "bundle");
    done += (gsize)n;
  }
  return TRUE;
}

int wry_bundle_memfd(const WryBundle *bundle, GError **error) {
  g_autoptr(WryJson) json = wry_encode(&wry_bundle_type, bundle);
  const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
  gsize length = strlen(text);
  if (length > WRY_MAX_BUNDLE) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "the VMI with its Secrets and ConfigMaps has %zu bytes, at most %u", length, WRY_MAX_BUNDLE);
    return -1;
  }
  wry_autofd int fd = memfd_create("wherry-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) {
    wry_errno(error, errno, "bundle");
    return -1;
  }
  if (!write_all(fd, text, length, error)) return -1;
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    wry_errno(error, errno, "seal of the bundle");
    return -1;
  }
  int made = fd;
  fd = -1;
  return made;
}
