#pragma once
/* What rules see and how they refuse. A rule is a small function over a WryCheck; the tables of rules, in KubeVirt's order, are in spec_validate.c. */
#include "lib/spec_config.h"

typedef struct {
  const WryVmiSpec *spec; /* defaulted; domain, its resources and devices are there */
  const WryMeta *meta;    /* of the VMI, or of the VM's template */
  const WryConfig *config;
  const char *prefix;     /* of field paths: "spec" or "spec.template.spec" */
  const char *meta_prefix;
  WryCauses *causes;
  char path[512];         /* of wry_at */
} WryCheck;

typedef void (*WryRule)(WryCheck *c);

/* Path below the spec ("domain.devices.disks[%u].name"), in the check's own buffer: valid until the next call. "" is the spec itself. */
const char *wry_at(WryCheck *c, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define INVALID WRY_CAUSE_INVALID
#define REQUIRED WRY_CAUSE_REQUIRED
#define NOT_FOUND WRY_CAUSE_NOT_FOUND
#define DUPLICATE WRY_CAUSE_DUPLICATE
#define NOT_SUPPORTED WRY_CAUSE_NOT_SUPPORTED
#define FORBIDDEN WRY_CAUSE_FORBIDDEN

/* Refuses the value at a path that wry_at() made. */
#define wry_refuse(c, reason, at, ...) wry_causes_add((c)->causes, reason, at, __VA_ARGS__)

/* Elements of a list that may be NULL. */
#define WRY_EACH(T, var, list) \
  for (guint var##_i = 0; var##_i < ((list) ? (list)->len : 0); var##_i++) \
    for (const T *var = g_ptr_array_index((list), var##_i); var; var = NULL)
