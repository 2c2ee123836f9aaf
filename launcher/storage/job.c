/* Programs that make files: qemu-img. A process of its own because it reads what users supply, and because its licence is not ours.
 *
 * GSubprocess starts with posix_spawn, so it costs the same in a large process as in a small one. */
#include "launcher/storage/job.h"
#include "wherry/error.h"
#include "wherry/vpath.h"

#include <string.h>

struct WryJob {
  int dirfd; /* borrowed */
  char *name, *staging;
  GSubprocess *process;
};

static const struct { const char *text; WryErrorCode code; } complaints[] = {
    {"No space left on device", WRY_ERROR_NO_SPACE},
    {"Disk quota exceeded", WRY_ERROR_NO_SPACE},
    {"Failed to get", WRY_ERROR_LOCKED}, /* … "write" lock */
    {"No such file or directory", WRY_ERROR_NOT_FOUND},
};

static void job_free(WryJob *job) {
  if (!job) return;
  g_clear_object(&job->process);
  g_free(job->name);
  g_free(job->staging);
  g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryJob, job_free)

WryJob *wry_job_start(int dirfd, const char *name, const char *const *argv, GError **error) {
  g_autoptr(WryJob) job = g_new0(WryJob, 1);
  g_autoptr(GError) why = NULL;
  job->dirfd = dirfd;
  job->name = g_strdup(name);
  job->staging = g_strconcat(name, ".staging", NULL);
  if (!wry_vunlink(dirfd, job->staging, error)) return NULL;
  job->process = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &why);
  if (job->process) return g_steal_pointer(&job);
  g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "cannot start %s: %s", argv[0], why->message);
  return NULL;
}

static gboolean complain(const char *text, GError **error) {
  WryErrorCode code = WRY_ERROR_FAILED;
  for (guint i = 0; i < G_N_ELEMENTS(complaints) && code == WRY_ERROR_FAILED; i++)
    if (strstr(text, complaints[i].text)) code = complaints[i].code;
  g_autofree char *line = g_strndup(text, strcspn(text, "\n"));
  g_set_error(error, WRY_ERROR, code, "%s", *line ? line : "the program failed and said nothing");
  return FALSE;
}

gboolean wry_job_finish(WryJob *take_job, GError **error) {
  g_autoptr(WryJob) job = take_job;
  g_autofree char *said = NULL;
  g_autoptr(GError) why = NULL;
  if (!g_subprocess_communicate_utf8(job->process, NULL, NULL, NULL, &said, &why)) return complain(why->message, error);
  if (g_subprocess_get_successful(job->process)) return wry_vrename(job->dirfd, job->staging, job->name, error);
  wry_vunlink(job->dirfd, job->staging, NULL);
  return complain(said ? said : "", error);
}
