/* Rules of VirtualMachineInstance and VirtualMachine: what KubeVirt's validating webhooks refuse on CREATE (contract 2.5 with the corrections of section 0), and what
 * this version of Wherry does not do.
 *
 * Tables of small rule functions in KubeVirt's order; each looks at one topic and adds causes. Paths are always those that resolve in the object. */
#include "wherry/spec.h"

#include <string.h>

#include "lib/spec_default.h"
#include "lib/spec_rules.h"
#include "lib/spec_types.h"

const char *wry_at(WryCheck *c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int used = g_snprintf(c->path, sizeof c->path, "%s%s", c->prefix, *format ? "." : "");
  g_vsnprintf(c->path + used, sizeof c->path - (gulong)used, format, args);
  va_end(args);
  return c->path;
}

/* --- what this version lacks -------------------------------------------------------------------------------------------------------------------------- */
/* A boolean that says false to what this version lacks asks for nothing. */
static void forget_false(const WryType *type, gpointer s) {
  for (const WryField *field = type->fields; field->name; field++) {
    gpointer slot = (char *)s + field->offset;
    if (field->kind == WRY_K_BOOL && (field->flags & WRY_F_UNSUPPORTED) && !((WryOptBool *)slot)->v) ((WryOptBool *)slot)->set = FALSE;
    if (field->kind == WRY_K_OBJECT && *(gpointer *)slot) forget_false(field->type, *(gpointer *)slot);
    GPtrArray *list = field->kind == WRY_K_LIST ? *(GPtrArray **)slot : NULL;
    for (guint i = 0; list && i < list->len; i++) forget_false(field->type, g_ptr_array_index(list, i));
  }
}

static void refuse_unsupported(const WryType *type, gconstpointer s, const char *path, WryCauses *causes) {
  gpointer copy = wry_struct_copy(type, s);
  forget_false(type, copy);
  wry_refuse_unsupported(type, copy, path, causes);
  wry_struct_free(type, copy);
}

static void refuse_bus(const char *bus, const char *path, WryCauses *causes) {
  static const char *const buses[] = {"virtio", "sata", "scsi", NULL};
  if (bus && !g_strv_contains(buses, bus)) wry_causes_add(causes, NOT_SUPPORTED, path, "bus %s is not supported by this version", bus);
}

/* Values of supported fields that this version does not do. */
static void refuse_values(const WryVmiSpec *spec, const char *prefix, WryCauses *causes) {
  g_autofree char *eviction = g_strdup_printf("%s.evictionStrategy", prefix);
  if (spec->evictionStrategy && strcmp(spec->evictionStrategy, "None"))
    wry_causes_add(causes, NOT_SUPPORTED, eviction, "%s is not supported by this version", spec->evictionStrategy);
  WRY_EACH(WryDisk, disk, spec->domain->devices->disks) {
    g_autofree char *path = g_strdup_printf("%s.domain.devices.disks[%u]", prefix, disk_i);
    const char *bus = disk->disk ? disk->disk->bus : disk->lun ? disk->lun->bus : disk->cdrom ? disk->cdrom->bus : NULL;
    refuse_bus(bus, path, causes);
  }
}

/* --- entry --------------------------------------------------------------------------------------------------------------------------------------------- */
void wry_vmi_validate(const WryVmi *vmi, const WryConfig *config, WryRules rules, WryCauses *causes) {
  (void)config;
  if (rules != WRY_RULES_THIS_VERSION) return;
  refuse_unsupported(&wry_vmi_spec_type, vmi->spec, "spec", causes);
  refuse_values(vmi->spec, "spec", causes);
}

void wry_vm_validate(const WryVm *vm, const WryConfig *config, WryRules rules, WryCauses *causes) {
  (void)config;
  if (rules != WRY_RULES_THIS_VERSION) return;
  refuse_unsupported(&wry_vm_type, vm, "", causes);
  refuse_values(vm->spec->template_->spec, "spec.template.spec", causes);
}
