#pragma once
/* The files of an ISO image, in memory: what a volume of data (cloud-init, configMap, secret, downwardAPI) looks like to the guest. Pure. */
#include "launcher/domain/domain.h"

typedef struct {
  char *path; /* relative; directories as needed */
  GBytes *data;
  guint mode;
} WryIsoFile;

typedef struct {
  char *label;      /* volume id */
  GPtrArray *files; /* WryIsoFile */
} WryIsoContent;

WryIsoContent *wry_iso_content_new(const char *label);
void wry_iso_content_free(WryIsoContent *content);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryIsoContent, wry_iso_content_free)
void wry_iso_content_add(WryIsoContent *content, const char *path, guint mode, const void *data, gsize length);

/* The content of a volume for which wry_domain_is_iso() holds. `given` is the bundle's entry for it, or NULL. Errors: VOLUME_MISSING, INVALID, UNSUPPORTED. */
WryIsoContent *wry_iso_content(const WryVmi *vmi, const WryVolume *volume, const WryBundleVolume *given, GError **error);

/* Its parts by kind. */
WryIsoContent *wry_seed_content(const WryVmi *vmi, const WryVolume *volume, const WryBundleVolume *given, GError **error);
WryIsoContent *wry_downward_content(const WryVmi *vmi, const WryDownwardApi *api, GError **error);
