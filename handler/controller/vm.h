#pragma once
/* The VirtualMachine controller: a pure function from a VM and its VMI to what is to be done (contract 3.6 to 3.8). */
#include "handler/controller/action.h"

/* `vmi`: the VirtualMachineInstance of the VM's name, NULL when there is none. New list of WryAction. */
GPtrArray *wry_vm_reconcile(WryJson *vm, WryJson *vmi, const WryWorld *world);
