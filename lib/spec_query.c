/* Effective values of a defaulted VirtualMachineInstance: what a reader gets who does not care which of several fields said so. Pure. */
#include <string.h>

#include "wherry/limits.h"
#include "wherry/spec.h"

gboolean wry_opt_bool(WryOptBool value, gboolean absent) {
  return value.set ? value.v : absent;
}

static guint count_or_one(WryOptInt value) {
  return value.set && value.v > 0 ? (guint)MIN(value.v, G_MAXUINT16) : 1;
}

guint wry_vmi_vcpus(const WryVmiSpec *spec) {
  const WryCpu *cpu = spec->domain ? spec->domain->cpu : NULL;
  if (!cpu) return 1;
  guint64 vcpus = (guint64)count_or_one(cpu->sockets) * count_or_one(cpu->cores) * count_or_one(cpu->threads);
  return (guint)MIN(vcpus, G_MAXUINT);
}

/* The guest's own size, else what is requested for it, else its limit: the order of the defaults (contract 2.2, step 6). */
gint64 wry_vmi_guest_memory(const WryVmiSpec *spec) {
  const WryDomain *domain = spec->domain;
  if (!domain) return 0;
  const WryResources *resources = domain->resources;
  const char *sources[] = {
      domain->memory ? domain->memory->guest : NULL,
      resources && resources->requests ? wry_json_str(resources->requests, "memory") : NULL,
      resources && resources->limits ? wry_json_str(resources->limits, "memory") : NULL,
  };
  gint64 bytes = 0;
  for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
    if (sources[i]) return wry_quantity_value(sources[i], &bytes) ? bytes : 0;
  return 0;
}

gint64 wry_vmi_grace_seconds(const WryVmiSpec *spec) {
  return spec->terminationGracePeriodSeconds.set ? spec->terminationGracePeriodSeconds.v : WRY_DEFAULT_GRACE_SECONDS;
}

const WryVolume *wry_vmi_volume(const WryVmiSpec *spec, const char *name) {
  for (guint i = 0; name && spec->volumes && i < spec->volumes->len; i++) {
    const WryVolume *volume = g_ptr_array_index(spec->volumes, i);
    if (!g_strcmp0(volume->name, name)) return volume;
  }
  return NULL;
}

const WryNetwork *wry_vmi_network(const WryVmiSpec *spec, const char *name) {
  for (guint i = 0; name && spec->networks && i < spec->networks->len; i++) {
    const WryNetwork *network = g_ptr_array_index(spec->networks, i);
    if (!g_strcmp0(network->name, name)) return network;
  }
  return NULL;
}

static const WryPort *named_port(const WryVmiSpec *spec, const char *name) {
  const GPtrArray *interfaces = spec->domain && spec->domain->devices ? spec->domain->devices->interfaces : NULL;
  for (guint i = 0; interfaces && i < interfaces->len; i++) {
    const GPtrArray *ports = ((const WryInterface *)g_ptr_array_index(interfaces, i))->ports;
    for (guint j = 0; ports && j < ports->len; j++)
      if (!g_strcmp0(((const WryPort *)g_ptr_array_index(ports, j))->name, name)) return g_ptr_array_index(ports, j);
  }
  return NULL;
}

/* As the kubelet: a text is a name first, then a number. */
guint16 wry_vmi_probe_port(const WryVmiSpec *spec, WryJson *handler) {
  const char *text = handler ? wry_json_str(handler, "port") : NULL;
  gint64 port = handler && !text ? wry_json_int(handler, "port", 0) : 0;
  const WryPort *named = text ? named_port(spec, text) : NULL;
  guint64 number;
  if (named) port = named->port.v;
  if (text && !named && g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &number, NULL)) port = (gint64)number;
  return port > 0 && port <= G_MAXUINT16 ? (guint16)port : 0;
}

gboolean wry_cloud_init_is_config_drive(const WryVolume *volume) {
  return volume->cloudInitConfigDrive != NULL;
}
