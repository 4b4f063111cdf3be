// A transport address as the packet path compares it: 16 bytes whatever the family. IPv4 is there
// as an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2), which is no address that a packet may have
// (classify.c), so the two families never meet and nobody has to ask which one it is.
#pragma once

#include <rte_byteorder.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sl_api.h"

#define LEG_IPV4_MAPPED RTE_BE32(0xffff) // ip[2] of an IPv4 address

// In network byte order; port 0: none.
struct leg_endpoint {
	rte_be32_t ip[4]; // IPv4 in the last
	rte_be16_t port;
};

static inline struct leg_endpoint leg_endpoint_ipv4(rte_be32_t ip, rte_be16_t port)
{
	return (struct leg_endpoint){.ip = {0, 0, LEG_IPV4_MAPPED, ip}, .port = port};
}

static inline bool leg_endpoint_is_ipv4(const struct leg_endpoint *endpoint)
{
	return endpoint->ip[0] == 0 && endpoint->ip[1] == 0 && endpoint->ip[2] == LEG_IPV4_MAPPED;
}

// Zero where the addresses are the same.
static inline uint64_t leg_endpoint_ip_differs(
	const struct leg_endpoint *a, const struct leg_endpoint *b)
{
	uint64_t words[2][2];

	memcpy(words[0], a->ip, sizeof(words[0]));
	memcpy(words[1], b->ip, sizeof(words[1]));
	return (words[0][0] ^ words[1][0]) | (words[0][1] ^ words[1][1]);
}

static inline bool leg_endpoint_same_host(
	const struct leg_endpoint *a, const struct leg_endpoint *b)
{
	return leg_endpoint_ip_differs(a, b) == 0;
}

static inline bool leg_endpoint_equal(const struct leg_endpoint *a, const struct leg_endpoint *b)
{
	return (leg_endpoint_ip_differs(a, b) | (uint64_t)(a->port ^ b->port)) == 0;
}

// Whether a host can be sent to: unicast. Loopback may be signalled (programs of one host); on a
// wire it is nobody's (parse.c).
static inline bool leg_ipv4_is_answerable(rte_be32_t ip)
{
	uint8_t first = rte_be_to_cpu_32(ip) >> 24;

	return first != 0 && first < 224;
}

// Of IPv6 neither multicast, nor ::/96 (unspecified, loopback, the deprecated form of IPv4), nor
// mapped IPv4, which would pass for a packet of the other family. Nor link-local: it says nothing
// without the link, which is not part of an address in SDP, nor of ours.
static inline bool leg_ipv6_is_answerable(const rte_be32_t ip[4])
{
	if (ip[0] == 0 && ip[1] == 0 && (ip[2] == 0 || ip[2] == LEG_IPV4_MAPPED))
		return false;
	return (ip[0] & RTE_BE32(0xff000000)) != RTE_BE32(0xff000000) &&
	       (ip[0] & RTE_BE32(0xffc00000)) != RTE_BE32(0xfe800000);
}

// From and to the form that control knows. SL_UNSPEC is all zero.
static inline struct leg_endpoint leg_endpoint_of(const struct sl_address *address)
{
	struct leg_endpoint endpoint = {.port = rte_cpu_to_be_16(address->port)};

	if (address->family == SL_IPV4) {
		endpoint.ip[2] = LEG_IPV4_MAPPED;
		memcpy(&endpoint.ip[3], address->bytes, sizeof(endpoint.ip[3]));
	} else if (address->family == SL_IPV6) {
		memcpy(endpoint.ip, address->bytes, sizeof(endpoint.ip));
	}
	return endpoint;
}

static inline struct sl_address leg_endpoint_address(const struct leg_endpoint *endpoint)
{
	struct sl_address address = {.family = SL_IPV6, .port = rte_be_to_cpu_16(endpoint->port)};

	if (leg_endpoint_is_ipv4(endpoint)) {
		address.family = SL_IPV4;
		memcpy(address.bytes, &endpoint->ip[3], sizeof(endpoint->ip[3]));
	} else {
		memcpy(address.bytes, endpoint->ip, sizeof(endpoint->ip));
	}
	return address;
}
