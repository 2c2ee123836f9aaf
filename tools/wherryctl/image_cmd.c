/* image import, ls, rm, pull: on the store's directory itself, which the handler watches. Registries are skopeo's business. */
#include "tools/wherryctl/objects.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/images.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only what fills the store makes it: for the rest a store that is not there, -1 without an error, is one without images. */
static gboolean open_store(const WryArgs *args, gboolean fills, int *ret_fd, GError **error) {
  g_autofree char *path = args->root ? g_build_filename(args->root, "images", NULL) : g_strdup("/var/lib/wherry/images");
  g_autoptr(GError) why = NULL;
  *ret_fd = fills ? wry_dir_make(path, 0755, &why) : wry_dir_open(path, &why);
  if (*ret_fd >= 0 || (!fills && g_error_matches(why, WRY_ERROR, WRY_ERROR_NOT_FOUND)))
    return TRUE;
  g_propagate_prefixed_error(error, g_steal_pointer(&why), "error: image store: ");
  return FALSE;
}

static const char *architecture(void) {
#ifdef __aarch64__
  return "arm64";
#else
  return "amd64";
#endif
}

static gboolean import_fd(int store, int fd, const char *name, GError **error) {
  g_autoptr(GPtrArray) done = wry_images_import(store, fd, name, architecture(), error);
  for (guint i = 0; done && i < done->len; i++) {
    const WryImage *image = done->pdata[i];
    printf("%s imported (%s)\n", image->reference, image->digest);
  }
  if (!done)
    g_prefix_error(error, "error: ");
  return done != NULL;
}

static int image_import(const WryArgs *args, int store, GError **error) {
  const char *path = args->args[1], *name = args->args[1] ? args->args[2] : NULL;
  if (!path) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: import what? A file or a directory");
    return 2;
  }
  wry_autofd int fd = g_file_test(path, G_FILE_TEST_IS_DIR) ? wry_dir_open(path, error) : wry_file_open(path, O_RDONLY, 0, error);
  if (fd < 0) {
    g_prefix_error(error, "error: ");
    return 1;
  }
  return import_fd(store, fd, name, error) ? 0 : 1;
}

static int image_ls(const WryArgs *args, int store, GError **error) {
  g_autoptr(GPtrArray) images = store < 0 ? g_ptr_array_new() : wry_images_list(store, error);
  gboolean json = g_strcmp0(args->output, "json") == 0;
  g_autoptr(WryJson) list = json_object_new_array();
  if (!images)
    return 1;
  if (!json)
    printf("%-48s %-14s %-10s %s\n", "REFERENCE", "DIGEST", "SIZE", "AGE");
  for (guint i = 0; i < images->len; i++) {
    const WryImage *image = images->pdata[i];
    g_autofree char *size = g_format_size_full((guint64)image->size, G_FORMAT_SIZE_IEC_UNITS), *age = wry_age(image->created);
    if (!json)
      printf("%-48s %-14.12s %-10s %s\n", image->reference, strchr(image->digest, ':') + 1, size, age);
    WryJson *o = json_object_new_object();
    json_object_object_add(o, "reference", json_object_new_string(image->reference));
    json_object_object_add(o, "digest", json_object_new_string(image->digest));
    json_object_object_add(o, "size", json_object_new_int64(image->size));
    json_object_array_add(list, o);
  }
  if (json)
    puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
  return 0;
}

static int image_rm(const WryArgs *args, int store, GError **error) {
  if (!args->args[1]) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: remove which image?");
    return 2;
  }
  if (store < 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "error: there is no image store, and no image %s in it", args->args[1]);
    return 1;
  }
  if (!wry_images_remove(store, args->args[1], error)) {
    g_prefix_error(error, "error: ");
    return 1;
  }
  printf("%s removed\n", args->args[1]);
  return 0;
}

static gboolean run_skopeo(const char *from, const char *to, GError **error) {
  g_autoptr(GSubprocess) skopeo = g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, error, "skopeo", "copy", "--quiet", from, to, NULL);
  return skopeo && g_subprocess_wait_check(skopeo, NULL, error);
}

static int image_pull(const WryArgs *args, int store, GError **error) {
  char place[] = "/var/tmp/wherry-pull-XXXXXX";
  g_autofree char *name = args->args[1] ? wry_image_reference(args->args[1], error) : NULL;
  if (!args->args[1])
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: pull which image?");
  if (!name)
    return 2;
  if (!mkdtemp(place)) {
    wry_errno(error, errno, "error: temporary directory");
    return 1;
  }
  g_autofree char *from = g_strconcat("docker://", name, NULL), *to = g_strconcat("oci:", place, NULL);
  gboolean ok = run_skopeo(from, to, error);
  if (!ok)
    g_prefix_error(error, "error: skopeo: ");
  wry_autofd int layout = ok ? wry_dir_open(place, error) : -1;
  ok = layout >= 0 && import_fd(store, layout, name, error);
  wry_autofd int tmp = wry_dir_open("/var/tmp", NULL);
  wry_vremove_tree(tmp, strrchr(place, '/') + 1, NULL);
  return ok ? 0 : 1;
}

int wry_cmd_image(const WryArgs *args, GError **error) {
  static const struct { const char *name; gboolean fills; int (*run)(const WryArgs *args, int store, GError **error); } actions[] = {
      {"import", TRUE, image_import}, {"ls", FALSE, image_ls}, {"rm", FALSE, image_rm}, {"pull", TRUE, image_pull}};
  for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
    if (strcmp(actions[i].name, args->args[0]) != 0)
      continue;
    wry_autofd int store = -1;
    return open_store(args, actions[i].fills, &store, error) ? actions[i].run(args, store, error) : 1;
  }
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: image %s: want import, ls, rm or pull", args->args[0]);
  return 2;
}
