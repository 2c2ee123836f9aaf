/* Emitter of <features>. Hyper-V's are rows: the element and where its state is in the VMI. */
#include "launcher/domain/emit.h"

static const char *on_off(gboolean on) {
  return on ? "on" : "off";
}

static void spinlocks(const void *state, WryXml *xml) {
  const WryHvSpinlocks *spin = state;
  if (wry_opt_bool(spin->enabled, TRUE)) wry_xml_attr_int(xml, "retries", spin->spinlocks.set ? spin->spinlocks.v : 4096);
}

static void vendor(const void *state, WryXml *xml) {
  wry_xml_attr(xml, "value", ((const WryHvVendorid *)state)->vendorid);
}

static void direct(const void *state, WryXml *xml) {
  const WryFeatureState *timer = ((const WryHvSynictimer *)state)->direct;
  if (timer) wry_xml_leaf(xml, "direct", "state", on_off(wry_opt_bool(timer->enabled, TRUE)), NULL);
}

static const struct {
  const char *element;
  gsize offset; /* in WryHyperv: a pointer to a struct whose first member is `enabled` */
  void (*rest)(const void *state, WryXml *xml);
} hyperv[] = {
    {"relaxed", offsetof(WryHyperv, relaxed), NULL},
    {"vapic", offsetof(WryHyperv, vapic), NULL},
    {"spinlocks", offsetof(WryHyperv, spinlocks), spinlocks},
    {"vpindex", offsetof(WryHyperv, vpindex), NULL},
    {"runtime", offsetof(WryHyperv, runtime), NULL},
    {"synic", offsetof(WryHyperv, synic), NULL},
    {"stimer", offsetof(WryHyperv, synictimer), direct},
    {"reset", offsetof(WryHyperv, reset), NULL},
    {"vendor_id", offsetof(WryHyperv, vendorid), vendor},
    {"frequencies", offsetof(WryHyperv, frequencies), NULL},
    {"reenlightenment", offsetof(WryHyperv, reenlightenment), NULL},
    {"tlbflush", offsetof(WryHyperv, tlbflush), NULL},
    {"ipi", offsetof(WryHyperv, ipi), NULL},
    {"evmcs", offsetof(WryHyperv, evmcs), NULL},
};

static void emit_hyperv(const WryHyperv *spec, WryXml *xml) {
  wry_xml_open(xml, "hyperv", "mode", "custom", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(hyperv); i++) {
    const WryOptBool *enabled = G_STRUCT_MEMBER(gpointer, spec, hyperv[i].offset);
    if (!enabled) continue;
    wry_xml_open(xml, hyperv[i].element, "state", on_off(wry_opt_bool(*enabled, TRUE)), NULL);
    if (hyperv[i].rest) hyperv[i].rest(enabled, xml);
    wry_xml_close(xml);
  }
  wry_xml_close(xml);
}

static gboolean enabled(const WryFeatureState *state) {
  return state && wry_opt_bool(state->enabled, TRUE);
}

static void emit_flags(const WryFeatures *features, WryXml *xml) {
  if (!features->acpi || enabled(features->acpi)) wry_xml_leaf(xml, "acpi", NULL);
  const WryApic *apic = features->apic;
  if (apic && wry_opt_bool(apic->enabled, TRUE)) wry_xml_leaf(xml, "apic", "eoi", apic->endOfInterrupt.set ? on_off(apic->endOfInterrupt.v) : NULL, NULL);
  if (features->hyperv) emit_hyperv(features->hyperv, xml);
  if (enabled(features->hypervPassthrough)) wry_xml_leaf(xml, "hyperv", "mode", "passthrough", NULL);
  if (enabled(features->smm)) wry_xml_leaf(xml, "smm", NULL);
  if (features->pvspinlock) wry_xml_leaf(xml, "pvspinlock", "state", on_off(enabled(features->pvspinlock)), NULL);
  if (!features->kvm) return;
  wry_xml_open(xml, "kvm", NULL);
  wry_xml_leaf(xml, "hidden", "state", on_off(wry_opt_bool(features->kvm->hidden, FALSE)), NULL);
  wry_xml_close(xml);
}

void wry_emit_features(const WryDomainPlan *plan, WryXml *xml) {
  static const WryFeatures none = {.acpi = NULL};
  const WryFeatures *features = plan->vmi->spec->domain->features;
  wry_xml_open(xml, "features", NULL);
  emit_flags(features ? features : &none, xml);
  if (g_str_equal(plan->arch, "x86_64")) wry_xml_leaf(xml, "vmport", "state", "off", NULL);
  wry_xml_close(xml);
}
