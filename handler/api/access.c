/* SubjectAccessReviews with a small memory.
 *
 * How it works: the key of a verdict is the whole question. A verdict that is known is told from an idle source, others when the API server has answered; two equal
 * questions at once are both asked, which is rare and harmless. The memory is dropped as a whole when it is full. */
#include "handler/api/access.h"

typedef struct { gboolean allowed; char *reason; gint64 until; } Verdict;

struct WryAccessCheck {
  WryKube *kube;
  GHashTable *known; /* key -> Verdict */
  GHashTable *open;  /* Question */
};

typedef struct {
  WryAccessCheck *check;
  WryAccessDone done;
  gpointer data;
  char *key;
  WryKubeCall *call;
  guint idle;
} Question;

static void free_verdict(gpointer data) {
  Verdict *verdict = data;
  g_free(verdict->reason);
  g_free(verdict);
}

static void free_question(gpointer data) {
  Question *question = data;
  wry_kube_cancel(question->call);
  if (question->idle) g_source_remove(question->idle);
  g_free(question->key);
  g_free(question);
}

/* The question is gone before its owner hears. */
static void answer(Question *question, gboolean allowed, gboolean failed, const char *reason) {
  WryAccessDone done = question->done;
  gpointer data = question->data;
  g_autofree char *kept = g_strdup(reason);
  g_hash_table_remove(question->check->open, question);
  done(allowed, failed, kept, data);
}

static gboolean tell_known(gpointer data) {
  Question *question = data;
  const Verdict *verdict = g_hash_table_lookup(question->check->known, question->key);
  question->idle = 0;
  answer(question, verdict && verdict->allowed, !verdict, verdict ? verdict->reason : NULL);
  return G_SOURCE_REMOVE;
}

static void keep(Question *question, gboolean allowed, const char *reason) {
  Verdict *verdict = g_new(Verdict, 1);
  *verdict = (Verdict){allowed, g_strdup(reason), g_get_monotonic_time() + (allowed ? WRY_ACCESS_ALLOWED_SECONDS : WRY_ACCESS_REFUSED_SECONDS) * G_USEC_PER_SEC};
  if (g_hash_table_size(question->check->known) >= WRY_ACCESS_KEPT) g_hash_table_remove_all(question->check->known);
  g_hash_table_insert(question->check->known, g_strdup(question->key), verdict);
}

static void on_reviewed(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  Question *question = data;
  const char *reason = NULL;
  gboolean allowed = !failure && wry_requester_allowed(object, &reason);
  question->call = NULL;
  if (!failure) keep(question, allowed, reason);
  answer(question, allowed, failure != NULL, failure ? failure->error->message : reason);
}

WryAccessCheck *wry_access_check_new(WryKube *kube) {
  WryAccessCheck *check = g_new(WryAccessCheck, 1);
  *check = (WryAccessCheck){kube, g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_verdict), g_hash_table_new_full(NULL, NULL, free_question, NULL)};
  return check;
}

void wry_access_check_free(WryAccessCheck *check) {
  if (!check) return;
  g_hash_table_unref(check->open);
  g_hash_table_unref(check->known);
  g_free(check);
}

void wry_access_check_ask(WryAccessCheck *check, const WryRequester *requester, const WryAccess *access, WryAccessDone done, gpointer data) {
  Question *question = g_new0(Question, 1);
  *question = (Question){.check = check, .done = done, .data = data, .key = wry_requester_key(requester, access)};
  const Verdict *verdict = g_hash_table_lookup(check->known, question->key);
  g_hash_table_add(check->open, question);
  if (verdict && verdict->until > g_get_monotonic_time()) {
    question->idle = g_idle_add(tell_known, question);
    return;
  }
  g_autoptr(WryJson) review = wry_requester_review(requester, access);
  WryKubeRequest request = {.verb = WRY_KUBE_POST, .path = "/apis/authorization.k8s.io/v1/subjectaccessreviews", .body = review};
  question->call = wry_kube_call(check->kube, &request, on_reviewed, question);
}
