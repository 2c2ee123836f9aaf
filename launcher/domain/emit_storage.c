/* Emitter of disks. The end of a chain of images is written out (an empty backingStore), so neither libvirt nor QEMU follows what the header of an image says. */
#include "launcher/domain/emit.h"

static const char *named(const char *text, const char *absent) {
  return text && *text ? text : absent;
}

static void emit_source(const WryDomainDisk *disk, WryXml *xml) {
  if (!disk->path) return;
  wry_xml_leaf(xml, "source", disk->block ? "dev" : "file", disk->path, NULL);
  if (disk->backing) {
    wry_xml_open(xml, "backingStore", "type", disk->backing_block ? "block" : "file", NULL);
    wry_xml_leaf(xml, "format", "type", disk->backing_format, NULL);
    wry_xml_leaf(xml, "source", disk->backing_block ? "dev" : "file", disk->backing, NULL);
    wry_xml_leaf(xml, "backingStore", NULL);
    wry_xml_close(xml);
  } else
    wry_xml_leaf(xml, "backingStore", NULL);
}

static void emit_block_size(const WryCustomBlockSize *size, WryXml *xml) {
  wry_xml_open(xml, "blockio", NULL);
  wry_xml_attr_int(xml, "logical_block_size", size->logical.v);
  wry_xml_attr_int(xml, "physical_block_size", size->physical.v);
  if (size->discardGranularity.set) wry_xml_attr_int(xml, "discard_granularity", size->discardGranularity.v);
  wry_xml_close(xml);
}

static void emit_order(gint64 order, WryXml *xml) {
  wry_xml_open(xml, "boot", NULL);
  wry_xml_attr_int(xml, "order", order);
  wry_xml_close(xml);
}

static void emit_scsi_address(int unit, WryXml *xml) {
  wry_xml_open(xml, "address", "type", "drive", "controller", "0", "bus", "0", NULL);
  wry_xml_attr_int(xml, "unit", unit);
  wry_xml_close(xml);
}

static void emit_disk(const WryDomainPlan *plan, const WryDomainDisk *disk, WryXml *xml) {
  const WryDisk *spec = disk->disk;
  gboolean virtio = g_str_equal(disk->bus, "virtio");
  wry_xml_open(xml, "disk", "type", disk->block ? "block" : "file", "device", disk->device, "model", virtio ? plan->virtio : NULL, NULL);
  wry_xml_leaf(xml, "driver", "name", "qemu", "type", disk->format, "cache", disk->cache, "error_policy", named(spec->errorPolicy, "stop"), "io", disk->io, "discard",
               disk->discard ? "unmap" : NULL, NULL);
  emit_source(disk, xml);
  wry_xml_leaf(xml, "target", "dev", disk->target, "bus", disk->bus, "tray", spec->cdrom ? named(spec->cdrom->tray, "closed") : NULL, NULL);
  if (disk->readonly) wry_xml_leaf(xml, "readonly", NULL);
  if (wry_opt_bool(spec->shareable, FALSE)) wry_xml_leaf(xml, "shareable", NULL);
  wry_xml_text(xml, named(spec->serial, NULL), "serial", NULL);
  if (spec->bootOrder.set) emit_order(spec->bootOrder.v, xml);
  if (spec->blockSize && spec->blockSize->custom) emit_block_size(spec->blockSize->custom, xml);
  wry_emit_alias(xml, disk->name);
  if (disk->unit >= 0) emit_scsi_address(disk->unit, xml);
  wry_xml_close(xml);
}

void wry_emit_disks(const WryDomainPlan *plan, WryXml *xml) {
  for (guint i = 0; i < plan->disks->len; i++) emit_disk(plan, g_ptr_array_index(plan->disks, i), xml);
}
