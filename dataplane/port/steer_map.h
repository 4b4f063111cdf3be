// What the XDP program and the process that loads it agree on: the map of media addresses. Seen by
// both compilers, so it has nothing but fixed-width types.
#pragma once

#include <linux/types.h>

#define STEER_PROGRAM	  "sluice_steer" // also how a stale program is told from a stranger's
#define STEER_MEDIA_MAP	  "media"
#define STEER_ADDRESSES	  1024
#define STEER_QUEUES	  64
#define STEER_FAMILY_IPV4 4
#define STEER_FAMILY_IPV6 6

struct steer_address {
	__u8 bytes[16]; // IPv4 in the first four, the rest zero
	__u16 family;
	__u16 vlan; // 0: untagged
};

struct steer_ports { // UDP destination ports that are media, both ends included; host byte order
	__u16 min;
	__u16 max;
};
