#pragma once
/* Does this node's KVM run guests? A /dev/kvm that opens is no proof: a paravirtual or broken one starts a boot sector and dies in a kernel. So a tiny guest is run that does
 * what kernels do at their start. Needs only an open /dev/kvm; takes some milliseconds. */
#include <glib.h>

/* TRUE when the guest came to its end. FALSE with WRY_ERROR_NO_KVM and where it ended instead. `kvm_fd` is borrowed. */
gboolean wry_kvm_probe(int kvm_fd, GError **error);
