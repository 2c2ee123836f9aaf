/* wherryctl: finds the verb, parses its flags, runs it, prints its error and exits as kubectl does. */
#include "tools/wherryctl/verb.h"
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int misuse(const char *message) {
  fprintf(stderr, "%s\n", message);
  return 2;
}

/* `wherryctl --root DIR VERB` is `wherryctl VERB --root DIR`: the words before the verb move behind it. */
static int verb_index(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] != '-')
      return i;
    if (strcmp(argv[i], "--root") == 0 || strcmp(argv[i], "-n") == 0 || strcmp(argv[i], "--namespace") == 0)
      i++;
  }
  return 0;
}

static char **reorder(int argc, char **argv, int verb) {
  char **words = g_new0(char *, (gsize)argc + 1);
  int n = 0;
  words[n++] = argv[verb];
  for (int i = verb + 1; i < argc; i++)
    words[n++] = argv[i];
  for (int i = 1; i < verb; i++)
    words[n++] = argv[i];
  return words;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  WryArgs args;
  setlocale(LC_ALL, "");
  signal(SIGPIPE, SIG_DFL);
  int at = verb_index(argc, argv);
  if (at == 0) {
    g_autofree char *help = wry_verbs_help();
    gboolean asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    fputs(help, asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  const WryVerb *verb = wry_verb_find(argv[at]);
  if (!verb) {
    g_autofree char *text = g_strdup_printf("error: unknown command \"%s\" for \"wherryctl\"; wherryctl help lists them", argv[at]);
    return misuse(text);
  }
  g_autofree char **words = reorder(argc, argv, at);
  if (!wry_args_parse(verb, argc, words, &args, &error)) {
    wry_args_clear(&args);
    return misuse(error->message);
  }
  g_autofree char *help = args.help ? wry_verb_help(verb) : NULL;
  if (help)
    fputs(help, stdout);
  int status = help ? 0 : verb->run(&args, &error);
  wry_args_clear(&args);
  if (!error)
    return status;
  fprintf(stderr, "%s\n", error->message);
  return status == 2 ? 2 : 1;
}
