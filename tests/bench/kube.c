/* The client of API servers alone, for tests/bench/kube.py. FILE is a VirtualMachineInstance with @N@ where objects differ.
 *
 *   kube events FILE COUNT store|tree          COUNT events of 1,000 objects through splitter and store, `tree`: each parsed too: nanoseconds of processor time for all
 *   kube known FILE COUNT text|packed|names    COUNT objects known: bytes of resident memory more than before */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handler/kube/item.h"
#include "handler/kube/splitter.h"

#define CHUNK 16384u /* what libcurl hands out at a time */
#define OBJECTS 1000u

typedef struct {
  WryKubeStore *store;
  gboolean tree;
  guint applied;
} Sink;

static gint64 nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (gint64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static gsize resident(void) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents("/proc/self/statm", &text, NULL, NULL)) return 0;
  return (gsize)strtoul(strchr(text, ' '), NULL, 10) * (gsize)sysconf(_SC_PAGESIZE);
}

static char *object_of(const char *template, guint number, guint version) {
  g_auto(GStrv) parts = g_strsplit(template, "@N@", -1);
  g_autofree char *name = g_strdup_printf("%05u", number), *text = g_strjoinv(name, parts), *stamp = g_strdup_printf("%u", version);
  g_auto(GStrv) halves = g_strsplit(text, "@V@", -1);
  return g_strjoinv(stamp, halves);
}

static void on_changed(WryKubeChange change G_GNUC_UNUSED, const WryKubeItem *item, gpointer data) {
  Sink *sink = data;
  g_autoptr(WryJson) object = sink->tree ? wry_kube_item_object(item, NULL) : NULL;
  if (!sink->tree || object) sink->applied++;
}

static gboolean on_event(const char *text, gsize length, gpointer data, GError **error) {
  Sink *sink = data;
  g_autoptr(WryKubeItem) item = wry_kube_item_new(&wry_kube_vmis, wry_kube_scan_member((WryKubeSpan){text, length}, "object"), error);
  if (item) wry_kube_store_put(sink->store, item);
  return item != NULL;
}

/* A stream of events of all objects once, versions from `version` on. */
static GString *stream_of(const char *template, guint version) {
  GString *stream = g_string_new(NULL);
  for (guint i = 0; i < OBJECTS; i++) {
    g_autofree char *object = object_of(template, i, version + i);
    g_string_append_printf(stream, "{\"type\":\"MODIFIED\",\"object\":%s}\n", object);
  }
  return stream;
}

static int events(const char *template, guint count, gboolean tree) {
  Sink sink = {.tree = tree};
  sink.store = wry_kube_store_new(WRY_KUBE_KEEP_TEXT, on_changed, &sink);
  g_autoptr(WryKubeSplitter) splitter = wry_kube_splitter_new(WRY_KUBE_SPLIT_VALUES, on_event, &sink);
  gint64 spent = 0;
  for (guint done = 0; done < count; done += OBJECTS) {
    g_autoptr(GString) stream = stream_of(template, 1 + done);
    gint64 began = nanoseconds();
    for (gsize at = 0; at < stream->len; at += CHUNK)
      if (!wry_kube_splitter_feed(splitter, stream->str + at, MIN(CHUNK, stream->len - at), NULL)) return 1;
    spent += nanoseconds() - began;
  }
  if (sink.applied != count) return 1;
  printf("%" G_GINT64_FORMAT "\n", spent);
  wry_kube_store_free(sink.store);
  return 0;
}

static int known(const char *template, guint count, const char *how) {
  Sink sink = {0};
  sink.store = wry_kube_store_new(!strcmp(how, "text") ? WRY_KUBE_KEEP_TEXT : !strcmp(how, "packed") ? WRY_KUBE_KEEP_PACKED : WRY_KUBE_KEEP_NAMES, on_changed, &sink);
  gsize before = resident();
  for (guint i = 0; i < count; i++) {
    g_autofree char *object = object_of(template, i, i + 1);
    g_autoptr(WryKubeItem) item = wry_kube_item_new(&wry_kube_vmis, (WryKubeSpan){object, strlen(object)}, NULL);
    if (item) wry_kube_store_put(sink.store, item);
  }
  if (sink.applied != count) return 1;
  printf("%zu\n", resident() - before);
  wry_kube_store_free(sink.store);
  return 0;
}

int main(int argc, char **argv) {
  g_autofree char *template = NULL;
  if (argc != 5 || !g_file_get_contents(argv[2], &template, NULL, NULL)) {
    fputs("usage: kube events FILE COUNT store|tree | known FILE COUNT text|packed|names\n", stderr);
    return 2;
  }
  guint count = (guint)strtoul(argv[3], NULL, 10);
  return !strcmp(argv[1], "events") ? events(template, count, !strcmp(argv[4], "tree")) : known(template, count, argv[4]);
}
