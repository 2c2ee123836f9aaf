#pragma once
/* This node's device plugin: serves the resources of device_kinds.h to the kubelet, registers them, and again whenever the kubelet starts anew. */
#include "handler/node/device_messages.h"
#include "handler/root.h"

/* All borrowed. */
typedef struct {
  int dev_fd, kubelet_fd; /* /dev; the kubelet's directory of device plugins */
  guint kubelet_uid;      /* who may connect: 0 */
  WryDeviceGrant grant;
} WryDevicePluginOptions;

typedef struct WryDevicePlugin WryDevicePlugin;
/* Watches are made here, so it must come before paths are restricted; sockets come from the root half, from the main loop. `changed`: wry_device_plugin_ready may say otherwise now. */
WryDevicePlugin *wry_device_plugin_new(const WryDevicePluginOptions *options, void (*changed)(gpointer data), gpointer data, GError **error);
void wry_device_plugin_free(WryDevicePlugin *plugin);
/* Begins to serve. `root` is borrowed. */
void wry_device_plugin_start(WryDevicePlugin *plugin, WryRoot *root);
/* KVM runs guests on this node: until this is said its devices are unhealthy. */
void wry_device_plugin_set_kvm(WryDevicePlugin *plugin, gboolean usable);
/* The kubelet has all kinds whose devices this node has. */
gboolean wry_device_plugin_ready(const WryDevicePlugin *plugin);
