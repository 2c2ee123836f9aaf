#pragma once
/* Applies rulesets and network sysctls in the calling process's network namespace. Private to launcher/net. */
#include <glib.h>

/* One transaction: `nft -f -`. NULL or empty text is success. */
gboolean wry_nft_apply(const char *ruleset, GError **error);
/* The same in two steps: the kernel's part of a transaction is mostly waiting, and the caller has other work meanwhile. Start: NULL on failure, an object also for an empty ruleset.
 * Finish waits for the end and takes the object; NULL is success. Freeing waits too. */
typedef struct WryNft WryNft;
WryNft *wry_nft_start(const char *ruleset, GError **error);
gboolean wry_nft_finish(WryNft *take_nft, GError **error);
void wry_nft_free(WryNft *nft);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryNft, wry_nft_free)
/* /proc/sys/net/<name> ("ipv4/ip_forward"). Get: the first byte's digit, or -1. Set writes `value`; an absent file is success. */
int wry_sysctl_get(const char *name);
gboolean wry_sysctl_set(const char *name, const char *value, GError **error);
/* Names of the interfaces that net/ipv6/conf knows. */
GPtrArray *wry_sysctl_interfaces(void);
