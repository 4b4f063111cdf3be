// See flows.h.
#include "flows.h"

#include <errno.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <string.h>

#define SAMPLES_PER_PACKET 160
#define PCMU		   0

struct rtp_header {
	uint8_t version;
	uint8_t pt;
	rte_be16_t sequence;
	rte_be32_t timestamp;
	rte_be32_t ssrc;
} __rte_packed;

struct frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	struct rtp_header rtp;
	rte_be32_t flow; // payload begins
	uint8_t payload[PAYLOAD_BYTES - sizeof(rte_be32_t)];
} __rte_packed __rte_aligned(2);

static_assert(sizeof(struct frame) == FRAME_BYTES, "frame layout");

void session_ends_choose(struct session_ends *ends, unsigned int index)
{
	for (unsigned int i = 0; i < 2; i++) {
		ends->remote[i].ip = RTE_IPV4(198u, 18 + i, index >> 8 & 255, index & 255);
		ends->remote[i].port = (uint16_t)(20000 + index % 10000 * 2);
	}
}

static void fill_payload(struct frame *frame, uint32_t flow)
{
	frame->flow = rte_cpu_to_be_32(flow);
	for (unsigned int i = 0; i < sizeof(frame->payload); i++)
		frame->payload[i] = (uint8_t)(flow * 7 + i);
}

static void fill_frame(
	struct frame *frame, const struct flow *flow, uint32_t index, const struct flow_macs *macs)
{
	memset(frame, 0, sizeof(*frame));
	frame->eth.dst_addr = macs->theirs;
	frame->eth.src_addr = macs->ours;
	frame->eth.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	frame->ip.version_ihl = RTE_IPV4_VHL_DEF;
	frame->ip.total_length = rte_cpu_to_be_16(sizeof(*frame) - sizeof(frame->eth));
	frame->ip.time_to_live = 64;
	frame->ip.next_proto_id = IPPROTO_UDP;
	frame->ip.src_addr = rte_cpu_to_be_32(flow->from.ip);
	frame->ip.dst_addr = rte_cpu_to_be_32(flow->to.ip);
	frame->ip.hdr_checksum = rte_ipv4_cksum(&frame->ip);
	frame->udp.src_port = rte_cpu_to_be_16(flow->from.port);
	frame->udp.dst_port = rte_cpu_to_be_16(flow->to.port);
	frame->udp.dgram_len =
		rte_cpu_to_be_16(sizeof(*frame) - sizeof(frame->eth) - sizeof(frame->ip));
	frame->rtp.version = 2 << 6;
	frame->rtp.pt = PCMU;
	frame->rtp.ssrc = rte_cpu_to_be_32(0x51000000 + index);
	fill_payload(frame, index);
	frame->udp.dgram_cksum = rte_ipv4_udptcp_cksum(&frame->ip, &frame->udp);
}

int flows_create(struct flow *flows, unsigned int session, const struct session_ends *ends,
	bool swapped, const struct flow_macs *macs, struct rte_mempool *pool)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct flow *flow = &flows[i];

		*flow = (struct flow){.from = ends->remote[i], .to = ends->local[i]};
		flow->expected_from = swapped ? flow->to : ends->local[!i];
		flow->expected_to = swapped ? flow->from : ends->remote[!i];
		flow->packet = rte_pktmbuf_alloc(pool);
		if (!flow->packet)
			return -ENOMEM;
		fill_frame((void *)rte_pktmbuf_append(flow->packet, sizeof(struct frame)), flow,
			session * 2 + i, macs);
	}
	return 0;
}

// RFC 1624: the checksum after a 16-bit word of what it covers went from `before` to `after`.
static inline uint32_t checksum_add(uint32_t sum, uint16_t before, uint16_t after)
{
	return sum + (uint16_t)~before + after;
}

void flow_advance(struct flow *flow)
{
	struct frame *frame = rte_pktmbuf_mtod(flow->packet, struct frame *);
	rte_be16_t sequence = rte_cpu_to_be_16(rte_be_to_cpu_16(frame->rtp.sequence) + 1);
	rte_be32_t old = frame->rtp.timestamp;
	rte_be32_t timestamp = rte_cpu_to_be_32(rte_be_to_cpu_32(old) + SAMPLES_PER_PACKET);
	uint32_t sum = (uint16_t)~frame->udp.dgram_cksum;

	sum = checksum_add(sum, frame->rtp.sequence, sequence);
	sum = checksum_add(sum, (uint16_t)old, (uint16_t)timestamp);
	sum = checksum_add(sum, (uint16_t)(old >> 16), (uint16_t)(timestamp >> 16));
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	frame->rtp.sequence = sequence;
	frame->rtp.timestamp = timestamp;
	frame->udp.dgram_cksum = (uint16_t)~sum ? (uint16_t)~sum : 0xffff;
}

static bool is_from_to(const struct frame *frame, const struct flow *flow)
{
	return frame->ip.src_addr == rte_cpu_to_be_32(flow->expected_from.ip) &&
	       frame->ip.dst_addr == rte_cpu_to_be_32(flow->expected_to.ip) &&
	       frame->udp.src_port == rte_cpu_to_be_16(flow->expected_from.port) &&
	       frame->udp.dst_port == rte_cpu_to_be_16(flow->expected_to.port);
}

// Of what includes a right checksum, the checksum is 0, which this function gives as 0xffff.
static bool checksums_hold(const struct frame *frame)
{
	if (rte_raw_cksum(&frame->ip, sizeof(frame->ip)) != 0xffff)
		return false;
	return !frame->udp.dgram_cksum || rte_ipv4_udptcp_cksum(&frame->ip, &frame->udp) == 0xffff;
}

static bool payload_holds(const struct frame *frame, uint32_t flow)
{
	struct frame expected;

	fill_payload(&expected, flow);
	return !memcmp(frame->payload, expected.payload, sizeof(expected.payload));
}

// One source, and it only goes forward.
static bool stream_goes_on(const struct frame *frame, struct flow *flow)
{
	uint32_t ssrc = rte_be_to_cpu_32(frame->rtp.ssrc);
	uint16_t sequence = rte_be_to_cpu_16(frame->rtp.sequence);
	bool goes_on =
		!flow->seen || (flow->received_ssrc == ssrc &&
				       (int16_t)(uint16_t)(sequence - flow->received_sequence) > 0);

	flow->seen = true;
	flow->received_ssrc = ssrc;
	flow->received_sequence = sequence;
	return goes_on;
}

bool flow_check(struct flow *flows, unsigned int n_flows, const struct flow_macs *macs,
	const struct rte_mbuf *packet, const char **why)
{
	const struct frame *frame = rte_pktmbuf_mtod(packet, const struct frame *);
	uint32_t index;

	*why = "length";
	if (packet->data_len != sizeof(*frame))
		return false;
	index = rte_be_to_cpu_32(frame->flow);
	*why = "unknown flow";
	if (index >= n_flows)
		return false;
	*why = "MAC addresses";
	if (!rte_is_same_ether_addr(&frame->eth.dst_addr, &macs->ours) ||
		!rte_is_same_ether_addr(&frame->eth.src_addr, &macs->theirs))
		return false;
	*why = "IP addresses or ports";
	if (!is_from_to(frame, &flows[index]))
		return false;
	*why = "checksums";
	if (!checksums_hold(frame))
		return false;
	*why = "RTP header";
	if (frame->rtp.version != 2 << 6 || (frame->rtp.pt & 0x7f) != PCMU)
		return false;
	*why = "payload";
	if (!payload_holds(frame, index))
		return false;
	*why = "SSRC or sequence";
	return stream_goes_on(frame, &flows[index]);
}
