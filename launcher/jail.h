#pragma once
/* Between the files of launcher-jail. libc only. */
#include <stdbool.h>

/* Prints "launcher-jail: <message>: <strerror(errno)>" (libvirt keeps it in the domain's log and shows its end) and ends. */
_Noreturn void wry_jail_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* From here on only the sandbox's own paths; only `qemu` and the dynamic loader can be executed. Nothing on a kernel without Landlock. */
void wry_jail_landlock(const char *qemu);
