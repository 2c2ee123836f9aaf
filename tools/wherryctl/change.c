/* apply, delete, wait. */
#include "tools/wherryctl/client.h"
#include "tools/wherryctl/jsonpath.h"
#include "tools/wherryctl/objects.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef gboolean (*EachManifest)(const WryArgs *args, const char *name, const char *text, GError **error);

static gboolean each_in_directory(const WryArgs *args, const char *path, EachManifest each, GError **error) {
  wry_autofd int dir = wry_dir_open(path, error);
  g_autoptr(GPtrArray) names = dir >= 0 ? wry_vlist(dir, error) : NULL;
  for (guint i = 0; names && i < names->len; i++) {
    const char *name = names->pdata[i];
    if (!g_str_has_suffix(name, ".yaml") && !g_str_has_suffix(name, ".yml") && !g_str_has_suffix(name, ".json"))
      continue;
    g_autofree char *text = wry_vread(dir, name, WRY_MAX_MANIFEST_BYTES, NULL, error);
    g_autofree char *full = g_build_filename(path, name, NULL);
    if (!text || !each(args, full, text, error))
      return FALSE;
  }
  return names != NULL;
}

static gboolean each_file(const WryArgs *args, const char *path, EachManifest each, GError **error) {
  if (g_file_test(path, G_FILE_TEST_IS_DIR))
    return each_in_directory(args, path, each, error);
  gboolean standard = strcmp(path, "-") == 0;
  wry_autofd int fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : wry_file_open(path, O_RDONLY, 0, error);
  g_autofree char *text = fd >= 0 ? wry_fd_read(fd, WRY_MAX_MANIFEST_BYTES, NULL, error) : NULL;
  if (!text) {
    g_prefix_error(error, "error: ");
    return FALSE;
  }
  return each(args, standard ? "STDIN" : path, text, error);
}

static gboolean each_manifest(const WryArgs *args, EachManifest each, GError **error) {
  for (guint i = 0; args->files[i]; i++)
    if (!each_file(args, args->files[i], each, error))
      return FALSE;
  return TRUE;
}

static gboolean apply_text(const WryArgs *args, const char *name, const char *text, GError **error) {
  WryControlApply apply = {.manifest = (char *)text, .fileName = (char *)name, .namespace_ = args->namespace_, .dryRun = {args->dry_run, args->dry_run}};
  g_autoptr(WryJson) reply = wry_client_call(args->root, WRY_CONTROL_APPLY, &apply, NULL, error);
  WryJson *results = reply ? wry_json_get(reply, "results") : NULL;
  for (gsize i = 0; results && i < json_object_array_length(results); i++) {
    WryJson *r = json_object_array_get_idx(results, i);
    const WryKindName *kind = wry_kind_of(wry_json_str(r, "kind"));
    g_autofree char *named = kind ? wry_kind_qualified(kind) : g_strdup("object");
    if (wry_json_str(r, "warning"))
      fprintf(stderr, "Warning: %s\n", wry_json_str(r, "warning"));
    printf("%s/%s %s%s\n", named, wry_json_str(r, "name"), wry_json_str(r, "action"), args->dry_run ? " (server dry run)" : "");
  }
  return reply != NULL;
}

int wry_cmd_apply(const WryArgs *args, GError **error) {
  if (!args->files) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: must specify -f FILE");
    return 2;
  }
  return each_manifest(args, apply_text, error) ? 0 : 1;
}

/* ---- delete ---- */

typedef struct { const char *uid; gboolean there, gone; } Watch;

/* Until the object is gone: not there at the first look, or deleted since. Another object that takes its name does not count. */
static gboolean watch_gone(const char *type, WryJson *object, gpointer data) {
  Watch *w = data;
  gboolean ours = object && (!w->uid || g_strcmp0(wry_json_str(wry_json_get(object, "metadata"), "uid"), w->uid) == 0);
  if (ours)
    w->there = strcmp(type, "DELETED") != 0;
  w->gone = !w->there && (strcmp(type, "BOOKMARK") == 0 || strcmp(type, "DELETED") == 0);
  return !w->gone;
}

static gboolean await_gone(const WryArgs *args, const WryKindName *kind, const char *name, const char *uid, gint64 timeout_ms, GError **error) {
  Watch w = {.uid = uid};
  return wry_objects_each(args, kind, name, TRUE, timeout_ms, watch_gone, &w, error);
}

static gboolean delete_one(const WryArgs *args, const WryKindName *kind, const char *name, GError **error) {
  gint64 timeout = -1;
  WryControlDelete call = {.kind = (char *)kind->kind, .namespace_ = (char *)wry_args_namespace(args), .name = (char *)name};
  if (args->grace_period >= 0 || args->force)
    call.gracePeriodSeconds = (WryOptInt){TRUE, MAX(args->grace_period, 0)};
  if (args->timeout && !wry_duration_parse(args->timeout, 1, &timeout, error))
    return FALSE;
  g_autoptr(WryJson) reply = wry_client_call(args->root, WRY_CONTROL_DELETE, &call, NULL, error);
  g_autofree char *qualified = wry_kind_qualified(kind);
  if (!reply)
    return FALSE;
  printf("%s \"%s\" deleted\n", qualified, name);
  fflush(stdout);
  const char *uid = wry_json_str(wry_json_get(wry_json_get(reply, "object"), "metadata"), "uid");
  return !args->wait || await_gone(args, kind, name, uid, timeout ? timeout : -1, error);
}

static gboolean delete_text(const WryArgs *args, const char *file, const char *text, GError **error) {
  g_autoptr(GPtrArray) documents = wry_manifest_parse(text, strlen(text), error);
  if (!documents) {
    g_prefix_error(error, "error: %s: ", file);
    return FALSE;
  }
  for (guint i = 0; i < documents->len; i++) {
    WryJson *object = ((WryDocument *)documents->pdata[i])->object, *meta = wry_json_get(object, "metadata");
    const WryKindName *kind = wry_kind_of(wry_json_str(object, "kind"));
    WryArgs at = *args;
    if (!kind || !wry_json_str(meta, "name"))
      continue;
    if (!args->namespace_)
      at.namespace_ = (char *)wry_json_str(meta, "namespace");
    if (!delete_one(&at, kind, wry_json_str(meta, "name"), error))
      return FALSE;
  }
  return TRUE;
}

int wry_cmd_delete(const WryArgs *args, GError **error) {
  const WryKindName *kind;
  const char *name;
  if (args->files)
    return each_manifest(args, delete_text, error) ? 0 : 1;
  if (!args->args[0]) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: must specify KIND NAME or -f FILE");
    return 2;
  }
  if (!wry_kind_and_name(args, &kind, &name, error))
    return 1;
  gboolean slashed = strchr(args->args[0], '/') != NULL;
  if (!name) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: resource(s) were provided, but no name was specified");
    return 1;
  }
  if (slashed)
    return delete_one(args, kind, name, error) ? 0 : 1;
  for (guint i = 1; args->args[i]; i++)
    if (!delete_one(args, kind, args->args[i], error))
      return 1;
  return 0;
}

/* ---- wait ---- */

typedef struct {
  char *path, *value; /* value NULL: any */
  gboolean fold, met;
  GError *error;
} Condition;

static gboolean condition_met(const char *type, WryJson *object, gpointer data) {
  Condition *c = data;
  if (!object || strcmp(type, "DELETED") == 0)
    return TRUE;
  g_autoptr(GPtrArray) found = wry_jsonpath_find(c->path, object, &c->error);
  for (guint i = 0; found && i < found->len; i++) {
    g_autofree char *text = wry_jsonpath_text(found->pdata[i]);
    c->met |= !c->value || (c->fold ? g_ascii_strcasecmp(text, c->value) : strcmp(text, c->value)) == 0;
  }
  return !c->met && !c->error;
}

/* --for into a path and a value. "delete" gives no path. */
static gboolean parse_for(const char *text, Condition *c, GError **error) {
  if (strcmp(text, "delete") == 0)
    return TRUE;
  if (g_str_has_prefix(text, "condition=") && text[10]) {
    g_auto(GStrv) parts = g_strsplit(text + 10, "=", 2);
    c->path = g_strdup_printf("{.status.conditions[?(@.type==\"%s\")].status}", parts[0]);
    c->value = g_strdup(parts[1] ? parts[1] : "True");
    c->fold = TRUE;
    return TRUE;
  }
  if (g_str_has_prefix(text, "jsonpath=") && text[9]) {
    const char *close = strrchr(text + 9, '}'), *equals = strchr(close ? close : text + 9, '=');
    c->path = equals ? g_strndup(text + 9, (gsize)(equals - text - 9)) : g_strdup(text + 9);
    c->value = equals ? g_strdup(equals + 1) : NULL;
    return TRUE;
  }
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: --for=%s: want condition=NAME[=VALUE], delete or jsonpath={.PATH}[=VALUE]", text);
  return FALSE;
}

static int wait_for(const WryArgs *args, const WryKindName *kind, const char *name, Condition *c, gint64 timeout, GError **error) {
  g_autoptr(GError) problem = NULL;
  gboolean ok = TRUE;
  if (c->path) {
    /* kubectl wants the object to be there when the wait begins. */
    g_autoptr(WryJson) now = wry_object_fetch(args, kind, name, error);
    if (!now)
      return 1;
    ok = wry_objects_each(args, kind, name, TRUE, timeout, condition_met, c, &problem);
  } else {
    ok = await_gone(args, kind, name, NULL, timeout, &problem);
  }
  if (c->error) {
    g_propagate_error(error, g_steal_pointer(&c->error));
    return 1;
  }
  if (ok) {
    g_autofree char *qualified = wry_kind_qualified(kind);
    printf("%s/%s condition met\n", qualified, name);
    return 0;
  }
  if (g_error_matches(problem, WRY_ERROR, WRY_ERROR_TIMEOUT))
    g_set_error(error, WRY_ERROR, WRY_ERROR_TIMEOUT, "error: timed out waiting for the condition on %s/%s", kind->plural, name);
  else
    g_propagate_error(error, g_steal_pointer(&problem));
  return 1;
}

int wry_cmd_wait(const WryArgs *args, GError **error) {
  const WryKindName *kind;
  const char *name;
  gint64 timeout = 30000;
  Condition c = {0};
  if (!wry_kind_and_name(args, &kind, &name, error))
    return 1;
  if (!name || !args->for_) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: must specify a name and --for");
    return 2;
  }
  if (!parse_for(args->for_, &c, error) || (args->timeout && !wry_duration_parse(args->timeout, 1, &timeout, error)))
    return 2;
  int status = wait_for(args, kind, name, &c, timeout, error);
  g_free(c.path);
  g_free(c.value);
  return status;
}
