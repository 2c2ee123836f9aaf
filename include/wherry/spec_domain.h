#pragma once
/* spec.domain of a VirtualMachineInstance but its devices. Field names are KubeVirt's; how a kind is stored: fields.h. A struct WryEmpty is an object whose
 * presence is the value. Lists name their element type in a comment. */
#include "fields.h"

typedef struct { char unused; } WryEmpty;
typedef struct { WryOptBool enabled; } WryFeatureState;

typedef struct { WryJson *requests, *limits; /* QMAP */ WryOptBool overcommitGuestOverhead; } WryResources;

typedef struct { char *name, *policy; } WryCpuFeature;
typedef struct { WryEmpty *guestMappingPassthrough; } WryNuma;
typedef struct { char *mask; } WryRealtime;
typedef struct {
  WryOptInt cores, sockets, maxSockets, threads;
  char *model;
  GPtrArray *features; /* WryCpuFeature */
  WryOptBool dedicatedCpuPlacement, isolateEmulatorThread;
  WryNuma *numa;
  WryRealtime *realtime;
} WryCpu;

typedef struct { char *pageSize; } WryHugepages;
typedef struct { char *addedOverhead, *memLock; } WryReservedOverhead;
typedef struct { char *guest, *maxGuest; WryHugepages *hugepages; WryReservedOverhead *reservedOverhead; } WryMemory;
typedef struct { char *type; } WryMachine;
typedef struct { WryOptInt supplementalPoolThreadCount; } WryIoThreads;

typedef struct { WryOptBool useSerial; } WryBios;
typedef struct { WryOptBool secureBoot, persistent; } WryEfi;
typedef struct { WryBios *bios; WryEfi *efi; } WryBootloader;
typedef struct { char *image, *imagePullPolicy, *imagePullSecret, *kernelPath, *initrdPath; } WryKernelContainer;
typedef struct { char *kernelArgs; WryKernelContainer *container; } WryKernelBoot;
typedef struct { char *slicNameRef, *msdmNameRef; } WryFirmwareAcpi;
typedef struct { WryBootloader *bootloader; char *uuid, *serial; WryKernelBoot *kernelBoot; WryFirmwareAcpi *acpi; } WryFirmware;

typedef struct { WryOptBool present; char *tickPolicy, *track; } WryTimerEntry; /* track: rtc only */
typedef struct { WryTimerEntry *hpet, *kvm, *pit, *rtc, *hyperv; } WryTimer;
typedef struct { WryOptInt offsetSeconds; } WryClockUtc;
typedef struct { WryClockUtc *utc; char *timezone; WryTimer *timer; } WryClock;

typedef struct { WryOptBool enabled, endOfInterrupt; } WryApic;
typedef struct { WryOptBool hidden; } WryFeatureKvm;
typedef struct { WryOptBool enabled; WryOptInt spinlocks; } WryHvSpinlocks;
typedef struct { WryOptBool enabled; char *vendorid; } WryHvVendorid;
typedef struct { WryOptBool enabled; WryFeatureState *direct; } WryHvSynictimer;
typedef struct { WryOptBool enabled; WryFeatureState *direct, *extended; } WryHvTlbflush;
typedef struct {
  WryFeatureState *relaxed, *vapic;
  WryHvSpinlocks *spinlocks;
  WryFeatureState *vpindex, *runtime, *synic;
  WryHvSynictimer *synictimer;
  WryFeatureState *reset;
  WryHvVendorid *vendorid;
  WryFeatureState *frequencies, *reenlightenment;
  WryHvTlbflush *tlbflush;
  WryFeatureState *ipi, *evmcs;
} WryHyperv;
typedef struct {
  WryFeatureState *acpi;
  WryApic *apic;
  WryHyperv *hyperv;
  WryFeatureState *hypervPassthrough, *smm;
  WryFeatureKvm *kvm;
  WryFeatureState *pvspinlock;
} WryFeatures;

typedef struct { char *manufacturer, *version, *serial, *asset, *sku; } WryChassis;
typedef struct { WryOptBool encryptedState; } WrySevPolicy;
typedef struct { WrySevPolicy *policy; WryEmpty *attestation; char *session, *dhCert; } WrySev;
typedef struct { WrySev *sev; WryEmpty *snp, *tdx; } WryLaunchSecurity;

struct WryDevices;
typedef struct {
  WryResources *resources; /* WRY_F_ALWAYS */
  WryCpu *cpu;
  WryMemory *memory;
  WryMachine *machine;
  WryFirmware *firmware;
  WryClock *clock;
  WryFeatures *features;
  struct WryDevices *devices; /* required, WRY_F_ALWAYS */
  char *ioThreadsPolicy;
  WryIoThreads *ioThreads;
  WryChassis *chassis;
  WryLaunchSecurity *launchSecurity;
  char *rebootPolicy;
} WryDomain;

extern const WryType wry_domain_type;
