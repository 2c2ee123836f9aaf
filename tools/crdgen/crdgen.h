#pragma once
/* The parts of crdgen: what a kind is (kinds.c), what the rows of the decoder do not say (keywords.c), texts (descriptions.txt through descriptions.c), and the
 * schema of all of it (schema.c). */
#include "wherry/fields.h"

/* --- kinds.c ---------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct { const char *name, *type, *path; gint64 priority; } CrdColumn;

typedef struct {
  const char *kind, *plural;
  const char *short_names[3];      /* ends with NULL */
  const WryType *type, *status;    /* status: NULL when the kind has none */
  gboolean status_apart;           /* status is a subresource */
  gboolean scale;                  /* and so is scale */
  const char *deprecation;         /* warning of a deprecated kind, or NULL */
  const char *label;               /* on the CustomResourceDefinition */
  CrdColumn columns[8];            /* ends with a nameless one */
} CrdKind;

extern const CrdKind crd_kinds[];
extern const guint crd_kinds_count;
/* The CustomResourceDefinition. New. */
WryJson *crd_new(const CrdKind *kind, WryJson *schema);

/* --- keywords.c ------------------------------------------------------------------------------------------------------------------------------------------- */
/* Sets, replaces or removes members of the schema at "Type.field" or "Type". */
void crd_keywords_apply(const char *at, WryJson *schema);
/* Rows that no field asked for: an error of the table. Elements: static char *. */
GPtrArray *crd_keywords_unused(void);

/* --- descriptions.c --------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct CrdTexts CrdTexts;
/* Reads "[Type]" and "field: text" lines from fd. */
CrdTexts *crd_texts_read(int fd, GError **error);
void crd_texts_free(CrdTexts *texts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CrdTexts, crd_texts_free)
/* Borrowed; NULL, and remembered as missing, when there is none. */
const char *crd_texts_get(CrdTexts *texts, const char *at);
/* One line for each text that is missing or that nothing asked for. New string, "" when all is well. */
char *crd_texts_problems(CrdTexts *texts);

/* --- schema.c --------------------------------------------------------------------------------------------------------------------------------------------- */
/* openAPIV3Schema of a kind. New. */
WryJson *crd_schema_new(const CrdKind *kind, CrdTexts *texts);
