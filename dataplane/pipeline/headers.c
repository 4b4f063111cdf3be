// Headers are made once per destination and next hop; a packet then costs a copy of them, two
// lengths and, where the device does not, the sums. IPv4 packets carry DF and ID 0 (atomic
// datagrams, RFC 6864), IPv6 ones the flow label of their leg (RFC 6437). What is longer than the
// MTU is dropped, never cut into fragments.
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

// A UDP payload: how long, and what its words add up to, or SUM_UNKNOWN.
struct payload {
	unsigned int bytes;
	uint64_t sum;
};

// UDP's, in software. The length counts twice: pseudo header and header.
static inline void sum_udp(
	struct rte_udp_hdr *udp, const struct leg_header *header, const struct payload *payload)
{
	uint64_t sum = payload->sum;
	uint16_t checksum;

	if (sum == SUM_UNKNOWN)
		sum = sum_bytes((const uint8_t *)(udp + 1), payload->bytes);
	checksum = (uint16_t)~sum_fold(sum + header->udp_sum + 2ULL * udp->dgram_len);

	udp->dgram_cksum = checksum ? checksum : 0xffff; // RFC 768: 0 would mean "none"
}

static inline void sum_ipv4(struct rte_ipv4_hdr *ip, const struct leg_header *header)
{
	uint32_t sum = (uint32_t)header->ip_sum + ip->total_length;

	ip->hdr_checksum = (uint16_t) ~((sum >> 16) + sum);
}

static __rte_noinline void write_ipv6(
	struct rte_mbuf *mbuf, const struct leg_header *header, const struct payload *payload)
{
	uint8_t *at = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(at - sizeof(*udp));
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)((uint8_t *)udp - sizeof(*ip));

	memcpy(at - LEG_HEADER_BYTES, header->bytes, LEG_HEADER_BYTES);
	udp->dgram_len = htobe16((uint16_t)(payload->bytes + sizeof(*udp)));
	ip->payload_len = udp->dgram_len;
	if (likely(!header->tx_checksum)) {
		sum_udp(udp, header, payload);
		return;
	}
	mbuf->ol_flags |= RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
	mbuf->l2_len = header->length - sizeof(*ip) - sizeof(*udp);
	mbuf->l3_len = sizeof(*ip);
	udp->dgram_cksum = rte_ipv6_phdr_cksum(ip, mbuf->ol_flags);
}

// All bytes are copied, also where no tag means that the first four are none.
static inline void write_ipv4(
	struct rte_mbuf *mbuf, const struct leg_header *header, const struct payload *payload)
{
	uint8_t *at = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(at - sizeof(*udp));
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)((uint8_t *)udp - sizeof(*ip));

	memcpy(at - LEG_HEADER_IPV4_BYTES, header->bytes + LEG_HEADER_BYTES - LEG_HEADER_IPV4_BYTES,
		LEG_HEADER_IPV4_BYTES);
	udp->dgram_len = htobe16((uint16_t)(payload->bytes + sizeof(*udp)));
	ip->total_length = htobe16((uint16_t)(payload->bytes + sizeof(*udp) + sizeof(*ip)));
	if (likely(!header->tx_checksum)) {
		sum_ipv4(ip, header);
		sum_udp(udp, header, payload);
		return;
	}
	mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
	mbuf->l2_len = header->length - sizeof(*ip) - sizeof(*udp);
	mbuf->l3_len = sizeof(*ip);
	udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, mbuf->ol_flags);
}

bool header_push(struct worker *worker, struct rte_mbuf *mbuf, const struct leg_header *header,
	uint64_t payload_sum)
{
	const struct port *port = &worker->shared->config.ports[header->port];
	struct tx_queue *queue = &worker->tx[header->port];
	const struct payload payload = {mbuf->data_len, payload_sum};
	unsigned int ip_bytes =
		header->ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);

	if (unlikely(payload.bytes + ip_bytes + sizeof(struct rte_udp_hdr) > port->mtu)) {
		drop(worker, mbuf, DROP_too_long);
		return false;
	}
	if (unlikely(rte_pktmbuf_headroom(mbuf) < LEG_HEADER_BYTES)) {
		drop(worker, mbuf, DROP_no_buffer);
		return false;
	}
	mbuf->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT; // whose memory it is
	if (unlikely(header->ipv6))
		write_ipv6(mbuf, header, &payload);
	else
		write_ipv4(mbuf, header, &payload);
	mbuf->data_off -= header->length;
	mbuf->data_len += header->length;
	mbuf->pkt_len = mbuf->data_len;
	queue->mbufs[queue->n++] = mbuf;
	return true;
}
