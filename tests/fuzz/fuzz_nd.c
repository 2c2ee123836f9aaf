/* Router solicitations of a hostile guest. */
#include "launcher/net/dhcp.h"
#include <stdint.h>
#include <string.h>

static const char *const servers[] = {"192.0.2.53", "2001:db8::53", NULL};
static const char *const searches[] = {"shop.example", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  WryLease lease = {.server_mac = {2}, .mtu = 1500, .guest4 = {{10, 0, 2, 2}, 24, 1}, .gateway4 = {{10, 0, 2, 1}, 24, 1}, .guest6 = {{0xfd, 0x10, [15] = 2}, 120, 1},
                    .gateway6 = {{0xfd, 0x10, [15] = 1}, 120, 1}, .hostname = "guest", .nameservers = servers, .searches = searches};
  uint8_t reply[WRY_DHCP_MAX_REPLY];
  if (wry_ra_solicited(data, size) && wry_ra_advertise(&lease, reply) > sizeof reply)
    __builtin_trap();
  return 0;
}
