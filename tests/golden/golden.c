/* Golden pairs: a manifest and the domain that comes of it, through the same passes as in the launcher: decode, defaults, rules, plan, emit.
 *
 * usage: golden cases DIRECTORY OUT [update]   |   golden corpus DIRECTORY DIFFERENCES
 *
 * A comment `# node: …` in a manifest says what the node is like (node.h). Other documents of a manifest than the VM are not looked at. */
#include "tests/golden/golden.h"

#include "launcher/domain/domain.h"
#include "tests/golden/node.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

char *wry_golden_uuid(gpointer data) {
  (void)data;
  return g_strdup("d1ce0000-0000-4000-8000-000000000001");
}

char *wry_golden_xml(const void *vmi, const struct WryNode *node, WryJsonObject *smbios, GError **error) {
  WryBundle *bundle = wry_node_bundle(node, vmi, smbios);
  g_autoptr(GPtrArray) direct = wry_node_direct(node);
  WryVmi *decoded = wry_domain_decode(bundle, error);
  g_autoptr(WryDomainPlan) plan = decoded ? wry_domain_plan(decoded, bundle, direct, NULL, error) : NULL;
  char *xml = plan ? wry_domain_emit(plan, error) : NULL;
  g_clear_pointer(&plan, wry_domain_plan_free);
  if (decoded) wry_struct_free(&wry_vmi_type, decoded);
  wry_struct_free(&wry_bundle_type, bundle);
  return xml;
}

static char *node_words(const char *manifest) {
  const char *at = strstr(manifest, "# node:");
  return at ? g_strndup(at + 7, strcspn(at + 7, "\n")) : g_strdup("");
}

static gboolean refused(WryCauses *causes, GError **error) {
  g_autofree char *text = wry_causes_text(causes);
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, text);
  return FALSE;
}

/* The VMI of a VM or VMI, defaulted; as the handler makes it. */
static WryVmi *admit(WryJson *object, const WryConfig *config, GError **error) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  const WryType *type = wry_kind_type(wry_json_str(object, "kind"), NULL);
  gboolean vm = type == &wry_vm_type;
  if (!vm && type != &wry_vmi_type) return NULL;
  gpointer decoded = wry_decode(type, object, "", causes);
  WryVmi *vmi = NULL;
  if (wry_causes_count(causes) == 0 && (!vm || wry_vm_default(decoded, config, wry_golden_uuid, NULL, error))) vmi = vm ? wry_vm_make_vmi(decoded) : g_steal_pointer(&decoded);
  if (decoded) wry_struct_free(type, decoded);
  if (vmi && wry_vmi_default(vmi, config, wry_golden_uuid, NULL, error)) wry_vmi_validate(vmi, config, WRY_RULES_THIS_VERSION, causes);
  if (wry_causes_count(causes) == 0) return vmi;
  refused(causes, error);
  if (vmi) wry_struct_free(&wry_vmi_type, vmi);
  return NULL;
}

static char *convert(const char *manifest, gsize length, GError **error) {
  g_autoptr(WryJson) gates = json_tokener_parse("{\"developerConfiguration\": {\"featureGates\": [\"HostDisk\"]}}"); /* as on a box of one's own */
  g_autofree char *words = node_words(manifest);
  g_autoptr(WryNode) node = wry_node_new(words, error);
  g_autoptr(WryConfig) config = node ? wry_config_new(gates, wry_node_word(node, "arch", "amd64"), error) : NULL;
  g_autoptr(GPtrArray) documents = config ? wry_manifest_parse(manifest, length, error) : NULL;
  for (guint i = 0; documents && i < documents->len; i++) {
    GError *why = NULL;
    WryVmi *vmi = admit(((WryDocument *)g_ptr_array_index(documents, i))->object, config, &why);
    if (why) {
      g_propagate_error(error, why);
      return NULL;
    }
    if (!vmi) continue;
    char *xml = wry_golden_xml(vmi, node, NULL, error);
    wry_struct_free(&wry_vmi_type, vmi);
    return xml;
  }
  if (documents) g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "the manifest has no VirtualMachine");
  return NULL;
}

static void show_difference(const char *wanted, const char *found) {
  g_auto(GStrv) a = g_strsplit(wanted ? wanted : "", "\n", -1);
  g_auto(GStrv) b = g_strsplit(found, "\n", -1);
  guint line = 0;
  while (a[line] && b[line] && g_str_equal(a[line], b[line])) line++;
  printf("        line %u\n        wanted: %s\n        found:  %s\n", line + 1, a[line] ? a[line] : "(end)", b[line] ? b[line] : "(end)");
}

/* The pair's second half: XML, or the refusal's text. */
static void compare(const char *cases, const char *name, const char *ending, const char *found, gboolean update, WryTally *tally) {
  g_autofree char *file = g_strconcat(name, ending, NULL), *path = g_build_filename(cases, file, NULL), *wanted = NULL;
  if (update) {
    gboolean written = g_file_set_contents(path, found, -1, NULL);
    tally->failed += !written;
    tally->passed += written;
    return;
  }
  if (g_file_get_contents(path, &wanted, NULL, NULL) && g_str_equal(wanted, found)) {
    tally->passed++;
    return;
  }
  tally->failed++;
  printf("  FAIL  %s\n", file);
  show_difference(wanted, found);
}

/* A pair has one second half. */
static void drop_other(const char *cases, const char *name, const char *ending, gboolean update, WryTally *tally) {
  g_autofree char *file = g_strconcat(name, ending, NULL), *path = g_build_filename(cases, file, NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS)) return;
  if (update && g_unlink(path) == 0) return;
  tally->failed++;
  printf("  FAIL  %s is there as well\n", file);
}

static void run_case(const char *cases, const char *out, const char *name, gboolean update, WryTally *tally) {
  g_autofree char *file = g_strconcat(name, ".yaml", NULL), *path = g_build_filename(cases, file, NULL), *manifest = NULL;
  gsize length = 0;
  g_autoptr(GError) error = NULL;
  g_autofree char *xml = g_file_get_contents(path, &manifest, &length, &error) ? convert(manifest, length, &error) : NULL;
  g_autofree char *refusal = error ? g_strconcat(error->message, "\n", NULL) : NULL;
  compare(cases, name, xml ? ".xml" : ".err", xml ? xml : refusal, update, tally);
  drop_other(cases, name, xml ? ".err" : ".xml", update, tally);
  g_autofree char *made = g_strconcat(name, ".xml", NULL), *target = g_build_filename(out, made, NULL);
  if (xml && !g_file_set_contents(target, xml, -1, NULL)) tally->failed++;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void wry_golden_cases(const char *cases, const char *out, gboolean update, WryTally *tally) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GDir) dir = g_dir_open(cases, 0, NULL);
  for (const char *file = dir ? g_dir_read_name(dir) : NULL; file; file = g_dir_read_name(dir))
    if (g_str_has_suffix(file, ".yaml")) g_ptr_array_add(names, g_strndup(file, strlen(file) - 5));
  g_ptr_array_sort(names, by_name);
  for (guint i = 0; i < names->len; i++) run_case(cases, out, g_ptr_array_index(names, i), update, tally);
}

int main(int argc, char **argv) {
  WryTally tally = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc >= 4 && g_str_equal(argv[1], "cases"))
    wry_golden_cases(argv[2], argv[3], argc > 4 && g_str_equal(argv[4], "update"), &tally);
  else if (argc == 4 && g_str_equal(argv[1], "corpus"))
    wry_golden_corpus(argv[2], argv[3], &tally);
  else
    return fprintf(stderr, "usage: golden cases DIRECTORY OUT [update] | golden corpus DIRECTORY DIFFERENCES\n"), 2;
  printf("%u passed, %u failed, %u skipped\n", tally.passed, tally.failed, tally.skipped);
  return tally.failed != 0;
}
