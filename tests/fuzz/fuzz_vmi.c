/* Fuzzer of manifests: text -> YAML or JSON -> review (decode, defaults, rules) of each object, as VM, VMI or what it says it is; then once more on the defaulted
 * object, which must still be readable and allowed or refused in the same way. The first byte chooses the rules and the cluster's configuration. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wherry/spec_review.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const configurations[] = {
    NULL,
    "{\"network\": {\"defaultNetworkInterface\": \"masquerade\"}, \"vmRolloutStrategy\": \"Stage\"}",
    "{\"network\": {\"permitBridgeInterfaceOnPodNetwork\": false}, \"developerConfiguration\": {\"featureGates\": [\"HostDisk\", \"HostDevices\", \"UtilityVolumes\"]}}",
};

static char *no_uuid(gpointer data) {
  (void)data;
  return g_strdup("5d307ca9-b3ef-428c-8861-06e72d69f223");
}

static void must(gboolean condition) {
  if (!condition) abort();
}

/* What a VM makes is reviewed like any other VMI. */
static void make_vmi(const WryReview *review, const WryVm *vm) {
  WryVmi *vmi = wry_vm_make_vmi(vm);
  g_autoptr(WryJson) object = wry_encode(&wry_vmi_type, vmi);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  wry_review(review, object, causes, &verdict);
  wry_struct_free(&wry_vmi_type, vmi);
}

static void review_again(const WryReview *review, const WryVerdict *verdict) {
  g_autoptr(WryJson) object = wry_encode(verdict->type, verdict->object);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) again = {.stage = WRY_STAGE_ALLOWED};
  must(wry_review(review, object, causes, &again));
  WryReview update = *review;
  update.old = object;
  g_auto(WryVerdict) updated = {.stage = WRY_STAGE_ALLOWED};
  wry_review(&update, object, causes, &updated);
}

static void review_one(const WryReview *review, WryJson *object) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  gboolean allowed = wry_review(review, object, causes, &verdict);
  must(allowed == (wry_causes_count(causes) == 0));
  if (!allowed) return;
  must(verdict.object != NULL);
  review_again(review, &verdict);
  if (!strcmp(verdict.kind, "VirtualMachine")) make_vmi(review, verdict.object);
}

static WryConfig *config_of(uint8_t choice) {
  const char *text = configurations[choice % G_N_ELEMENTS(configurations)];
  g_autoptr(WryJson) json = text ? wry_json_parse(text, strlen(text), NULL) : NULL;
  return wry_config_new(json, "amd64", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  g_autoptr(WryConfig) config = config_of(data[0] >> 1);
  WryReview review = {.config = config, .rules = data[0] & 1 ? WRY_RULES_THIS_VERSION : WRY_RULES_KUBEVIRT, .random_uuid = no_uuid};
  GPtrArray *documents = wry_manifest_parse((const char *)data + 1, size - 1, NULL);
  for (guint i = 0; documents && i < documents->len; i++) review_one(&review, ((WryDocument *)g_ptr_array_index(documents, i))->object);
  if (documents) g_ptr_array_unref(documents);
  return 0;
}
