// Frames on the wire, through the whole worker turn. The first byte says how the rest is meant: a
// frame as it is, or a UDP payload for the RTP or RTCP port of a leg that is relayed, or of one
// that is transcoded; or for a leg with SRTP, under its key or as it is. The frame ends where its
// memory ends, so that a read behind it is seen; what comes out must be sound IPv4.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADROOM    256
#define RELAYED	    20000
#define TRANSCODED  20004
#define SECURE	    20008
#define TO_SECURE   0x80 // of the first byte
#define UNPROTECTED 0x40
#define PAYLOAD_MAX 1400

static struct rte_mbuf_ext_shared_info shared;
static unsigned int n_frames; // in memory of ours

static void free_memory(void *memory, void *)
{
	free(memory);
	n_frames--;
}

static void push_exact(const uint8_t *frame, size_t length)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(path.pool);
	uint8_t *memory = malloc(HEADROOM + length);

	if (!mbuf || !memory)
		abort();
	memcpy(memory + HEADROOM, frame, length);
	n_frames++;
	shared.free_cb = free_memory;
	rte_mbuf_ext_refcnt_set(&shared, 1);
	rte_pktmbuf_attach_extbuf(mbuf, memory, 0, (uint16_t)(HEADROOM + length), &shared);
	mbuf->data_off = HEADROOM;
	mbuf->data_len = (uint16_t)length;
	mbuf->pkt_len = (uint32_t)length;
	mbuf_push(0, mbuf);
}

static struct sl_srtp key_of(uint8_t suite, uint8_t byte)
{
	return (struct sl_srtp){.suite = suite, .key = {byte}};
}

// As the far end of the leg with SRTP sends it, where it is RTP or RTCP at all.
static unsigned int protect_payload(uint8_t *payload, unsigned int length)
{
	static struct srtp_engine *engine;
	const struct srtp_keying keying = {
		.suite = SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, .direction = SRTP_SEND, .key = {1}};
	struct srtp_job job = {.packet = payload,
		.length = (uint16_t)length,
		.room = PAYLOAD_MAX + SRTP_TRAILER_MAX,
		.rtcp = rtp_demultiplex(payload, length) == RTP_KIND_RTCP};

	if (!engine)
		engine = srtp_engine_create(NULL, NULL);
	job.context = srtp_context_create(engine, &keying);
	if (!job.context)
		abort();
	srtp_protect_burst(engine, &job, 1);
	srtp_context_destroy(job.context);
	return job.status == SRTP_STATUS_OK ? job.out_length : length;
}

static void push_secure(const uint8_t *data, size_t size)
{
	uint8_t payload[PAYLOAD_MAX + SRTP_TRAILER_MAX];
	unsigned int length = (unsigned int)size - 1;
	struct frame frame;

	memcpy(payload, data + 1, length);
	if (!(data[0] & UNPROTECTED))
		length = protect_payload(payload, length);
	build_datagram(
		&frame, FAR0, data[0] % 2 ? 4001 : 4000, SECURE + data[0] % 2, payload, length);
	push_exact(frame.bytes, frame.length);
}

static void push_input(const uint8_t *data, size_t size)
{
	static const uint16_t ports[] = {RELAYED, RELAYED + 1, TRANSCODED, TRANSCODED + 1};
	struct frame frame;

	if (data[0] & TO_SECURE && size <= PAYLOAD_MAX) {
		push_secure(data, size);
		return;
	}
	if (data[0] % 5 == 0 || size > PAYLOAD_MAX) {
		push_exact(data + 1, RTE_MIN(size - 1, (size_t)FRAME_MAX));
		return;
	}
	build_datagram(&frame, FAR0, data[0] % 2 ? 4000 : 4001, ports[data[0] % 5 - 1], data + 1,
		(unsigned int)size - 1);
	push_exact(frame.bytes, frame.length);
}

static void set_sessions(void)
{
	struct sl_session relayed = rig_session(1);
	struct sl_session transcoded = rig_session(2);
	struct sl_session secure = rig_session(3);

	relayed.legs[0].local.port = RELAYED;
	transcoded.legs[0].local.port = TRANSCODED;
	transcoded.legs[0].source_rule = SL_SOURCE_LATCH;
	transcoded.legs[0].flags |= SL_LEG_RTCP_MUX;
	transcoded.legs[0].n_formats = 2;
	transcoded.legs[0].formats[1] = (struct sl_format){.name = "telephone-event",
		.clock_hz = 8000,
		.channels = 1,
		.pt = 101,
		.receive_pt = 101};
	transcoded.legs[1].n_formats = 2;
	transcoded.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	transcoded.legs[1].formats[1] = (struct sl_format){.name = "telephone-event",
		.clock_hz = 48000,
		.channels = 1,
		.pt = 97,
		.receive_pt = 97};
	path_set(&relayed);
	path_set(&transcoded);
	secure.legs[0].local.port = SECURE;
	secure.legs[0].srtp_receive = key_of(SL_SRTP_AES_CM_128_HMAC_SHA1_80, 1);
	secure.legs[0].srtp_send = key_of(SL_SRTP_AES_CM_128_HMAC_SHA1_80, 2);
	secure.legs[1].srtp_receive = key_of(SL_SRTP_AEAD_AES_256_GCM, 3);
	secure.legs[1].srtp_send = key_of(SL_SRTP_AES_CM_128_HMAC_SHA1_32, 4); // 6 bytes less
	path_set(&secure);
}

static void delete_sessions(void)
{
	struct session *session;
	uint32_t cursor = 0;

	while ((session = sessions_next(path.sessions, &cursor)))
		session_delete(path.sessions, session);
	for (int i = 0; i < 3; i++) {
		sessions_tick(path.sessions, clock_now_ns());
		path_turn();
	}
}

static void check_output(const struct frame *frame)
{
	const uint8_t *ip = frame->bytes + 14;
	unsigned int bytes = (unsigned int)ip[2] << 8 | ip[3];
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	if ((sum & 0xffff) + (sum >> 16) != 0xffff || ip[0] != 0x45 || bytes + 14 != frame->length)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct frame frame;

	if (size < 1)
		return 0;
	if (!started) {
		path_start();
		path_open(1);
		atexit(path_close); // the leak checker does not see into DPDK's memory
		started = true;
	}
	set_sessions();
	push_input(data, size);
	path_turn();
	while (frame_pop(0, &frame) || frame_pop(1, &frame))
		check_output(&frame);
	path.rig.n_events = 0;
	delete_sessions();
	path.rig.n_events = 0;
	if (mbufs_in_use() != 0 || n_frames != 0)
		abort();
	return 0;
}
