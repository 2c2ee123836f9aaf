#pragma once
/* Bytes between two descriptors in both directions until one side ends. */
#include <glib.h>

/* Copies a -> b and c -> d at once. `escape` (0 = none): this byte from `a` ends the relay. When `a` ends, d's output goes on until c ends. Returns when c or the escape ended it. */
void wry_relay(int a, int b, int c, int d, char escape);
