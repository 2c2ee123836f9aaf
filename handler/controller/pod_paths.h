#pragma once
/* Where things are in a launcher pod: the contract between the controller, which mounts them there, and the node role, which tells the launcher. Pure. */
#include "wherry/spec.h"

#define WRY_POD_VM "/run/wherry/vm"           /* emptyDir in memory: libvirt's root, sockets, ISO images */
#define WRY_POD_SCRATCH "/run/wherry/scratch" /* emptyDir: overlays, emptyDisks */
#define WRY_POD_STATE "/run/wherry/state"     /* emptyDir: console logs, nvram, final record */
#define WRY_POD_VOLUMES "/run/wherry/volumes"
#define WRY_POD_PROGRAMS "/opt/wherry"

/* What a volume is in the pod:
 *   persistentVolumeClaim, dataVolume, ephemeral    a directory with disk.img; of a claim in Block mode the device /dev/<volume>
 *   hostDisk                                        the file's directory on the node, the file by its own name
 *   containerDisk                                   the image's directory that holds the disk, read-only: of containerDisk.path, else /disk, which then holds one file
 *   configMap, secret, sysprep, downwardAPI         a directory with one file a key, read-only
 *   serviceAccount                                  a directory with token, ca.crt and namespace, read-only
 *   cloudInit...secretRef, networkDataSecretRef     directories <volume>-udata and <volume>-ndata with the Secret's keys, read-only
 *   accessCredentials                               directory <secret>-access-cred, read-only
 *   kernelBoot                                      directory kernel-boot, the whole image, read-only: the kernel is kernel-boot + kernelPath */
/* WRY_POD_VOLUMES/<name>. New string. */
char *wry_pod_volume_dir(const char *name);
/* The disk's file or device in the pod; for a containerDisk without a path the directory whose only file it is. NULL: the volume has none (its disk is made by the launcher). New string. */
char *wry_pod_disk_path(const WryVolume *volume, gboolean block);
/* Directory in the image of a containerDisk, without the leading slash. New string. */
char *wry_pod_image_dir(const WryContainerDisk *disk);
/* Name of the claim behind a volume: persistentVolumeClaim, dataVolume, ephemeral; NULL: none. Borrowed. */
const char *wry_pod_claim(const WryVolume *volume);

#define WRY_POD_KERNEL_BOOT "kernel-boot" /* directory in WRY_POD_VOLUMES */
