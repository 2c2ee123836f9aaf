/* The VirtualMachineInstance that a VirtualMachine's template makes (contract 3.8, step 4). Pure. */
#include "lib/spec_default.h"
#include "lib/spec_types.h"

/* Name and namespace are the VM's; labels and annotations come from the template alone. */
static WryMeta *instance_meta(const WryVm *vm) {
  const WryMeta *own = vm->metadata, *template = vm->spec->template_->metadata;
  WryMeta *meta = wry_struct_new(&wry_meta_type);
  meta->name = g_strdup(own->name);
  meta->namespace_ = g_strdup(own->namespace_);
  if (template && template->labels) json_object_deep_copy(template->labels, &meta->labels, NULL);
  if (template && template->annotations) json_object_deep_copy(template->annotations, &meta->annotations, NULL);
  g_autofree char *generation = g_strdup_printf("%" G_GINT64_FORMAT, own->generation.set ? own->generation.v : 1);
  wry_map_default(&meta->annotations, "kubevirt.io/vm-generation", generation);
  meta->finalizers = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(meta->finalizers, g_strdup("kubevirt.io/virtualMachineControllerFinalize"));
  WryOwnerReference *owner = wry_struct_new(wry_field_type(&wry_meta_type, "ownerReferences"));
  *owner = (WryOwnerReference){.apiVersion = g_strdup("kubevirt.io/v1"), .kind = g_strdup("VirtualMachine"), .name = g_strdup(own->name), .uid = g_strdup(own->uid),
                               .controller = {TRUE, TRUE}, .blockOwnerDeletion = {TRUE, TRUE}};
  meta->ownerReferences = g_ptr_array_new();
  g_ptr_array_add(meta->ownerReferences, owner);
  return meta;
}

/* The controller adds the input that autoattachInputDevice asks for. */
static void attach_input(WryDevices *devices) {
  if (!wry_opt_bool(devices->autoattachInputDevice, FALSE) || (devices->inputs && devices->inputs->len)) return;
  WryInput *input = wry_struct_new(wry_field_type(&wry_devices_type, "inputs"));
  input->name = g_strdup("default-0");
  if (!devices->inputs) devices->inputs = g_ptr_array_new();
  g_ptr_array_add(devices->inputs, input);
}

WryVmi *wry_vm_make_vmi(const WryVm *vm) {
  WryVmi *vmi = wry_struct_new(&wry_vmi_type);
  vmi->apiVersion = g_strdup("kubevirt.io/v1");
  vmi->kind = g_strdup("VirtualMachineInstance");
  vmi->metadata = instance_meta(vm);
  vmi->spec = wry_struct_copy(&wry_vmi_spec_type, vm->spec->template_->spec);
  wry_spec_complete(vmi->spec);
  attach_input(vmi->spec->domain->devices);
  return vmi;
}
