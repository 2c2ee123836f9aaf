/* The launcher pods of the VirtualMachines and VirtualMachineInstances in manifest files, as a List on stdout: what tests/deploy asks an API server about.
 *
 * usage: pods FILE... Relies on handler/controller/pod.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handler/controller/pod.h"
#include "wherry/spec.h"

#define UID "00000000-0000-0000-0000-000000000000" /* the API server puts no question to it */

static WryVmi *instance_of(WryJson *object, const WryConfig *config) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(GError) error = NULL;
  const char *kind = NULL;
  gpointer admitted = wry_object_admit(object, config, WRY_RULES_IN_CLUSTER, &kind, causes);
  if (!admitted) {
    g_autofree char *text = wry_causes_text(causes);
    g_error("%s: %s", wry_json_str(wry_json_get(object, "metadata"), "name"), text);
  }
  WryVmi *vmi = strcmp(kind, "VirtualMachine") == 0 ? wry_vm_make_vmi(admitted) : admitted;
  if (!wry_vmi_default(vmi, config, NULL, NULL, &error)) g_error("%s", error->message);
  g_free(vmi->metadata->uid);
  vmi->metadata->uid = g_strdup(UID);
  return vmi;
}

static void add_pod(WryJson *items, WryJson *object, const WryConfig *config) {
  const char *kind = wry_json_str(object, "kind");
  if (strcmp(kind, "VirtualMachine") != 0 && strcmp(kind, "VirtualMachineInstance") != 0) return;
  const WryPodWorld world = {.config = config, .costs = &wry_pod_costs, .image = "localhost/wherry/launcher:" WRY_VERSION};
  g_autoptr(GError) error = NULL;
  WryJson *pod = wry_pod_render(instance_of(object, config), &world, &error);
  if (!pod) g_error("%s", error->message);
  json_object_array_add(items, pod);
}

static void add_file(WryJson *items, const char *path, const WryConfig *config) {
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  gsize length;
  if (!g_file_get_contents(path, &text, &length, &error)) g_error("%s", error->message);
  GPtrArray *documents = wry_manifest_parse(text, length, &error);
  if (!documents) g_error("%s: %s", path, error->message);
  for (guint i = 0; i < documents->len; i++) add_pod(items, ((WryDocument *)documents->pdata[i])->object, config);
  g_ptr_array_unref(documents);
}

int main(int argc, char **argv) {
  g_autoptr(WryJson) list = json_object_new_object(), gates = wry_json_parse("{\"developerConfiguration\":{\"featureGates\":[\"HostDisk\"]}}", 52, NULL);
  g_autoptr(WryConfig) config = wry_config_new(gates, "amd64", NULL);
  WryJson *items = json_object_new_array();
  for (int i = 1; i < argc; i++) add_file(items, argv[i], config);
  json_object_object_add(list, "apiVersion", json_object_new_string("v1"));
  json_object_object_add(list, "kind", json_object_new_string("List"));
  json_object_object_add(list, "items", items);
  puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
  return EXIT_SUCCESS;
}
