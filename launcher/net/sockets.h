#pragma once
/* The sockets that need privilege, bound to one bridge of the sandbox. Each returns an fd or -1. Private to launcher/net. */
#include <glib.h>

int wry_socket_dhcp4(const char *bridge, GError **error); /* UDP 67, broadcast */
int wry_socket_dhcp6(const char *bridge, int index, GError **error); /* UDP 547, member of ff02::1:2 */
int wry_socket_ra(const char *bridge, int index, GError **error);    /* raw ICMPv6: receives router solicitations only, member of ff02::2, hop limit 255 */
