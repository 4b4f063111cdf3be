// Claims to an address, as frames: gratuitous ARP (RFC 5227 3) and neighbour advertisements (RFC
// 4861 4.4, 7.2.6), made and read.
#pragma once

#include <rte_ether.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sl_api.h"

#define CLAIM_BYTES_MAX 90 // Ethernet, VLAN tag, IPv6, an advertisement with one option

// `mac` has `address` (of either family; its port is ignored).
struct claim {
	struct sl_address address;
	struct rte_ether_addr mac;
};

// The frame that tells everybody on the link, behind a VLAN tag where `vlan` is not 0. Returns its
// length.
size_t claim_build(uint8_t frame[CLAIM_BYTES_MAX], const struct claim *claim, uint16_t vlan);

// What an untagged frame claims: an ARP packet its sender's address (a probe, RFC 5227 2.1.1, has
// none), an advertisement its target, by its link-layer address option or else the frame's source.
// False: nothing, or it is malformed.
bool claim_parse(const uint8_t *frame, size_t length, struct claim *claim);
