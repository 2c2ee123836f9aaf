/* Emitters of what is no device: identity, memory, CPUs, firmware tables, boot, clock. */
#include "launcher/domain/emit.h"

void wry_emit_identity(const WryDomainPlan *plan, WryXml *xml) {
  wry_xml_text(xml, plan->name, "name", NULL);
  wry_xml_text(xml, plan->uuid, "uuid", NULL);
}

void wry_emit_memory(const WryDomainPlan *plan, WryXml *xml) {
  g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, plan->memory);
  wry_xml_text(xml, bytes, "memory", "unit", "b", NULL);
}

/* Places for CPUs that may be added later are announced when the VMI has maxSockets; those of the first socket are always there. */
void wry_emit_vcpus(const WryDomainPlan *plan, WryXml *xml) {
  const WryCpu *cpu = plan->vmi->spec->domain->cpu;
  g_autofree char *all = g_strdup_printf("%u", plan->vcpus), *now = g_strdup_printf("%u", plan->vcpus_now);
  gboolean places = cpu && cpu->maxSockets.set && cpu->maxSockets.v > 0;
  wry_xml_text(xml, all, "vcpu", "placement", "static", "current", places ? now : NULL, NULL);
  if (!places) return;
  guint fixed = plan->vcpus / (guint)MAX(cpu->maxSockets.v, cpu->sockets.v);
  wry_xml_open(xml, "vcpus", NULL);
  for (guint i = 0; i < plan->vcpus; i++) {
    wry_xml_open(xml, "vcpu", NULL);
    wry_xml_attr_int(xml, "id", i);
    wry_xml_attr(xml, "enabled", i < plan->vcpus_now ? "yes" : "no");
    wry_xml_attr(xml, "hotpluggable", i < fixed ? "no" : "yes");
    wry_xml_close(xml);
  }
  wry_xml_close(xml);
}

static void entry(WryXml *xml, const char *name, const char *value) {
  if (value && *value) wry_xml_text(xml, value, "entry", "name", name, NULL);
}

static const char *smbios(const WryDomainPlan *plan, const char *key, const char *absent) {
  const char *value = plan->bundle->node->smbios ? wry_json_str(plan->bundle->node->smbios, key) : NULL;
  return value && *value ? value : absent;
}

static void emit_chassis(const WryChassis *chassis, WryXml *xml) {
  wry_xml_open(xml, "chassis", NULL);
  entry(xml, "manufacturer", chassis->manufacturer);
  entry(xml, "version", chassis->version);
  entry(xml, "serial", chassis->serial);
  entry(xml, "asset", chassis->asset);
  entry(xml, "sku", chassis->sku);
  wry_xml_close(xml);
}

void wry_emit_sysinfo(const WryDomainPlan *plan, WryXml *xml) {
  const WryDomain *domain = plan->vmi->spec->domain;
  wry_xml_open(xml, "sysinfo", "type", "smbios", NULL);
  wry_xml_open(xml, "system", NULL);
  entry(xml, "uuid", plan->uuid);
  entry(xml, "serial", domain->firmware ? domain->firmware->serial : NULL);
  entry(xml, "manufacturer", smbios(plan, "manufacturer", "KubeVirt"));
  entry(xml, "family", smbios(plan, "family", "KubeVirt"));
  entry(xml, "product", smbios(plan, "product", "None"));
  entry(xml, "sku", smbios(plan, "sku", NULL));
  entry(xml, "version", smbios(plan, "version", NULL));
  wry_xml_close(xml);
  if (domain->chassis) emit_chassis(domain->chassis, xml);
  wry_xml_close(xml);
}

static gboolean bios_on_serial(const WryFirmware *firmware) {
  const WryBios *bios = firmware && firmware->bootloader ? firmware->bootloader->bios : NULL;
  return bios && wry_opt_bool(bios->useSerial, FALSE);
}

void wry_emit_os(const WryDomainPlan *plan, WryXml *xml) {
  const WryVmiSpec *spec = plan->vmi->spec;
  const WryMachine *machine = spec->domain->machine;
  const char *type = machine && machine->type && *machine->type ? machine->type : g_str_equal(plan->arch, "x86_64") ? "q35" : "virt";
  wry_xml_open(xml, "os", NULL);
  wry_xml_text(xml, "hvm", "type", "arch", plan->arch, "machine", type, NULL);
  wry_xml_text(xml, plan->loader, "loader", "readonly", "yes", "secure", plan->secure ? "yes" : "no", "type", "pflash", NULL);
  wry_xml_text(xml, plan->nvram, "nvram", "template", plan->nvram_template, NULL);
  wry_xml_text(xml, plan->kernel, "kernel", NULL);
  wry_xml_text(xml, plan->initrd, "initrd", NULL);
  wry_xml_text(xml, plan->kernel_args, "cmdline", NULL);
  /* As KubeVirt has it for a VM that starts paused: time for the firmware's menu once it is let go. The guest boots ten seconds later for it. */
  if (spec->startStrategy && g_str_equal(spec->startStrategy, "Paused")) wry_xml_leaf(xml, "bootmenu", "enable", "yes", "timeout", "10000", NULL);
  if (bios_on_serial(spec->domain->firmware)) wry_xml_leaf(xml, "bios", "useserial", "yes", NULL);
  wry_xml_leaf(xml, "smbios", "mode", "sysinfo", NULL);
  wry_xml_close(xml);
}

static const char *cpu_mode(const WryDomainPlan *plan, const char *model) {
  gboolean host = g_str_equal(model, "host-model") || g_str_equal(model, "host-passthrough");
  if (!host) return "custom";
  return plan->emulated ? "maximum" : model; /* emulation has no host CPU to pass on: all that it can do */
}

static void emit_cpu_features(const GPtrArray *features, WryXml *xml) {
  for (guint i = 0; features && i < features->len; i++) {
    const WryCpuFeature *feature = g_ptr_array_index(features, i);
    wry_xml_leaf(xml, "feature", "name", feature->name, "policy", feature->policy && *feature->policy ? feature->policy : "require", NULL);
  }
}

void wry_emit_cpu(const WryDomainPlan *plan, WryXml *xml) {
  const WryCpu *cpu = plan->vmi->spec->domain->cpu;
  const char *model = cpu && cpu->model && *cpu->model ? cpu->model : "host-model", *mode = cpu_mode(plan, model);
  guint cores = cpu && cpu->cores.v > 0 ? (guint)cpu->cores.v : 1, threads = cpu && cpu->threads.v > 0 ? (guint)cpu->threads.v : 1;
  gboolean custom = g_str_equal(mode, "custom");
  wry_xml_open(xml, "cpu", "mode", mode, NULL);
  if (custom) wry_xml_text(xml, model, "model", NULL);
  wry_xml_open(xml, "topology", NULL);
  wry_xml_attr_int(xml, "sockets", plan->vcpus / (cores * threads));
  wry_xml_attr_int(xml, "cores", cores);
  wry_xml_attr_int(xml, "threads", threads);
  wry_xml_close(xml);
  emit_cpu_features(cpu ? cpu->features : NULL, xml);
  if (custom) wry_xml_leaf(xml, "feature", "name", "mpx", "policy", "disable", NULL); /* QEMU's Intel models name it, kernels have dropped it */
  wry_xml_close(xml);
}

static void emit_timer(WryXml *xml, const char *name, const WryTimerEntry *timer) {
  if (!timer) return;
  gboolean present = wry_opt_bool(timer->present, TRUE);
  wry_xml_leaf(xml, "timer", "name", name, "tickpolicy", timer->tickPolicy && *timer->tickPolicy ? timer->tickPolicy : NULL, "present", present ? "yes" : "no", "track",
               timer->track && *timer->track ? timer->track : NULL, NULL);
}

static void emit_timers(const WryTimer *timer, WryXml *xml) {
  emit_timer(xml, "rtc", timer->rtc);
  emit_timer(xml, "pit", timer->pit);
  emit_timer(xml, "kvmclock", timer->kvm);
  emit_timer(xml, "hpet", timer->hpet);
  emit_timer(xml, "hypervclock", timer->hyperv);
}

void wry_emit_clock(const WryDomainPlan *plan, WryXml *xml) {
  const WryClock *clock = plan->vmi->spec->domain->clock;
  if (!clock || (!clock->utc && !clock->timezone && !clock->timer)) return;
  g_autofree char *offset = clock->utc && clock->utc->offsetSeconds.set ? g_strdup_printf("%" G_GINT64_FORMAT, clock->utc->offsetSeconds.v) : g_strdup("reset");
  if (!clock->utc && clock->timezone)
    wry_xml_open(xml, "clock", "offset", "timezone", "timezone", clock->timezone, NULL);
  else
    wry_xml_open(xml, "clock", "offset", "utc", "adjustment", clock->utc ? offset : NULL, NULL);
  if (clock->timer) emit_timers(clock->timer, xml);
  wry_xml_close(xml);
}

void wry_emit_events(const WryDomainPlan *plan, WryXml *xml) {
  const char *policy = plan->vmi->spec->domain->rebootPolicy;
  if (policy && g_str_equal(policy, "Terminate")) wry_xml_text(xml, "destroy", "on_reboot", NULL);
}
