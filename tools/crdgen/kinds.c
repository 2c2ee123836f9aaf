/* The kinds that are installed as CustomResourceDefinitions: names, columns of `kubectl get`, subresources (contract 1.2 and 1.3), a row each.
 *
 * Only kubevirt.io/v1 is served: the older v1alpha3 has the same schema, is deprecated, and no client in use asks for it. */
#include "crdgen.h"

#include <string.h>

#include "wherry/spec_kinds.h"

#define READY_COLUMN {"Ready", "string", ".status.conditions[?(@.type=='Ready')].status", 0}
#define AGE_COLUMN {"Age", "date", ".metadata.creationTimestamp", 0}

const CrdKind crd_kinds[] = {
    {.kind = "VirtualMachine", .plural = "virtualmachines", .short_names = {"vm", "vms"}, .type = &wry_vm_type, .status = &wry_vm_status_type, .status_apart = TRUE,
     .label = "kubevirt.io", .columns = {AGE_COLUMN, {"Status", "string", ".status.printableStatus", 0}, READY_COLUMN}},
    /* without a status subresource: whoever writes the status writes the object */
    {.kind = "VirtualMachineInstance", .plural = "virtualmachineinstances", .short_names = {"vmi", "vmis"}, .type = &wry_vmi_type, .status = &wry_vmi_status_type,
     .label = "kubevirt.io",
     .columns = {AGE_COLUMN, {"Phase", "string", ".status.phase", 0}, {"IP", "string", ".status.interfaces[0].ipAddress", 0}, {"NodeName", "string", ".status.nodeName", 0},
                 READY_COLUMN, {"Live-Migratable", "string", ".status.conditions[?(@.type=='LiveMigratable')].status", 1},
                 {"Paused", "string", ".status.conditions[?(@.type=='Paused')].status", 1}}},
    {.kind = "VirtualMachineInstanceReplicaSet", .plural = "virtualmachineinstancereplicasets", .short_names = {"vmirs", "vmirss"}, .type = &wry_replica_set_type,
     .status = &wry_replica_set_status_type, .status_apart = TRUE, .scale = TRUE, .label = "kubevirt.io",
     .columns = {{"Desired", "integer", ".spec.replicas", 0}, {"Current", "integer", ".status.replicas", 0}, {"Ready", "integer", ".status.readyReplicas", 0}, AGE_COLUMN}},
    {.kind = "VirtualMachineInstanceMigration", .plural = "virtualmachineinstancemigrations", .short_names = {"vmim", "vmims"}, .type = &wry_migration_type,
     .status = &wry_migration_status_type, .status_apart = TRUE, .label = "kubevirt.io",
     .columns = {{"Phase", "string", ".status.phase", 0}, {"VMI", "string", ".spec.vmiName", 0}}},
    {.kind = "VirtualMachineInstancePreset", .plural = "virtualmachineinstancepresets", .short_names = {"vmipreset", "vmipresets"}, .type = &wry_preset_type,
     .label = "kubevirt.io", .deprecation = "VirtualMachineInstancePreset is deprecated: use instance types and preferences"},
    {.kind = "KubeVirt", .plural = "kubevirts", .short_names = {"kv", "kvs"}, .type = &wry_kubevirt_type, .status = &wry_kubevirt_status_type, .status_apart = TRUE,
     .label = "operator.kubevirt.io", .columns = {AGE_COLUMN, {"Phase", "string", ".status.phase", 0}}},
};
const guint crd_kinds_count = G_N_ELEMENTS(crd_kinds);

static WryJson *text(const char *value) {
  return json_object_new_string(value);
}

static WryJson *names(const CrdKind *kind) {
  WryJson *result = json_object_new_object(), *categories = json_object_new_array(), *short_names = json_object_new_array();
  g_autofree char *singular = g_ascii_strdown(kind->kind, -1), *list = g_strdup_printf("%sList", kind->kind);
  json_object_array_add(categories, text("all"));
  for (guint i = 0; kind->short_names[i]; i++) json_object_array_add(short_names, text(kind->short_names[i]));
  json_object_object_add(result, "categories", categories);
  json_object_object_add(result, "kind", text(kind->kind));
  json_object_object_add(result, "listKind", text(list));
  json_object_object_add(result, "plural", text(kind->plural));
  json_object_object_add(result, "shortNames", short_names);
  json_object_object_add(result, "singular", text(singular));
  return result;
}

static WryJson *columns(const CrdKind *kind) {
  WryJson *result = json_object_new_array();
  for (const CrdColumn *column = kind->columns; column->name; column++) {
    WryJson *one = json_object_new_object();
    json_object_object_add(one, "jsonPath", text(column->path));
    json_object_object_add(one, "name", text(column->name));
    if (column->priority) json_object_object_add(one, "priority", json_object_new_int64(column->priority));
    json_object_object_add(one, "type", text(column->type));
    json_object_array_add(result, one);
  }
  return result;
}

static WryJson *subresources(const CrdKind *kind) {
  WryJson *result = json_object_new_object();
  json_object_object_add(result, "status", json_object_new_object());
  if (!kind->scale) return result;
  WryJson *scale = json_object_new_object();
  json_object_object_add(scale, "labelSelectorPath", text(".status.labelSelector"));
  json_object_object_add(scale, "specReplicasPath", text(".spec.replicas"));
  json_object_object_add(scale, "statusReplicasPath", text(".status.replicas"));
  json_object_object_add(result, "scale", scale);
  return result;
}

static WryJson *version(const CrdKind *kind, WryJson *schema) {
  WryJson *result = json_object_new_object(), *holder = json_object_new_object();
  if (kind->columns[0].name) json_object_object_add(result, "additionalPrinterColumns", columns(kind));
  if (kind->deprecation) {
    json_object_object_add(result, "deprecated", json_object_new_boolean(TRUE));
    json_object_object_add(result, "deprecationWarning", text(kind->deprecation));
  }
  json_object_object_add(result, "name", text("v1"));
  json_object_object_add(holder, "openAPIV3Schema", json_object_get(schema));
  json_object_object_add(result, "schema", holder);
  json_object_object_add(result, "served", json_object_new_boolean(TRUE));
  json_object_object_add(result, "storage", json_object_new_boolean(TRUE));
  if (kind->status_apart) json_object_object_add(result, "subresources", subresources(kind));
  return result;
}

WryJson *crd_new(const CrdKind *kind, WryJson *schema) {
  WryJson *crd = json_object_new_object(), *meta = json_object_new_object(), *labels = json_object_new_object(), *spec = json_object_new_object(),
          *versions = json_object_new_array();
  g_autofree char *name = g_strdup_printf("%s.kubevirt.io", kind->plural);
  json_object_object_add(labels, kind->label, text(""));
  json_object_object_add(meta, "labels", labels);
  json_object_object_add(meta, "name", text(name));
  json_object_array_add(versions, version(kind, schema));
  json_object_object_add(spec, "group", text("kubevirt.io"));
  json_object_object_add(spec, "names", names(kind));
  json_object_object_add(spec, "scope", text("Namespaced"));
  json_object_object_add(spec, "versions", versions);
  json_object_object_add(crd, "apiVersion", text("apiextensions.k8s.io/v1"));
  json_object_object_add(crd, "kind", text("CustomResourceDefinition"));
  json_object_object_add(crd, "metadata", meta);
  json_object_object_add(crd, "spec", spec);
  return crd;
}
