#pragma once
/* Verbs of the aggregated API as patches: what `start`, `stop`, `restart`, `pause` and their like change in the cluster's objects (contract 7.5, 7.6). Pure.
 *
 * Whether a verb is allowed is handler/verbs.h, as on one box; here its plan becomes JSON patches (RFC 6902) that a concurrent change makes fail. */
#include "handler/verbs.h"

typedef struct {
  guint code;               /* 200 or 202: allowed; else refused with `message` */
  char *message;
  gboolean dry_run;         /* dryRun=All: the patches are sent with it, nothing is sent to a launcher */
  WryJson *vmi_patch;       /* of the VMI's spec, first; each NULL when there is nothing to change */
  WryJson *vm_patch;        /* of the VM's spec */
  WryJson *status_patch;    /* of the VM's status subresource */
  gboolean send;            /* `message_type` goes to the launcher of the VMI */
  WryMsgType message_type;
} WryApiVerb;
void wry_api_verb_clear(WryApiVerb *verb);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryApiVerb, wry_api_verb_clear)

/* `vm`: the VirtualMachine the verb is asked of, NULL when it is asked of the VMI. `vmi`: NULL when there is none. `body`: what the client sent, NULL for nothing; it is
 * {paused, gracePeriod, gracePeriodSeconds, force, dryRun}. */
void wry_api_verb(const char *name, WryJson *vm, WryJson *vmi, WryJson *body, WryApiVerb *ret);
