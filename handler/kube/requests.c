/* The common requests, made of wry_kube_call.
 *
 * Relies on: client.c. */
#include "handler/kube/client.h"

WryKubeCall *wry_kube_get(WryKube *kube, const WryKubeResource *resource, const char *ns, const char *name, WryKubeDone done, gpointer data) {
  return wry_kube_call(kube, &(WryKubeRequest){.verb = WRY_KUBE_GET, .resource = resource, .namespace_ = ns, .name = name}, done, data);
}

WryKubeCall *wry_kube_create(WryKube *kube, const WryKubeResource *resource, WryJson *object, WryKubeDone done, gpointer data) {
  const char *ns = wry_json_str(wry_json_get(object, "metadata"), "namespace");
  return wry_kube_call(kube, &(WryKubeRequest){.verb = WRY_KUBE_POST, .resource = resource, .namespace_ = ns, .body = object}, done, data);
}

WryKubeCall *wry_kube_update(WryKube *kube, const WryKubeResource *resource, const char *subresource, WryJson *object, WryKubeDone done, gpointer data) {
  WryJson *metadata = wry_json_get(object, "metadata");
  const char *ns = wry_json_str(metadata, "namespace"), *name = wry_json_str(metadata, "name");
  return wry_kube_call(kube, &(WryKubeRequest){.verb = WRY_KUBE_PUT, .resource = resource, .namespace_ = ns, .name = name ? name : "", .subresource = subresource, .body = object}, done, data);
}

WryKubeCall *wry_kube_patch(WryKube *kube, const WryKubeResource *resource, const char *ns, const char *name, const char *subresource, WryKubeVerb verb, WryJson *patch, WryKubeDone done, gpointer data) {
  return wry_kube_call(kube, &(WryKubeRequest){.verb = verb, .resource = resource, .namespace_ = ns, .name = name, .subresource = subresource, .body = patch}, done, data);
}

static void add_string(WryJson *object, const char *key, const char *value) {
  if (value) json_object_object_add(object, key, json_object_new_string(value));
}

WryJson *wry_kube_delete_options(const WryKubeDelete *options) {
  WryJson *body = json_object_new_object();
  add_string(body, "apiVersion", "v1");
  add_string(body, "kind", "DeleteOptions");
  add_string(body, "propagationPolicy", options->propagation);
  if (options->grace_seconds >= 0) json_object_object_add(body, "gracePeriodSeconds", json_object_new_int64(options->grace_seconds));
  if (options->uid || options->resource_version) {
    WryJson *preconditions = json_object_new_object();
    add_string(preconditions, "uid", options->uid);
    add_string(preconditions, "resourceVersion", options->resource_version);
    json_object_object_add(body, "preconditions", preconditions);
  }
  return body;
}

WryKubeCall *wry_kube_delete(WryKube *kube, const WryKubeResource *resource, const char *ns, const char *name, const WryKubeDelete *options, WryKubeDone done, gpointer data) {
  g_autoptr(WryJson) body = options ? wry_kube_delete_options(options) : NULL;
  return wry_kube_call(kube, &(WryKubeRequest){.verb = WRY_KUBE_DELETE, .resource = resource, .namespace_ = ns, .name = name, .body = body}, done, data);
}
