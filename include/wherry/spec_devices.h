#pragma once
/* spec.domain.devices of a VirtualMachineInstance. */
#include "spec_domain.h"

typedef struct { char *bus; WryOptBool readonly; char *pciAddress; } WryDiskTarget;
typedef struct { char *bus; WryOptBool readonly, reservation; } WryLunTarget;
typedef struct { char *bus; WryOptBool readonly; char *tray; } WryCdromTarget;
typedef struct { WryOptInt logical, physical, discardGranularity; } WryCustomBlockSize;
typedef struct { WryCustomBlockSize *custom; WryFeatureState *matchVolume; } WryBlockSize;
typedef struct {
  char *name;
  WryDiskTarget *disk;
  WryLunTarget *lun;
  WryCdromTarget *cdrom;
  WryOptInt bootOrder;
  char *serial;
  WryOptBool dedicatedIOThread;
  char *cache, *io, *tag;
  WryBlockSize *blockSize;
  WryOptBool shareable;
  char *errorPolicy;
  WryOptBool changedBlockTracking;
} WryDisk;

typedef struct { char *name, *protocol; WryOptInt port; } WryPort;
typedef struct { char *protocol; WryOptInt start, end; } WryPortRange;
typedef struct { WryOptInt option; char *value; } WryDhcpPrivateOption;
typedef struct { char *bootFileName, *tftpServerName; GPtrArray *ntpServers; /* STRLIST */ GPtrArray *privateOptions; /* WryDhcpPrivateOption */ } WryDhcpOptions;
typedef struct { char *name; } WryPluginBinding;
typedef struct {
  char *name, *model;
  WryEmpty *bridge, *slirp, *masquerade, *sriov, *macvtap, *passt, *passtBinding;
  WryPluginBinding *binding;
  GPtrArray *ports;      /* WryPort */
  GPtrArray *portRanges; /* WryPortRange */
  char *macAddress;
  WryOptInt bootOrder;
  char *pciAddress;
  WryDhcpOptions *dhcpOptions;
  char *tag;
  WryOptInt acpiIndex;
  char *state;
} WryInterface;

typedef struct { char *name, *type, *bus; } WryInput;
typedef struct { char *action; } WryWatchdogAction;
typedef struct { char *name; WryWatchdogAction *i6300esb, *diag288; } WryWatchdog;
typedef struct { char *name, *model; } WrySound;
typedef struct { char *type; } WryVideo;
typedef struct { WryOptBool enabled, persistent; } WryTpm;
typedef struct { WryOptBool enabled; WryFeatureState *ramFB; } WryVgpuDisplay;
typedef struct { WryVgpuDisplay *display; } WryVgpuOptions;
typedef struct { char *name, *deviceName, *claimName, *requestName, *tag; WryVgpuOptions *virtualGPUOptions; /* gpus alone */ } WryHostDevice;
typedef struct { char *name; WryEmpty *virtiofs; } WryFilesystem;
typedef struct { char *model; } WryPanicDevice;

typedef struct WryDevices {
  WryOptBool useVirtioTransitional, disableHotplug;
  GPtrArray *disks; /* WryDisk */
  WryWatchdog *watchdog;
  GPtrArray *interfaces; /* WryInterface */
  GPtrArray *inputs;     /* WryInput */
  WryOptBool autoattachPodInterface, autoattachGraphicsDevice, autoattachSerialConsole, logSerialConsole, autoattachMemBalloon, autoattachInputDevice,
      autoattachVSOCK;
  WryEmpty *rng;
  WryOptBool blockMultiQueue, networkInterfaceMultiqueue;
  GPtrArray *gpus; /* WryHostDevice */
  WryEmpty *downwardMetrics;
  GPtrArray *panicDevices; /* WryPanicDevice */
  GPtrArray *filesystems;  /* WryFilesystem */
  GPtrArray *hostDevices;  /* WryHostDevice */
  WryEmpty *clientPassthrough;
  WrySound *sound;
  WryTpm *tpm;
  WryVideo *video;
} WryDevices;

extern const WryType wry_devices_type, wry_disk_type, wry_interface_type;
