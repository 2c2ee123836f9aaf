/* Error codes, what an operator sees of them, and lists of causes.
 *
 * A code's condition reason and HTTP status are columns of one table; errno values that have a code of their own are rows of another. Causes keep
 * at most WRY_MAX_CAUSES entries and count the rest, so that a hostile object cannot make a refusal grow without bound.
 *
 * Relies on GLib only. */
#include "wherry/error.h"

#include <errno.h>

#include "wherry/limits.h"

G_DEFINE_QUARK(wry-error, wry_error)

/* Reasons: KubeVirt's where KubeVirt has the case (contract 3.4 and 3.6: Synchronized), CamelCase of our own else. */
static const struct {
  const char *reason;
  int http;
} codes[WRY_ERROR_CODES] = {
    [WRY_ERROR_FAILED] = {"Failed", 500},
    [WRY_ERROR_INVALID] = {"Invalid", 422},
    [WRY_ERROR_UNSUPPORTED] = {"NotSupported", 422},
    [WRY_ERROR_NOT_FOUND] = {"NotFound", 404},
    [WRY_ERROR_EXISTS] = {"AlreadyExists", 409},
    [WRY_ERROR_CONFLICT] = {"Conflict", 409},
    [WRY_ERROR_DENIED] = {"Forbidden", 403},
    [WRY_ERROR_TOO_LARGE] = {"TooLarge", 413},
    [WRY_ERROR_PROTOCOL] = {"ProtocolError", 400},
    [WRY_ERROR_TIMEOUT] = {"Timeout", 504},
    [WRY_ERROR_LOCKED] = {"Locked", 409},
    [WRY_ERROR_NO_SPACE] = {"NoSpace", 507},
    [WRY_ERROR_NO_KVM] = {"KVMUnavailable", 503},
    [WRY_ERROR_IMAGE_MISSING] = {"ErrImagePull", 503},
    [WRY_ERROR_VOLUME_MISSING] = {"FailedPvcNotFound", 503},
    [WRY_ERROR_IO] = {"IOError", 500},
};

static const struct {
  int errnum;
  WryErrorCode code;
} errnos[] = {
    {ENOSPC, WRY_ERROR_NO_SPACE}, {EDQUOT, WRY_ERROR_NO_SPACE}, {ENOENT, WRY_ERROR_NOT_FOUND}, {EEXIST, WRY_ERROR_EXISTS},
    {EACCES, WRY_ERROR_DENIED},   {EPERM, WRY_ERROR_DENIED},    {ETIMEDOUT, WRY_ERROR_TIMEOUT}, {EMSGSIZE, WRY_ERROR_TOO_LARGE},
};

const char *wry_error_reason(WryErrorCode code) {
  return (guint)code < WRY_ERROR_CODES ? codes[code].reason : codes[WRY_ERROR_FAILED].reason;
}

int wry_error_http(WryErrorCode code) {
  return (guint)code < WRY_ERROR_CODES ? codes[code].http : codes[WRY_ERROR_FAILED].http;
}

static WryErrorCode code_of_errno(int errnum) {
  for (gsize i = 0; i < G_N_ELEMENTS(errnos); i++)
    if (errnos[i].errnum == errnum) return errnos[i].code;
  return WRY_ERROR_IO;
}

gboolean wry_errno(GError **error, int errnum, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(error, WRY_ERROR, code_of_errno(errnum), "%s: %s", what, g_strerror(errnum));
  return FALSE;
}

struct WryCauses {
  GPtrArray *list; /* WryCause */
  guint dropped;   /* added when the list was full */
};

static void cause_free(gpointer data) {
  WryCause *cause = data;
  g_free(cause->field);
  g_free(cause->message);
  g_free(cause);
}

WryCauses *wry_causes_new(void) {
  WryCauses *causes = g_new0(WryCauses, 1);
  causes->list = g_ptr_array_new_with_free_func(cause_free);
  return causes;
}

void wry_causes_free(WryCauses *causes) {
  if (!causes) return;
  g_ptr_array_unref(causes->list);
  g_free(causes);
}

void wry_causes_add(WryCauses *causes, const char *reason, const char *field, const char *format, ...) {
  if (causes->list->len >= WRY_MAX_CAUSES) {
    causes->dropped++;
    return;
  }
  va_list args;
  va_start(args, format);
  WryCause *cause = g_new0(WryCause, 1);
  cause->reason = reason;
  cause->field = g_strdup(field ? field : "");
  cause->message = g_strdup_vprintf(format, args);
  va_end(args);
  g_ptr_array_add(causes->list, cause);
}

guint wry_causes_count(const WryCauses *causes) {
  return causes->list->len;
}

const WryCause *wry_causes_get(const WryCauses *causes, guint i) {
  return i < causes->list->len ? g_ptr_array_index(causes->list, i) : NULL;
}

/* A message that does not name its field gets it in front: "must be an integer" alone tells nobody where. */
static void append_cause(GString *text, const WryCause *cause) {
  if (*cause->field && !strstr(cause->message, cause->field)) g_string_append_printf(text, "%s: ", cause->field);
  g_string_append(text, cause->message);
}

char *wry_causes_text(const WryCauses *causes) {
  GString *text = g_string_new(NULL);
  guint shown = MIN(causes->list->len, WRY_MAX_CAUSES_SHOWN);
  for (guint i = 0; i < shown; i++) {
    if (i) g_string_append(text, ", ");
    append_cause(text, g_ptr_array_index(causes->list, i));
  }
  guint rest = causes->list->len - shown + causes->dropped;
  if (rest) g_string_append_printf(text, ", and %u more", rest);
  return g_string_free(text, FALSE);
}
