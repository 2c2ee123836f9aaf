#pragma once
/* What the files of launcher/virt share. */
#include "launcher/virt/virt.h"
#include <libvirt/libvirt.h>

struct WryVirt {
  char *root, *name;
  const WryVirtEvents *events; /* NULL once the owner is gone */
  gpointer data;
  virConnectPtr conn;     /* set once, atomically */
  GAsyncQueue *queues[2]; /* domain, agent */
  int waiting[2];         /* operations not yet answered */
  WryVirtStatus status;   /* main loop only */
};

/* Registers every event callback. FALSE: libvirt's last error says why. */
gboolean wry_virt_listen(WryVirt *virt, virConnectPtr conn);
