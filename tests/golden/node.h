#pragma once
/* A pretended node: the bundle that a handler would make for a VMI, with paths, taps and addresses that are always the same. */
#include "launcher/domain/domain.h"

/* Words of the form key=value; unknown ones are refused. All lists are comma-separated names of volumes.
 *   kvm=no  emulation=yes  arch=arm64  mac=none|generated (of interfaces whose VMI names none)
 *   direct=… these take O_DIRECT, all others do not; not given = nobody looked
 *   block=… raw=… qcow2=… readonly=… missing=… how a volume is */
typedef struct WryNode WryNode;
WryNode *wry_node_new(const char *words, GError **error);
void wry_node_free(WryNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryNode, wry_node_free)
const char *wry_node_word(const WryNode *node, const char *key, const char *absent);

/* New: free with wry_struct_free(&wry_bundle_type, …). `smbios` may be NULL. */
WryBundle *wry_node_bundle(const WryNode *node, const WryVmi *vmi, WryJson *smbios);
/* For wry_domain_plan; NULL when nobody looked. */
GPtrArray *wry_node_direct(const WryNode *node);
