/* First pass: the VMI out of the bundle. The handler has defaulted and validated it; a launcher that cannot read it all refuses it, so that no field is ignored by an older one. */
#include "launcher/domain/domain.h"

WryVmi *wry_domain_decode(const WryBundle *bundle, GError **error) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryVmi *vmi = bundle->vmi ? wry_decode(&wry_vmi_type, bundle->vmi, "", causes) : NULL;
  if (vmi && wry_causes_count(causes) == 0) return vmi;
  g_autofree char *text = wry_causes_text(causes);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the bundle's VMI: %s", vmi ? text : "is not there or no object");
  if (vmi) wry_struct_free(&wry_vmi_type, vmi);
  return NULL;
}
