/* handler/kube/config*.c, exec.c: kubeconfigs, pods, the answers of credential plugins. */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "handler/kube/config_internal.h"
#include "wherry/error.h"

#define CONTEXT "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u, namespace: ns}\n- name: d\n  context: {cluster: k}\n"
#define CLUSTER(fields) "clusters:\n- name: k\n  cluster: {" fields "}\n"
#define USER(fields) "users:\n- name: u\n  user: {" fields "}\n"
#define HTTP CONTEXT CLUSTER("server: 'http://127.0.0.1:1'")
#define CA "certificate-authority-data: Y2E="

static WryKubeConfig *parse(const char *text, const char *context, GPtrArray *warnings, GError **error) {
  return wry_kube_config_parse(text, strlen(text), "/nowhere", context, warnings, error);
}

static char *contents(int fd) {
  char text[64] = "";
  ck_assert_int_ge(pread(fd, text, sizeof text - 1, 0), 0);
  return g_strdup(text);
}

static const struct { const char *text, *server; const char *token, *basic, *cert, *key, *ca; guint warnings; } good[] = {
    {HTTP USER("token: t"), "http://127.0.0.1:1", "t", NULL, NULL, NULL, NULL, 1},
    {HTTP USER("username: a, password: 'b:c'"), "http://127.0.0.1:1", NULL, "a:b:c", NULL, NULL, NULL, 1},
    {HTTP USER(""), "http://127.0.0.1:1", NULL, NULL, NULL, NULL, NULL, 1},
    {CONTEXT CLUSTER("server: 'https://[::1]/prefix//', " CA) USER("client-certificate-data: Y2VydA==, client-key-data: a2V5"), "https://[::1]:443/prefix", NULL, NULL, "cert", "key", "ca", 0},
    {CONTEXT CLUSTER("server: 'HTTPS://10.0.0.1', insecure-skip-tls-verify: true") USER("token: t, client-certificate-data: Y2VydA==, client-key-data: a2V5"), "https://10.0.0.1:443", "t", NULL, "cert", "key", NULL, 1},
    {"{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\",\"user\":\"\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https://10.0.0.1:6443\",\"certificate-authority-data\":\"Y2E=\"}}]}",
     "https://10.0.0.1:6443", NULL, NULL, NULL, NULL, "ca", 0},
};

static void same_file(int fd, const char *expected) {
  g_autofree char *text = fd >= 0 ? contents(fd) : NULL;
  ck_assert_pstr_eq(text, expected);
}

START_TEST(kubeconfig) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(WryKubeConfig) config = parse(good[_i].text, NULL, warnings, &error);
  ck_assert_msg(config != NULL, "%s", error ? error->message : "");
  ck_assert_str_eq(wry_kube_config_server(config), good[_i].server);
  ck_assert_pstr_eq(config->token, good[_i].token);
  ck_assert_pstr_eq(config->basic, good[_i].basic);
  same_file(config->cert_fd, good[_i].cert);
  same_file(config->key_fd, good[_i].key);
  same_file(config->ca_fd, good[_i].ca);
  ck_assert_uint_eq(warnings->len, good[_i].warnings);
}
END_TEST

static const struct { const char *text; WryErrorCode code; const char *says; } bad[] = {
    {"", WRY_ERROR_INVALID, "one document"},
    {"a: 1\n---\nb: 1\n", WRY_ERROR_INVALID, "one document"},
    {"kind: Config\n", WRY_ERROR_NOT_FOUND, "current-context"},
    {"current-context: x\ncontexts: {}\n", WRY_ERROR_NOT_FOUND, "contexts"},
    {CONTEXT, WRY_ERROR_NOT_FOUND, "clusters"},
    {CONTEXT CLUSTER("server: ''") USER(""), WRY_ERROR_INVALID, "no server"},
    {CONTEXT CLUSTER("server: 'ftp://a'") USER(""), WRY_ERROR_INVALID, "no http"},
    {CONTEXT CLUSTER("server: '127.0.0.1:6443'") USER(""), WRY_ERROR_INVALID, "no http"},
    {CONTEXT CLUSTER("server: 'https://u:p@10.0.0.1', " CA) USER(""), WRY_ERROR_INVALID, "no http"},
    {HTTP, WRY_ERROR_NOT_FOUND, "users"},
    {HTTP USER("auth-provider: {name: gcp}"), WRY_ERROR_UNSUPPORTED, "auth-provider"},
    {HTTP USER("client-certificate-data: Y2VydA=="), WRY_ERROR_INVALID, "belong together"},
    {HTTP USER("client-certificate: missing.crt, client-key: missing.key"), WRY_ERROR_NOT_FOUND, "/nowhere/missing.crt"},
    {HTTP USER("tokenFile: missing"), WRY_ERROR_NOT_FOUND, "/nowhere/missing"},
    {HTTP USER("exec: {command: x}"), WRY_ERROR_INVALID, "apiVersion"},
    {HTTP USER("exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}"), WRY_ERROR_INVALID, "apiVersion"},
    {HTTP USER("exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always}"), WRY_ERROR_UNSUPPORTED, "interactiveMode"},
    {CONTEXT CLUSTER("server: 'https://10.0.0.1', certificate-authority-data: '!!!'") USER(""), WRY_ERROR_INVALID, "base64"},
    {CONTEXT CLUSTER("server: 'https://10.0.0.1', insecure-skip-tls-verify: true, " CA) USER(""), WRY_ERROR_INVALID, "exclude"},
};

START_TEST(kubeconfig_refused) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryKubeConfig) config = parse(bad[_i].text, NULL, NULL, &error);
  ck_assert(config == NULL);
  ck_assert_msg(error->code == (int)bad[_i].code && strstr(error->message, bad[_i].says), "%d %s", error->code, error->message);
}
END_TEST

START_TEST(contexts) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryKubeConfig) first = parse(HTTP USER("token: t"), NULL, NULL, &error), second = parse(HTTP USER("token: t"), "d", NULL, &error), third = parse(HTTP, "e", NULL, &error);
  ck_assert_str_eq(wry_kube_config_namespace(first), "ns");
  ck_assert_str_eq(wry_kube_config_namespace(second), "default");
  ck_assert_pstr_eq(second->token, NULL);
  ck_assert(third == NULL && error->code == WRY_ERROR_NOT_FOUND);
}
END_TEST

/* Files beside the kubeconfig; $KUBECONFIG; a token file that changes. */
START_TEST(files) {
  g_autofree char *directory = g_dir_make_tmp("wherry-kube-XXXXXX", NULL), *path = g_build_filename(directory, "config", NULL), *token = g_build_filename(directory, "tok", NULL);
  ck_assert(g_file_set_contents(path, HTTP USER("tokenFile: tok"), -1, NULL) && g_file_set_contents(token, " first\n", -1, NULL));
  g_autofree char *list = g_strdup_printf(":%s:/other", path);
  g_setenv("KUBECONFIG", list, TRUE);
  g_autoptr(WryKubeConfig) config = wry_kube_config_load(NULL, NULL, NULL, NULL);
  ck_assert_ptr_nonnull(config);
  ck_assert_str_eq(config->token, "first");
  ck_assert(g_file_set_contents(token, "second", -1, NULL));
  ck_assert_int_eq(wry_kube_config_identity(config, NULL), WRY_KUBE_READY);
  ck_assert_str_eq(config->token, "first");
  config->token_read -= 61 * G_USEC_PER_SEC;
  ck_assert_int_eq(wry_kube_config_identity(config, NULL), WRY_KUBE_READY);
  ck_assert_str_eq(config->token, "second");
  /* one that cannot be read, or is none, leaves the old one in use */
  guint generation = config->generation;
  ck_assert(g_file_set_contents(token, "a b", -1, NULL));
  wry_kube_config_refused(config, generation);
  g_unlink(token);
  wry_kube_config_refused(config, generation);
  ck_assert_str_eq(config->token, "second");
  ck_assert_uint_eq(config->generation, generation);
  ck_assert(g_file_set_contents(token, "third", -1, NULL));
  wry_kube_config_refused(config, generation - 1); /* an old refusal */
  ck_assert_str_eq(config->token, "second");
  wry_kube_config_refused(config, generation);
  ck_assert_str_eq(config->token, "third");
  g_unlink(token);
  g_unlink(path);
  g_rmdir(directory);
}
END_TEST

START_TEST(in_a_pod) {
  g_autoptr(GError) error = NULL;
  g_autofree char *directory = g_dir_make_tmp("wherry-kube-XXXXXX", NULL);
  static const char *const names[] = {"token", "ca.crt", "namespace"};
  g_unsetenv("KUBERNETES_SERVICE_HOST");
  ck_assert(!wry_kube_config_in_cluster(directory, &error));
  ck_assert_int_eq(error->code, WRY_ERROR_NOT_FOUND);
  g_clear_error(&error);
  g_setenv("KUBERNETES_SERVICE_HOST", "fd00::1", TRUE);
  g_setenv("KUBERNETES_SERVICE_PORT", "443", TRUE);
  ck_assert(!wry_kube_config_in_cluster(directory, &error));
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(directory, names[i], NULL);
    ck_assert(g_file_set_contents(path, names[i], -1, NULL));
  }
  g_autoptr(WryKubeConfig) config = wry_kube_config_in_cluster(directory, NULL);
  ck_assert_ptr_nonnull(config);
  ck_assert_str_eq(wry_kube_config_server(config), "https://[fd00::1]:443");
  ck_assert_str_eq(wry_kube_config_namespace(config), "namespace");
  ck_assert_str_eq(config->token, "token");
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(directory, names[i], NULL);
    g_unlink(path);
  }
  g_rmdir(directory);
}
END_TEST

/* --- plugins ---------------------------------------------------------------------------------------------------------------------------------------------------------------- */
#define V1 "client.authentication.k8s.io/v1"
#define ANSWER(status) "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":" status "}"

static const struct { const char *text; gboolean good; const char *token, *cert; gint64 expires; } answers[] = {
    {ANSWER("{\"token\":\"t\"}"), TRUE, "t", NULL, 0},
    {ANSWER("{\"token\":\"t\",\"expirationTimestamp\":\"1970-01-02T00:00:00Z\"}"), TRUE, "t", NULL, 86400},
    {ANSWER("{\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\"}"), TRUE, NULL, "c", 0},
    {ANSWER("{\"clientCertificateData\":\"c\"}"), FALSE, NULL, NULL, 0},
    {ANSWER("{}"), FALSE, NULL, NULL, 0},
    {ANSWER("{\"token\":\"\"}"), FALSE, NULL, NULL, 0},
    {ANSWER("{\"token\":\"a\\r\\nX: y\"}"), FALSE, NULL, NULL, 0},
    {ANSWER("{\"token\":\"t\",\"expirationTimestamp\":\"soon\"}"), FALSE, NULL, NULL, 0},
    {"{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\"}}", FALSE, NULL, NULL, 0},
    {"{\"apiVersion\":\"" V1 "\",\"kind\":\"Other\",\"status\":{\"token\":\"t\"}}", FALSE, NULL, NULL, 0},
    {"", FALSE, NULL, NULL, 0}, {"[]", FALSE, NULL, NULL, 0},
};

START_TEST(plugin_answers) {
  WryKubeExecAnswer answer;
  g_autoptr(GError) error = NULL;
  gboolean good_answer = wry_kube_exec_answer_parse(&answer, V1, answers[_i].text, strlen(answers[_i].text), &error);
  ck_assert_int_eq(good_answer, answers[_i].good);
  ck_assert_int_eq(error == NULL, good_answer);
  if (good_answer) {
    ck_assert_pstr_eq(answer.token, answers[_i].token);
    ck_assert_pstr_eq(answer.cert, answers[_i].cert);
    ck_assert_int_eq(answer.expires, answers[_i].expires);
  }
  wry_kube_exec_answer_clear(&answer);
}
END_TEST

static guint runs;

static void run_plugin(const char *const *argv, const char *const *environment, WryKubeExecDone done, gpointer done_data, gpointer data) {
  ck_assert_str_eq(argv[0], "/nowhere/./plug");
  ck_assert_str_eq(argv[1], "x");
  ck_assert_pstr_eq(argv[2], NULL);
  ck_assert_str_eq(g_environ_getenv((char **)environment, "A"), "b");
  ck_assert_ptr_nonnull(strstr(g_environ_getenv((char **)environment, "KUBERNETES_EXEC_INFO"), "\"interactive\":false"));
  runs++;
  const char *text = data;
  g_autoptr(GError) error = text ? NULL : g_error_new_literal(WRY_ERROR, WRY_ERROR_FAILED, "it ended");
  done(text, text ? strlen(text) : 0, error, done_data);
}

#define EXEC USER("exec: {command: ./plug, args: [x], env: [{name: A, value: b}], apiVersion: " V1 ", installHint: get it}")

/* Another runner than our own; a failure rests; a refusal runs it again. */
START_TEST(plugin_runner) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryKubeConfig) config = parse(HTTP EXEC, NULL, NULL, &error);
  runs = 0;
  wry_kube_config_set_runner(config, run_plugin, NULL);
  ck_assert(!wry_kube_config_exec_now(config, &error));
  ck_assert(strstr(error->message, "it ended") && strstr(error->message, "get it") && error->code == WRY_ERROR_DENIED);
  g_clear_error(&error);
  ck_assert_int_eq(wry_kube_config_identity(config, &error), WRY_KUBE_FAILED);
  ck_assert_uint_eq(runs, 1);
  g_autoptr(WryKubeConfig) other = parse(HTTP EXEC, NULL, NULL, NULL);
  wry_kube_config_set_runner(other, run_plugin, (gpointer)ANSWER("{\"token\":\"t\"}"));
  ck_assert(wry_kube_config_exec_now(other, NULL));
  ck_assert_str_eq(other->token, "t");
  ck_assert_int_eq(wry_kube_config_identity(other, NULL), WRY_KUBE_READY);
  ck_assert_uint_eq(runs, 2);
  wry_kube_config_refused(other, other->generation);
  ck_assert_int_eq(wry_kube_config_identity(other, NULL), WRY_KUBE_READY);
  ck_assert_uint_eq(runs, 3);
  wry_kube_config_refused(other, other->generation);
  wry_kube_config_set_runner(other, NULL, NULL);
  g_clear_error(&error);
  ck_assert_int_eq(wry_kube_config_identity(other, &error), WRY_KUBE_FAILED);
  ck_assert_int_eq(error->code, WRY_ERROR_DENIED);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kube_config");
  TCase *tcase = tcase_create("kube_config");
  tcase_add_loop_test(tcase, kubeconfig, 0, G_N_ELEMENTS(good));
  tcase_add_loop_test(tcase, kubeconfig_refused, 0, G_N_ELEMENTS(bad));
  tcase_add_test(tcase, contexts);
  tcase_add_test(tcase, files);
  tcase_add_test(tcase, in_a_pod);
  tcase_add_loop_test(tcase, plugin_answers, 0, G_N_ELEMENTS(answers));
  tcase_add_test(tcase, plugin_runner);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
