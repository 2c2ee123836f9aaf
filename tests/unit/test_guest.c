/* Conversations with the guest agent: one question at a time, bounded, and the watch's rhythm. The agent here is a table of replies. */
#include "launcher/guest.h"
#include "wherry/error.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Remembers the question; the test answers it. */
typedef struct {
  WryVirtDone done;
  gpointer data;
  const char *command;
  guint timeout;
  int asked;
} Agent;

static void agent_send(gpointer transport, const char *command, guint timeout, WryVirtDone done, gpointer data) {
  Agent *agent = transport;
  ck_assert_msg(agent->done == NULL, "two questions at a time");
  agent->done = done;
  agent->data = data;
  agent->command = command;
  agent->timeout = timeout;
  agent->asked++;
}

static void agent_says(Agent *agent, const char *text, const GError *error) {
  WryVirtDone done = agent->done;
  agent->done = NULL;
  done(text, error, agent->data);
}

typedef struct { int done; char *data; GError *error; const char *what; } Result;

static void on_done(WryJson *const *answers, const GError *error, gpointer data) {
  Result *result = data;
  result->done++;
  result->error = error ? g_error_copy(error) : NULL;
  if (!error) {
    g_autoptr(WryJson) reply = wry_guest_reply(result->what, answers);
    result->data = g_strdelimit(g_strdup(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN)), "\"", '\'');
  }
}

START_TEST(osinfo_is_put_together) {
  Agent agent = {0};
  Result result = {.what = "osinfo"};
  static const char *const replies[][2] = {
    {"guest-info", "{\"return\":{\"version\":\"7.2\",\"supported_commands\":[]}}"}, {"guest-get-host-name", "{\"return\":{\"host-name\":\"box\"}}"},
    {"guest-get-osinfo", "{\"return\":{\"id\":\"debian\"}}"}, {"guest-get-timezone", "{\"return\":{\"zone\":\"UTC\",\"offset\":0}}"},
    {"guest-get-users", "{\"return\":[]}"}, {"guest-get-fsinfo", "{\"error\":{\"desc\":\"not here\"}}"}, {"guest-fsfreeze-status", "{\"return\":\"thawed\"}"},
  };
  wry_guest_ask(agent_send, &agent, wry_guest_list("osinfo"), 5, on_done, &result);
  for (gsize i = 0; i < G_N_ELEMENTS(replies); i++) {
    ck_assert_ptr_nonnull(strstr(agent.command, replies[i][0]));
    ck_assert_uint_eq(agent.timeout, 5);
    ck_assert_int_eq(result.done, 0);
    agent_says(&agent, replies[i][1], NULL);
  }
  ck_assert_int_eq(result.done, 1);
  ck_assert_str_eq(result.data, "{'guestAgentVersion':'7.2','supportedCommands':[],'hostname':'box','os':{'id':'debian'},'timezone':'UTC, 0','userList':[],'fsInfo':{},"
                                "'fsFreezeStatus':'thawed'}");
  g_free(result.data);
}
END_TEST

START_TEST(lists_and_ping) {
  static const struct { const char *what, *reply, *expected; } rows[] = {
    {"users", "{\"return\":[{\"user\":\"u\"}]}", "{'items':[{'userName':'u'}]}"},
    {"filesystems", "{\"return\":[{\"name\":\"vda1\"}]}", "{'items':[{'diskName':'vda1'}]}"},
    {"guestAgentPing", "{\"return\":{}}", "{}"},
  };
  Agent agent = {0};
  Result result = {.what = rows[_i].what};
  wry_guest_ask(agent_send, &agent, wry_guest_list(rows[_i].what), 5, on_done, &result);
  agent_says(&agent, rows[_i].reply, NULL);
  ck_assert_str_eq(result.data, rows[_i].expected);
  g_free(result.data);
}
END_TEST

/* An agent that is silent, talks nonsense, or refuses the first command: no more questions. */
START_TEST(a_bad_agent_is_left_alone) {
  g_autoptr(GError) silent = g_error_new_literal(WRY_ERROR, WRY_ERROR_TIMEOUT, "silent");
  const struct { const char *text; const GError *error; int code; } rows[] = {
    {NULL, silent, WRY_ERROR_TIMEOUT}, {"{\"return\"", NULL, WRY_ERROR_PROTOCOL}, {"{\"error\":{\"desc\":\"no\"}}", NULL, WRY_ERROR_FAILED}};
  Agent agent = {0};
  Result result = {.what = "osinfo"};
  wry_guest_ask(agent_send, &agent, wry_guest_list("osinfo"), 5, on_done, &result);
  agent_says(&agent, rows[_i].text, rows[_i].error);
  ck_assert_int_eq(result.done, 1);
  ck_assert(g_error_matches(result.error, WRY_ERROR, rows[_i].code));
  ck_assert_ptr_null(agent.done);
  g_clear_error(&result.error);
}
END_TEST

START_TEST(silence_in_the_middle_ends_the_talk) {
  g_autoptr(GError) silent = g_error_new_literal(WRY_ERROR, WRY_ERROR_TIMEOUT, "silent");
  Agent agent = {0};
  Result result = {.what = "osinfo"};
  wry_guest_ask(agent_send, &agent, wry_guest_list("osinfo"), 5, on_done, &result);
  agent_says(&agent, "{\"return\":{}}", NULL);
  agent_says(&agent, NULL, silent);
  ck_assert_int_eq(agent.asked, 2);
  ck_assert(g_error_matches(result.error, WRY_ERROR, WRY_ERROR_TIMEOUT));
  g_clear_error(&result.error);
}
END_TEST

START_TEST(unknown_questions) {
  ck_assert_ptr_null(wry_guest_list("secrets"));
  ck_assert_ptr_null(wry_guest_list(""));
}
END_TEST

/* --- watch -------------------------------------------------------------------------------------------------------------- */

static int learned;

static void on_learned(WryJson *info, WryJson *os, WryJson *interfaces, gpointer data) {
  (void)data;
  ck_assert(info && os && interfaces);
  learned++;
}

static void answer_round(Agent *agent) {
  agent_says(agent, "{\"return\":{\"version\":\"7.2\"}}", NULL);
  agent_says(agent, "{\"return\":{\"id\":\"debian\"}}", NULL);
  agent_says(agent, "{\"return\":[]}", NULL);
}

START_TEST(asks_when_the_agent_connects_and_no_more_when_it_is_gone) {
  Agent agent = {0};
  WryGuestWatch *watch = wry_guest_watch_new(agent_send, &agent, on_learned, NULL);
  learned = 0;
  ck_assert_int_eq(agent.asked, 0);
  ck_assert(!g_main_context_pending(NULL));
  wry_guest_watch_connected(watch, TRUE);
  ck_assert_int_eq(agent.asked, 1);
  answer_round(&agent);
  ck_assert_int_eq(learned, 1);
  ck_assert_ptr_null(agent.done); /* waits for its timer */
  wry_guest_watch_connected(watch, FALSE);
  wry_guest_watch_connected(watch, TRUE);
  wry_guest_watch_connected(watch, FALSE); /* gone with a question open: its answer teaches nothing */
  answer_round(&agent);
  ck_assert_int_eq(learned, 1);
  wry_guest_watch_free(watch);
}
END_TEST

START_TEST(ever_more_rarely) {
  static const guint expected[] = {5, 15, 60, 240, 240};
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
    ck_assert_uint_eq(wry_guest_interval(i), expected[i]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("guest");
  TCase *tcase = tcase_create("guest");
  tcase_add_test(tcase, osinfo_is_put_together);
  tcase_add_loop_test(tcase, lists_and_ping, 0, 3);
  tcase_add_loop_test(tcase, a_bad_agent_is_left_alone, 0, 3);
  tcase_add_test(tcase, silence_in_the_middle_ends_the_talk);
  tcase_add_test(tcase, unknown_questions);
  tcase_add_test(tcase, asks_when_the_agent_connects_and_no_more_when_it_is_gone);
  tcase_add_test(tcase, ever_more_rarely);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
