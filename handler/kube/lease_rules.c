/* Leader election decided (client-go tools/leaderelection, tryAcquireOrRenew and release).
 *
 * A lease is valid until its own leaseDurationSeconds have passed since we first saw its spec as it is, by our clock; renewTime, which is of another machine's clock, is written and never read.
 * Relies on: json.h. */
#include "handler/kube/lease_rules.h"

#include <string.h>

void wry_kube_lease_seen_clear(WryKubeLeaseSeen *seen) {
  g_free(seen->text);
  g_free(seen->holder);
  *seen = (WryKubeLeaseSeen){0};
}

gboolean wry_kube_lease_observe(WryKubeLeaseSeen *seen, WryJson *lease, gint64 now) {
  WryJson *spec = wry_json_get(lease, "spec");
  const char *text = spec ? json_object_to_json_string_ext(spec, JSON_C_TO_STRING_PLAIN) : "{}", *holder = wry_json_str(spec, "holderIdentity");
  if (!holder) holder = "";
  gboolean other = !seen->holder || strcmp(seen->holder, holder);
  if (seen->text && !strcmp(seen->text, text)) return FALSE;
  WryKubeLeaseSeen fresh = {.text = g_strdup(text), .holder = g_strdup(holder), .duration = wry_json_int(spec, "leaseDurationSeconds", 0), .since = now};
  wry_kube_lease_seen_clear(seen);
  *seen = fresh;
  return other;
}

WryKubeLeaseStep wry_kube_lease_decide(const WryKubeLeaseSeen *seen, const char *identity, gint64 now) {
  gint64 duration = CLAMP(seen->duration, 0, 86400 * 365);
  if (!strcmp(seen->holder, identity)) return WRY_KUBE_LEASE_RENEW;
  if (!*seen->holder || now >= seen->since + duration * G_USEC_PER_SEC) return WRY_KUBE_LEASE_TAKE;
  return WRY_KUBE_LEASE_WAIT;
}

char *wry_kube_micro_time(gint64 wall) {
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(wall / G_USEC_PER_SEC);
  g_autofree char *seconds = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
  return g_strdup_printf("%s.%06dZ", seconds, (int)(wall % G_USEC_PER_SEC));
}

static void set_string(WryJson *object, const char *key, const char *value) {
  json_object_object_add(object, key, json_object_new_string(value));
}

static void set_time(WryJson *spec, const char *key, gint64 wall) {
  g_autofree char *text = wry_kube_micro_time(wall);
  set_string(spec, key, text);
}

static WryJson *spec_of(WryJson *lease) {
  WryJson *spec = wry_json_get(lease, "spec");
  if (json_object_is_type(spec, json_type_object)) return spec;
  spec = json_object_new_object();
  json_object_object_add(lease, "spec", spec);
  return spec;
}

static WryJson *copy_of(WryJson *lease) {
  WryJson *copy = NULL;
  json_object_deep_copy(lease, &copy, NULL);
  return copy;
}

WryJson *wry_kube_lease_make(const WryKubeLeaseOptions *options, gint64 wall) {
  WryJson *lease = json_object_new_object(), *metadata = json_object_new_object(), *spec = spec_of(lease);
  set_string(lease, "apiVersion", "coordination.k8s.io/v1");
  set_string(lease, "kind", "Lease");
  set_string(metadata, "namespace", options->namespace_);
  set_string(metadata, "name", options->name);
  json_object_object_add(lease, "metadata", metadata);
  set_string(spec, "holderIdentity", options->identity);
  json_object_object_add(spec, "leaseDurationSeconds", json_object_new_int64(options->duration_seconds));
  set_time(spec, "acquireTime", wall);
  set_time(spec, "renewTime", wall);
  json_object_object_add(spec, "leaseTransitions", json_object_new_int64(0));
  return lease;
}

WryJson *wry_kube_lease_claim(WryJson *lease, const WryKubeLeaseOptions *options, WryKubeLeaseStep step, gint64 wall) {
  WryJson *copy = copy_of(lease), *spec = spec_of(copy);
  if (step == WRY_KUBE_LEASE_TAKE) {
    set_time(spec, "acquireTime", wall);
    json_object_object_add(spec, "leaseTransitions", json_object_new_int64(wry_json_int(spec, "leaseTransitions", 0) + 1));
  }
  set_string(spec, "holderIdentity", options->identity);
  json_object_object_add(spec, "leaseDurationSeconds", json_object_new_int64(options->duration_seconds));
  set_time(spec, "renewTime", wall);
  return copy;
}

WryJson *wry_kube_lease_give(WryJson *lease, gint64 wall) {
  WryJson *copy = copy_of(lease), *spec = spec_of(copy);
  set_string(spec, "holderIdentity", "");
  json_object_object_add(spec, "leaseDurationSeconds", json_object_new_int64(1));
  set_time(spec, "acquireTime", wall);
  set_time(spec, "renewTime", wall);
  return copy;
}
