#pragma once
/* The QEMU process of this sandbox, as the kernel knows it: the strongest truth about a VM (design.md section 1). A sandbox has its own pid namespace, in which init is 1, `run` is a
 * child of it, and QEMU too once libvirt has let go of it. */
#include <glib.h>

/* pid of the living QEMU, 0 when there is none. `noted` is what libvirt noted (or 0): it is believed when that process is a child of init; else every child of init that is called like
 * QEMU or its jail is looked for. `proc` is /proc. */
int wry_qemu_find(int proc, int noted);
/* Kills every child of init but the caller and waits for their ends, at most `ms` milliseconds: leftovers of a start that was cut off. FALSE when one is left. Blocks. */
gboolean wry_qemu_sweep(int proc, guint ms);
/* One process's line of /proc/<pid>/stat. Pure. FALSE when malformed. `name` has 16 bytes. */
gboolean wry_qemu_parse_stat(const char *text, char *ret_name, char *ret_state, int *ret_parent);

typedef struct WryQemu WryQemu;
typedef void (*WryQemuGone)(int pid, gpointer data);
/* Watches a process: `gone` is called once, on the default GMainContext, when it has ended. NULL when it has ended already. */
WryQemu *wry_qemu_watch(int pid, WryQemuGone gone, gpointer data, GError **error);
void wry_qemu_free(WryQemu *qemu);
int wry_qemu_pid(const WryQemu *qemu);
/* Through the pidfd: never another process. */
gboolean wry_qemu_signal(WryQemu *qemu, int signal, GError **error);
