#pragma once
/* From manifest files to known objects: admission, what changed, what is gone, what is wrong with a file. A file that is wrong touches nothing but itself: an object that was in
 * force stays so with its last good spec. */
#include "handler/manifests.h"
#include "wherry/control.h"

typedef struct WrySource WrySource;

typedef struct {
  void (*changed)(WryObject *object, WryChange change, gpointer data); /* saved already */
  void (*gone)(WryObject *object, gpointer data);                      /* its manifest is gone: object->removed is set */
  void (*problem)(const WryManifestProblem *problem, WryObject *object, gpointer data); /* new problem; object: the one it concerns, or NULL */
  void (*settled)(gpointer data);                                      /* end of a batch */
  void (*failed)(const char *what, const GError *error, gpointer data); /* a record could not be written, the directory not read */
} WrySourceCalls;

/* All is borrowed and outlives the source. `arch`: "amd64". */
WrySource *wry_source_new(int dirfd, WryObjects *objects, const char *arch, const WrySourceCalls *calls, gpointer data);
void wry_source_free(WrySource *source);
/* Begins to watch; call before the first scan. */
gboolean wry_source_watch(WrySource *source, GError **error);
void wry_source_scan(WrySource *source);
/* Looks at some files at once (an array of names), as after a write of our own. */
void wry_source_files(WrySource *source, const GPtrArray *names);
/* Configuration in force: of the KubeVirt object, or defaults. */
const WryConfig *wry_source_config(const WrySource *source);
/* Puts the configuration of a KubeVirt object in force, as a cluster has it (spec.configuration; NULL: defaults). FALSE with error: the old one stays. */
gboolean wry_source_configure(WrySource *source, WryJson *configuration, GError **error);
/* All problems, by file; elements WryManifestProblem, borrowed. */
GPtrArray *wry_source_problems(const WrySource *source);
