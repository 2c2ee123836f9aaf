/* crdgen: writes the CustomResourceDefinitions of deploy/crds/ from the decoder's field tables, so that what the API server admits and what the decoder reads are one.
 *
 * usage: crdgen DESCRIPTIONS DIRECTORY
 *
 * How it works: for each kind the rows of its type become a structural schema (schema.c); keywords.c adds what rows do not say, DESCRIPTIONS what `kubectl explain`
 * shows. It fails, and writes nothing, when a field has no description or a description or keyword has no field.
 * Relies on libwherry's tables alone. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crdgen.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

#define HEAD "# Made by `make crds` from the field tables of lib/: change those.\n"

static gboolean write_one(int directory, const CrdKind *kind, WryJson *schema, GError **error) {
  g_autoptr(WryJson) crd = crd_new(kind, schema);
  g_autofree char *yaml = wry_yaml_write(crd), *text = g_strconcat(HEAD, yaml, NULL), *name = g_strdup_printf("%s.yaml", kind->plural);
  return wry_vwrite(directory, name, text, strlen(text), 0644, error);
}

/* All schemas before the first file: a problem of any leaves the files alone. */
static gboolean generate(CrdTexts *texts, int directory, GError **error) {
  g_autoptr(GPtrArray) schemas = g_ptr_array_new_with_free_func((GDestroyNotify)wry_json_put);
  for (guint i = 0; i < crd_kinds_count; i++) g_ptr_array_add(schemas, crd_schema_new(&crd_kinds[i], texts));
  g_autofree char *problems = crd_texts_problems(texts);
  g_autoptr(GPtrArray) unused = crd_keywords_unused();
  if (*problems || unused->len) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%s%s%s", problems, unused->len ? "no such field in keywords.c: " : "",
                unused->len ? (const char *)unused->pdata[0] : "");
    return FALSE;
  }
  for (guint i = 0; i < crd_kinds_count; i++)
    if (!write_one(directory, &crd_kinds[i], schemas->pdata[i], error)) return FALSE;
  return TRUE;
}

static gboolean run(const char *descriptions, const char *directory, GError **error) {
  wry_autofd int file = wry_file_open(descriptions, O_RDONLY, 0, error);
  g_autoptr(CrdTexts) texts = file < 0 ? NULL : crd_texts_read(file, error);
  if (!texts) return FALSE;
  g_autofree char *here = g_get_current_dir(), *absolute = g_canonicalize_filename(directory, here);
  wry_autofd int out = wry_dir_make(absolute, 0755, error);
  return out >= 0 && generate(texts, out, error);
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  if (argc != 3) {
    g_printerr("usage: crdgen DESCRIPTIONS DIRECTORY\n");
    return EXIT_FAILURE;
  }
  if (run(argv[1], argv[2], &error)) return EXIT_SUCCESS;
  g_printerr("crdgen: %s\n", error->message);
  return EXIT_FAILURE;
}
