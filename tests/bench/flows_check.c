// The receiving half. Two passes over a burst: which flow is it (its line of state is prefetched),
// and is every byte as it must be? Nothing is counted as received that is not.
#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <string.h>

#include "flows.h"

#define SAMPLES_PER_PACKET 160
#define ETHER_BYTES	   14
#define VLAN_BYTES	   4
#define IPV4_BYTES	   20
#define IPV6_BYTES	   40
#define UDP_BYTES	   8
#define OPEN_EVERY	   64
#define CHECK_BURST	   64
#define RTCP_SR		   200
#define NOT_UDP		   UINT32_MAX
#define FLOW_FOREIGN	   (UINT32_MAX - 2)
#define FLOW_RTCP	   (UINT32_MAX - 1)

// Where RTP begins, 0 where it is too short for that, or NOT_UDP: the neighbour's ARP and the like.
static unsigned int find_rtp(const uint8_t *frame, unsigned int length)
{
	uint8_t protocol;
	unsigned int at = ETHER_BYTES;
	rte_be16_t type;

	memcpy(&type, frame + at - 2, sizeof(type));
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		at += VLAN_BYTES;
		memcpy(&type, frame + at - 2, sizeof(type));
	}
	if (type != RTE_BE16(RTE_ETHER_TYPE_IPV4) && type != RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return NOT_UDP;
	protocol = frame[at + (type == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? 6 : 9)];
	if (protocol != IPPROTO_UDP)
		return NOT_UDP;
	at += UDP_BYTES + (type == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? IPV6_BYTES : IPV4_BYTES);
	return length >= at + RTP_BYTES ? at : 0;
}

static uint32_t flow_of_protected(
	const struct flows *flows, const uint8_t *frame, unsigned int rtp_at)
{
	uint16_t low;

	memcpy(&low, frame + rtp_at - UDP_BYTES - sizeof(low), sizeof(low));
	return flows->by_address[low];
}

static uint32_t flow_of(const struct flows *flows, const uint8_t *frame, unsigned int length)
{
	unsigned int rtp_at = find_rtp(frame, length);
	uint32_t flow;

	if (unlikely(rtp_at == NOT_UDP))
		return FLOW_FOREIGN;
	if (!rtp_at)
		return UINT32_MAX;
	if (unlikely(frame[rtp_at + 1] == RTCP_SR))
		return FLOW_RTCP;
	if (length < rtp_at + RTP_BYTES + PAYLOAD_BYTES)
		return UINT32_MAX;
	memcpy(&flow, frame + rtp_at + RTP_BYTES, sizeof(flow));
	if (likely(flow < flows->n && !flows->rx[flow].protected &&
		    flows->rx[flow].length == length))
		return flow;
	return flow_of_protected(flows, frame, rtp_at);
}

static bool bad(struct flow_tallies *tallies, const char *why)
{
	if (tallies->bad++ == 0)
		tallies->why = why;
	return false;
}

static bool ip_holds(const struct flow_rx *rx, const uint8_t *frame)
{
	const uint8_t *udp = frame + rx->rtp_at - UDP_BYTES;

	if (rx->addresses_bytes == 32)
		return !memcmp(udp - 32, rx->ends, 36);
	return !memcmp(udp - 8, rx->ends, 8) && !memcmp(udp, rx->ends + 8, 4) &&
	       words_fold(words_sum(udp - IPV4_BYTES, IPV4_BYTES)) == 0xffff;
}

// Payload and pattern are compared, so of the sum only what varies has to be added up.
static bool udp_holds(const struct flow_rx *rx, const uint8_t *rtp)
{
	uint16_t checksum;
	uint64_t sum;

	memcpy(&checksum, rtp - 2, sizeof(checksum));
	if (!checksum)
		return rx->addresses_bytes == 8;
	sum = (uint64_t)rx->sum + checksum +
	      words_sum(rtp, RTP_BYTES + offsetof(struct payload, pattern));
	return words_fold(sum) == 0xffff;
}

// Packet number `count` of the flow: one SSRC, and sequence and timestamp as many steps on as that.
static bool stream_goes_on(
	struct flow_tallies *tallies, struct flow_rx *rx, const uint8_t *rtp, uint32_t count)
{
	rte_be16_t wire_sequence;
	rte_be32_t words[2];
	uint16_t sequence;
	uint32_t timestamp;

	memcpy(&wire_sequence, rtp + 2, sizeof(wire_sequence));
	memcpy(words, rtp + 4, sizeof(words));
	sequence = (uint16_t)(rte_be_to_cpu_16(wire_sequence) - count);
	timestamp = rte_be_to_cpu_32(words[0]) - count * SAMPLES_PER_PACKET;
	if (unlikely(!rx->seen)) {
		rx->seen = true;
		rx->ssrc = words[1];
		rx->sequence = sequence;
		rx->timestamp = timestamp;
	}
	if (rx->ssrc != words[1])
		return bad(tallies, "SSRC");
	if (rx->sequence != sequence || rx->timestamp != timestamp)
		return bad(tallies, "sequence number or timestamp");
	if (likely(count == rx->count)) {
		rx->count++;
	} else if (count > rx->count) {
		tallies->gaps += count - rx->count;
		rx->count = count + 1;
	} else {
		tallies->late++;
	}
	return true;
}

static bool payload_holds(struct flow_tallies *tallies, const struct flow_rx *rx,
	const uint8_t *rtp, uint32_t flow, struct payload *head)
{
	memcpy(head, rtp + RTP_BYTES, offsetof(struct payload, pattern));
	if (head->flow != flow || memcmp(rtp + RTP_BYTES + offsetof(struct payload, pattern),
					  payload_pattern(flow), sizeof(head->pattern)))
		return bad(tallies, "payload");
	return rx->protected || udp_holds(rx, rtp) ? true : bad(tallies, "UDP checksum");
}

// SRTP hides which packet of its flow it is: that is taken from the sequence number, and a sample
// opened to see whether it is true. The sender's first sequence number and ours need not be alike.
static bool check_protected(
	struct flows *flows, struct flow_rx *rx, uint8_t *rtp, uint32_t flow, struct payload *head)
{
	size_t bytes = rx->length - rx->rtp_at;
	uint16_t sequence;
	uint32_t count;

	memcpy(&sequence, rtp + 2, sizeof(sequence));
	sequence = rte_be_to_cpu_16(sequence);
	head->due_tsc = 0;
	if (rx->seen && flows->samples++ % OPEN_EVERY) {
		count = rx->count + (uint32_t)(int16_t)(sequence - rx->sequence - rx->count);
		return stream_goes_on(&flows->tallies, rx, rtp, count);
	}
	if (!srtp_crypto_unprotect(flows->back_keys[flow], rtp,
		    bytes - srtp_crypto_trailer(flows->back_keys[flow])))
		return bad(&flows->tallies, "SRTP authentication");
	flows->tallies.opened++;
	return payload_holds(&flows->tallies, rx, rtp, flow, head) &&
	       stream_goes_on(&flows->tallies, rx, rtp, head->count);
}

static bool check(
	struct flows *flows, uint8_t *frame, uint16_t length, uint32_t flow, struct payload *head)
{
	struct flow_tallies *tallies = &flows->tallies;
	struct flow_rx *rx;
	uint8_t *rtp;

	if (flow >= flows->n)
		return bad(tallies, "unknown flow");
	rx = &flows->rx[flow];
	rtp = frame + rx->rtp_at;
	if (length != rx->length)
		return bad(tallies, "length");
	if (memcmp(frame, &flows->ours, 6) || memcmp(frame + 6, &flows->theirs, 6))
		return bad(tallies, "MAC addresses");
	if (!ip_holds(rx, frame))
		return bad(tallies, "IP header or ports");
	if (rtp[0] != 2 << 6 || rtp[1] & 0x7f)
		return bad(tallies, "RTP header");
	if (rx->protected)
		return check_protected(flows, rx, rtp, flow, head);
	return payload_holds(tallies, rx, rtp, flow, head) &&
	       stream_goes_on(tallies, rx, rtp, head->count);
}

void flows_check(struct flows *flows, uint8_t *const *frames, const uint16_t *lengths,
	unsigned int n, uint64_t now_tsc)
{
	uint32_t numbers[CHECK_BURST];
	struct payload head = {};

	for (unsigned int i = 0; i < n; i++) {
		numbers[i] = flow_of(flows, frames[i], lengths[i]);
		rte_prefetch0(&flows->rx[numbers[i] < flows->n ? numbers[i] : 0]);
	}
	for (unsigned int i = 0; i < n; i++) {
		if (unlikely(numbers[i] == FLOW_RTCP)) {
			flows->tallies.rtcp++;
			continue;
		}
		if (unlikely(numbers[i] == FLOW_FOREIGN)) {
			flows->tallies.foreign++;
			continue;
		}
		if (!check(flows, frames[i], lengths[i], numbers[i], &head))
			continue;
		if (unlikely(head.count < flows->first)) {
			flows->tallies.stale++;
			continue;
		}
		flows->tallies.received++;
		if (head.due_tsc)
			histogram_add(&flows->tallies.latency,
				now_tsc > head.due_tsc ? now_tsc - head.due_tsc : 0);
	}
}
