#pragma once
/* The two halves of the golden program. */
#include <glib.h>

typedef struct { guint passed, failed, skipped; } WryTally;

/* Golden pairs: every <name>.yaml of `cases` against <name>.xml, or <name>.err with the refusal. The XML made is left in `out`. `update`: writes the pairs instead. */
void wry_golden_cases(const char *cases, const char *out, gboolean update, WryTally *tally);
/* Guest-visible facts of every VMI of a corpus whose fields are all supported, but for what `differences` lists. */
void wry_golden_corpus(const char *corpus, const char *differences, WryTally *tally);

/* The domain's XML of a defaulted VMI on a pretended node (node.h). New string. */
struct WryNode;
typedef struct json_object WryJsonObject;
char *wry_golden_xml(const void *vmi, const struct WryNode *node, WryJsonObject *smbios, GError **error);
char *wry_golden_uuid(gpointer data);
