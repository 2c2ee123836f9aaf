/* Field tables of spec.domain.devices. See spec_domain.c for what a row says. */
#include "wherry/spec_devices.h"
#include "lib/spec_rows.h"
#include "lib/spec_types.h"

LOCAL_TYPE(disk_target_type, WryDiskTarget,
  STR(WryDiskTarget, bus, 0),
  STR(WryDiskTarget, pciAddress, LATER),
  BOOL(WryDiskTarget, readonly, ZERO));
LOCAL_TYPE(lun_target_type, WryLunTarget,
  STR(WryLunTarget, bus, 0),
  BOOL(WryLunTarget, readonly, ZERO),
  BOOL(WryLunTarget, reservation, LATER | ZERO));
LOCAL_TYPE(cdrom_target_type, WryCdromTarget, STR(WryCdromTarget, bus, 0), BOOL(WryCdromTarget, readonly, 0), STR(WryCdromTarget, tray, 0));
LOCAL_TYPE(custom_block_size_type, WryCustomBlockSize,
  INT(WryCustomBlockSize, discardGranularity, 0),
  INT(WryCustomBlockSize, logical, ZERO),
  INT(WryCustomBlockSize, physical, ZERO));
LOCAL_TYPE(block_size_type, WryBlockSize,
  OBJ(WryBlockSize, custom, 0, custom_block_size_type),
  OBJ(WryBlockSize, matchVolume, 0, wry_feature_state_type));
WRY_TYPE(wry_disk_type, WryDisk,
  OBJ(WryDisk, blockSize, LATER, block_size_type),
  INT(WryDisk, bootOrder, 0),
  STR(WryDisk, cache, 0),
  OBJ(WryDisk, cdrom, 0, cdrom_target_type),
  BOOL(WryDisk, changedBlockTracking, LATER),
  BOOL(WryDisk, dedicatedIOThread, LATER),
  OBJ(WryDisk, disk, 0, disk_target_type),
  STR(WryDisk, errorPolicy, LATER | KEPT),
  STR(WryDisk, io, 0),
  OBJ(WryDisk, lun, 0, lun_target_type),
  STR(WryDisk, name, NEEDED),
  STR(WryDisk, serial, 0),
  BOOL(WryDisk, shareable, LATER),
  STR(WryDisk, tag, LATER));

LOCAL_TYPE(port_type, WryPort, STR(WryPort, name, 0), INT32(WryPort, port, NEEDED), STR(WryPort, protocol, 0));
LOCAL_TYPE(port_range_type, WryPortRange, INT32(WryPortRange, end, NEEDED), STR(WryPortRange, protocol, NEEDED), INT32(WryPortRange, start, NEEDED));
LOCAL_TYPE(private_option_type, WryDhcpPrivateOption, INT(WryDhcpPrivateOption, option, NEEDED), STR(WryDhcpPrivateOption, value, NEEDED));
LOCAL_TYPE(dhcp_options_type, WryDhcpOptions,
  STR(WryDhcpOptions, bootFileName, 0),
  STRS(WryDhcpOptions, ntpServers, 0),
  LIST(WryDhcpOptions, privateOptions, 0, private_option_type),
  STR(WryDhcpOptions, tftpServerName, 0));
LOCAL_TYPE(plugin_binding_type, WryPluginBinding, STR(WryPluginBinding, name, NEEDED));
WRY_TYPE(wry_interface_type, WryInterface,
  INT(WryInterface, acpiIndex, LATER | ZERO),
  OBJ(WryInterface, binding, LATER, plugin_binding_type),
  INT(WryInterface, bootOrder, LATER),
  OBJ(WryInterface, bridge, 0, wry_empty_type),
  OBJ(WryInterface, dhcpOptions, LATER, dhcp_options_type),
  STR(WryInterface, macAddress, 0),
  OBJ(WryInterface, macvtap, LATER, wry_empty_type),
  OBJ(WryInterface, masquerade, 0, wry_empty_type),
  STR(WryInterface, model, 0),
  STR(WryInterface, name, NEEDED),
  OBJ(WryInterface, passt, LATER, wry_empty_type),
  OBJ(WryInterface, passtBinding, LATER, wry_empty_type),
  STR(WryInterface, pciAddress, LATER),
  LIST(WryInterface, portRanges, LATER, port_range_type),
  LIST(WryInterface, ports, 0, port_type),
  OBJ(WryInterface, slirp, LATER, wry_empty_type),
  OBJ(WryInterface, sriov, LATER, wry_empty_type),
  STR(WryInterface, state, LATER),
  STR(WryInterface, tag, LATER));

LOCAL_TYPE(input_type, WryInput, STR(WryInput, bus, 0), STR(WryInput, name, NEEDED), STR(WryInput, type, NEEDED));
LOCAL_TYPE(watchdog_action_type, WryWatchdogAction, STR(WryWatchdogAction, action, 0));
LOCAL_TYPE(watchdog_type, WryWatchdog,
  OBJ(WryWatchdog, diag288, LATER, watchdog_action_type),
  OBJ(WryWatchdog, i6300esb, 0, watchdog_action_type),
  STR(WryWatchdog, name, NEEDED));
LOCAL_TYPE(sound_type, WrySound, STR(WrySound, model, 0), STR(WrySound, name, NEEDED));
LOCAL_TYPE(video_type, WryVideo, STR(WryVideo, type, 0));
LOCAL_TYPE(tpm_type, WryTpm, BOOL(WryTpm, enabled, 0), BOOL(WryTpm, persistent, 0));
LOCAL_TYPE(vgpu_display_type, WryVgpuDisplay, BOOL(WryVgpuDisplay, enabled, 0), OBJ(WryVgpuDisplay, ramFB, 0, wry_feature_state_type));
LOCAL_TYPE(vgpu_options_type, WryVgpuOptions, OBJ(WryVgpuOptions, display, 0, vgpu_display_type));
LOCAL_TYPE(gpu_type, WryHostDevice,
  STR(WryHostDevice, claimName, 0),
  STR(WryHostDevice, deviceName, 0),
  STR(WryHostDevice, name, NEEDED),
  STR(WryHostDevice, requestName, 0),
  STR(WryHostDevice, tag, 0),
  OBJ(WryHostDevice, virtualGPUOptions, 0, vgpu_options_type));
LOCAL_TYPE(host_device_type, WryHostDevice,
  STR(WryHostDevice, claimName, 0),
  STR(WryHostDevice, deviceName, 0),
  STR(WryHostDevice, name, NEEDED),
  STR(WryHostDevice, requestName, 0),
  STR(WryHostDevice, tag, 0));
LOCAL_TYPE(filesystem_type, WryFilesystem, STR(WryFilesystem, name, NEEDED), OBJ(WryFilesystem, virtiofs, NEEDED, wry_empty_type));
LOCAL_TYPE(panic_device_type, WryPanicDevice, STR(WryPanicDevice, model, 0));

WRY_TYPE(wry_devices_type, WryDevices,
  BOOL(WryDevices, autoattachGraphicsDevice, 0),
  BOOL(WryDevices, autoattachInputDevice, 0),
  BOOL(WryDevices, autoattachMemBalloon, 0),
  BOOL(WryDevices, autoattachPodInterface, 0),
  BOOL(WryDevices, autoattachSerialConsole, 0),
  BOOL(WryDevices, autoattachVSOCK, LATER),
  BOOL(WryDevices, blockMultiQueue, LATER),
  OBJ(WryDevices, clientPassthrough, LATER, wry_empty_type),
  BOOL(WryDevices, disableHotplug, LATER | ZERO),
  LIST256(WryDevices, disks, 0, wry_disk_type),
  OBJ(WryDevices, downwardMetrics, LATER, wry_empty_type),
  LIST(WryDevices, filesystems, LATER, filesystem_type),
  LIST(WryDevices, gpus, LATER, gpu_type),
  LIST(WryDevices, hostDevices, LATER, host_device_type),
  LIST(WryDevices, inputs, 0, input_type),
  LIST256(WryDevices, interfaces, 0, wry_interface_type),
  BOOL(WryDevices, logSerialConsole, 0),
  BOOL(WryDevices, networkInterfaceMultiqueue, LATER),
  LIST(WryDevices, panicDevices, 0, panic_device_type),
  OBJ(WryDevices, rng, 0, wry_empty_type),
  OBJ(WryDevices, sound, LATER, sound_type),
  OBJ(WryDevices, tpm, LATER, tpm_type),
  BOOL(WryDevices, useVirtioTransitional, LATER),
  OBJ(WryDevices, video, LATER, video_type),
  OBJ(WryDevices, watchdog, 0, watchdog_type));
