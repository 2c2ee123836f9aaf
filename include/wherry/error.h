#pragma once
/* Errors and refusals.
 *
 * A function that fails returns false or NULL and sets a GError of domain WRY_ERROR whose message was composed once, at the origin, and
 * prefixed by callers with their noun. A code maps by a table row (lib/error.c) to the condition reason and event that an operator sees.
 *
 * A refusal of an object is not one error but a list of causes, as Kubernetes' details.causes: WryCauses. */
#include <glib.h>

#define WRY_ERROR wry_error_quark()
GQuark wry_error_quark(void);

typedef enum {
  WRY_ERROR_FAILED,        /* nothing better is known */
  WRY_ERROR_INVALID,       /* input is not what it must be */
  WRY_ERROR_UNSUPPORTED,   /* a valid wish that this version or this node lacks */
  WRY_ERROR_NOT_FOUND,
  WRY_ERROR_EXISTS,
  WRY_ERROR_CONFLICT,      /* the object's state forbids it (HTTP 409) */
  WRY_ERROR_DENIED,        /* the asker may not */
  WRY_ERROR_TOO_LARGE,     /* a limit of limits.h */
  WRY_ERROR_PROTOCOL,      /* a peer broke the wire format */
  WRY_ERROR_TIMEOUT,
  WRY_ERROR_LOCKED,        /* an image or a state directory is in use */
  WRY_ERROR_NO_SPACE,      /* disk or inodes */
  WRY_ERROR_NO_KVM,        /* KVM absent or unable to run guests, emulation not allowed */
  WRY_ERROR_IMAGE_MISSING, /* containerDisk or kernelBoot image not in the store */
  WRY_ERROR_VOLUME_MISSING,/* PVC, Secret or ConfigMap not there */
  WRY_ERROR_IO,
  WRY_ERROR_CODES
} WryErrorCode;

/* Condition reason ("ErrImagePull", ...) and HTTP status for a code. Static strings. */
const char *wry_error_reason(WryErrorCode code);
int wry_error_http(WryErrorCode code);

/* Sets *error from errno: "<what>: <strerror>". Maps ENOSPC/EDQUOT, ENOENT, EEXIST, EACCES/EPERM. Returns FALSE for `return wry_errno(...)`. */
gboolean wry_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Reasons of causes: Kubernetes' CauseType values. */
#define WRY_CAUSE_INVALID "FieldValueInvalid"
#define WRY_CAUSE_REQUIRED "FieldValueRequired"
#define WRY_CAUSE_NOT_FOUND "FieldValueNotFound"
#define WRY_CAUSE_DUPLICATE "FieldValueDuplicate"
#define WRY_CAUSE_NOT_SUPPORTED "FieldValueNotSupported"
#define WRY_CAUSE_FORBIDDEN "FieldValueForbidden"

typedef struct {
  const char *reason; /* one of WRY_CAUSE_*: static */
  char *field;        /* path that resolves in the object, "spec.domain.cpu.cores" */
  char *message;
} WryCause;

typedef struct WryCauses WryCauses;

WryCauses *wry_causes_new(void);
void wry_causes_free(WryCauses *causes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryCauses, wry_causes_free)
/* Appends one; silently counts past WRY_MAX_CAUSES. `reason` must be static. */
void wry_causes_add(WryCauses *causes, const char *reason, const char *field, const char *format, ...) G_GNUC_PRINTF(4, 5);
guint wry_causes_count(const WryCauses *causes);
const WryCause *wry_causes_get(const WryCauses *causes, guint i);
/* The messages joined with ", ", at most ten and then a count of the rest (contract 2.5). New string. */
char *wry_causes_text(const WryCauses *causes);
