#pragma once
/* The manifest directory: which files count, reading them, writing one object, and an inotify watch. Files are *.yaml, *.yml and *.json, regular, not hidden. */
#include "handler/objects.h"

typedef struct {
  char *name;
  gboolean exists;
  GPtrArray *documents; /* WryDocument; empty when absent or unreadable */
  GError *error;        /* why it could not be read or parsed */
} WryManifestFile;

gboolean wry_manifest_name(const char *name); /* does a file of this name count */
WryManifestFile *wry_manifest_read(int dirfd, const char *name);
void wry_manifest_free(WryManifestFile *file);
/* Names of the files that count, sorted. */
GPtrArray *wry_manifest_names(int dirfd, GError **error);
/* "virtualmachine.default.demo.yaml": where an object goes that has no file yet. New string. */
char *wry_manifest_new_name(WryObjectKind kind, const char *namespace_, const char *name);
/* Puts `document` in place of the object's document in `file`, or at its end; NULL takes it out, and the last one the file with it. Other documents stay (as data: their comments
 * do not). Refuses a file that does not parse. */
gboolean wry_manifest_store(int dirfd, const char *file, WryObjectKind kind, const char *namespace_, const char *name, WryJson *document, GError **error);

typedef struct WryWatch WryWatch;
/* `changed` gets the name of a file that appeared, was written or went, or NULL when events were lost and everything must be looked at again. Called from the main loop, then `done`
 * once after the last of a batch. */
WryWatch *wry_watch_new(int dirfd, void (*changed)(const char *name, gpointer data), void (*done)(gpointer data), gpointer data, GError **error);
/* The same for sockets and device nodes, which are there as soon as they appear. */
WryWatch *wry_watch_births(int dirfd, void (*changed)(const char *name, gpointer data), void (*done)(gpointer data), gpointer data, GError **error);
void wry_watch_free(WryWatch *watch);
