/* Files of the manifest directory, and the inotify watch on it (the image store is watched with it too).
 *
 * How it works: everything goes through the directory's fd. A file counts once it is complete: the watch listens to the end of writing and to renames, never to creation.
 * Relies on: vpath.h (no symlinks, no way out of the directory), wry_manifest_parse. */
#include "handler/manifests.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/inotify.h>

#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

gboolean wry_manifest_name(const char *name) {
  static const char *const endings[] = {".yaml", ".yml", ".json"};
  for (gsize i = 0; *name != '.' && i < G_N_ELEMENTS(endings); i++)
    if (g_str_has_suffix(name, endings[i])) return TRUE;
  return FALSE;
}

static void free_document(gpointer data) { wry_document_free(data); }

WryManifestFile *wry_manifest_read(int dirfd, const char *name) {
  WryManifestFile *file = g_new0(WryManifestFile, 1);
  gsize length = 0;
  file->name = g_strdup(name);
  g_autofree char *text = wry_vread(dirfd, name, WRY_MAX_MANIFEST_BYTES, &length, &file->error);
  file->exists = !g_error_matches(file->error, WRY_ERROR, WRY_ERROR_NOT_FOUND);
  if (!file->exists) g_clear_error(&file->error);
  if (text) file->documents = wry_manifest_parse(text, length, &file->error);
  if (!file->documents) file->documents = g_ptr_array_new_with_free_func(free_document);
  return file;
}

void wry_manifest_free(WryManifestFile *file) {
  if (!file) return;
  g_free(file->name);
  g_ptr_array_unref(file->documents);
  g_clear_error(&file->error);
  g_free(file);
}

GPtrArray *wry_manifest_names(int dirfd, GError **error) {
  GPtrArray *names = wry_vlist(dirfd, error);
  for (guint i = 0; names && i < names->len;)
    if (wry_manifest_name(names->pdata[i]))
      i++;
    else
      g_ptr_array_remove_index(names, i);
  return names;
}

char *wry_manifest_new_name(WryObjectKind kind, const char *namespace_, const char *name) {
  g_autofree char *lower = g_ascii_strdown(wry_object_kind_name(kind), -1);
  return g_strdup_printf("%s.%s.%s.yaml", lower, namespace_, name);
}

static gboolean is_object(WryJson *document, WryObjectKind kind, const char *namespace_, const char *name) {
  WryObjectKind other;
  const char *other_namespace, *other_name;
  return wry_document_key(document, &other, &other_namespace, &other_name) && other == kind && strcmp(other_namespace, namespace_) == 0 && strcmp(other_name, name) == 0;
}

/* All documents as one text: YAML, or for a .json file JSON. */
static char *write_text(const char *file, const GPtrArray *documents) {
  if (g_str_has_suffix(file, ".json")) {
    WryJson *list = json_object_new_object(), *items = json_object_new_array();
    json_object_object_add(list, "apiVersion", json_object_new_string("v1"));
    json_object_object_add(list, "kind", json_object_new_string("List"));
    json_object_object_add(list, "items", items);
    for (guint i = 0; i < documents->len; i++) json_object_array_add(items, json_object_get(documents->pdata[i]));
    char *text = g_strdup_printf("%s\n", json_object_to_json_string_ext(documents->len == 1 ? documents->pdata[0] : list, JSON_C_TO_STRING_PRETTY));
    json_object_put(list);
    return text;
  }
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < documents->len; i++) {
    g_autofree char *one = wry_yaml_write(documents->pdata[i]);
    g_string_append_printf(text, "%s%s", i ? "---\n" : "", one);
  }
  return g_string_free(text, FALSE);
}

static gboolean write_documents(int dirfd, const char *file, const GPtrArray *documents, GError **error) {
  if (documents->len == 0) return wry_vunlink(dirfd, file, error);
  g_autofree char *text = write_text(file, documents);
  gsize length = strlen(text);
  if (length <= WRY_MAX_MANIFEST_BYTES) return wry_vwrite(dirfd, file, text, length, 0640, error);
  g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "%s would be larger than %u bytes", file, WRY_MAX_MANIFEST_BYTES);
  return FALSE;
}

gboolean wry_manifest_store(int dirfd, const char *file, WryObjectKind kind, const char *namespace_, const char *name, WryJson *document, GError **error) {
  WryManifestFile *old = wry_manifest_read(dirfd, file);
  g_autoptr(GPtrArray) kept = g_ptr_array_new();
  gboolean placed = document == NULL;
  for (guint i = 0; i < old->documents->len; i++) {
    WryJson *one = ((WryDocument *)old->documents->pdata[i])->object;
    gboolean match = is_object(one, kind, namespace_, name);
    if (match && !placed) g_ptr_array_add(kept, document);
    if (!match) g_ptr_array_add(kept, one);
    placed = placed || match;
  }
  if (!placed) g_ptr_array_add(kept, document);
  gboolean done = FALSE;
  if (old->error)
    g_propagate_prefixed_error(error, g_steal_pointer(&old->error), "%s: ", file);
  else
    done = write_documents(dirfd, file, kept, error);
  wry_manifest_free(old);
  return done;
}

/* --- watch --------------------------------------------------------------------------------------------------------------------------------------------- */
struct WryWatch {
  int fd;
  guint source;
  void (*changed)(const char *name, gpointer data);
  void (*done)(gpointer data);
  gpointer data;
};

static void tell(WryWatch *watch, const struct inotify_event *event) {
  if (event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
    watch->changed(NULL, watch->data);
  else if (event->len > 0)
    watch->changed(event->name, watch->data);
}

static gboolean on_readable(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryWatch *watch = data;
  _Alignas(struct inotify_event) char buffer[16 * 1024];
  gboolean any = FALSE;
  for (ssize_t length; (length = read(fd, buffer, sizeof buffer)) > 0;) {
    any = TRUE;
    for (char *at = buffer; at < buffer + length;) {
      const struct inotify_event *event = (const struct inotify_event *)at;
      tell(watch, event);
      at += sizeof *event + event->len;
    }
  }
  if (any) watch->done(watch->data);
  return G_SOURCE_CONTINUE;
}

static WryWatch *watch_for(int dirfd, guint32 also, void (*changed)(const char *name, gpointer data), void (*done)(gpointer data), gpointer data, GError **error) {
  wry_autofd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", dirfd);
  const guint32 mask = also | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (fd < 0 || inotify_add_watch(fd, path, mask) < 0) {
    wry_errno(error, errno, "watch on the directory");
    return NULL;
  }
  WryWatch *watch = g_new0(WryWatch, 1);
  *watch = (WryWatch){.fd = fd, .changed = changed, .done = done, .data = data};
  watch->source = g_unix_fd_add(fd, G_IO_IN, on_readable, watch);
  fd = -1;
  return watch;
}

WryWatch *wry_watch_new(int dirfd, void (*changed)(const char *name, gpointer data), void (*done)(gpointer data), gpointer data, GError **error) {
  return watch_for(dirfd, 0, changed, done, data, error);
}

WryWatch *wry_watch_births(int dirfd, void (*changed)(const char *name, gpointer data), void (*done)(gpointer data), gpointer data, GError **error) {
  return watch_for(dirfd, IN_CREATE, changed, done, data, error);
}

void wry_watch_free(WryWatch *watch) {
  if (!watch) return;
  g_source_remove(watch->source);
  close(watch->fd);
  g_free(watch);
}
