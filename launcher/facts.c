/* The facts as words in one line: "runs=2 live killed". */
#include "launcher/facts.h"
#include "wherry/vpath.h"
#include <string.h>

#define FILE_NAME "facts"

static const struct { const char *word; gsize offset; } flags[] = {
  {"live", G_STRUCT_OFFSET(WryFacts, live)},           {"guest-shutdown", G_STRUCT_OFFSET(WryFacts, guest_shutdown)}, {"host-signal", G_STRUCT_OFFSET(WryFacts, host_signal)},
  {"panicked", G_STRUCT_OFFSET(WryFacts, panicked)},   {"killed", G_STRUCT_OFFSET(WryFacts, killed)},
  {"user-paused", G_STRUCT_OFFSET(WryFacts, user_paused)}, {"untouched", G_STRUCT_OFFSET(WryFacts, untouched)},
  {"watchdog", G_STRUCT_OFFSET(WryFacts, watchdog)},
};

#define FLAG(facts, i) G_STRUCT_MEMBER(gboolean, facts, flags[i].offset)

char *wry_facts_print(const WryFacts *facts) {
  GString *text = g_string_new(NULL);
  g_string_printf(text, "runs=%u", facts->runs);
  for (gsize i = 0; i < G_N_ELEMENTS(flags); i++)
    if (FLAG(facts, i))
      g_string_append_printf(text, " %s", flags[i].word);
  return g_string_free(text, FALSE);
}

WryFacts wry_facts_parse(const char *text) {
  WryFacts facts = {0};
  g_auto(GStrv) words = g_strsplit(text, " ", 64);
  for (char **word = words; *word; word++) {
    if (g_str_has_prefix(*word, "runs="))
      facts.runs = (guint)g_ascii_strtoull(*word + 5, NULL, 10);
    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++)
      if (strcmp(flags[i].word, *word) == 0)
        FLAG(&facts, i) = TRUE;
  }
  return facts;
}

WryFacts wry_facts_read(int dir) {
  g_autofree char *text = wry_vread(dir, FILE_NAME, 4096, NULL, NULL);
  return wry_facts_parse(text ? text : "");
}

gboolean wry_facts_write(int dir, const WryFacts *facts, GError **error) {
  g_autofree char *text = wry_facts_print(facts);
  return wry_vwrite(dir, FILE_NAME, text, strlen(text), 0600, error);
}
