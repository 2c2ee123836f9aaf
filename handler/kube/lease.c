/* Leader election by a Lease.
 *
 * How it works: an attempt reads the Lease (a leader trusts what it wrote last and saves that read), lets lease_rules.c decide, and writes; the resourceVersion in what is written makes a second writer fail. A leader's
 * time counts from the start of the request that renewed it last, on a clock that goes on while the machine sleeps.
 * Relies on: client.h; the loop for timers. */
#include "handler/kube/lease.h"

#include <string.h>
#include <time.h>

#include "handler/kube/lease_rules.h"

#define DURATION_SECONDS 15u
#define RENEW_SECONDS 10u
#define RETRY_SECONDS 2u
#define JITTER 1.2
#define RELEASE_SECONDS 5u

struct WryKubeLease {
  WryKube *kube;
  WryKubeLeaseOptions options; /* strings are owned */
  const WryKubeLeaseCalls *calls;
  gpointer data;
  WryKubeLeaseSeen seen;
  WryJson *lease;              /* as read or written last; NULL: to be read */
  WryKubeCall *call;
  WryKubeLeaseStep step;       /* what the write in flight is */
  guint timer, deadline;
  gint64 asked, renewed;       /* start of the attempt, of the last one that renewed; microseconds */
  gboolean leading, over, reread;
  void (*released)(gpointer data);
  gpointer released_data;
};

static void attempt(WryKubeLease *lease);

static gint64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (gint64)t.tv_sec * G_USEC_PER_SEC + t.tv_nsec / 1000;
}

/* --- leading, or not ------------------------------------------------------------------------------------------------------------------------------------------------------ */
static void set_leading(WryKubeLease *lease, gboolean leading) {
  if (lease->leading == leading) return;
  lease->leading = leading;
  if (leading)
    lease->calls->started(lease->data);
  else
    lease->calls->stopped(lease->data);
}

static gint64 left(const WryKubeLease *lease) {
  return lease->renewed + (gint64)lease->options.renew_seconds * G_USEC_PER_SEC - now();
}

static void stop_deadline(WryKubeLease *lease) {
  if (lease->deadline) g_source_remove(lease->deadline);
  lease->deadline = 0;
}

static gboolean on_deadline(gpointer data) {
  WryKubeLease *lease = data;
  lease->deadline = 0;
  set_leading(lease, FALSE);
  return G_SOURCE_REMOVE;
}

static void keep_leading(WryKubeLease *lease) {
  lease->renewed = lease->asked;
  stop_deadline(lease);
  gint64 time = left(lease);
  if (time <= 0) {
    set_leading(lease, FALSE);
    return;
  }
  lease->deadline = g_timeout_add((guint)(time / 1000), on_deadline, lease);
  set_leading(lease, TRUE);
}

static void observe(WryKubeLease *lease, WryJson *object) {
  json_object_get(object);
  wry_json_put(lease->lease);
  lease->lease = object;
  if (wry_kube_lease_observe(&lease->seen, object, now()) && lease->calls->leader) lease->calls->leader(lease->seen.holder, lease->data);
}

/* --- attempts ----------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_timer(gpointer data) {
  WryKubeLease *lease = data;
  lease->timer = 0;
  attempt(lease);
  return G_SOURCE_REMOVE;
}

static void again(WryKubeLease *lease) {
  double jitter = lease->leading ? 0 : JITTER * g_random_double();
  if (!lease->over) lease->timer = g_timeout_add((guint)(lease->options.retry_seconds * 1000 * (1 + jitter)), on_timer, lease);
}

static void failed(WryKubeLease *lease, const WryKubeFailure *failure) {
  wry_json_put(g_steal_pointer(&lease->lease)); /* it is read before the next write */
  if (failure && lease->calls->failed) lease->calls->failed(failure, lease->data);
  again(lease);
}

static void on_written(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryKubeLease *lease = data;
  lease->call = NULL;
  if (failure && failure->error->code == WRY_ERROR_CONFLICT && lease->step == WRY_KUBE_LEASE_RENEW && lease->lease) {
    wry_json_put(g_steal_pointer(&lease->lease));
    attempt(lease); /* somebody else wrote to it: see who */
    return;
  }
  if (failure || !object) {
    failed(lease, failure);
    return;
  }
  observe(lease, object);
  keep_leading(lease);
  again(lease);
}

static guint call_seconds(const WryKubeLease *lease) {
  gint64 most = lease->leading ? left(lease) / G_USEC_PER_SEC : lease->options.renew_seconds;
  return (guint)CLAMP(most, 1, lease->options.renew_seconds);
}

static void write_lease(WryKubeLease *lease, WryKubeVerb verb, WryJson *object) {
  WryKubeRequest request = {
      .verb = verb, .resource = &wry_kube_leases, .namespace_ = lease->options.namespace_, .name = verb == WRY_KUBE_POST ? NULL : lease->options.name, .body = object, .timeout_seconds = call_seconds(lease), .once = TRUE,
  };
  lease->call = wry_kube_call(lease->kube, &request, on_written, lease);
}

static void claim(WryKubeLease *lease, WryKubeLeaseStep step) {
  g_autoptr(WryJson) object = wry_kube_lease_claim(lease->lease, &lease->options, step, g_get_real_time());
  lease->step = step;
  write_lease(lease, WRY_KUBE_PUT, object);
}

static void on_read(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryKubeLease *lease = data;
  lease->call = NULL;
  if (failure && failure->error->code == WRY_ERROR_NOT_FOUND) {
    g_autoptr(WryJson) fresh = wry_kube_lease_make(&lease->options, g_get_real_time());
    lease->step = WRY_KUBE_LEASE_TAKE;
    write_lease(lease, WRY_KUBE_POST, fresh);
    return;
  }
  if (failure || !object) {
    failed(lease, failure);
    return;
  }
  observe(lease, object);
  WryKubeLeaseStep step = wry_kube_lease_decide(&lease->seen, lease->options.identity, now());
  if (step != WRY_KUBE_LEASE_WAIT) {
    claim(lease, step);
    return;
  }
  stop_deadline(lease);
  set_leading(lease, FALSE);
  again(lease);
}

static void attempt(WryKubeLease *lease) {
  lease->asked = now();
  if (lease->leading && left(lease) <= 0) set_leading(lease, FALSE); /* the machine slept through the timer */
  if (lease->leading && lease->lease) {
    claim(lease, WRY_KUBE_LEASE_RENEW);
    return;
  }
  WryKubeRequest request = {
      .verb = WRY_KUBE_GET, .resource = &wry_kube_leases, .namespace_ = lease->options.namespace_, .name = lease->options.name, .timeout_seconds = call_seconds(lease), .once = TRUE,
  };
  lease->call = wry_kube_call(lease->kube, &request, on_read, lease);
}

/* --- outside -------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
WryKubeLease *wry_kube_lease_new(WryKube *kube, const WryKubeLeaseOptions *options, const WryKubeLeaseCalls *calls, gpointer data) {
  WryKubeLease *lease = g_new0(WryKubeLease, 1);
  *lease = (WryKubeLease){.kube = kube, .calls = calls, .data = data};
  lease->options = (WryKubeLeaseOptions){
      .namespace_ = g_strdup(options->namespace_), .name = g_strdup(options->name), .identity = g_strdup(options->identity),
      .duration_seconds = options->duration_seconds ? options->duration_seconds : DURATION_SECONDS,
      .renew_seconds = options->renew_seconds ? options->renew_seconds : RENEW_SECONDS, .retry_seconds = options->retry_seconds ? options->retry_seconds : RETRY_SECONDS,
  };
  lease->timer = g_timeout_add(0, on_timer, lease);
  return lease;
}

static void halt(WryKubeLease *lease) {
  wry_kube_cancel(lease->call);
  lease->call = NULL;
  if (lease->timer) g_source_remove(lease->timer);
  lease->timer = 0;
  stop_deadline(lease);
}

void wry_kube_lease_free(WryKubeLease *lease) {
  if (!lease) return;
  halt(lease);
  wry_kube_lease_seen_clear(&lease->seen);
  wry_json_put(lease->lease);
  g_free((char *)lease->options.namespace_);
  g_free((char *)lease->options.name);
  g_free((char *)lease->options.identity);
  g_free(lease);
}

static void give(WryKubeLease *lease);

/* The write that the release cancelled had arrived: what is given back is the Lease as it is now. */
static void on_reread(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryKubeLease *lease = data;
  lease->call = NULL;
  if (!failure && object) observe(lease, object);
  if (!failure && object && wry_kube_lease_decide(&lease->seen, lease->options.identity, now()) == WRY_KUBE_LEASE_RENEW)
    give(lease);
  else
    lease->released(lease->released_data);
}

static void on_given(WryJson *object G_GNUC_UNUSED, const WryKubeFailure *failure, gpointer data) {
  WryKubeLease *lease = data;
  lease->call = NULL;
  if (!failure || failure->error->code != WRY_ERROR_CONFLICT || lease->reread) {
    lease->released(lease->released_data);
    return;
  }
  lease->reread = TRUE;
  WryKubeRequest request = {.verb = WRY_KUBE_GET, .resource = &wry_kube_leases, .namespace_ = lease->options.namespace_, .name = lease->options.name, .timeout_seconds = RELEASE_SECONDS, .once = TRUE};
  lease->call = wry_kube_call(lease->kube, &request, on_reread, lease);
}

static void give(WryKubeLease *lease) {
  g_autoptr(WryJson) object = wry_kube_lease_give(lease->lease, g_get_real_time());
  WryKubeRequest request = {
      .verb = WRY_KUBE_PUT, .resource = &wry_kube_leases, .namespace_ = lease->options.namespace_, .name = lease->options.name, .body = object, .timeout_seconds = RELEASE_SECONDS, .once = TRUE,
  };
  lease->call = wry_kube_call(lease->kube, &request, on_given, lease);
}

static gboolean on_nothing_to_give(gpointer data) {
  WryKubeLease *lease = data;
  lease->timer = 0;
  lease->released(lease->released_data);
  return G_SOURCE_REMOVE;
}

void wry_kube_lease_release(WryKubeLease *lease, void (*done)(gpointer data), gpointer data) {
  gboolean held = lease->leading && lease->lease;
  halt(lease);
  lease->over = TRUE;
  lease->released = done;
  lease->released_data = data;
  set_leading(lease, FALSE);
  if (held)
    give(lease);
  else
    lease->timer = g_timeout_add(0, on_nothing_to_give, lease);
}

gboolean wry_kube_lease_leading(const WryKubeLease *lease) {
  return lease->leading;
}

const char *wry_kube_lease_holder(const WryKubeLease *lease) {
  return lease->seen.holder ? lease->seen.holder : "";
}
