// Realms: the networks that we have media addresses in. Several may share a port, told apart by
// their VLAN or by nothing but their addresses. Set at start, then read only.
#pragma once

#include <rte_ether.h>
#include <stdint.h>

#include "sl_api.h"

#define REALM_NAME_BYTES    16
#define REALMS_MAX	    32
#define REALM_ADDRESSES_MAX 32

struct realm {
	char name[REALM_NAME_BYTES];
	uint16_t port;	       // index into ports
	uint16_t vlan;	       // 1..4094; 0: untagged
	uint16_t rtp_port_min; // of each address, RTCP ports included: even
	uint16_t rtp_port_max; // odd
	uint8_t dscp;	       // of what is sent, where a leg does not say
	unsigned int n_addresses;
	struct sl_address addresses[REALM_ADDRESSES_MAX]; // ours, port 0; unique over all realms
	uint8_t shards[REALM_ADDRESSES_MAX]; // of each, as fence.h counts them; 0: always ours
	struct rte_ether_addr next_hop; // where all is sent; zero: as the port or the kernel says
};

struct realms {
	unsigned int n;
	struct realm entries[REALMS_MAX];
};
