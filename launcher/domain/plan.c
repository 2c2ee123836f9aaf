/* The plan: what the domain consists of. A row of passes, each a function of the VMI and the bundle.
 *
 * Relies on a defaulted and validated VMI (wry_vmi_default, wry_vmi_validate); what only the node can tell (KVM, architecture, resolved volumes, taps) comes with the bundle. */
#include "launcher/domain/plan.h"

const WryDomainDirs wry_domain_dirs = {
    .vm = "/run/wherry/vm", .scratch = "/run/wherry/scratch", .state = "/run/wherry/state", .emulator = "/opt/wherry/launcher-jail"};

static gboolean (*const passes[])(WryPlanning *, GError **) = {
    wry_plan_machine, wry_plan_boot, wry_plan_disks, wry_plan_interfaces, wry_plan_sockets,
};

static void disk_free(gpointer data) {
  WryDomainDisk *disk = data;
  g_free(disk->path);
  g_free(disk->backing);
  g_free(disk);
}

static gboolean complete(const WryVmi *vmi, const WryBundle *bundle, GError **error) {
  if (vmi->metadata && vmi->metadata->name && vmi->spec && vmi->spec->domain && vmi->spec->domain->devices && bundle->node) return TRUE;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "the bundle lacks the VMI's name, spec.domain.devices or the node");
  return FALSE;
}

WryDomainPlan *wry_domain_plan(const WryVmi *vmi, const WryBundle *bundle, const GPtrArray *direct, const WryDomainDirs *dirs, GError **error) {
  if (!complete(vmi, bundle, error)) return NULL;
  g_autoptr(WryDomainPlan) plan = g_new0(WryDomainPlan, 1);
  plan->vmi = vmi;
  plan->bundle = bundle;
  plan->disks = g_ptr_array_new_with_free_func(disk_free);
  plan->interfaces = g_ptr_array_new_with_free_func(g_free);
  WryPlanning planning = {.plan = plan, .vmi = vmi, .bundle = bundle, .direct = direct, .dirs = dirs ? dirs : &wry_domain_dirs};
  for (guint i = 0; i < G_N_ELEMENTS(passes); i++)
    if (!passes[i](&planning, error)) return NULL;
  return g_steal_pointer(&plan);
}

void wry_domain_plan_free(WryDomainPlan *plan) {
  if (!plan) return;
  g_free(plan->name);
  g_free(plan->loader);
  g_free(plan->nvram_template);
  g_free(plan->nvram);
  g_clear_pointer(&plan->disks, g_ptr_array_unref);
  g_clear_pointer(&plan->interfaces, g_ptr_array_unref);
  g_free(plan->serial);
  g_free(plan->vnc);
  g_free(plan->agent);
  g_free(plan);
}

const WryDomainDisk *wry_domain_disk(const WryDomainPlan *plan, const char *name) {
  for (guint i = 0; i < plan->disks->len; i++) {
    const WryDomainDisk *disk = g_ptr_array_index(plan->disks, i);
    if (g_str_equal(disk->name, name)) return disk;
  }
  return NULL;
}

/* As KubeVirt makes it: the label before the first dot, cut to the length of a DNS label, without a dash at its end. */
char *wry_domain_hostname(const WryVmi *vmi) {
  const char *given = vmi->spec->hostname && *vmi->spec->hostname ? vmi->spec->hostname : vmi->metadata->name;
  gsize length = MIN(strcspn(given, "."), 63);
  while (length > 0 && given[length - 1] == '-') length--;
  return g_strndup(given, length);
}
