// Where is it for? Ethernet, one VLAN tag, IPv4 or IPv6, UDP. All lengths are proven here; later
// stages trust them.
//
// What cannot be media is a counted drop. That includes fragments of both families: an RTP packet
// fits the MTU, and reassembly would take memory from whoever sends first parts only. (af_xdp ports
// leave fragments, IP options and extension headers to the kernel, steer.bpf.c; they come here
// where the device has no kernel beside it.)
//
// Subtle: a UDP checksum is believed to be wrong only where a device says so. Nobody sums it here,
// since af_xdp hands over partial ones (port.h); what we send gets a new one, or, where it is known
// to be whole, one that follows from it (checksum.h). But over IPv6 there has to be one (RFC 8200
// 8.1).
#include <endian.h>
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "stages.h"

#define VLAN_ID 0x0fff // a priority tag has 0, as a frame without tag

// What the headers of one frame say.
struct datagram {
	struct rte_udp_hdr *udp;
	struct leg_endpoint from;
	struct leg_endpoint to; // without port
	uint16_t vlan;
	uint16_t udp_port; // where it is for
	uint64_t sum;	   // of the payload, or SUM_UNKNOWN
};

// Of a header without options: the sum of its words is all ones.
static inline bool ip_sum_holds(const struct rte_ipv4_hdr *ip)
{
	const uint8_t *bytes = (const uint8_t *)ip;

	return sum_is_zero((uint64_t)sum_word(bytes) + sum_word(bytes + 4) + sum_word(bytes + 8) +
			   sum_word(bytes + 12) + sum_word(bytes + 16));
}

static inline bool ip_checksum_holds(const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip)
{
	uint64_t verdict = mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (verdict == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return verdict != RTE_MBUF_F_RX_IP_CKSUM_BAD && ip_sum_holds(ip);
}

static enum drop_reason check_ipv4(
	const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip, unsigned int room)
{
	if (room < sizeof(*ip) + sizeof(struct rte_udp_hdr))
		return DROP_too_short;
	if (ip->version_ihl != RTE_IPV4_VHL_DEF)
		return ip->version_ihl >> 4 == 4 ? DROP_ip_options : DROP_not_ip;
	if (be16toh(ip->total_length) > room)
		return DROP_too_short;
	if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return DROP_fragment;
	if (!ip_checksum_holds(mbuf, ip))
		return DROP_ip_checksum;
	return ip->next_proto_id == IPPROTO_UDP ? PASS : DROP_not_udp;
}

// `room`: for UDP, as IP says.
static enum drop_reason check_udp(
	const struct rte_mbuf *mbuf, const struct rte_udp_hdr *udp, unsigned int room)
{
	unsigned int length = be16toh(udp->dgram_len);

	if (length < sizeof(*udp) || length > room)
		return DROP_too_short;
	if ((mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return DROP_udp_checksum;
	return udp->src_port ? PASS : DROP_bad_source;
}

// Whether the UDP checksum is of the whole packet, and not a partial one that somebody expects a
// device to finish.
static inline bool is_whole_checksum(
	const struct port *port, const struct rte_mbuf *mbuf, const struct rte_udp_hdr *udp)
{
	bool good = (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;

	return udp->dgram_cksum && (likely(port->rx_checksum) || good);
}

// What the payload adds up to, as the checksum says, which covers pseudo header and header too.
// `addresses` is the sum of both.
static inline uint64_t payload_sum(uint64_t addresses, const struct rte_udp_hdr *udp)
{
	uint64_t others = addresses + RTE_BE16(IPPROTO_UDP) + 2ULL * udp->dgram_len +
			  sum_word((const uint8_t *)udp); // both ports

	return SUM_ZERO - others - udp->dgram_cksum; // whose complement the sum was
}

static inline uint64_t sum_addresses_ipv4(const struct rte_ipv4_hdr *ip)
{
	return (uint64_t)ip->src_addr + ip->dst_addr;
}

static inline uint64_t sum_addresses_ipv6(const struct rte_ipv6_hdr *ip)
{
	return sum_bytes(ip->src_addr, sizeof(ip->src_addr) + sizeof(ip->dst_addr));
}

// By its first byte: neither 0, nor loopback, nor multicast and above.
static inline bool is_ipv4_source(rte_be32_t ip)
{
	uint8_t first;

	memcpy(&first, &ip, sizeof(first));
	return (uint8_t)(first - 1) < 223 && likely(first != 127);
}

static inline enum drop_reason parse_ipv4(const struct port *port, struct rte_mbuf *mbuf,
	unsigned int link_bytes, struct datagram *datagram)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, link_bytes);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	enum drop_reason reason = check_ipv4(mbuf, ip, mbuf->data_len - link_bytes);

	if (reason != PASS)
		return reason;
	reason = check_udp(mbuf, udp, be16toh(ip->total_length) - sizeof(*ip));
	if (reason != PASS)
		return reason;
	datagram->udp = udp;
	datagram->udp_port = be16toh(udp->dst_port);
	datagram->sum = is_whole_checksum(port, mbuf, udp)
				? payload_sum(sum_addresses_ipv4(ip), udp)
				: SUM_UNKNOWN;
	datagram->from = leg_endpoint_ipv4(ip->src_addr, udp->src_port);
	datagram->to = leg_endpoint_ipv4(ip->dst_addr, 0);
	return is_ipv4_source(ip->src_addr) ? PASS : DROP_bad_source;
}

static enum drop_reason reason_of_header(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_UDP:
		return PASS;
	case IPPROTO_HOPOPTS:
		return DROP_ipv6_hop_by_hop;
	case IPPROTO_ROUTING:
		return DROP_ipv6_routing;
	case IPPROTO_DSTOPTS:
		return DROP_ipv6_destination;
	case IPPROTO_FRAGMENT:
		return DROP_fragment;
	default:
		return DROP_not_udp;
	}
}

static enum drop_reason check_ipv6(const struct rte_ipv6_hdr *ip, unsigned int room)
{
	if (room < sizeof(*ip) + sizeof(struct rte_udp_hdr))
		return DROP_too_short;
	if ((ip->vtc_flow & RTE_BE32(0xf0000000)) != RTE_BE32(0x60000000))
		return DROP_not_ip;
	if (be16toh(ip->payload_len) + sizeof(*ip) > room)
		return DROP_too_short;
	return reason_of_header(ip->proto);
}

static __rte_noinline enum drop_reason parse_ipv6(const struct port *port, struct rte_mbuf *mbuf,
	unsigned int link_bytes, struct datagram *datagram)
{
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv6_hdr *, link_bytes);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	enum drop_reason reason = check_ipv6(ip, mbuf->data_len - link_bytes);

	if (reason != PASS)
		return reason;
	reason = check_udp(mbuf, udp, be16toh(ip->payload_len));
	if (reason != PASS)
		return reason;
	if (!udp->dgram_cksum)
		return DROP_udp_no_checksum;
	datagram->udp = udp;
	datagram->udp_port = be16toh(udp->dst_port);
	datagram->sum = is_whole_checksum(port, mbuf, udp)
				? payload_sum(sum_addresses_ipv6(ip), udp)
				: SUM_UNKNOWN;
	datagram->from.port = udp->src_port;
	memcpy(datagram->from.ip, ip->src_addr, sizeof(datagram->from.ip));
	memcpy(datagram->to.ip, ip->dst_addr, sizeof(datagram->to.ip));
	if (leg_endpoint_is_ipv4(&datagram->to)) // the table would take it for an IPv4 packet's
		return DROP_unknown_address;
	return leg_ipv6_is_answerable(&datagram->from) ? PASS : DROP_bad_source;
}

// Behind a tag, or none.
static enum drop_reason reason_of_type(rte_be16_t type)
{
	return type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ)
		       ? DROP_qinq
		       : DROP_not_ip;
}

// By way of a copy, so that an IPv4 packet's datagram is in registers all the time.
static inline enum drop_reason parse_ipv6_apart(const struct port *port, struct rte_mbuf *mbuf,
	unsigned int link_bytes, struct datagram *datagram)
{
	struct datagram apart = {.vlan = datagram->vlan};
	enum drop_reason reason = parse_ipv6(port, mbuf, link_bytes, &apart);

	*datagram = apart;
	return reason;
}

// rte_is_same_ether_addr() in two steps instead of three.
static inline bool is_same_mac(const struct rte_ether_addr *a, const struct rte_ether_addr *b)
{
	uint16_t last_a, last_b;

	memcpy(&last_a, a->addr_bytes + 4, sizeof(last_a));
	memcpy(&last_b, b->addr_bytes + 4, sizeof(last_b));
	return sum_word(a->addr_bytes) == sum_word(b->addr_bytes) && last_a == last_b;
}

static inline enum drop_reason parse_frame(
	struct rte_mbuf *mbuf, const struct port *port, struct datagram *datagram)
{
	const struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(ethernet + 1);
	unsigned int link_bytes = sizeof(*ethernet);
	rte_be16_t type;

	if (mbuf->nb_segs != 1)
		return DROP_segmented;
	if (mbuf->data_len < sizeof(*ethernet))
		return DROP_too_short;
	if (!is_same_mac(&ethernet->dst_addr, &port->mac))
		return DROP_wrong_mac;
	type = ethernet->ether_type;
	datagram->vlan = 0;
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		link_bytes += sizeof(*tag);
		if (mbuf->data_len < link_bytes)
			return DROP_too_short;
		datagram->vlan = be16toh(tag->vlan_tci) & VLAN_ID;
		type = tag->eth_proto;
	}
	if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		return parse_ipv4(port, mbuf, link_bytes, datagram);
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return parse_ipv6_apart(port, mbuf, link_bytes, datagram);
	return reason_of_type(type);
}

static inline enum drop_reason find_slot(const struct worker *worker, unsigned int port,
	const struct datagram *datagram, struct leg *const **slot)
{
	const struct table_address *address = table_address(worker->table, port, &datagram->to);

	if (!address)
		return DROP_unknown_address;
	if (unlikely(address->vlan != datagram->vlan))
		return DROP_wrong_vlan;
	if (unlikely(!worker_passes(worker, address->shard)))
		return DROP_shard_inactive;
	*slot = table_slot(address, datagram->udp_port);
	return *slot ? PASS : DROP_unknown_port;
}

void parse(struct worker *worker)
{
	const struct worker_shared *shared = worker->shared;
	struct burst *burst = &worker->burst;
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct rte_mbuf *mbuf = burst->mbufs[i];
		unsigned int port = shared->port_of_ethdev[mbuf->port];
		struct datagram datagram;
		struct leg *const *slot = NULL;
		enum drop_reason reason = parse_frame(mbuf, &shared->config.ports[port], &datagram);

		if (reason == PASS)
			reason = find_slot(worker, port, &datagram, &slot);
		if (unlikely(reason != PASS)) {
			drop(worker, mbuf, reason);
			continue;
		}
		rte_prefetch0(slot);
		burst->mbufs[n] = mbuf;
		burst->payloads[n] = (uint8_t *)(datagram.udp + 1);
		burst->lengths[n] =
			(uint16_t)(be16toh(datagram.udp->dgram_len) - sizeof(*datagram.udp));
		burst->sums[n] = datagram.sum;
		burst->from[n] = datagram.from;
		burst->on_odd_port[n] = datagram.udp_port & 1;
		burst->slots[n++] = slot;
	}
	burst->n = n;
}
