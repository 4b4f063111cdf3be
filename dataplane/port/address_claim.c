// See address_claim.h. A packet of either protocol is a fixed form, so all is offsets. Nothing is
// believed that a router would not let pass (hop limit 255, RFC 4861 7.1.2).
#include "address_claim.h"

#include <string.h>

#define LINK_BYTES   14
#define FRAME_LEAST  60
#define ARP_BYTES    28
#define IPV6_BYTES   40
#define ADVERT_BYTES 24 // and options
#define OPTION_BYTES 8
#define ICMPV6	     58
#define ADVERT	     136
#define TARGET_MAC   2 // option
#define OVERRIDE     0x20

static const uint8_t arp_form[] = {0, 1, 8, 0, 6, 4, 0}; // Ethernet, IPv4; the next byte is what
static const uint8_t all_nodes[] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
static const uint8_t all_nodes_mac[] = {0x33, 0x33, 0, 0, 0, 1};

static size_t link_build(uint8_t *frame, const uint8_t *to, const struct rte_ether_addr *from,
	uint16_t vlan, uint16_t type)
{
	size_t at = 12;

	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	if (vlan) {
		frame[at++] = 0x81;
		frame[at++] = 0x00;
		frame[at++] = (uint8_t)(vlan >> 8);
		frame[at++] = (uint8_t)vlan;
	}
	frame[at++] = (uint8_t)(type >> 8);
	frame[at++] = (uint8_t)type;
	return at;
}

static size_t arp_build(uint8_t *arp, const struct claim *claim)
{
	memcpy(arp, arp_form, sizeof(arp_form));
	arp[7] = 1; // a request: what RFC 5227 3 says all take notice of
	memcpy(arp + 8, &claim->mac, 6);
	memcpy(arp + 14, claim->address.bytes, 4);
	memcpy(arp + 24, claim->address.bytes, 4);
	return ARP_BYTES;
}

// Of the upper-layer packet behind an IPv6 header of ours.
static uint16_t icmp_sum(const uint8_t *ip, size_t length)
{
	uint32_t sum = (uint32_t)length + ICMPV6;

	for (size_t i = 8; i < IPV6_BYTES + length; i += 2) // addresses, and what follows
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static size_t advert_build(uint8_t *ip, const struct claim *claim)
{
	uint8_t *icmp = ip + IPV6_BYTES;
	const size_t length = ADVERT_BYTES + OPTION_BYTES;
	uint16_t sum;

	ip[0] = 0x60;
	ip[5] = (uint8_t)length;
	ip[6] = ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, claim->address.bytes, 16);
	memcpy(ip + 24, all_nodes, 16);
	icmp[0] = ADVERT;
	icmp[4] = OVERRIDE;
	memcpy(icmp + 8, claim->address.bytes, 16);
	icmp[24] = TARGET_MAC;
	icmp[25] = 1; // of 8 bytes
	memcpy(icmp + 26, &claim->mac, 6);
	sum = icmp_sum(ip, length);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	return IPV6_BYTES + length;
}

size_t claim_build(uint8_t frame[CLAIM_BYTES_MAX], const struct claim *claim, uint16_t vlan)
{
	static const uint8_t everybody[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	size_t at;

	memset(frame, 0, CLAIM_BYTES_MAX);
	if (claim->address.family == SL_IPV6) {
		at = link_build(frame, all_nodes_mac, &claim->mac, vlan, 0x86dd);
		return at + advert_build(frame + at, claim);
	}
	at = link_build(frame, everybody, &claim->mac, vlan, 0x0806);
	at += arp_build(frame + at, claim);
	return at < FRAME_LEAST ? FRAME_LEAST : at;
}

static bool arp_parse(const uint8_t *arp, size_t length, struct claim *claim)
{
	static const uint8_t nobody[4];

	if (length < ARP_BYTES || memcmp(arp, arp_form, sizeof(arp_form)) || arp[7] < 1 ||
		arp[7] > 2 || !memcmp(arp + 14, nobody, 4))
		return false;
	*claim = (struct claim){.address.family = SL_IPV4};
	memcpy(&claim->mac, arp + 8, 6);
	memcpy(claim->address.bytes, arp + 14, 4);
	return true;
}

// The target's MAC, if it is said.
static bool read_options(const uint8_t *options, size_t length, struct claim *claim)
{
	while (length >= OPTION_BYTES) {
		size_t bytes = (size_t)options[1] * 8;

		if (bytes == 0 || bytes > length)
			return false;
		if (options[0] == TARGET_MAC)
			memcpy(&claim->mac, options + 2, 6);
		options += bytes;
		length -= bytes;
	}
	return length == 0;
}

static bool advert_parse(
	const uint8_t *ip, size_t length, const uint8_t *source_mac, struct claim *claim)
{
	const uint8_t *icmp = ip + IPV6_BYTES;
	size_t icmp_bytes;
	struct claim read = {.address.family = SL_IPV6};

	if (length < IPV6_BYTES + ADVERT_BYTES || ip[0] >> 4 != 6 || ip[6] != ICMPV6 ||
		ip[7] != 255)
		return false;
	icmp_bytes = (size_t)(ip[4] << 8 | ip[5]);
	if (icmp_bytes < ADVERT_BYTES || icmp_bytes > length - IPV6_BYTES || icmp[0] != ADVERT ||
		icmp[1] != 0)
		return false;
	memcpy(&read.mac, source_mac, 6);
	memcpy(read.address.bytes, icmp + 8, 16);
	if (!read_options(icmp + ADVERT_BYTES, icmp_bytes - ADVERT_BYTES, &read))
		return false;
	*claim = read;
	return true;
}

bool claim_parse(const uint8_t *frame, size_t length, struct claim *claim)
{
	if (length < LINK_BYTES)
		return false;
	if (frame[12] == 0x08 && frame[13] == 0x06)
		return arp_parse(frame + LINK_BYTES, length - LINK_BYTES, claim);
	if (frame[12] == 0x86 && frame[13] == 0xdd)
		return advert_parse(frame + LINK_BYTES, length - LINK_BYTES, frame + 6, claim);
	return false;
}
