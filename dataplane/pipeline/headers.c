// Headers are made once per destination and next hop; a packet then costs a copy of them
// (encapsulate.c). IPv4 packets carry DF and ID 0 (atomic datagrams, RFC 6864), IPv6 ones the flow
// label of their leg (RFC 6437).
#include <endian.h>
#include <netinet/in.h>

#include "checksum.h"
#include "headers.h"

#define TTL 64

static const struct next_hop *hop_of(const struct next_hop *const *hop)
{
	return __atomic_load_n(hop, __ATOMIC_ACQUIRE);
}

// The next hop of a latched address: main looks it up, but where only the port differs (the common
// NAT) the signalled one is right at once.
static const struct next_hop *latched_hop(
	const struct leg_config *config, const struct leg_endpoint *to)
{
	return hop_of(
		leg_endpoint_same_host(to, &config->remote) ? &config->hop : &config->hop_latched);
}

static const struct next_hop *explain(
	const struct next_hop *hop, const struct leg_endpoint *to, enum drop_reason *reason)
{
	*reason = to->port ? DROP_no_next_hop : DROP_no_remote;
	return to->port ? hop : NULL;
}

const struct next_hop *leg_rtp_destination(const struct leg *leg, const struct leg_config *config,
	const struct leg_endpoint **to, enum drop_reason *reason)
{
	if (leg_latch_holds(&leg->latch, config)) {
		const struct next_hop *hop;

		*to = &leg->latch.from;
		hop = latched_hop(config, *to);
		if (hop || !config->remote.port)
			return explain(hop, *to, reason);
	}
	*to = &config->remote;
	return explain(hop_of(&config->hop), *to, reason);
}

const struct next_hop *leg_rtcp_destination(const struct leg *leg, const struct leg_config *config,
	struct leg_endpoint *to, enum drop_reason *reason)
{
	if (config->flags & SL_LEG_NO_RTCP) {
		*reason = DROP_not_sending;
		return NULL;
	}
	if (config->flags & SL_LEG_RTCP_MUX) {
		const struct leg_endpoint *rtp;
		const struct next_hop *hop = leg_rtp_destination(leg, config, &rtp, reason);

		*to = *rtp;
		return hop;
	}
	if (leg_latch_holds(&leg->latch_rtcp, config)) {
		*to = leg->latch_rtcp.from;
		return explain(latched_hop(config, to), to, reason);
	}
	if (leg_latch_holds(&leg->latch, config)) { // a guess, until its RTCP tells
		*to = leg->latch.from;
		if (!leg_endpoint_equal(to, &config->remote)) {
			to->port = rte_cpu_to_be_16(rte_be_to_cpu_16(to->port) + 1);
			return explain(latched_hop(config, to), to, reason);
		}
	}
	*to = config->remote_rtcp;
	return explain(hop_of(&config->hop_rtcp), to, reason);
}

static void make_ipv4(uint8_t *at, const struct header_path *path)
{
	const struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = (uint8_t)(path->dscp << 2),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = leg_endpoint_ipv4_of(path->from),
		.dst_addr = leg_endpoint_ipv4_of(path->to),
	};

	memcpy(at, &ip, sizeof(ip));
}

static void make_ipv6(uint8_t *at, const struct header_path *path)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow =
			rte_cpu_to_be_32(6u << 28 | (uint32_t)path->dscp << 22 | path->flow_label),
		.proto = IPPROTO_UDP,
		.hop_limits = TTL,
	};

	memcpy(ip.src_addr, path->from->ip, sizeof(ip.src_addr));
	memcpy(ip.dst_addr, path->to->ip, sizeof(ip.dst_addr));
	memcpy(at, &ip, sizeof(ip));
}

// Backwards from `end`. Returns how long it is.
static unsigned int make_link(uint8_t *end, const struct rte_ether_addr *mac,
	const struct next_hop_view *hop, rte_be16_t type)
{
	struct rte_ether_hdr ethernet = {
		.dst_addr = hop->mac, .src_addr = *mac, .ether_type = type};
	struct rte_vlan_hdr vlan = {.vlan_tci = rte_cpu_to_be_16(hop->vlan), .eth_proto = type};

	if (!hop->vlan) {
		memcpy(end - sizeof(ethernet), &ethernet, sizeof(ethernet));
		return sizeof(ethernet);
	}
	ethernet.ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	memcpy(end - sizeof(vlan), &vlan, sizeof(vlan));
	memcpy(end - sizeof(vlan) - sizeof(ethernet), &ethernet, sizeof(ethernet));
	return sizeof(ethernet) + sizeof(vlan);
}

// Of UDP's pseudo header and header, but for the length.
static uint16_t pseudo_sum(const struct header_path *path, bool ipv6)
{
	const struct leg_endpoint *from = path->from, *to = path->to;
	unsigned int n = ipv6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
	const uint8_t *from_bytes = (const uint8_t *)(from->ip + 2) - n;
	const uint8_t *to_bytes = (const uint8_t *)(to->ip + 2) - n;

	return sum_fold(sum_bytes(from_bytes, n) + sum_bytes(to_bytes, n) + RTE_BE16(IPPROTO_UDP) +
			from->port + to->port);
}

bool header_make(
	struct leg_header *header, const struct port *ports, const struct header_path *path)
{
	const struct rte_udp_hdr udp = {.src_port = path->from->port, .dst_port = path->to->port};
	bool ipv6 = !leg_endpoint_is_ipv4(path->to);
	unsigned int ip_bytes = ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	uint8_t *udp_at = header->bytes + LEG_HEADER_BYTES - sizeof(udp);
	uint8_t *ip_at = udp_at - ip_bytes;
	struct next_hop_view hop;

	if (!next_hop_unpack(path->hop_word, &hop))
		return false;
	*header = (struct leg_header){
		.udp_sum = pseudo_sum(path, ipv6),
		.port = hop.port & 7,
		.tx_checksum = ports[hop.port].tx_checksum,
		.ipv6 = ipv6,
		.hop_word = path->hop_word,
	};
	memcpy(udp_at, &udp, sizeof(udp));
	if (ipv6)
		make_ipv6(ip_at, path);
	else
		make_ipv4(ip_at, path);
	header->ip_sum = ipv6 ? 0 : sum_fold(sum_bytes(ip_at, ip_bytes));
	header->length = (uint8_t)(sizeof(udp) + ip_bytes +
				   make_link(ip_at, &ports[hop.port].mac, &hop,
					   ipv6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6)
						: RTE_BE16(RTE_ETHER_TYPE_IPV4)));
	return true;
}
