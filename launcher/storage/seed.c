/* Content of cloud-init's seeds.
 *
 * NoCloud: volume id cidata, files meta-data, user-data, network-config. meta-data is JSON, which is YAML too. ConfigDrive: volume id config-2, openstack/latest/….
 * user-data is always there, because a NoCloud seed without it is none; network data only when given, because an empty file would switch the network off.
 *
 * instance-id decides whether cloud-init takes this for a new machine: for NoCloud it is the firmware's uuid, which stays over restarts of a VM (as KubeVirt does). */
#include "launcher/storage/files.h"

#include <string.h>

typedef struct {
  const char *base64, *plain;     /* inline */
  const WryLocalRef *ref;         /* of a Secret, whose data the bundle carries */
  const char *key, *other;        /* names in that Secret */
} Source;

/* FALSE with an error; absent: NULL bytes. */
static gboolean read_source(const Source *source, const WryBundleVolume *given, guchar **ret_bytes, gsize *ret_length, GError **error) {
  *ret_bytes = NULL;
  const char *coded = source->base64 && *source->base64 ? source->base64 : NULL;
  if (source->ref) {
    WryJson *data = given ? given->data : NULL;
    coded = data ? wry_json_str(data, source->key) : NULL;
    if (!coded && data) coded = wry_json_str(data, source->other);
    if (!coded) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_VOLUME_MISSING, "Secret %s or its key %s is not there", source->ref->name, source->key);
      return FALSE;
    }
  }
  if (coded)
    *ret_bytes = g_base64_decode(coded, ret_length);
  else if (source->plain && *source->plain)
    *ret_bytes = (guchar *)g_strdup(source->plain), *ret_length = strlen(source->plain);
  return TRUE;
}

static char *nocloud_meta(const WryVmi *vmi) {
  g_autoptr(WryJson) meta = json_object_new_object();
  g_autofree char *host = wry_domain_hostname(vmi);
  json_object_object_add(meta, "instance-id", json_object_new_string(vmi->spec->domain->firmware->uuid));
  json_object_object_add(meta, "local-hostname", json_object_new_string(host));
  return g_strdup(json_object_to_json_string_ext(meta, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static char *config_drive_meta(const WryVmi *vmi) {
  g_autoptr(WryJson) meta = json_object_new_object();
  g_autofree char *host = wry_domain_hostname(vmi);
  const char *namespace = vmi->metadata->namespace_ && *vmi->metadata->namespace_ ? vmi->metadata->namespace_ : "default";
  g_autofree char *id = g_strdup_printf("%s.%s", vmi->metadata->name, namespace);
  json_object_object_add(meta, "instance_id", json_object_new_string(id));
  json_object_object_add(meta, "local_hostname", json_object_new_string(host));
  json_object_object_add(meta, "hostname", json_object_new_string(host));
  json_object_object_add(meta, "uuid", json_object_new_string(vmi->spec->domain->firmware->uuid));
  return g_strdup(json_object_to_json_string_ext(meta, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static const struct {
  const char *label, *meta, *user, *network;
  char *(*make_meta)(const WryVmi *vmi);
} kinds[] = {
    {"cidata", "meta-data", "user-data", "network-config", nocloud_meta},
    {"config-2", "openstack/latest/meta_data.json", "openstack/latest/user_data", "openstack/latest/network_data.json", config_drive_meta},
};

WryIsoContent *wry_seed_content(const WryVmi *vmi, const WryVolume *volume, const WryBundleVolume *given, GError **error) {
  gboolean drive = wry_cloud_init_is_config_drive(volume);
  const WryCloudInit *init = drive ? volume->cloudInitConfigDrive : volume->cloudInitNoCloud;
  const Source user = {init->userDataBase64, init->userData, init->secretRef, "userdata", "userData"};
  const Source network = {init->networkDataBase64, init->networkData, init->networkDataSecretRef, "networkdata", "networkData"};
  g_autofree guchar *user_data = NULL, *network_data = NULL;
  gsize user_length = 0, network_length = 0;
  if (!read_source(&user, given, &user_data, &user_length, error) || !read_source(&network, given, &network_data, &network_length, error)) return NULL;
  if (!vmi->spec->domain->firmware || !vmi->spec->domain->firmware->uuid) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "cloud-init needs spec.domain.firmware.uuid as its instance id");
    return NULL;
  }
  WryIsoContent *content = wry_iso_content_new(kinds[drive].label);
  g_autofree char *meta = kinds[drive].make_meta(vmi);
  wry_iso_content_add(content, kinds[drive].meta, 0600, meta, strlen(meta));
  wry_iso_content_add(content, kinds[drive].user, 0600, user_data, user_length);
  if (network_data) wry_iso_content_add(content, kinds[drive].network, 0600, network_data, network_length);
  return content;
}
