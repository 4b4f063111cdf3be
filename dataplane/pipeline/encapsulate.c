// The headers around what we send (headers.h): a copy of them, two lengths and, where the device
// does not, the sums. What is longer than the MTU is dropped, never cut into fragments.
//
// A stage of its own for two reasons: SRTP makes packets longer, and a checksum reads in wide words
// what rewrite() has just written in narrow ones, for which a CPU waits until the writes are
// through. Behind the other packets of the burst they are.
#include <endian.h>

#include "checksum.h"
#include "headers.h"
#include "stages.h"

// A UDP payload: how long, and what its words add up to, or SUM_UNKNOWN.
struct payload {
	unsigned int bytes;
	uint64_t sum;
};

// UDP's, in software. The length counts twice: pseudo header and header.
static inline void sum_udp(
	struct rte_udp_hdr *udp, const struct leg_header *header, struct payload payload)
{
	uint64_t sum = payload.sum;
	uint16_t checksum;

	if (sum == SUM_UNKNOWN)
		sum = sum_bytes((const uint8_t *)(udp + 1), payload.bytes);
	checksum = (uint16_t)~sum_fold(sum + header->udp_sum + 2ULL * udp->dgram_len);

	udp->dgram_cksum = checksum ? checksum : 0xffff; // RFC 768: 0 would mean "none"
}

static inline void sum_ipv4(struct rte_ipv4_hdr *ip, const struct leg_header *header)
{
	uint32_t sum = (uint32_t)header->ip_sum + ip->total_length;

	ip->hdr_checksum = (uint16_t) ~((sum >> 16) + sum);
}

static __rte_noinline void write_ipv6(
	struct rte_mbuf *mbuf, const struct leg_header *header, struct payload payload)
{
	uint8_t *at = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(at - sizeof(*udp));
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)((uint8_t *)udp - sizeof(*ip));

	memcpy(at - LEG_HEADER_BYTES, header->bytes, LEG_HEADER_BYTES);
	udp->dgram_len = htobe16((uint16_t)(payload.bytes + sizeof(*udp)));
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
	struct rte_mbuf *mbuf, const struct leg_header *header, struct payload payload)
{
	uint8_t *at = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(at - sizeof(*udp));
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)((uint8_t *)udp - sizeof(*ip));

	memcpy(at - LEG_HEADER_IPV4_BYTES, header->bytes + LEG_HEADER_BYTES - LEG_HEADER_IPV4_BYTES,
		LEG_HEADER_IPV4_BYTES);
	udp->dgram_len = htobe16((uint16_t)(payload.bytes + sizeof(*udp)));
	ip->total_length = htobe16((uint16_t)(payload.bytes + sizeof(*udp) + sizeof(*ip)));
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

static inline bool push(struct worker *worker, struct rte_mbuf *mbuf,
	const struct leg_header *header, uint64_t payload_sum, uint8_t shard)
{
	const struct port *port = &worker->shared->config.ports[header->port];
	struct tx_queue *queue = &worker->tx[header->port];
	const struct payload payload = {mbuf->data_len, payload_sum};
	unsigned int ip_bytes =
		header->ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);

	if (unlikely(!worker_passes(worker, shard))) { // closed in mid-turn
		drop(worker, mbuf, DROP_shard_inactive);
		return false;
	}
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
		write_ipv6(mbuf, header, payload);
	else
		write_ipv4(mbuf, header, payload);
	mbuf->data_off -= header->length;
	mbuf->data_len += header->length;
	mbuf->pkt_len = mbuf->data_len;
	queue->sharded |= shard != FENCE_NO_SHARD;
	queue->shards[queue->n] = shard;
	queue->mbufs[queue->n++] = mbuf;
	return true;
}

bool header_push(struct worker *worker, struct rte_mbuf *mbuf, const struct leg_header *header,
	uint64_t payload_sum, uint8_t shard)
{
	return push(worker, mbuf, header, payload_sum, shard);
}

static inline void push_media(struct worker *worker, const struct output *output, unsigned int i)
{
	struct leg *leg = output->legs[i];
	const struct rtp_view *view = &output->views[i];

	if (!push(worker, output->mbufs[i], &leg->tx.header, output->sums[i],
		    leg_config(leg)->shard))
		return;
	leg->tx.packets++;
	leg->tx.bytes += view->payload_offset + view->payload_bytes;
	leg->tx.octets += view->payload_bytes;
}

void encapsulate(struct worker *worker)
{
	struct output *output = &worker->output;
	struct reports *reports = &worker->reports;

	for (unsigned int i = 0; i < output->n; i++)
		push_media(worker, output, i);
	for (unsigned int i = 0; i < reports->n; i++)
		reports->legs[i]->tx.rtcp += header_push(worker, reports->mbufs[i],
			&reports->headers[i], SUM_UNKNOWN, reports->configs[i]->shard);
	output->n = 0;
	reports->n = 0;
	worker->n_byes = 0;
}
