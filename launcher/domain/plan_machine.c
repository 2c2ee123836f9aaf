/* Passes of the plan: the machine itself, and what it boots.
 *
 * KVM when the node's KVM runs guests; emulation only where the VM or the node allows it. UEFI images are named in full: libvirt's own selection reads a directory of
 * descriptors on every start. The variable store is on disk when it must outlive the VMI, else beside the sockets. */
#include "launcher/domain/plan.h"
#include "wherry/limits.h"

#include <string.h>

typedef struct {
  const char *kubernetes, *libvirt, *ovmf;
  const char *code, *vars, *secure_code, *secure_vars;
} Arch;

/* Names of Debian's packages ovmf and qemu-efi-aarch64. */
static const Arch archs[] = {
    {"amd64", "x86_64", "/usr/share/OVMF", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"},
    {"arm64", "aarch64", "/usr/share/AAVMF", "AAVMF_CODE.fd", "AAVMF_VARS.fd", NULL, NULL},
};

static const Arch *find_arch(const char *kubernetes) {
  for (guint i = 0; i < G_N_ELEMENTS(archs); i++)
    if (!g_strcmp0(kubernetes, archs[i].kubernetes)) return &archs[i];
  return NULL;
}

static gboolean plan_arch(WryPlanning *p, GError **error) {
  const char *node = p->bundle->node->arch ? p->bundle->node->arch : "amd64";
  const char *wanted = p->vmi->spec->architecture ? p->vmi->spec->architecture : node;
  if (!find_arch(node) || !g_str_equal(node, wanted)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "spec.architecture: %s cannot run on this node, which is %s", wanted, node);
    return FALSE;
  }
  p->plan->arch = find_arch(node)->libvirt;
  return TRUE;
}

static gboolean plan_hypervisor(WryPlanning *p, GError **error) {
  const WryBundleNode *node = p->bundle->node;
  p->plan->emulated = !wry_opt_bool(node->kvm, FALSE);
  if (!p->plan->emulated || wry_opt_bool(node->allowEmulation, FALSE)) return TRUE;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NO_KVM, "KVM does not run guests on this node, and neither the VM nor the node allows emulation");
  return FALSE;
}

static guint count(WryOptInt value) {
  return value.set && value.v > 0 ? (guint)MIN(value.v, WRY_MAX_VCPUS * 4) : 1;
}

static void plan_vcpus(WryPlanning *p) {
  const WryCpu *cpu = p->vmi->spec->domain->cpu;
  guint sockets = cpu ? count(cpu->sockets) : 1, per_socket = cpu ? count(cpu->cores) * count(cpu->threads) : 1;
  p->plan->vcpus_now = sockets * per_socket;
  p->plan->vcpus = MAX(sockets, cpu ? count(cpu->maxSockets) : 1) * per_socket;
}

static gboolean plan_uuid(WryPlanning *p, GError **error) {
  const WryFirmware *firmware = p->vmi->spec->domain->firmware;
  p->plan->uuid = firmware ? firmware->uuid : NULL;
  if (p->plan->uuid && g_uuid_string_is_valid(p->plan->uuid)) return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "spec.domain.firmware.uuid: \"%s\" is not a UUID", p->plan->uuid ? p->plan->uuid : "");
  return FALSE;
}

/* QEMU could, but the floor of libvirt has no word for it and drops unknown elements without one. */
static gboolean plan_features(WryPlanning *p, GError **error) {
  const WryFeatures *features = p->vmi->spec->domain->features;
  const WryHvTlbflush *flush = features && features->hyperv ? features->hyperv->tlbflush : NULL;
  if (!flush || (!flush->direct && !flush->extended)) return TRUE;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "spec.domain.features.hyperv.tlbflush: direct and extended are not supported by this version");
  return FALSE;
}

gboolean wry_plan_machine(WryPlanning *p, GError **error) {
  WryDomainPlan *plan = p->plan;
  const WryMeta *meta = p->vmi->metadata;
  plan->name = g_strdup_printf("%s_%s", meta->namespace_ && *meta->namespace_ ? meta->namespace_ : "default", meta->name);
  plan->emulator = p->dirs->emulator;
  if (!plan_arch(p, error) || !plan_hypervisor(p, error) || !plan_uuid(p, error) || !plan_features(p, error)) return FALSE;
  plan->virtio = wry_opt_bool(p->vmi->spec->domain->devices->useVirtioTransitional, FALSE) ? "virtio-transitional" : "virtio-non-transitional";
  plan_vcpus(p);
  plan->memory = wry_vmi_guest_memory(p->vmi->spec);
  if (plan->memory > 0) return TRUE;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "spec.domain.memory.guest: no size");
  return FALSE;
}

static gboolean plan_uefi(WryPlanning *p, const WryEfi *efi, GError **error) {
  const Arch *arch = find_arch(p->bundle->node->arch ? p->bundle->node->arch : "amd64");
  const char *dir = p->bundle->node->ovmf ? p->bundle->node->ovmf : arch->ovmf;
  p->plan->secure = efi && wry_opt_bool(efi->secureBoot, TRUE) && arch->secure_code;
  p->plan->loader = g_build_filename(dir, p->plan->secure ? arch->secure_code : arch->code, NULL);
  p->plan->nvram_template = g_build_filename(dir, p->plan->secure ? arch->secure_vars : arch->vars, NULL);
  p->plan->nvram = efi && wry_opt_bool(efi->persistent, FALSE) ? g_build_filename(p->dirs->state, "nvram", "vars.fd", NULL)
                                                               : g_build_filename(p->dirs->vm, "vars.fd", NULL);
  const WryFeatures *features = p->vmi->spec->domain->features;
  if (!p->plan->secure || (features && features->smm && wry_opt_bool(features->smm->enabled, TRUE))) return TRUE;
  /* Without it the guest hangs before its first output, and nothing says so. */
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "spec.domain.firmware.bootloader.efi.secureBoot: needs spec.domain.features.smm");
  return FALSE;
}

static gboolean plan_kernel(WryPlanning *p, const WryKernelBoot *boot, GError **error) {
  const WryKernelContainer *container = boot->container;
  const WryBundleKernel *given = p->bundle->kernel;
  gboolean kernel = container && container->kernelPath && *container->kernelPath, initrd = container && container->initrdPath && *container->initrdPath;
  if ((kernel && !(given && given->kernel)) || (initrd && !(given && given->initrd))) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_IMAGE_MISSING, "spec.domain.firmware.kernelBoot: image %s is not there", container->image);
    return FALSE;
  }
  p->plan->kernel = kernel ? given->kernel : NULL;
  p->plan->initrd = initrd ? given->initrd : NULL;
  p->plan->kernel_args = boot->kernelArgs && *boot->kernelArgs ? boot->kernelArgs : NULL;
  return TRUE;
}

gboolean wry_plan_boot(WryPlanning *p, GError **error) {
  const WryFirmware *firmware = p->vmi->spec->domain->firmware;
  const WryEfi *efi = firmware && firmware->bootloader ? firmware->bootloader->efi : NULL;
  gboolean uefi = efi || g_str_equal(p->plan->arch, "aarch64"); /* machine type virt has no other firmware */
  if (uefi && !plan_uefi(p, efi, error)) return FALSE;
  return !firmware || !firmware->kernelBoot || plan_kernel(p, firmware->kernelBoot, error);
}
