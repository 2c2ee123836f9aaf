/* handler/api/verb_patch.c: what each verb changes in the cluster's objects, and that what was read is tested. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handler/api/verb_patch.h"

static WryJson *json(const char *text) {
  g_autoptr(GError) error = NULL;
  if (!text) return NULL;
  g_autofree char *copy = g_strdelimit(g_strdup(text), "'", '"');
  WryJson *object = wry_json_parse(copy, strlen(copy), &error);
  ck_assert_msg(object != NULL, "%s: %s", text, error ? error->message : "");
  return object;
}

#define VM(spec, status) "{'metadata': {'name': 'a'}, 'spec': {" spec "}" status "}"
#define VMI(phase) "{'metadata': {'name': 'a', 'uid': 'U'}, 'spec': {'domain': {'devices': {}}, 'terminationGracePeriodSeconds': 30}, 'status': {'phase': '" phase "'}}"
#define STEP(op, path, value) "{\"op\":\"" op "\",\"path\":\"" path "\",\"value\":" value "}"
#define START "{\"action\":\"Start\"}"
#define STOP "{\"action\":\"Stop\",\"uid\":\"U\"}"
#define REQUESTS "/status/stateChangeRequests"

/* The patches as "vmi | vm | status", "-" for none; or the message of a refusal. */
static const struct { const char *verb, *vm, *vmi, *body; guint code; const char *found; } rows[] = {
    {"start", VM("'runStrategy': 'Halted'", ""), NULL, NULL, 202, "- | [" STEP("test", "/spec/runStrategy", "\"Halted\"") "," STEP("replace", "/spec/runStrategy", "\"Always\"") "] | -"},
    {"start", VM("'running': false", ""), NULL, NULL, 202, "- | [" STEP("test", "/spec/running", "false") "," STEP("replace", "/spec/running", "true") "] | -"},
    {"start", VM("'runStrategy': 'Halted'", ", 'status': {'startFailure': {'consecutiveFailCount': 3}}"), NULL, NULL, 202,
     "- | [" STEP("test", "/spec/runStrategy", "\"Halted\"") "," STEP("replace", "/spec/runStrategy", "\"Always\"") "] | [{\"op\":\"remove\",\"path\":\"/status/startFailure\"}]"},
    {"start", VM("'runStrategy': 'Halted'", ", 'status': {}"), NULL, "{'paused': true}", 202,
     "- | - | [" STEP("add", REQUESTS, "[{\"action\":\"Start\",\"data\":{\"paused\":\"true\"}}]") "]"},
    {"start", VM("'runStrategy': 'Manual'", ""), NULL, NULL, 202, "- | - | [" STEP("add", "/status", "{\"stateChangeRequests\":[" START "]}") "]"},
    {"start", VM("'runStrategy': 'Manual'", ", 'status': {}"), VMI("Succeeded"), NULL, 202, "- | - | [" STEP("add", REQUESTS, "[" STOP "," START "]") "]"},
    {"start", VM("'runStrategy': 'Manual'", ", 'status': {'stateChangeRequests': [{'action': 'Start'}]}"), NULL, NULL, 500, "unable to complete request: stop/start already underway"},
    {"start", VM("'runStrategy': 'Always'", ""), NULL, NULL, 409, "Operation cannot be fulfilled on virtualmachine.kubevirt.io \"a\": Always does not support manual start requests"},
    {"start", VM("'runStrategy': 'Manual'", ""), VMI("Running"), NULL, 409, "Operation cannot be fulfilled on virtualmachine.kubevirt.io \"a\": VM is already running"},
    {"stop", VM("'runStrategy': 'Always'", ""), VMI("Running"), NULL, 202, "- | [" STEP("test", "/spec/runStrategy", "\"Always\"") "," STEP("replace", "/spec/runStrategy", "\"Halted\"") "] | -"},
    {"stop", VM("'running': true", ""), VMI("Running"), "{'gracePeriod': 0}", 202,
     "[" STEP("test", "/spec/terminationGracePeriodSeconds", "30") "," STEP("replace", "/spec/terminationGracePeriodSeconds", "0") "] | [" STEP("test", "/spec/running", "true") ","
     STEP("replace", "/spec/running", "false") "] | -"},
    {"stop", VM("'runStrategy': 'Manual'", ", 'status': {}"), VMI("Running"), NULL, 202, "- | - | [" STEP("add", REQUESTS, "[" STOP "]") "]"},
    {"stop", VM("'runStrategy': 'Manual'", ", 'status': {'stateChangeRequests': [{'action': 'Start'}]}"), VMI("Running"), NULL, 202,
     "- | - | [" STEP("test", REQUESTS, "[" START "]") "," STEP("replace", REQUESTS, "[" STOP "]") "]"},
    {"stop", VM("'runStrategy': 'Manual'", ""), NULL, NULL, 409, "Operation cannot be fulfilled on virtualmachine.kubevirt.io \"a\": VM is not running"},
    {"restart", VM("'runStrategy': 'Always'", ", 'status': {}"), VMI("Running"), NULL, 202, "- | - | [" STEP("add", REQUESTS, "[" STOP "," START "]") "]"},
    {"restart", VM("'runStrategy': 'Always'", ", 'status': {}"), VMI("Running"), "{'gracePeriodSeconds': 0}", 202,
     "[" STEP("test", "/spec/terminationGracePeriodSeconds", "30") "," STEP("replace", "/spec/terminationGracePeriodSeconds", "1") "] | - | [" STEP("add", REQUESTS, "[" STOP "," START "]") "]"},
    {"restart", VM("'runStrategy': 'Always'", ""), VMI("Running"), "{'gracePeriodSeconds': 5}", 400, "For force restart, only gracePeriod=0 is supported for now"},
    {"pause", NULL, VMI("Running"), NULL, 200, "send"},
    {"pause", NULL, VMI("Scheduled"), NULL, 409, "Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io \"a\": VMI is not running"},
    {"start", NULL, VMI("Running"), NULL, 404, "no such verb"},
};

static char *patches(const WryApiVerb *verb) {
  WryJson *const all[] = {verb->vmi_patch, verb->vm_patch, verb->status_patch};
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
    const char *one = all[i] ? json_object_to_json_string_ext(all[i], JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "-";
    g_string_append_printf(text, "%s%s", i ? " | " : "", one);
  }
  return g_strdup(text->str);
}

START_TEST(changes) {
  g_autoptr(WryJson) vm = json(rows[_i].vm), vmi = json(rows[_i].vmi), body = json(rows[_i].body);
  g_auto(WryApiVerb) verb = {.code = 0};
  wry_api_verb(rows[_i].verb, vm, vmi, body, &verb);
  g_autofree char *found = verb.code >= 300 ? g_strdup(verb.message) : verb.send ? g_strdup("send") : patches(&verb);
  ck_assert_str_eq(found, rows[_i].found);
  ck_assert_uint_eq(verb.code, rows[_i].code);
  ck_assert(!verb.dry_run);
}
END_TEST

START_TEST(dry_run) {
  g_autoptr(WryJson) vmi = json(VMI("Running")), body = json("{'dryRun': ['All']}"), other = json("{'dryRun': []}");
  g_auto(WryApiVerb) verb = {.code = 0}, wet = {.code = 0};
  wry_api_verb("pause", NULL, vmi, body, &verb);
  ck_assert(verb.dry_run && verb.send);
  wry_api_verb("pause", NULL, vmi, other, &wet);
  ck_assert(!wet.dry_run);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api verb patch");
  TCase *tcase = tcase_create("verbs");
  tcase_add_loop_test(tcase, changes, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, dry_run);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
