// RTP, RTCP and telephone events: what the parsers pass must hold what they promise, and what a
// relay makes of RTCP must be valid RTCP. The first byte chooses the part.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dtmf.h"
#include "rtcp.h"
#include "rtp.h"
#include "rtp_extension.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void fuzz_packet(const uint8_t *data, size_t size)
{
	struct rtp_view view;
	volatile uint8_t sink = 0;

	if (rtp_parse(data, size, &view))
		return;
	MUST(rtp_demultiplex(data, size) == RTP_KIND_RTP ||
		rtp_demultiplex(data, size) == RTP_KIND_RTCP);
	MUST((size_t)view.payload_offset + view.payload_bytes <= size);
	for (unsigned int i = 0; i < view.payload_bytes; i++)
		sink ^= data[view.payload_offset + i];
	(void)sink;
}

// Every element, then a MID of ours in the place of each: what is written must be a header.
static void fuzz_extension(const uint8_t *data, size_t size)
{
	struct rtp_mid mid = {.id = 4, .n_bytes = 3, .bytes = "mid"};
	uint8_t out[RTP_HEADER_MAX];
	volatile uint8_t sink = 0;
	struct rtp_view view;

	if (rtp_parse(data, size, &view))
		return;
	for (uint8_t id = 1; id <= RTP_EXTENSION_ID_MAX; id++) {
		uint8_t n_bytes = 0;
		const uint8_t *found = rtp_extension_find(data, id, &n_bytes);
		uint16_t n;

		for (unsigned int i = 0; found && i < n_bytes; i++)
			sink ^= found[i];
		mid.from_id = id;
		n = rtp_mid_write(&mid, data, out);
		out[0] &= (uint8_t)~0x20; // there is no payload whose padding it could be
		MUST(rtp_parse(out, n, &view) == 0 && view.payload_offset == n);
		MUST(id == mid.id || !rtp_extension_find(out, id, &n_bytes));
		found = rtp_extension_find(out, mid.id, &n_bytes);
		MUST(found && n_bytes == mid.n_bytes && !memcmp(found, mid.bytes, n_bytes));
	}
	(void)sink;
}

// Headers one after the other into reception and continuity: 12 bytes each.
static void fuzz_stream(const uint8_t *data, size_t size)
{
	struct rtp_reception reception = {0};
	struct rtp_continuity continuity = {0};
	uint64_t now = 0;

	for (; size >= RTP_HEADER_BYTES; data += RTP_HEADER_BYTES, size -= RTP_HEADER_BYTES) {
		struct rtp_view view;
		uint32_t timestamp;
		uint16_t sequence;

		now += data[0];
		if (rtp_parse(data, RTP_HEADER_BYTES, &view))
			continue;
		rtp_reception_update(&reception, &view, (uint32_t)now * 8);
		rtp_continuity_map(&continuity, &view, now * 1000000, 8000, &sequence, &timestamp);
		MUST(rtp_reception_expected(&reception) > 0);
	}
}

// Both ways of passing reduced-size RTCP on.
static void fuzz_relay(const uint8_t *data, size_t size, bool reduced_size)
{
	const struct rtcp_relay relay = {
		.source_ssrc = 1,
		.sender_ssrc = 2,
		.media_ssrc = 3,
		.media_source = 4,
		.sequence_offset = 9,
		.sequence_last = 100,
		.sequence_span = 1000,
		.media_known = true,
		.pass_bye = true,
		.reduced_size = reduced_size,
		.cname = "sluice",
	};
	uint8_t *out = malloc(size + RTCP_CNAME_MAX + 32);
	int n;

	MUST(out);
	n = rtcp_relay_translate(&relay, data, size, out, size + RTCP_CNAME_MAX + 32);
	MUST(n >= 0);
	if (n > 0)
		MUST(rtcp_parse(out, (size_t)n, reduced_size) == 0);
	free(out);
}

static void walk_blocks(const struct rtcp_packet *packet)
{
	struct rtcp_xr_block block = {0};
	struct rtcp_xr_dlrr dlrr;
	struct rtcp_xr_voip voip;

	while (rtcp_xr_next(packet, &block)) {
		MUST(block.data + block.length <= packet->data + packet->length);
		if (block.type == RTCP_XR_DLRR)
			rtcp_xr_dlrr_find(&block, 3, &dlrr);
		if (block.type == RTCP_XR_VOIP)
			rtcp_xr_voip_read(block.data, &voip);
	}
}

static void fuzz_rtcp(const uint8_t *data, size_t size)
{
	struct rtcp_packet packet = {0};

	if (rtcp_parse(data, size, true))
		return;
	while (rtcp_next(data, size, &packet)) {
		MUST(packet.data >= data && packet.data + packet.length <= data + size);
		rtcp_sender_ssrc(&packet);
		if (packet.pt == RTCP_XR)
			walk_blocks(&packet);
	}
	rtcp_concerns(data, size, 1, 3);
	fuzz_relay(data, size, false);
	fuzz_relay(data, size, true);
}

// Packets of five bytes: a step of the timestamp in 800 ticks, and an event.
static void fuzz_dtmf(const uint8_t *data, size_t size)
{
	struct dtmf_event events[DTMF_EVENTS_MAX];
	struct dtmf_output out[DTMF_OUTPUTS_MAX];
	struct dtmf_mapper mapper;
	uint32_t timestamp = 0;

	dtmf_parse(data, size, events, DTMF_EVENTS_MAX);
	dtmf_mapper_init(&mapper, size % 2 ? 8000 : 48000, size % 3 ? 48000 : 8000);
	for (; size >= 5; data += 5, size -= 5) {
		unsigned int n;

		timestamp += (uint32_t)(int8_t)data[0] * 800;
		MUST(dtmf_parse(data + 1, DTMF_BYTES, events, 1) == 1);
		n = dtmf_map(&mapper, timestamp, events, timestamp * 6, out);
		MUST(n <= DTMF_OUTPUTS_MAX);
		for (unsigned int i = 0; i < n; i++)
			MUST(out[i].event.code == events[0].code);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(const uint8_t *, size_t) = {
		fuzz_packet, fuzz_stream, fuzz_rtcp, fuzz_dtmf, fuzz_extension};

	if (size)
		parts[data[0] % 5](data + 1, size - 1);
	return 0;
}
