// See odd_frames.h.
#include "odd_frames.h"

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdlib.h>
#include <string.h>

#define RTP_AT	   42
#define SR_BYTES   28
#define SDES_BYTES 16
#define LIE	   0xfff0
#define MALFORMED(X)         \
	X(short_ethernet)    \
	X(short_ip)          \
	X(ip_version)        \
	X(ip_options)        \
	X(ip_length)         \
	X(fragment)          \
	X(ip_checksum)       \
	X(tcp)               \
	X(udp_length)        \
	X(udp_empty)         \
	X(wrong_mac)         \
	X(wrong_address)     \
	X(wrong_port)        \
	X(wrong_source)      \
	X(rtp_version)       \
	X(payload_type)      \
	X(csrc_overrun)      \
	X(extension_overrun) \
	X(padding_overrun)

struct parts {
	struct odd_frame *frame;
	struct rte_ether_hdr *ethernet;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	uint8_t *rtp;
};

// Cut the frame behind `rtp_bytes` of RTP, with lengths that say so.
static void cut(const struct parts *parts, uint16_t rtp_bytes)
{
	uint16_t udp_bytes = (uint16_t)(sizeof(*parts->udp) + rtp_bytes);

	parts->frame->length = (uint16_t)(RTP_AT + rtp_bytes);
	parts->udp->dgram_len = rte_cpu_to_be_16(udp_bytes);
	parts->ip->total_length = rte_cpu_to_be_16((uint16_t)(udp_bytes + sizeof(*parts->ip)));
}

static void short_ethernet(const struct parts *parts)
{
	parts->frame->length = 10;
}

static void short_ip(const struct parts *parts)
{
	parts->frame->length = 30;
}

static void ip_version(const struct parts *parts)
{
	parts->ip->version_ihl = 0x55;
}

static void ip_options(const struct parts *parts)
{
	parts->ip->version_ihl = 0x46;
}

static void ip_length(const struct parts *parts)
{
	parts->ip->total_length = RTE_BE16(LIE);
}

static void fragment(const struct parts *parts)
{
	parts->ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_MF_FLAG);
}

static void ip_checksum(const struct parts *parts)
{
	parts->ip->hdr_checksum ^= 1; // stays: it is the lie
}

static void tcp(const struct parts *parts)
{
	parts->ip->next_proto_id = IPPROTO_TCP;
}

static void udp_length(const struct parts *parts)
{
	parts->udp->dgram_len = RTE_BE16(LIE);
}

static void udp_empty(const struct parts *parts)
{
	cut(parts, 0);
}

static void wrong_mac(const struct parts *parts)
{
	parts->ethernet->dst_addr.addr_bytes[5] ^= 0x40;
}

static void wrong_address(const struct parts *parts)
{
	parts->ip->dst_addr = RTE_BE32(0xcb007101); // 203.0.113.1
}

static void wrong_port(const struct parts *parts)
{
	parts->udp->dst_port = RTE_BE16(9);
}

static void wrong_source(const struct parts *parts)
{
	parts->udp->src_port ^= RTE_BE16(0x8000);
}

static void rtp_version(const struct parts *parts)
{
	parts->rtp[0] = 0xc0;
}

static void payload_type(const struct parts *parts)
{
	parts->rtp[1] = 111;
}

static void csrc_overrun(const struct parts *parts)
{
	parts->rtp[0] |= 15;
	cut(parts, 40);
}

static void extension_overrun(const struct parts *parts)
{
	parts->rtp[0] |= 0x10;
	memset(parts->rtp + RTP_BYTES, 0xff, 4);
}

static void padding_overrun(const struct parts *parts)
{
	parts->rtp[0] |= 0x20;
	parts->rtp[RTP_BYTES + PAYLOAD_BYTES - 1] = 0xff;
}

static void seal(const struct parts *parts, bool ip_sum_too)
{
	const struct rte_ipv4_hdr *ip = parts->ip;

	if (ip_sum_too) {
		parts->ip->hdr_checksum = 0;
		parts->ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	parts->udp->dgram_cksum = 0;
	if (rte_be_to_cpu_16(ip->total_length) <= FRAME_ROOM - sizeof(*parts->ethernet))
		parts->udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, parts->udp);
}

static struct parts copy(struct odd_frame *frame, const struct flow_tx *flow)
{
	uint8_t *at = frame->bytes;

	memcpy(at, flow->frame, flow->length);
	frame->length = flow->length;
	return (struct parts){.frame = frame,
		.ethernet = (struct rte_ether_hdr *)at,
		.ip = (struct rte_ipv4_hdr *)(at + 14),
		.udp = (struct rte_udp_hdr *)(at + 34),
		.rtp = at + RTP_AT};
}

unsigned int odd_frames_malformed(const struct flow_tx *flow, struct odd_frame **frames)
{
	static const struct {
		const char *name;
		void (*spoil)(const struct parts *parts);
	} kinds[] = {
#define KIND(name) {#name, name},
		MALFORMED(KIND)
#undef KIND
	};
	static const uint32_t nobody = UINT32_MAX;

	if (flow->rtp_at != RTP_AT || flow->protected)
		die("malformed packets are made from a flow of plain RTP over IPv4 without a tag");
	*frames = aligned_alloc(64, RTE_DIM(kinds) * sizeof(**frames) + 64);
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		struct parts parts = copy(&(*frames)[i], flow);

		parts.frame->name = kinds[i].name;
		memcpy(parts.rtp + RTP_BYTES, &nobody, sizeof(nobody));
		kinds[i].spoil(&parts);
		seal(&parts, kinds[i].spoil != ip_checksum);
	}
	return RTE_DIM(kinds);
}

void odd_frame_rtcp(const struct flow_tx *flow, struct odd_frame *frame)
{
	struct parts parts = copy(frame, flow);
	uint8_t *sdes = parts.rtp + SR_BYTES;
	uint8_t ssrc[4];

	memcpy(ssrc, parts.rtp + 8, sizeof(ssrc));
	memset(parts.rtp, 0, SR_BYTES + SDES_BYTES);
	memcpy(parts.rtp, (uint8_t[]){2 << 6, 200, 0, SR_BYTES / 4 - 1}, 4);
	memcpy(parts.rtp + 4, ssrc, sizeof(ssrc));
	memcpy(sdes, (uint8_t[]){2 << 6 | 1, 202, 0, SDES_BYTES / 4 - 1}, 4);
	memcpy(sdes + 4, ssrc, sizeof(ssrc));
	memcpy(sdes + 8, (uint8_t[]){1, 5, 'p', 'h', 'o', 'n', 'e', 0}, 8);
	frame->name = "rtcp";
	cut(&parts, SR_BYTES + SDES_BYTES);
	seal(&parts, true);
}
