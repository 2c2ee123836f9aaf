#pragma once
/* The bundle of a VMI as a sealed memfd. */
#include "handler/instance.h"

/* What a bundle says of the node. All borrowed. */
typedef struct {
  const char *name, *arch;
  gboolean kvm, allow_emulation;
  const WryConfig *config;
} WryBundleFacts;

/* Fills bundle->vmi and bundle->node (volumes, kernel and interfaces come from volumes.h and network.h); `resolv` is the text of resolv.conf. */
void wry_bundle_fill(WryBundle *bundle, const WryInstance *instance, const WryBundleFacts *facts, const char *resolv);
/* New fd, sealed. WRY_ERROR_TOO_LARGE past WRY_MAX_BUNDLE. */
int wry_bundle_memfd(const WryBundle *bundle, GError **error);
/* Name servers (no loopback: the guest cannot reach it) and search domains of a resolv.conf. New arrays of new strings. Pure. */
void wry_resolv_parse(const char *text, GPtrArray **ret_nameservers, GPtrArray **ret_searches);
