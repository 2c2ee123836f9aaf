#pragma once
/* Review of one object, as an API server asks admission webhooks: schema, defaults, rules. wry_object_admit() is the short form for CREATE by an administrator. */
#include "spec.h"

/* Finds another object of the cluster or the box: kind "PersistentVolumeClaim", namespace NULL for cluster-wide kinds, name NULL: a new array of all of them.
 * A new reference, NULL when there is none. */
typedef WryJson *(*WryFind)(gpointer data, const char *kind, const char *namespace_, const char *name);

typedef enum { WRY_STAGE_ALLOWED, WRY_STAGE_SCHEMA, WRY_STAGE_DEFAULTS, WRY_STAGE_RULES } WryStage;

typedef struct {
  const WryConfig *config;
  WryRules rules;
  WryJson *old;                  /* the stored object of an UPDATE; NULL: CREATE */
  const char *user;              /* NULL: an administrator */
  WryJson *user_extra;           /* NULL: none */
  const char *install_namespace; /* of KubeVirt's service accounts; NULL: "kubevirt" */
  WryFind find;                  /* NULL: nothing else exists */
  gpointer find_data;
  WryUuidSource random_uuid;     /* NULL: real ones */
  gpointer uuid_data;
} WryReview;

typedef struct {
  WryStage stage;     /* that refused the object */
  guint warnings;     /* deprecated or doubtful, but allowed */
  const WryType *type;
  const char *kind;   /* static; NULL when unknown */
  gpointer object;    /* of `type`, defaulted as far as it came; NULL when it could not be read. Owned: wry_review_clear */
} WryVerdict;

/* TRUE: allowed. Refusals are in `causes` (none added: the defaults failed, HTTP 400). */
gboolean wry_review(const WryReview *review, WryJson *object, WryCauses *causes, WryVerdict *ret_verdict);
/* The VMI that a VM starts: wry_vm_make_vmi() after its instance type and preference are applied. New; not yet defaulted. Errors: NOT_FOUND (one of them does not
 * exist), CONFLICT (they contradict the VM). */
WryVmi *wry_vm_start(const WryReview *review, const WryVm *vm, GError **error);
void wry_verdict_clear(WryVerdict *verdict);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryVerdict, wry_verdict_clear)
