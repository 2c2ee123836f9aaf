/* handler/api/requester.c: who is believed, what his headers say, what is asked for him. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handler/api/requester.h"
#include "wherry/error.h"

#define CA "'requestheader-client-ca-file': 'PEM'"

/* Single quotes for double ones. */
static WryJson *json(const char *text) {
  g_autofree char *copy = g_strdup(text);
  g_strdelimit(copy, "'", '"');
  g_autoptr(GError) error = NULL;
  WryJson *object = wry_json_parse(copy, strlen(copy), &error);
  ck_assert_msg(object != NULL, "%s: %s", text, error ? error->message : "");
  return object;
}

static WryFrontProxy *proxy_of(const char *data, GError **error) {
  g_autofree char *text = g_strdup_printf("{'data': {%s}}", data);
  g_autoptr(WryJson) map = json(text);
  return wry_front_proxy_new(map, error);
}

static const struct { const char *data, *error; } maps[] = {
    {CA, NULL},
    {CA ", 'requestheader-allowed-names': '[]'", NULL},
    {CA ", 'requestheader-allowed-names': '[\\'a\\', \\'b\\']', 'requestheader-username-headers': '[\\'X-User\\']'", NULL},
    {"", "requestheader-client-ca-file: must be set"},
    {"'requestheader-client-ca-file': ''", "requestheader-client-ca-file: must be set"},
    {CA ", 'requestheader-allowed-names': '{}'", "requestheader-allowed-names: not a list of strings"},
    {CA ", 'requestheader-group-headers': '[1]'", "requestheader-group-headers: not a list of strings"},
    {CA ", 'requestheader-group-headers': '['", "requestheader-group-headers: "},
};

START_TEST(reads_map) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryFrontProxy) proxy = proxy_of(maps[_i].data, &error);
  ck_assert_int_eq(proxy == NULL, maps[_i].error != NULL);
  if (!proxy) ck_assert_msg(g_str_has_prefix(error->message, maps[_i].error), "%s", error->message);
  if (proxy) ck_assert_str_eq(proxy->user[0], "X-Remote-User");
}
END_TEST

/* Headers as "name: value" lines; what comes out as user|groups|extra. */
static const struct { const char *allowed, *name, *headers, *seen; } rows[] = {
    {"[]", "front", "X-Remote-User: u\nX-Remote-Group: g", "u|g|{}"},
    {"[\\'front\\']", "front", "x-remote-user: u\nX-REMOTE-GROUP: g\nX-Remote-Group: h", "u|g,h|{}"},
    {"[\\'front\\']", "front", "X-Remote-User: u\nX-Remote-Group: g\nX-Remote-Extra-Scopes: a\nX-Remote-Extra-scopes: b\nX-Remote-Extra-Acme.com%2fproject: p",
     "u|g|{\"acme.com/project\":[\"p\"],\"scopes\":[\"a\",\"b\"]}"},
    {"[]", NULL, "X-Remote-User: admin\nX-Remote-Group: system:masters", "a client certificate is required"},
    {"[\\'front\\']", "other", "X-Remote-User: admin\nX-Remote-Group: system:masters", "the client certificate's name is not allowed"},
    {"[\\'front\\']", "front.evil", "X-Remote-User: admin\nX-Remote-Group: system:masters", "the client certificate's name is not allowed"},
    {"[\\'front\\']", "", "X-Remote-User: admin\nX-Remote-Group: system:masters", "the client certificate's name is not allowed"},
    {"[]", "front", "X-Remote-Group: g", "the request names no user"},
    {"[]", "front", "X-Remote-User: \nX-Remote-Group: g", "the request names no user"},
    {"[]", "front", "X-Remote-User: u", "the request names no group"},
    {"[]", "front", "X-Remote-User: u\nX-Remote-User: root\nX-Remote-Group: g", "the user is named twice"},
    {"[]", "front", "Authorization: Bearer x\nX-Remote-User: u\nX-Remote-Group: g", "u|g|{}"},
};

static gsize parse_headers(char *text, WryHeader *headers) {
  gsize count = 0;
  for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
    char *colon = strstr(line, ": ");
    *colon = '\0';
    headers[count++] = (WryHeader){line, colon + 2};
  }
  return count;
}

static char *describe(const WryRequester *requester) {
  WryAccess access = {.verb = "get"};
  g_autoptr(WryJson) review = wry_requester_review(requester, &access);
  g_autoptr(GString) text = g_string_new(requester->user);
  for (guint i = 0; i < requester->groups->len; i++) g_string_append_printf(text, "%s%s", i ? "," : "|", (char *)g_ptr_array_index(requester->groups, i));
  WryJson *extra = wry_json_path(review, "spec.extra");
  g_string_append_printf(text, "|%s", extra ? json_object_to_json_string_ext(extra, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "{}");
  return g_strdup(text->str);
}

START_TEST(believes) {
  g_autofree char *data = g_strdup_printf(CA ", 'requestheader-allowed-names': '%s'", rows[_i].allowed), *headers = g_strdup(rows[_i].headers);
  g_autoptr(WryFrontProxy) proxy = proxy_of(data, NULL);
  g_auto(WryRequester) requester = {.user = NULL};
  WryHeader list[8];
  const char *reason = NULL;
  gsize count = parse_headers(headers, list);
  gboolean believed = wry_requester_read(proxy, rows[_i].name, list, count, &requester, &reason);
  g_autofree char *seen = believed ? describe(&requester) : g_strdup(reason);
  ck_assert_str_eq(seen, rows[_i].seen);
  ck_assert_int_eq(believed, reason == NULL);
}
END_TEST

START_TEST(too_much) {
  g_autoptr(WryFrontProxy) proxy = proxy_of(CA, NULL);
  g_autofree WryHeader *headers = g_new(WryHeader, WRY_MAX_GROUPS + 2);
  for (guint kind = 0; kind < 2; kind++) {
    g_auto(WryRequester) requester = {.user = NULL};
    const char *reason = NULL;
    gsize count = 1 + (kind ? WRY_MAX_EXTRA : WRY_MAX_GROUPS) + 1;
    headers[0] = (WryHeader){"X-Remote-User", "u"};
    for (gsize i = 1; i < count; i++) headers[i] = (WryHeader){kind ? "X-Remote-Extra-a" : "X-Remote-Group", "g"};
    ck_assert(!wry_requester_read(proxy, "front", headers, count, &requester, &reason));
    ck_assert_str_eq(reason, kind ? "too many extra values" : "too many groups");
  }
}
END_TEST

START_TEST(asks) {
  g_autoptr(WryFrontProxy) proxy = proxy_of(CA, NULL);
  const WryHeader headers[] = {{"X-Remote-User", "u"}, {"X-Remote-Group", "g"}};
  g_auto(WryRequester) requester = {.user = NULL};
  g_auto(WryRouteMatch) match = {.route = NULL};
  const char *reason = NULL;
  WryAccess access, other;
  ck_assert(wry_requester_read(proxy, "front", headers, 2, &requester, &reason));
  ck_assert_uint_eq(wry_route_find("GET", "/apis/subresources.kubevirt.io/v1/namespaces/n/virtualmachineinstances/a/vnc/screenshot", &match), 200);
  wry_route_access(&match, &access);
  g_autoptr(WryJson) review = wry_requester_review(&requester, &access);
  ck_assert_str_eq(json_object_to_json_string_ext(review, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
                   "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SubjectAccessReview\",\"spec\":{\"user\":\"u\",\"groups\":[\"g\"],\"resourceAttributes\":{\"namespace\":\"n\","
                   "\"verb\":\"get\",\"group\":\"subresources.kubevirt.io\",\"version\":\"v1\",\"resource\":\"virtualmachineinstances\",\"subresource\":\"vnc/screenshot\",\"name\":\"a\"}}}");
  other = access;
  other.subresource = "vnc";
  g_autofree char *key = wry_requester_key(&requester, &access), *same = wry_requester_key(&requester, &access), *differs = wry_requester_key(&requester, &other);
  ck_assert_str_eq(key, same);
  ck_assert_str_ne(key, differs);
}
END_TEST

static const struct { const char *review; gboolean allowed; const char *reason; } verdicts[] = {
    {"{'status': {'allowed': true}}", TRUE, NULL},
    {"{'status': {'allowed': true, 'denied': false, 'reason': 'RBAC'}}", TRUE, "RBAC"},
    {"{'status': {'allowed': false, 'reason': 'no'}}", FALSE, "no"},
    {"{'status': {'allowed': true, 'denied': true}}", FALSE, NULL},
    {"{'status': {'allowed': 'true'}}", FALSE, NULL},
    {"{'status': {}}", FALSE, NULL},
    {"{}", FALSE, NULL},
};

START_TEST(verdict) {
  g_autoptr(WryJson) review = json(verdicts[_i].review);
  const char *reason = "?";
  ck_assert_int_eq(wry_requester_allowed(review, &reason), verdicts[_i].allowed);
  ck_assert_int_eq(g_strcmp0(reason, verdicts[_i].reason), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api requester");
  TCase *tcase = tcase_create("requester");
  tcase_add_loop_test(tcase, reads_map, 0, G_N_ELEMENTS(maps));
  tcase_add_loop_test(tcase, believes, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, too_much);
  tcase_add_test(tcase, asks);
  tcase_add_loop_test(tcase, verdict, 0, G_N_ELEMENTS(verdicts));
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
