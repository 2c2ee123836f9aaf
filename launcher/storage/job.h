#pragma once
/* Inside of launcher/storage/: a program that makes one file. Started, then waited for, so that several run at the same time. */
#include <gio/gio.h>

typedef struct WryJob WryJob;

/* Starts argv (absolute paths as arguments, no shell). What it makes is `name`.staging below dirfd, which becomes `name` when it has succeeded. `dirfd` is borrowed. */
WryJob *wry_job_start(int dirfd, const char *name, const char *const *argv, GError **error);
/* Waits; frees the job. Error: NO_SPACE, LOCKED or FAILED with what the program has complained about. */
gboolean wry_job_finish(WryJob *take_job, GError **error);
