/* Messages of the device plugin: the generated structs of device_plugin.proto filled and packed.
 *
 * How it works: what is packed points into the table of kinds and into arrays that live until it is packed; what is unpacked is libprotobuf-c's and freed at once. Each container that
 * asks gets the same: the device node, or the rendezvous directory read-only. Counts have limits before anything is made of them.
 * Relies on: libprotobuf-c; the kubelet's field numbers in device_plugin.proto. */
#include "handler/node/device_messages.h"

#include <string.h>

#include "device_plugin.pb-c.h"
#include "wherry/error.h"

#define MAX_CONTAINERS 64u

static GBytes *pack(const ProtobufCMessage *message) {
  gsize size = protobuf_c_message_get_packed_size(message);
  guint8 *data = g_malloc(MAX(size, 1));
  return g_bytes_new_take(data, protobuf_c_message_pack(message, data));
}

GBytes *wry_device_options(void) {
  V1beta1__DevicePluginOptions options = V1BETA1__DEVICE_PLUGIN_OPTIONS__INIT;
  return pack(&options.base);
}

GBytes *wry_device_register(const WryDeviceKind *kind) {
  V1beta1__DevicePluginOptions options = V1BETA1__DEVICE_PLUGIN_OPTIONS__INIT;
  V1beta1__RegisterRequest request = V1BETA1__REGISTER_REQUEST__INIT;
  request.version = (char *)(gpointer)"v1beta1";
  request.endpoint = (char *)(gpointer)kind->endpoint;
  request.resource_name = (char *)(gpointer)kind->resource;
  request.options = &options;
  return pack(&request.base);
}

GBytes *wry_device_list(const WryDeviceKind *kind, guint count, gboolean healthy) {
  V1beta1__ListAndWatchResponse response = V1BETA1__LIST_AND_WATCH_RESPONSE__INIT;
  g_autofree V1beta1__Device *devices = g_new(V1beta1__Device, count);
  g_autofree V1beta1__Device **list = g_new(V1beta1__Device *, count);
  g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < count; i++) {
    v1beta1__device__init(&devices[i]);
    g_ptr_array_add(ids, g_strdup_printf("%s%u", kind->prefix, i));
    devices[i].id = ids->pdata[i];
    devices[i].health = (char *)(gpointer)(healthy ? "Healthy" : "Unhealthy");
    list[i] = &devices[i];
  }
  response.n_devices = count;
  response.devices = list;
  return pack(&response.base);
}

static gboolean refuse(GError **error, int code, const char *what) {
  g_set_error_literal(error, WRY_ERROR, code, what);
  return FALSE;
}

/* What one container gets. */
typedef struct {
  V1beta1__ContainerAllocateResponse container;
  V1beta1__DeviceSpec device, *devices[1];
  V1beta1__Mount mount, *mounts[1];
  char path[64];
} Grant;

static void fill_grant(Grant *one, const WryDeviceKind *kind, const WryDeviceGrant *grant) {
  v1beta1__container_allocate_response__init(&one->container);
  if (kind->node) {
    v1beta1__device_spec__init(&one->device);
    g_snprintf(one->path, sizeof one->path, "/dev/%s", kind->node);
    one->device.container_path = one->device.host_path = one->path;
    one->device.permissions = (char *)(gpointer)grant->permissions;
    one->devices[0] = &one->device;
    one->container.devices = one->devices;
    one->container.n_devices = 1;
  } else {
    v1beta1__mount__init(&one->mount);
    one->mount.container_path = (char *)(gpointer)WRY_RENDEZVOUS;
    one->mount.host_path = (char *)(gpointer)grant->rendezvous;
    one->mount.read_only = 1;
    one->mounts[0] = &one->mount;
    one->container.mounts = one->mounts;
    one->container.n_mounts = 1;
  }
}

GBytes *wry_device_allocate(const WryDeviceKind *kind, const WryDeviceGrant *grant, gconstpointer message, gsize length, GError **error) {
  V1beta1__AllocateRequest *request = v1beta1__allocate_request__unpack(NULL, length, message);
  gsize n = request ? request->n_containers : 0;
  gboolean whole = request != NULL;
  if (request) v1beta1__allocate_request__free_unpacked(request, NULL);
  if (!whole || n > MAX_CONTAINERS) {
    refuse(error, whole ? WRY_ERROR_TOO_LARGE : WRY_ERROR_PROTOCOL, whole ? "more containers than a pod can have" : "no AllocateRequest");
    return NULL;
  }
  V1beta1__AllocateResponse response = V1BETA1__ALLOCATE_RESPONSE__INIT;
  Grant one;
  V1beta1__ContainerAllocateResponse *list[MAX_CONTAINERS];
  fill_grant(&one, kind, grant);
  for (gsize i = 0; i < n; i++) list[i] = &one.container;
  response.n_containers = n;
  response.containers = list;
  return pack(&response.base);
}

/* The first ones are as good as any: the devices of a kind do not differ. What must be among them comes first. */
static gsize choose(const V1beta1__ContainerPreferredAllocationRequest *asked, char **ret) {
  gsize n = 0, wanted = asked->allocation_size > 0 ? MIN((gsize)asked->allocation_size, asked->n_available + asked->n_must_include) : 0;
  for (gsize i = 0; i < asked->n_must_include && n < wanted; i++) ret[n++] = asked->must_include[i];
  for (gsize i = 0; i < asked->n_available && n < wanted; i++) {
    gboolean have = FALSE;
    for (gsize j = 0; j < asked->n_must_include && !have; j++) have = strcmp(asked->available[i], asked->must_include[j]) == 0;
    if (!have) ret[n++] = asked->available[i];
  }
  return n;
}

GBytes *wry_device_prefer(gconstpointer message, gsize length, GError **error) {
  V1beta1__PreferredAllocationRequest *request = v1beta1__preferred_allocation_request__unpack(NULL, length, message);
  if (!request || request->n_containers > MAX_CONTAINERS) {
    refuse(error, request ? WRY_ERROR_TOO_LARGE : WRY_ERROR_PROTOCOL, request ? "more containers than a pod can have" : "no PreferredAllocationRequest");
    if (request) v1beta1__preferred_allocation_request__free_unpacked(request, NULL);
    return NULL;
  }
  V1beta1__PreferredAllocationResponse response = V1BETA1__PREFERRED_ALLOCATION_RESPONSE__INIT;
  V1beta1__ContainerPreferredAllocationResponse one[MAX_CONTAINERS], *list[MAX_CONTAINERS];
  g_autoptr(GPtrArray) arrays = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; i < request->n_containers; i++) {
    const V1beta1__ContainerPreferredAllocationRequest *asked = request->containers[i];
    v1beta1__container_preferred_allocation_response__init(&one[i]);
    one[i].ids = g_new0(char *, asked->n_available + asked->n_must_include + 1);
    g_ptr_array_add(arrays, one[i].ids);
    one[i].n_ids = choose(asked, one[i].ids);
    list[i] = &one[i];
  }
  response.n_containers = request->n_containers;
  response.containers = list;
  GBytes *packed = pack(&response.base);
  v1beta1__preferred_allocation_request__free_unpacked(request, NULL);
  return packed;
}
