/* Kinds as kubectl's users name them. */
#include "tools/wherryctl/verb.h"
#include "wherry/error.h"
#include <string.h>

#define NAMES(...) (const char *const[]){__VA_ARGS__, NULL}

static const WryKindName kinds[] = {
    {"VirtualMachine", "virtualmachines", "virtualmachine", "kubevirt.io", NAMES("vm", "vms", "virtualmachine", "virtualmachines", "virtualmachines.kubevirt.io", "virtualmachine.kubevirt.io")},
    {"VirtualMachineInstance", "virtualmachineinstances", "virtualmachineinstance", "kubevirt.io",
     NAMES("vmi", "vmis", "virtualmachineinstance", "virtualmachineinstances", "virtualmachineinstances.kubevirt.io", "virtualmachineinstance.kubevirt.io")},
    {"PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", "", NAMES("pvc", "persistentvolumeclaim", "persistentvolumeclaims")},
    {"Secret", "secrets", "secret", "", NAMES("secret", "secrets")},
    {"ConfigMap", "configmaps", "configmap", "", NAMES("cm", "configmap", "configmaps")},
    {"KubeVirt", "kubevirts", "kubevirt", "kubevirt.io", NAMES("kv", "kvs", "kubevirt", "kubevirts", "kubevirts.kubevirt.io")},
    {"Event", "events", "event", "", NAMES("ev", "event", "events")},
};

const WryKindName *wry_kind_find(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    for (const char *const *n = kinds[i].names; *n; n++)
      if (g_ascii_strcasecmp(*n, name) == 0)
        return &kinds[i];
  return NULL;
}

const WryKindName *wry_kind_of(const char *kind) {
  for (gsize i = 0; kind && i < G_N_ELEMENTS(kinds); i++)
    if (strcmp(kinds[i].kind, kind) == 0)
      return &kinds[i];
  return NULL;
}

char *wry_kind_qualified(const WryKindName *kind) {
  return kind->group[0] ? g_strconcat(kind->singular, ".", kind->group, NULL) : g_strdup(kind->singular);
}

gboolean wry_kind_and_name(const WryArgs *args, const WryKindName **ret_kind, const char **ret_name, GError **error) {
  const char *first = args->args[0], *slash = strchr(first, '/');
  g_autofree char *kind = slash ? g_strndup(first, (gsize)(slash - first)) : g_strdup(first);
  *ret_kind = wry_kind_find(kind);
  *ret_name = slash ? slash + 1 : args->args[1];
  if (*ret_kind)
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: the server doesn't have a resource type \"%s\"", kind);
  return FALSE;
}
