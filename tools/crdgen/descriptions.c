/* The texts of descriptions.txt, and a count of who asked for which: a field without a text and a text without a field are errors. */
#include "crdgen.h"

#include <string.h>

#include "wherry/limits.h"
#include "wherry/vpath.h"

struct CrdTexts {
  GHashTable *texts; /* place -> text */
  GHashTable *used;  /* set of places */
  GHashTable *missing;
};

void crd_texts_free(CrdTexts *texts) {
  if (!texts) return;
  g_hash_table_unref(texts->texts);
  g_hash_table_unref(texts->used);
  g_hash_table_unref(texts->missing);
  g_free(texts);
}

static gboolean refuse(guint number, const char *why, GError **error) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "line %u: %s", number, why);
  return FALSE;
}

static gboolean add(CrdTexts *texts, const char *at, const char *text, guint number, GError **error) {
  return g_hash_table_insert(texts->texts, g_strdup(at), g_strdup(text)) || refuse(number, "is there twice", error);
}

/* "[Type]" or "[Type] text". */
static gboolean add_type(CrdTexts *texts, const char *line, GString *type, guint number, GError **error) {
  const char *end = strchr(line, ']');
  if (!end || (end[1] && end[1] != ' ')) return refuse(number, "not `[Type]` or `[Type] text`", error);
  g_string_truncate(type, 0);
  g_string_append_len(type, line + 1, end - line - 1);
  return !end[1] || add(texts, type->str, end + 2, number, error);
}

static gboolean add_line(CrdTexts *texts, const char *line, GString *type, guint number, GError **error) {
  const char *colon = strstr(line, ": ");
  if (!*line || *line == '#') return TRUE;
  if (*line == '[') return add_type(texts, line, type, number, error);
  if (!colon || !type->len) return refuse(number, "not `field: text` below a type", error);
  g_autofree char *at = g_strdup_printf("%s.%.*s", type->str, (int)(colon - line), line);
  return add(texts, at, colon + strlen(": "), number, error);
}

CrdTexts *crd_texts_read(int fd, GError **error) {
  g_autofree char *all = wry_fd_read(fd, WRY_MAX_MANIFEST_BYTES, NULL, error);
  if (!all) return NULL;
  g_autoptr(CrdTexts) texts = g_new0(CrdTexts, 1);
  texts->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  texts->used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  texts->missing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_auto(GStrv) lines = g_strsplit(all, "\n", -1);
  g_autoptr(GString) type = g_string_new(NULL);
  for (guint i = 0; lines[i]; i++)
    if (!add_line(texts, lines[i], type, i + 1, error)) return NULL;
  return g_steal_pointer(&texts);
}

const char *crd_texts_get(CrdTexts *texts, const char *at) {
  const char *text = g_hash_table_lookup(texts->texts, at);
  g_hash_table_add(text ? texts->used : texts->missing, g_strdup(at));
  return text;
}

static int by_text(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_problems(GPtrArray *lines, GHashTable *places, GHashTable *except, const char *what) {
  GHashTableIter iter;
  gpointer at;
  g_hash_table_iter_init(&iter, places);
  while (g_hash_table_iter_next(&iter, &at, NULL))
    if (!except || !g_hash_table_contains(except, at)) g_ptr_array_add(lines, g_strdup_printf("%s: %s\n", (char *)at, what));
}

char *crd_texts_problems(CrdTexts *texts) {
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  add_problems(lines, texts->missing, NULL, "no description");
  add_problems(lines, texts->texts, texts->used, "described, but there is no such field");
  g_ptr_array_sort(lines, by_text);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("", (char **)lines->pdata);
}
