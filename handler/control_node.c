/* Version and Node: what this handler is and what it found on its node.
 *
 * Relies on: fleet.h; the probe's file run/node/qemu-caps/versions for libvirt's and QEMU's versions, when the probe wrote one. */
#include "handler/control.h"
#include "handler/guest.h"
#include "wherry/vpath.h"

#define VERSIONS_BYTES 1024u

void wry_control_version(WryClient *client, gconstpointer parameters G_GNUC_UNUSED) {
  WryControlVersion body = {(char *)(gpointer)WRY_VERSION, {TRUE, WRY_WIRE_VERSION}};
  wry_client_reply_struct(client, &wry_control_version_type, &body);
}

/* "libvirt 9.0.0\nqemu 7.2.0\n" */
static char *version_of(const char *text, const char *what) {
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (g_str_has_prefix(lines[i], what) && lines[i][strlen(what)] == ' ') return g_strdup(lines[i] + strlen(what) + 1);
  return NULL;
}

static void count(WryFleet *fleet, WryNodeFacts *facts) {
  g_autoptr(GPtrArray) vms = wry_objects_list(wry_fleet_objects(fleet), WRY_OBJECT_VM);
  g_autoptr(GPtrArray) vmis = wry_fleet_list(fleet, WRY_OBJECT_VMI, NULL, NULL);
  gint64 running = 0;
  for (guint i = 0; i < vmis->len; i++) {
    WryJson *phase = wry_json_path(vmis->pdata[i], "status.phase");
    running += phase && strcmp(json_object_get_string(phase), "Running") == 0;
  }
  facts->virtualMachines = (WryOptInt){TRUE, vms->len};
  facts->virtualMachineInstances = (WryOptInt){TRUE, vmis->len};
  facts->running = (WryOptInt){TRUE, running};
}

static gint64 count_images(int images_fd) {
  gsize length;
  g_autofree char *text = wry_vread(images_fd, "index.json", 16u << 20, &length, NULL);
  g_autoptr(WryJson) index = text ? wry_json_parse(text, length, NULL) : NULL;
  WryJson *manifests = index ? wry_json_get(index, "manifests") : NULL;
  return manifests && json_object_is_type(manifests, json_type_array) ? (gint64)json_object_array_length(manifests) : 0;
}

static void fill(WryClient *client, WryFleet *fleet, WryNodeFacts *facts) {
  const WryControlOptions *options = wry_client_options(client);
  const WryFleetOptions *node = wry_fleet_options(fleet);
  const WryFleetFacts *found = wry_fleet_facts(fleet);
  gsize length;
  g_autofree char *versions = wry_vread(node->node_fd, "qemu-caps/versions", VERSIONS_BYTES, &length, NULL);
  facts->nodeName = g_strdup(node->node);
  facts->version = g_strdup(WRY_VERSION);
  facts->arch = g_strdup(node->arch);
  facts->manifests = g_strdup(options->manifests);
  facts->images = g_strdup(options->images);
  facts->state = g_strdup(options->state);
  facts->run = g_strdup(options->run);
  facts->kvmPresent = (WryOptBool){TRUE, found->kvm_present};
  facts->kvmUsable = (WryOptBool){TRUE, found->kvm_usable};
  facts->emulationAllowed = (WryOptBool){TRUE, node->allow_emulation || wry_config_use_emulation(wry_source_config(wry_fleet_source(fleet)))};
  facts->cgroupVersion = (WryOptInt){TRUE, found->cgroup_version};
  facts->landlockABI = (WryOptInt){TRUE, found->landlock_abi};
  facts->libvirt = version_of(versions, "libvirt");
  facts->qemu = version_of(versions, "qemu");
  facts->probeMessage = g_strdup(found->done ? found->message : "the node's probe is under way");
  facts->images_ = (WryOptInt){TRUE, count_images(options->images_fd)};
  count(fleet, facts);
}

void wry_control_node(WryClient *client, gconstpointer parameters G_GNUC_UNUSED) {
  WryFleet *fleet = wry_client_fleet(client);
  WryNodeFacts *facts = wry_struct_new(&wry_node_facts_type);
  fill(client, fleet, facts);
  g_autoptr(GPtrArray) problems = wry_source_problems(wry_fleet_source(fleet));
  facts->problems = g_ptr_array_ref(problems);
  WryJson *reply = json_object_new_object();
  json_object_object_add(reply, "facts", wry_encode(&wry_node_facts_type, facts));
  g_clear_pointer(&facts->problems, g_ptr_array_unref); /* borrowed from the source */
  wry_struct_free(&wry_node_facts_type, facts);
  wry_client_reply(client, reply, FALSE, -1);
}
