#pragma once
/* The parts of a launcher pod (pod_*.c). Each adds its members to the JSON that pod.c puts together. */
#include "handler/controller/build.h"
#include "handler/controller/pod.h"

typedef struct {
  const WryVmi *vmi;
  const WryVmiSpec *spec;
  const WryPodWorld *world;
  const WryConfig *config;
  const char *namespace_;
  WryJson *pod;      /* spec of the pod */
  WryJson *compute;  /* the container */
  WryJson *volumes, *mounts, *devices; /* of the pod; of compute */
} WryPodParts;

/* annotations for network plug-ins and meshes (pod_network.c) */
void wry_pod_network(WryJson *annotations, const WryVmi *vmi);
/* nodeSelector, affinity, tolerations, spread, claims, priority, scheduler, runtime class (pod_place.c) */
void wry_pod_place(WryPodParts *parts);
/* compute's resources (pod_resources.c) */
gboolean wry_pod_resources(WryPodParts *parts, GError **error);
/* volumes, mounts and devices (pod_volumes.c) */
void wry_pod_volumes(WryPodParts *parts);
/* compute's command, ports, probes; the console's container (pod_containers.c) */
void wry_pod_containers(WryPodParts *parts);

/* Dedicated CPUs, or CPU and memory with requests equal to limits: the pod is to be Guaranteed. */
gboolean wry_pod_guaranteed(const WryVmiSpec *spec);
gboolean wry_pod_dedicated(const WryVmiSpec *spec);
/* requests or limits of the VMI's spec; NULL when absent. */
const char *wry_pod_amount(const WryVmiSpec *spec, gboolean limit, const char *name);
/* A quantity's text for a number of bytes: "396Mi". New string. */
char *wry_pod_bytes(gint64 bytes);
/* The security context that every container has. New reference. */
WryJson *wry_pod_container_security(void);
