// Whose packet is it? Three passes over the burst, each of which touches one more cold cache line
// that the pass before has prefetched: frame and table slot, leg, configuration. All lengths are
// proven here; later stages trust them.
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "stages.h"

// What the headers of one frame say.
struct datagram {
	uint8_t *payload;
	uint16_t length;
	struct leg_endpoint from;
	rte_be32_t to_ip;
	uint16_t to_port; // host byte order
};

// Length of the link layer header, or 0. One VLAN tag is stepped over: the addresses decide.
static unsigned int link_bytes(const struct rte_ether_hdr *ethernet, unsigned int length)
{
	const struct rte_vlan_hdr *vlan = (const struct rte_vlan_hdr *)(ethernet + 1);

	if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return sizeof(*ethernet);
	if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) &&
		length >= sizeof(*ethernet) + sizeof(*vlan) &&
		vlan->eth_proto == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return sizeof(*ethernet) + sizeof(*vlan);
	return 0;
}

// Of a header without options: the sum of its words is all ones.
static bool ip_sum_holds(const struct rte_ipv4_hdr *ip)
{
	uint32_t words[sizeof(*ip) / sizeof(uint32_t)];
	uint64_t sum;

	memcpy(words, ip, sizeof(words));
	sum = (uint64_t)words[0] + words[1] + words[2] + words[3] + words[4];
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + sum) == 0xffff;
}

static bool ip_checksum_holds(const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip)
{
	uint64_t verdict = mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (verdict == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return verdict != RTE_MBUF_F_RX_IP_CKSUM_BAD && ip_sum_holds(ip);
}

// An address that can be answered: unicast, and a port.
static bool is_answerable(rte_be32_t ip, rte_be16_t port)
{
	uint8_t first = rte_be_to_cpu_32(ip) >> 24;

	return first != 0 && first < 224 && port != 0;
}

static enum drop_reason check_ip(
	const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip, unsigned int room)
{
	if (room < sizeof(*ip) + sizeof(struct rte_udp_hdr))
		return DROP_too_short;
	if (ip->version_ihl >> 4 != 4)
		return DROP_not_ipv4;
	if (ip->version_ihl != RTE_IPV4_VHL_DEF)
		return DROP_ip_options;
	if (rte_be_to_cpu_16(ip->total_length) > room)
		return DROP_too_short;
	if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return DROP_fragment;
	if (!ip_checksum_holds(mbuf, ip))
		return DROP_ip_checksum;
	return ip->next_proto_id == IPPROTO_UDP ? PASS : DROP_not_udp;
}

// A UDP checksum that no device has checked is not: af_xdp hands over partial ones (port.h), and
// what we send gets a new one.
static enum drop_reason check_udp(
	const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip, const struct rte_udp_hdr *udp)
{
	unsigned int length = rte_be_to_cpu_16(udp->dgram_len);

	if (length < sizeof(*udp) || length + sizeof(*ip) > rte_be_to_cpu_16(ip->total_length))
		return DROP_too_short;
	if ((mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return DROP_udp_checksum;
	return is_answerable(ip->src_addr, udp->src_port) ? PASS : DROP_bad_source;
}

static enum drop_reason parse_headers(
	struct rte_mbuf *mbuf, const struct rte_ether_addr *mac, struct datagram *datagram)
{
	struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	enum drop_reason reason;
	unsigned int l2;

	if (mbuf->nb_segs != 1)
		return DROP_segmented;
	if (mbuf->data_len < sizeof(*ethernet))
		return DROP_too_short;
	if (!rte_is_same_ether_addr(&ethernet->dst_addr, mac))
		return DROP_wrong_mac;
	l2 = link_bytes(ethernet, mbuf->data_len);
	if (!l2)
		return DROP_not_ipv4;
	ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, l2);
	reason = check_ip(mbuf, ip, mbuf->data_len - l2);
	if (reason != PASS)
		return reason;
	udp = (struct rte_udp_hdr *)(ip + 1);
	reason = check_udp(mbuf, ip, udp);
	*datagram = (struct datagram){
		.payload = (uint8_t *)(udp + 1),
		.length = (uint16_t)(rte_be_to_cpu_16(udp->dgram_len) - sizeof(*udp)),
		.from = leg_endpoint_ipv4(ip->src_addr, udp->src_port),
		.to_ip = ip->dst_addr,
		.to_port = rte_be_to_cpu_16(udp->dst_port),
	};
	return reason;
}

static enum drop_reason find_slot(const struct worker *worker, unsigned int port,
	const struct datagram *datagram, struct leg *const **slot)
{
	const struct table_address *address = table_address(worker->table, port, datagram->to_ip);

	if (!address)
		return DROP_unknown_address;
	*slot = table_slot(worker->table, address, datagram->to_port);
	return *slot ? PASS : DROP_unknown_port;
}

// First pass: headers and table slot.
static void pass_headers(struct worker *worker, struct burst *burst)
{
	const struct worker_shared *shared = worker->shared;
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct rte_mbuf *mbuf = burst->mbufs[i];
		unsigned int port = shared->port_of_ethdev[mbuf->port];
		struct datagram datagram;
		struct leg *const *slot = NULL;
		enum drop_reason reason =
			parse_headers(mbuf, &shared->config.ports[port].mac, &datagram);

		if (reason == PASS)
			reason = find_slot(worker, port, &datagram, &slot);
		if (unlikely(reason != PASS)) {
			drop(worker, mbuf, reason);
			continue;
		}
		rte_prefetch0(slot);
		burst->mbufs[n] = mbuf;
		burst->payloads[n] = datagram.payload;
		burst->lengths[n] = datagram.length;
		burst->from[n] = datagram.from;
		burst->on_odd_port[n] = datagram.to_port & 1;
		burst->slots[n++] = slot;
	}
	burst->n = n;
}

static void hand_over(struct worker *worker, const struct leg *leg, struct rte_mbuf *mbuf)
{
	struct worker *owner = worker->shared->workers[leg->worker];

	if (rte_ring_mp_enqueue(owner->inbox, mbuf))
		drop(worker, mbuf, DROP_handover_full);
	else
		worker->counters.handed_over++;
}

// Second pass: the leg, and whether it is ours.
static void pass_legs(struct worker *worker, struct burst *burst)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = __atomic_load_n(burst->slots[i], __ATOMIC_ACQUIRE);

		if (unlikely(!leg)) {
			drop(worker, burst->mbufs[i], DROP_unknown_port);
			continue;
		}
		leg_prefetch_from(leg);
		burst->legs[i] = leg;
		burst_keep(burst, n++, i);
	}
	burst->n = n;
	for (unsigned int i = n = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];

		if (unlikely(leg->worker != worker->index)) {
			hand_over(worker, leg, burst->mbufs[i]);
			continue;
		}
		burst->configs[i] = leg_config(leg);
		rte_prefetch0(burst->configs[i]);
		rte_prefetch0(&burst->configs[i]->clocks_hz);
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}

// What SRTP says is looked at when it has proven to be the far end's (unprotect.c).
static enum drop_reason check_rtp(struct burst *burst, unsigned int i)
{
	if (burst->on_odd_port[i])
		return DROP_rtcp_port;
	return burst->configs[i]->secure ? PASS : burst_read_rtp(burst, i);
}

// Nothing of it is looked at, so it goes where RTP goes.
static enum drop_reason check_opaque(struct burst *burst, unsigned int i)
{
	burst->views[i] = (struct rtp_view){.payload_bytes = burst->lengths[i], .pt = SL_NO_PT};
	burst->formats[i] = 0;
	return burst->on_odd_port[i] ? DROP_rtcp_port : PASS;
}

static enum drop_reason check_rtcp(const struct burst *burst, unsigned int i)
{
	bool mux = burst->configs[i]->flags & SL_LEG_RTCP_MUX;

	return burst->on_odd_port[i] || mux ? PASS : DROP_rtcp_port;
}

static enum drop_reason reason_of(enum rtp_kind kind)
{
	switch (kind) {
	case RTP_KIND_STUN:
		return DROP_stun;
	case RTP_KIND_DTLS:
		return DROP_dtls;
	default:
		return DROP_not_rtp;
	}
}

// Packet i is SRTP or SRTCP.
static void note_secure(struct burst *burst, unsigned int i)
{
	rte_prefetch0(&burst->legs[i]->srtp);
	rte_prefetch0(&burst->configs[i]->contexts);
	burst->secure[burst->n_secure++] = (uint8_t)i;
}

static void to_rtcp(struct burst *rtcp, const struct burst *burst, unsigned int i)
{
	unsigned int n = rtcp->n++;

	rtcp->mbufs[n] = burst->mbufs[i];
	rtcp->payloads[n] = burst->payloads[i];
	rtcp->lengths[n] = burst->lengths[i];
	rtcp->from[n] = burst->from[i];
	rtcp->on_odd_port[n] = burst->on_odd_port[i];
	rtcp->legs[n] = burst->legs[i];
	rtcp->configs[n] = burst->configs[i];
	if (unlikely(rtcp->configs[n]->secure))
		note_secure(rtcp, n);
}

// Third pass: RTP stays, RTCP goes to a burst of its own.
static void pass_kinds(struct worker *worker, struct burst *burst, struct burst *rtcp)
{
	unsigned int n = 0;

	rtcp->n = 0;
	burst->n_secure = rtcp->n_secure = 0;
	for (unsigned int i = 0; i < burst->n; i++) {
		enum rtp_kind kind = rtp_demultiplex(burst->payloads[i], burst->lengths[i]);
		enum drop_reason reason;

		if (unlikely(burst->configs[i]->flags & SL_LEG_OPAQUE)) {
			kind = RTP_KIND_RTP;
			reason = check_opaque(burst, i);
		} else if (likely(kind == RTP_KIND_RTP))
			reason = check_rtp(burst, i);
		else if (kind == RTP_KIND_RTCP)
			reason = check_rtcp(burst, i);
		else
			reason = reason_of(kind);
		if (unlikely(reason != PASS)) {
			leg_drop(worker, burst->legs[i], burst->mbufs[i], reason);
		} else if (kind == RTP_KIND_RTCP) {
			to_rtcp(rtcp, burst, i);
		} else {
			burst_keep(burst, n, i);
			if (unlikely(burst->configs[n]->secure))
				note_secure(burst, n);
			n++;
		}
	}
	burst->n = n;
}

void classify(struct worker *worker)
{
	pass_headers(worker, &worker->burst);
	pass_legs(worker, &worker->burst);
	pass_kinds(worker, &worker->burst, &worker->rtcp);
}
