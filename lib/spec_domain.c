/* Field tables of spec.domain, its devices excepted.
 *
 * One row per field of KubeVirt 1.9.0's CRD: name, kind, required, enum. LATER rows are what the specification knows and this version does not do yet: a
 * manifest that uses one is refused with its path. Values that KubeVirt checks in its webhooks and not in the CRD are plain strings here; their rules are in
 * spec_validate*.c. Pure data, relies on fields.h alone. */
#include "wherry/spec_domain.h"
#include "lib/spec_rows.h"
#include "lib/spec_types.h"

const WryType wry_empty_type = {"WryEmpty", sizeof(WryEmpty), (const WryField[]){{.name = NULL}}};

WRY_TYPE(wry_feature_state_type, WryFeatureState, BOOL(WryFeatureState, enabled, 0));

WRY_TYPE(wry_resources_type, WryResources,
  QMAP(WryResources, limits, 0),
  BOOL(WryResources, overcommitGuestOverhead, LATER | ZERO),
  QMAP(WryResources, requests, 0));

LOCAL_TYPE(cpu_feature_type, WryCpuFeature, STR(WryCpuFeature, name, NEEDED), STR(WryCpuFeature, policy, 0));
LOCAL_TYPE(numa_type, WryNuma, OBJ(WryNuma, guestMappingPassthrough, 0, wry_empty_type));
LOCAL_TYPE(realtime_type, WryRealtime, STR(WryRealtime, mask, 0));
WRY_TYPE(wry_cpu_type, WryCpu,
  INT32(WryCpu, cores, ZERO),
  BOOL(WryCpu, dedicatedCpuPlacement, LATER | ZERO),
  LIST(WryCpu, features, 0, cpu_feature_type),
  BOOL(WryCpu, isolateEmulatorThread, LATER | ZERO),
  INT32(WryCpu, maxSockets, ZERO),
  STR(WryCpu, model, 0),
  OBJ(WryCpu, numa, LATER, numa_type),
  OBJ(WryCpu, realtime, LATER, realtime_type),
  INT32(WryCpu, sockets, ZERO),
  INT32(WryCpu, threads, ZERO));

static const char *const mem_lock_values[] = {"NotRequired", "Required", NULL};
LOCAL_TYPE(hugepages_type, WryHugepages, STR(WryHugepages, pageSize, 0));
LOCAL_TYPE(reserved_overhead_type, WryReservedOverhead, QTY(WryReservedOverhead, addedOverhead, 0), ENUM(WryReservedOverhead, memLock, 0, mem_lock_values));
WRY_TYPE(wry_memory_type, WryMemory,
  QTY(WryMemory, guest, 0),
  OBJ(WryMemory, hugepages, LATER, hugepages_type),
  QTY(WryMemory, maxGuest, 0),
  OBJ(WryMemory, reservedOverhead, LATER, reserved_overhead_type));

LOCAL_TYPE(machine_type, WryMachine, STR(WryMachine, type, ALWAYS));
LOCAL_TYPE(io_threads_type, WryIoThreads, INT32(WryIoThreads, supplementalPoolThreadCount, 0));

LOCAL_TYPE(bios_type, WryBios, BOOL(WryBios, useSerial, 0));
LOCAL_TYPE(efi_type, WryEfi, BOOL(WryEfi, persistent, 0), BOOL(WryEfi, secureBoot, 0));
LOCAL_TYPE(bootloader_type, WryBootloader, OBJ(WryBootloader, bios, 0, bios_type), OBJ(WryBootloader, efi, 0, efi_type));
LOCAL_TYPE(kernel_container_type, WryKernelContainer,
  STR(WryKernelContainer, image, NEEDED),
  STR(WryKernelContainer, imagePullPolicy, 0),
  STR(WryKernelContainer, imagePullSecret, CLUSTER),
  STR(WryKernelContainer, initrdPath, 0),
  STR(WryKernelContainer, kernelPath, 0));
LOCAL_TYPE(kernel_boot_type, WryKernelBoot, OBJ(WryKernelBoot, container, 0, kernel_container_type), STR(WryKernelBoot, kernelArgs, 0));
LOCAL_TYPE(firmware_acpi_type, WryFirmwareAcpi, STR(WryFirmwareAcpi, msdmNameRef, 0), STR(WryFirmwareAcpi, slicNameRef, 0));
LOCAL_TYPE(firmware_type, WryFirmware,
  OBJ(WryFirmware, acpi, LATER, firmware_acpi_type),
  OBJ(WryFirmware, bootloader, 0, bootloader_type),
  OBJ(WryFirmware, kernelBoot, 0, kernel_boot_type),
  STR(WryFirmware, serial, 0),
  STR(WryFirmware, uuid, 0));

LOCAL_TYPE(tick_timer_type, WryTimerEntry, BOOL(WryTimerEntry, present, 0), STR(WryTimerEntry, tickPolicy, 0));
LOCAL_TYPE(plain_timer_type, WryTimerEntry, BOOL(WryTimerEntry, present, 0));
LOCAL_TYPE(rtc_timer_type, WryTimerEntry, BOOL(WryTimerEntry, present, 0), STR(WryTimerEntry, tickPolicy, 0), STR(WryTimerEntry, track, 0));
LOCAL_TYPE(timer_type, WryTimer,
  OBJ(WryTimer, hpet, 0, tick_timer_type),
  OBJ(WryTimer, hyperv, 0, plain_timer_type),
  OBJ(WryTimer, kvm, 0, plain_timer_type),
  OBJ(WryTimer, pit, 0, tick_timer_type),
  OBJ(WryTimer, rtc, 0, rtc_timer_type));
LOCAL_TYPE(clock_utc_type, WryClockUtc, INT(WryClockUtc, offsetSeconds, 0));
LOCAL_TYPE(clock_type, WryClock, OBJ(WryClock, timer, 0, timer_type), STR(WryClock, timezone, KEPT), OBJ(WryClock, utc, 0, clock_utc_type));

LOCAL_TYPE(apic_type, WryApic, BOOL(WryApic, enabled, 0), BOOL(WryApic, endOfInterrupt, ZERO));
LOCAL_TYPE(feature_kvm_type, WryFeatureKvm, BOOL(WryFeatureKvm, hidden, ZERO));
LOCAL_TYPE(hv_spinlocks_type, WryHvSpinlocks, BOOL(WryHvSpinlocks, enabled, 0), INT32(WryHvSpinlocks, spinlocks, 0));
LOCAL_TYPE(hv_vendorid_type, WryHvVendorid, BOOL(WryHvVendorid, enabled, 0), STR(WryHvVendorid, vendorid, 0));
LOCAL_TYPE(hv_synictimer_type, WryHvSynictimer, OBJ(WryHvSynictimer, direct, 0, wry_feature_state_type), BOOL(WryHvSynictimer, enabled, 0));
LOCAL_TYPE(hv_tlbflush_type, WryHvTlbflush,
  OBJ(WryHvTlbflush, direct, LATER, wry_feature_state_type),
  BOOL(WryHvTlbflush, enabled, 0),
  OBJ(WryHvTlbflush, extended, LATER, wry_feature_state_type));
LOCAL_TYPE(hyperv_type, WryHyperv,
  OBJ(WryHyperv, evmcs, 0, wry_feature_state_type),
  OBJ(WryHyperv, frequencies, 0, wry_feature_state_type),
  OBJ(WryHyperv, ipi, 0, wry_feature_state_type),
  OBJ(WryHyperv, reenlightenment, 0, wry_feature_state_type),
  OBJ(WryHyperv, relaxed, 0, wry_feature_state_type),
  OBJ(WryHyperv, reset, 0, wry_feature_state_type),
  OBJ(WryHyperv, runtime, 0, wry_feature_state_type),
  OBJ(WryHyperv, spinlocks, 0, hv_spinlocks_type),
  OBJ(WryHyperv, synic, 0, wry_feature_state_type),
  OBJ(WryHyperv, synictimer, 0, hv_synictimer_type),
  OBJ(WryHyperv, tlbflush, 0, hv_tlbflush_type),
  OBJ(WryHyperv, vapic, 0, wry_feature_state_type),
  OBJ(WryHyperv, vendorid, 0, hv_vendorid_type),
  OBJ(WryHyperv, vpindex, 0, wry_feature_state_type));
LOCAL_TYPE(features_type, WryFeatures,
  OBJ(WryFeatures, acpi, ALWAYS, wry_feature_state_type),
  OBJ(WryFeatures, apic, 0, apic_type),
  OBJ(WryFeatures, hyperv, 0, hyperv_type),
  OBJ(WryFeatures, hypervPassthrough, 0, wry_feature_state_type),
  OBJ(WryFeatures, kvm, 0, feature_kvm_type),
  OBJ(WryFeatures, pvspinlock, 0, wry_feature_state_type),
  OBJ(WryFeatures, smm, 0, wry_feature_state_type));

LOCAL_TYPE(chassis_type, WryChassis,
  STR(WryChassis, asset, 0),
  STR(WryChassis, manufacturer, 0),
  STR(WryChassis, serial, 0),
  STR(WryChassis, sku, 0),
  STR(WryChassis, version, 0));
LOCAL_TYPE(sev_policy_type, WrySevPolicy, BOOL(WrySevPolicy, encryptedState, 0));
LOCAL_TYPE(sev_type, WrySev,
  OBJ(WrySev, attestation, 0, wry_empty_type),
  STR(WrySev, dhCert, 0),
  OBJ(WrySev, policy, 0, sev_policy_type),
  STR(WrySev, session, 0));
LOCAL_TYPE(launch_security_type, WryLaunchSecurity,
  OBJ(WryLaunchSecurity, sev, 0, sev_type),
  OBJ(WryLaunchSecurity, snp, 0, wry_empty_type),
  OBJ(WryLaunchSecurity, tdx, 0, wry_empty_type));

static const char *const reboot_policy_values[] = {"Reboot", "Terminate", NULL};
WRY_TYPE(wry_domain_type, WryDomain,
  OBJ(WryDomain, chassis, LATER, chassis_type),
  OBJ(WryDomain, clock, 0, clock_type),
  OBJ(WryDomain, cpu, 0, wry_cpu_type),
  OBJ(WryDomain, devices, NEEDED, wry_devices_type),
  OBJ(WryDomain, features, 0, features_type),
  OBJ(WryDomain, firmware, 0, firmware_type),
  OBJ(WryDomain, ioThreads, LATER, io_threads_type),
  STR(WryDomain, ioThreadsPolicy, LATER | KEPT),
  OBJ(WryDomain, launchSecurity, LATER, launch_security_type),
  OBJ(WryDomain, machine, 0, machine_type),
  OBJ(WryDomain, memory, 0, wry_memory_type),
  ENUM(WryDomain, rebootPolicy, LATER, reboot_policy_values),
  OBJ(WryDomain, resources, ALWAYS, wry_resources_type));
