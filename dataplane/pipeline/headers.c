// Headers are made once per destination and next hop; a packet then costs a copy of them, two
// lengths and, where the device does not, the sums. IPv4 packets carry DF and ID 0 (atomic
// datagrams, RFC 6864).
#include "headers.h"

#define TTL 64

static const struct next_hop *hop_of(const struct next_hop *const *hop)
{
	return __atomic_load_n(hop, __ATOMIC_ACQUIRE);
}

// The next hop of a latched address: main looks it up, but where only the port differs (the common
// NAT) the signalled one is right at once.
static const struct next_hop *latched_hop(const struct leg_config *config, struct leg_endpoint to)
{
	return to.ip == config->remote.ip ? hop_of(&config->hop) : hop_of(&config->hop_latched);
}

static const struct next_hop *explain(
	const struct next_hop *hop, struct leg_endpoint to, enum drop_reason *reason)
{
	*reason = to.port ? DROP_no_next_hop : DROP_no_remote;
	return to.port ? hop : NULL;
}

const struct next_hop *leg_rtp_destination(const struct leg *leg, const struct leg_config *config,
	struct leg_endpoint *to, enum drop_reason *reason)
{
	if (leg_latch_holds(leg->latched, config)) {
		const struct next_hop *hop;

		*to = leg_latch_endpoint(leg->latched);
		hop = latched_hop(config, *to);
		if (hop || !config->remote.port)
			return explain(hop, *to, reason);
	}
	*to = config->remote;
	return explain(hop_of(&config->hop), *to, reason);
}

const struct next_hop *leg_rtcp_destination(const struct leg *leg, const struct leg_config *config,
	struct leg_endpoint *to, enum drop_reason *reason)
{
	if (config->flags & SL_LEG_RTCP_MUX)
		return leg_rtp_destination(leg, config, to, reason);
	if (leg_latch_holds(leg->latched_rtcp, config)) {
		*to = leg_latch_endpoint(leg->latched_rtcp);
		return explain(latched_hop(config, *to), *to, reason);
	}
	if (leg_latch_holds(leg->latched, config)) { // a guess, until its RTCP tells
		*to = leg_latch_endpoint(leg->latched);
		if (!leg_endpoint_equal(*to, config->remote)) {
			to->port = rte_cpu_to_be_16(rte_be_to_cpu_16(to->port) + 1);
			return explain(latched_hop(config, *to), *to, reason);
		}
	}
	*to = config->remote_rtcp;
	return explain(hop_of(&config->hop_rtcp), *to, reason);
}

// Eight 16-bit words at a time, as the sums of the even and of the odd ones.
typedef uint32_t words_vector __attribute__((vector_size(16)));

static inline words_vector words_load(const uint8_t *bytes)
{
	words_vector words;

	memcpy(&words, bytes, sizeof(words));
	return (words & 0xffff) + (words >> 16);
}

// What is left, less than a vector.
static inline uint64_t words_rest(const uint8_t *bytes, unsigned int n)
{
	uint32_t words[3] = {};
	uint16_t half = 0;
	uint64_t sum;

	if (n & 8) {
		memcpy(words, bytes, 8);
		bytes += 8;
	}
	if (n & 4) {
		memcpy(&words[2], bytes, 4);
		bytes += 4;
	}
	sum = (uint64_t)words[0] + words[1] + words[2];
	if (n & 2) {
		memcpy(&half, bytes, 2);
		bytes += 2;
	}
	sum += half;
	return n & 1 ? sum + rte_le_to_cpu_16(*bytes) : sum;
}

// Sum of 16-bit words as they are in memory, of up to 64 kB, not folded.
static inline uint64_t words_sum(const uint8_t *bytes, unsigned int n)
{
	words_vector sum = {}, more = {};

	for (; n >= 64; n -= 64, bytes += 64) {
		sum += words_load(bytes) + words_load(bytes + 16);
		more += words_load(bytes + 32) + words_load(bytes + 48);
	}
	for (; n >= 16; n -= 16, bytes += 16)
		sum += words_load(bytes);
	sum += more;
	return (uint64_t)sum[0] + sum[1] + sum[2] + sum[3] + words_rest(bytes, n);
}

// Of a sum below 2^48.
static inline uint16_t fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + sum);
}

static struct rte_ipv4_hdr make_ip(struct leg_endpoint from, struct leg_endpoint to, uint8_t dscp)
{
	return (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = (uint8_t)(dscp << 2),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = from.ip,
		.dst_addr = to.ip,
	};
}

// Backwards from `end`. Returns how long it is.
static uint8_t make_link(
	uint8_t *end, const struct rte_ether_addr *mac, const struct next_hop_view *hop)
{
	struct rte_ether_hdr ethernet = {.dst_addr = hop->mac,
		.src_addr = *mac,
		.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	struct rte_vlan_hdr vlan = {.vlan_tci = rte_cpu_to_be_16(hop->vlan),
		.eth_proto = RTE_BE16(RTE_ETHER_TYPE_IPV4)};

	if (!hop->vlan) {
		memcpy(end - sizeof(ethernet), &ethernet, sizeof(ethernet));
		return sizeof(ethernet);
	}
	ethernet.ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	memcpy(end - sizeof(vlan), &vlan, sizeof(vlan));
	memcpy(end - sizeof(vlan) - sizeof(ethernet), &ethernet, sizeof(ethernet));
	return sizeof(ethernet) + sizeof(vlan);
}

bool header_make(struct leg_header *header, const struct port *ports, uint64_t hop_word,
	struct leg_endpoint from, struct leg_endpoint to, uint8_t dscp)
{
	struct rte_ipv4_hdr ip = make_ip(from, to, dscp);
	struct rte_udp_hdr udp = {.src_port = from.port, .dst_port = to.port};
	uint8_t *ip_at = header->bytes + LEG_HEADER_BYTES - sizeof(udp) - sizeof(ip);
	struct next_hop_view hop;
	uint64_t udp_sum;

	if (!next_hop_unpack(hop_word, &hop))
		return false;
	udp_sum = words_sum((const uint8_t *)&ip.src_addr, 8) + RTE_BE16(IPPROTO_UDP) + from.port +
		  to.port;
	*header = (struct leg_header){
		.hop_word = hop_word,
		.ip_sum = fold(words_sum((const uint8_t *)&ip, sizeof(ip))),
		.udp_sum = fold(udp_sum),
		.port = hop.port & 7,
		.tx_checksum = ports[hop.port].tx_checksum,
	};
	memcpy(ip_at, &ip, sizeof(ip));
	memcpy(ip_at + sizeof(ip), &udp, sizeof(udp));
	header->length =
		(uint8_t)(sizeof(ip) + sizeof(udp) + make_link(ip_at, &ports[hop.port].mac, &hop));
	return true;
}

// In software. The length counts twice in UDP's sum: pseudo header and header.
static void finish_checksums(struct rte_ipv4_hdr *ip, struct rte_udp_hdr *udp,
	const struct leg_header *header, unsigned int payload_bytes)
{
	uint64_t sum = header->udp_sum + 2ULL * udp->dgram_len +
		       words_sum((const uint8_t *)(udp + 1), payload_bytes);
	uint16_t checksum = (uint16_t)~fold(sum);
	uint32_t ip_sum = (uint32_t)header->ip_sum + ip->total_length;

	ip->hdr_checksum = (uint16_t) ~((ip_sum >> 16) + ip_sum);
	udp->dgram_cksum = checksum ? checksum : 0xffff; // RFC 768: 0 would mean "none"
}

static void request_checksums(struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip,
	struct rte_udp_hdr *udp, const struct leg_header *header)
{
	mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
	mbuf->l2_len = header->length - sizeof(*ip) - sizeof(*udp);
	mbuf->l3_len = sizeof(*ip);
	udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, mbuf->ol_flags);
}

// All bytes are copied, also where no tag means that the first four are none.
static void write_headers(
	struct rte_mbuf *mbuf, const struct leg_header *header, unsigned int payload_bytes)
{
	uint8_t *at = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(at - sizeof(*udp));
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)((uint8_t *)udp - sizeof(*ip));

	memcpy(at - LEG_HEADER_BYTES, header->bytes, LEG_HEADER_BYTES);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(payload_bytes + sizeof(*udp)));
	ip->total_length = rte_cpu_to_be_16((uint16_t)(payload_bytes + sizeof(*udp) + sizeof(*ip)));
	mbuf->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT; // whose memory it is
	if (unlikely(header->tx_checksum))
		request_checksums(mbuf, ip, udp, header);
	else
		finish_checksums(ip, udp, header, payload_bytes);
}

bool header_push(struct worker *worker, struct rte_mbuf *mbuf, const struct leg_header *header)
{
	const struct port *port = &worker->shared->config.ports[header->port];
	struct tx_queue *queue = &worker->tx[header->port];
	unsigned int payload_bytes = mbuf->data_len;

	if (unlikely(payload_bytes + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr) >
		     port->mtu)) {
		drop(worker, mbuf, DROP_too_long);
		return false;
	}
	if (unlikely(rte_pktmbuf_headroom(mbuf) < LEG_HEADER_BYTES)) {
		drop(worker, mbuf, DROP_no_buffer);
		return false;
	}
	write_headers(mbuf, header, payload_bytes);
	rte_pktmbuf_prepend(mbuf, header->length);
	queue->mbufs[queue->n++] = mbuf;
	return true;
}
