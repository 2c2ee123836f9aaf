/* doctor, version, completion, help: what there is. Completion scripts are made from the table of verbs. */
#include "tools/wherryctl/client.h"
#include "tools/wherryctl/verb.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int wry_cmd_version(const WryArgs *args, GError **error) {
  printf("Client Version: %s\n", WRY_VERSION);
  if (args->client_only)
    return 0;
  WryControlNothing nothing = {0};
  g_autoptr(WryJson) reply = wry_client_call(args->root, WRY_CONTROL_VERSION, &nothing, NULL, error);
  if (!reply)
    return 1;
  printf("Server Version: %s\n", wry_json_str(reply, "version"));
  return 0;
}

/* ---- doctor: one line a check; "fail" lines make the exit status 1 ---- */

typedef struct { int failed; } Doctor;

static void say(Doctor *d, const char *verdict, const char *what, const char *detail) {
  printf("%-5s %-22s %s\n", verdict, what, detail ? detail : "");
  d->failed += strcmp(verdict, "fail") == 0;
}

static void check_program(Doctor *d, const char *name, const char *why, gboolean needed) {
  g_autofree char *path = g_find_program_in_path(name);
  say(d, path ? "ok" : needed ? "fail" : "warn", name, path ? path : why);
}

static void check_machine(Doctor *d) {
  static const struct { const char *name, *why; gboolean needed; } programs[] = {
      {"qemu-system-x86_64", "missing: apt-get install qemu-system-x86", TRUE}, {"qemu-img", "missing: apt-get install qemu-utils", TRUE},
      {"nft", "missing: apt-get install nftables", TRUE},
      {"skopeo", "missing: apt-get install skopeo (only for image pull)", FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(programs); i++)
    check_program(d, programs[i].name, programs[i].why, programs[i].needed);
  wry_autofd int kvm = wry_dir_open("/sys/module/kvm", NULL);
  say(d, kvm >= 0 ? "ok" : "warn", "KVM module", kvm >= 0 ? "loaded" : "not loaded: guests run by emulation where that is allowed");
}

static void check_node(Doctor *d, WryJson *facts) {
  gboolean present = wry_json_bool(facts, "kvmPresent", FALSE), usable = wry_json_bool(facts, "kvmUsable", FALSE), emulation = wry_json_bool(facts, "emulationAllowed", FALSE);
  g_autofree char *count = g_strdup_printf("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " virtual machines run", wry_json_int(facts, "running", 0), wry_json_int(facts, "virtualMachines", 0));
  g_autofree char *landlock = g_strdup_printf("ABI %" G_GINT64_FORMAT, wry_json_int(facts, "landlockABI", 0));
  g_autofree char *cgroup = g_strdup_printf("v%" G_GINT64_FORMAT, wry_json_int(facts, "cgroupVersion", 0));
  say(d, "ok", "handler", count);
  say(d, usable || emulation ? (usable ? "ok" : "warn") : "fail", "KVM runs guests",
      usable ? "yes" : emulation ? (present ? "no: /dev/kvm is there, but the test guest failed; emulation is allowed" : "no /dev/kvm; emulation is allowed") : "no, and emulation is not allowed: no VM can start");
  say(d, wry_json_int(facts, "landlockABI", 0) > 0 ? "ok" : "warn", "Landlock", landlock);
  say(d, "ok", "cgroup", cgroup);
  say(d, wry_json_str(facts, "libvirt") ? "ok" : "warn", "libvirt", wry_json_str(facts, "libvirt") ? wry_json_str(facts, "libvirt") : wry_json_str(facts, "probeMessage"));
  say(d, wry_json_str(facts, "qemu") ? "ok" : "warn", "QEMU", wry_json_str(facts, "qemu") ? wry_json_str(facts, "qemu") : "not probed");
  WryJson *problems = wry_json_get(facts, "problems");
  for (gsize i = 0; json_object_is_type(problems, json_type_array) && i < json_object_array_length(problems); i++) {
    WryJson *p = json_object_array_get_idx(problems, i);
    g_autofree char *where = g_strdup_printf("line %" G_GINT64_FORMAT ": %s: %s", wry_json_int(p, "line", 0), wry_json_str(p, "field") ? wry_json_str(p, "field") : "", wry_json_str(p, "message"));
    say(d, "fail", wry_json_str(p, "file"), where);
  }
}

int wry_cmd_doctor(const WryArgs *args, GError **error) {
  Doctor d = {0};
  WryControlNothing nothing = {0};
  g_autoptr(GError) problem = NULL;
  (void)error;
  check_machine(&d);
  g_autoptr(WryJson) reply = wry_client_call(args->root, WRY_CONTROL_NODE, &nothing, NULL, &problem);
  if (reply)
    check_node(&d, wry_json_get(reply, "facts"));
  else
    say(&d, "fail", "handler", problem->message);
  return d.failed ? 1 : 0;
}

/* ---- completion ---- */

static void verb_words(GString *out, const char *separator) {
  for (const WryVerb *verb = wry_verbs; verb->name; verb++)
    g_string_append_printf(out, "%s%s", verb == wry_verbs ? "" : separator, verb->name);
}

static char *bash_script(void) {
  g_autoptr(GString) words = g_string_new(NULL);
  verb_words(words, " ");
  return g_strdup_printf("# bash completion for wherryctl\n"
                         "_wherryctl() {\n"
                         "  local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}\n"
                         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))\n    return\n  fi\n"
                         "  case $cur in -*) COMPREPLY=($(compgen -W \"$(wherryctl help \"$verb\" 2>/dev/null | grep -o -- '--[a-z-]*')\" -- \"$cur\")); return;; esac\n"
                         "  case $verb in\n"
                         "    get|describe|delete|wait|events|pause|unpause)\n"
                         "      if [ \"$COMP_CWORD\" -eq 2 ]; then COMPREPLY=($(compgen -W \"vm vmi pvc secret configmap kubevirt\" -- \"$cur\"))\n"
                         "      else COMPREPLY=($(compgen -W \"$(wherryctl get \"${COMP_WORDS[2]}\" -o 'jsonpath={.items[*].metadata.name}' 2>/dev/null)\" -- \"$cur\")); fi;;\n"
                         "    start|stop|restart) COMPREPLY=($(compgen -W \"$(wherryctl get vm -o 'jsonpath={.items[*].metadata.name}' 2>/dev/null)\" -- \"$cur\"));;\n"
                         "    console|logs|vnc|reset|softreboot|guestosinfo|userlist|fslist)\n"
                         "      COMPREPLY=($(compgen -W \"$(wherryctl get vmi -o 'jsonpath={.items[*].metadata.name}' 2>/dev/null)\" -- \"$cur\"));;\n"
                         "    image) COMPREPLY=($(compgen -W \"import ls rm pull\" -- \"$cur\"));;\n"
                         "    completion) COMPREPLY=($(compgen -W \"bash zsh fish\" -- \"$cur\"));;\n"
                         "    *) COMPREPLY=($(compgen -f -- \"$cur\"));;\n  esac\n}\ncomplete -F _wherryctl wherryctl\n",
                         words->str);
}

static char *zsh_script(void) {
  GString *out = g_string_new("#compdef wherryctl\n_wherryctl() {\n  local -a verbs\n  verbs=(\n");
  for (const WryVerb *verb = wry_verbs; verb->name; verb++)
    g_string_append_printf(out, "    '%s:%s'\n", verb->name, verb->summary);
  g_string_append(out, "  )\n  if (( CURRENT == 2 )); then\n    _describe verb verbs\n  else\n    case $words[2] in\n"
                       "      get|describe|delete|wait|events|pause|unpause) if (( CURRENT == 3 )); then compadd vm vmi pvc secret configmap kubevirt\n"
                       "        else compadd ${(s: :)$(wherryctl get $words[3] -o 'jsonpath={.items[*].metadata.name}' 2>/dev/null)}; fi;;\n"
                       "      start|stop|restart) compadd ${(s: :)$(wherryctl get vm -o 'jsonpath={.items[*].metadata.name}' 2>/dev/null)};;\n"
                       "      console|logs|vnc|reset|softreboot) compadd ${(s: :)$(wherryctl get vmi -o 'jsonpath={.items[*].metadata.name}' 2>/dev/null)};;\n"
                       "      image) compadd import ls rm pull;;\n      completion) compadd bash zsh fish;;\n      *) _files;;\n    esac\n  fi\n}\n"
                       "compdef _wherryctl wherryctl\n");
  return g_string_free(out, FALSE);
}

static char *fish_script(void) {
  GString *out = g_string_new("# fish completion for wherryctl\ncomplete -c wherryctl -f\n");
  for (const WryVerb *verb = wry_verbs; verb->name; verb++)
    g_string_append_printf(out, "complete -c wherryctl -n __fish_use_subcommand -a %s -d '%s'\n", verb->name, verb->summary);
  g_string_append(out, "complete -c wherryctl -n '__fish_seen_subcommand_from get describe delete wait events pause unpause' -a 'vm vmi pvc secret configmap kubevirt'\n"
                       "complete -c wherryctl -n '__fish_seen_subcommand_from start stop restart' -a \"(string split ' ' (wherryctl get vm -o 'jsonpath={.items[*].metadata.name}'))\"\n"
                       "complete -c wherryctl -n '__fish_seen_subcommand_from console logs vnc reset softreboot' -a \"(string split ' ' (wherryctl get vmi -o 'jsonpath={.items[*].metadata.name}'))\"\n"
                       "complete -c wherryctl -n '__fish_seen_subcommand_from image' -a 'import ls rm pull'\n"
                       "complete -c wherryctl -n '__fish_seen_subcommand_from apply' -F\n");
  return g_string_free(out, FALSE);
}

int wry_cmd_completion(const WryArgs *args, GError **error) {
  static const struct { const char *shell; char *(*script)(void); } shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
  for (gsize i = 0; i < G_N_ELEMENTS(shells); i++) {
    if (strcmp(shells[i].shell, args->args[0]) != 0)
      continue;
    g_autofree char *script = shells[i].script();
    fputs(script, stdout);
    return 0;
  }
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: completion for \"%s\": want bash, zsh or fish", args->args[0]);
  return 2;
}

int wry_cmd_help(const WryArgs *args, GError **error) {
  const WryVerb *verb = args->args[0] ? wry_verb_find(args->args[0]) : NULL;
  if (args->args[0] && !verb) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: unknown command \"%s\"", args->args[0]);
    return 2;
  }
  g_autofree char *text = verb ? wry_verb_help(verb) : wry_verbs_help();
  fputs(text, stdout);
  return 0;
}
