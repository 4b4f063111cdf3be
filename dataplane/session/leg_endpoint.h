// A transport address as the packet path compares it: 16 bytes whatever the family. IPv4 is there
// as an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2), which is no address that a packet may have
// (classify.c), so the two families never meet and nobody has to ask which one it is.
#pragma once

#include <rte_byteorder.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sl_api.h"

// Half an address, as it is in memory.
typedef uint64_t leg_half __attribute__((aligned(2)));

// In network byte order; port 0: none.
struct leg_endpoint {
	leg_half ip[2];
	rte_be16_t port;
};

// The second half of an IPv4 address: ::ffff:0:0/96 and its four bytes.
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
#define LEG_IPV4_SHIFT	32
#define LEG_MAPPED_MASK 0xffffffffULL
#define LEG_MAPPED	0xffff0000ULL
#else
#define LEG_IPV4_SHIFT	0
#define LEG_MAPPED_MASK 0xffffffff00000000ULL
#define LEG_MAPPED	0x0000ffff00000000ULL
#endif

static inline struct leg_endpoint leg_endpoint_ipv4(rte_be32_t ip, rte_be16_t port)
{
	return (struct leg_endpoint){
		.ip = {0, LEG_MAPPED | (uint64_t)ip << LEG_IPV4_SHIFT}, .port = port};
}

static inline bool leg_endpoint_is_ipv4(const struct leg_endpoint *endpoint)
{
	return endpoint->ip[0] == 0 && (endpoint->ip[1] & LEG_MAPPED_MASK) == LEG_MAPPED;
}

static inline rte_be32_t leg_endpoint_ipv4_of(const struct leg_endpoint *endpoint)
{
	return (rte_be32_t)(endpoint->ip[1] >> LEG_IPV4_SHIFT);
}

// Zero where the addresses are the same.
static inline uint64_t leg_endpoint_ip_differs(
	const struct leg_endpoint *a, const struct leg_endpoint *b)
{
	return (a->ip[0] ^ b->ip[0]) | (a->ip[1] ^ b->ip[1]);
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
static inline bool leg_ipv6_is_answerable(const struct leg_endpoint *endpoint)
{
	uint64_t first = rte_be_to_cpu_64(endpoint->ip[0]) >> 54; // ten bits

	if (endpoint->ip[0] == 0 &&
		((endpoint->ip[1] & LEG_MAPPED_MASK) == 0 || leg_endpoint_is_ipv4(endpoint)))
		return false;
	return first >> 2 != 0xff && first != 0xfe80 >> 6;
}

// From and to the form that control knows. SL_UNSPEC is all zero.
static inline struct leg_endpoint leg_endpoint_of(const struct sl_address *address)
{
	struct leg_endpoint endpoint = {.port = rte_cpu_to_be_16(address->port)};
	rte_be32_t ip;

	if (address->family == SL_IPV4) {
		memcpy(&ip, address->bytes, sizeof(ip));
		return leg_endpoint_ipv4(ip, endpoint.port);
	}
	if (address->family == SL_IPV6)
		memcpy(endpoint.ip, address->bytes, sizeof(endpoint.ip));
	return endpoint;
}

static inline struct sl_address leg_endpoint_address(const struct leg_endpoint *endpoint)
{
	struct sl_address address = {.family = SL_IPV6, .port = rte_be_to_cpu_16(endpoint->port)};
	rte_be32_t ip = leg_endpoint_ipv4_of(endpoint);

	if (leg_endpoint_is_ipv4(endpoint)) {
		address.family = SL_IPV4;
		memcpy(address.bytes, &ip, sizeof(ip));
	} else {
		memcpy(address.bytes, endpoint->ip, sizeof(endpoint->ip));
	}
	return address;
}
