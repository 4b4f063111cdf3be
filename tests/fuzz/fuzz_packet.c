// The whole packet path: an input is a sequence of steps. Sessions of every kind come, change and
// go, time jumps, and packets arrive: of whom, how made, how damaged, protected or not, in one
// burst or alone, is what the bytes say. After each burst world.c checks where everything went;
// at the end nothing may be left. A frame ends where its memory ends, so that a read behind it is
// seen.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "input.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADROOM    256
#define PAYLOAD_MAX 1440
#define BURST	    24
#define HISTORY	    16

static void must(const char *wrong)
{
	if (!wrong)
		return;
	fprintf(stderr, "fuzz_packet: %s\n", wrong);
	abort();
}

// ---- frames in memory of exactly their size ----

struct memory {
	struct rte_mbuf_ext_shared_info info;
	uint8_t bytes[];
};

static unsigned int n_frames;  // in memory of ours
static unsigned int n_waiting; // in the burst

static void free_memory(void *, void *memory)
{
	free(memory);
	n_frames--;
}

// Without room behind the packet, of which SRTP needs some: the others have that.
static void push_exact(unsigned int port, const struct frame *frame)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(path.pool);
	struct memory *memory = malloc(sizeof(*memory) + HEADROOM + frame->length);

	if (!mbuf || !memory)
		abort();
	memcpy(memory->bytes + HEADROOM, frame->bytes, frame->length);
	memory->info = (struct rte_mbuf_ext_shared_info){
		.free_cb = free_memory, .fcb_opaque = memory, .refcnt = 1};
	n_frames++;
	rte_pktmbuf_attach_extbuf(
		mbuf, memory->bytes, 0, (uint16_t)(HEADROOM + frame->length), &memory->info);
	mbuf->data_off = HEADROOM;
	mbuf->data_len = (uint16_t)frame->length;
	mbuf->pkt_len = frame->length;
	mbuf_push(port, mbuf);
}

static void turn(void)
{
	must(world_turn(NULL));
	path.rig.n_events = 0;
	n_waiting = 0;
}

// A frame on its way, and of whom it would be proof, wherever it comes from.
static struct sent {
	struct frame frame;
	unsigned int port;
	bool authentic;
	unsigned int slot;
	unsigned int leg;
} history[HISTORY];
static unsigned int n_history;
static uint16_t sequences[WORLD_SLOTS][SL_LEGS_MAX]; // last sent

static void prove(const struct sent *sent)
{
	const struct frame *frame = &sent->frame;
	unsigned int ip = half_at(frame, 12) == 0x8100 ? 18 : 14;
	bool ipv6 = frame->bytes[ip] >> 4 == 6;
	struct sl_address from = {.family = ipv6 ? SL_IPV6 : SL_IPV4};

	memcpy(from.bytes, frame->bytes + ip + (ipv6 ? 8 : 12), ipv6 ? 16 : 4);
	from.port = half_at(frame, ip + (ipv6 ? 40 : 20));
	world_prove(sent->slot, sent->leg, &from);
}

static void push(const struct sent *sent, bool exact)
{
	history[n_history++ % HISTORY] = *sent;
	if (sent->authentic)
		prove(sent);
	if (exact)
		push_exact(sent->port, &sent->frame);
	else
		frame_push(sent->port, &sent->frame);
	if (++n_waiting == BURST)
		turn();
}

// ---- far ends ----

static struct srtp_engine *engine;

// What each far end sends with, and the key that it is made of.
static struct far_end {
	struct srtp_context *context;
	struct sl_srtp key;
} far_ends[WORLD_SLOTS][SL_LEGS_MAX];

static struct srtp_context *context_of(unsigned int slot, unsigned int leg)
{
	const struct sl_srtp *key = &world_session(slot)->legs[leg].srtp_receive;
	struct far_end *far_end = &far_ends[slot][leg];
	struct srtp_keying keying = {.suite = (enum srtp_suite)(key->suite - 1)};

	if (key->suite == SL_SRTP_NONE)
		return NULL;
	if (far_end->context && !memcmp(&far_end->key, key, sizeof(*key)))
		return far_end->context;
	srtp_context_destroy(far_end->context);
	keying.direction = SRTP_SEND;
	memcpy(keying.key, key->key, sizeof(keying.key));
	memcpy(keying.salt, key->salt, sizeof(keying.salt));
	far_end->key = *key;
	far_end->context = srtp_context_create(engine, &keying);
	must(far_end->context ? NULL : "no context");
	return far_end->context;
}

static void forget_far_ends(void)
{
	for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++)
		for (unsigned int leg = 0; leg < SL_LEGS_MAX; leg++) {
			srtp_context_destroy(far_ends[slot][leg].context);
			far_ends[slot][leg].context = NULL;
		}
}

// How a datagram is sent.
struct sending {
	unsigned int slot;
	unsigned int leg;
	unsigned int transport; // leg that has it
	uint8_t how;
	char from[INET6_ADDRSTRLEN];
	struct udp_packet udp;
	uint8_t payload[PAYLOAD_MAX + SRTP_TRAILER_MAX];
};

enum { // sending.how
	HOW_SOURCE = 3,
	HOW_ODD_PORT = 1 << 2, // the other one of RTP's and RTCP's
	HOW_PLAIN = 1 << 3,    // whatever the leg has
	HOW_DAMAGED = 1 << 4,
	HOW_DAMAGED_FRAME = 1 << 5,
	HOW_EXACT = 1 << 6,
	HOW_MUXED = 1 << 7, // RTCP on the RTP port
};

static void choose_source(struct sending *sending, const struct sl_leg *leg)
{
	static const struct {
		const char *addresses[2];
		uint16_t port;
	} others[] = {{{NAT, "2001:db8:9::77"}, 33000}, {{STRANGER, "2001:db8:9::78"}, 1234},
		{{FAR0, FAR0_V6}, 4444}};
	unsigned int source = sending->how & HOW_SOURCE;
	bool ipv6 = leg->local.family == SL_IPV6;

	if (source == 0)
		inet_ntop(ipv6 ? AF_INET6 : AF_INET, leg->remote.bytes, sending->from,
			sizeof(sending->from));
	else
		snprintf(sending->from, sizeof(sending->from), "%s",
			others[source - 1].addresses[ipv6]);
	sending->udp.from = sending->from;
	sending->udp.from_port = source ? others[source - 1].port : leg->remote.port;
}

// Returns whether it was protected.
static bool protect_payload(struct sending *sending, bool rtcp)
{
	struct srtp_context *context = context_of(sending->slot, sending->transport);
	struct srtp_job job = {.context = context,
		.packet = sending->payload,
		.length = (uint16_t)sending->udp.payload_bytes,
		.room = sizeof(sending->payload),
		.rtcp = rtcp};

	if (!context || sending->how & HOW_PLAIN)
		return false;
	srtp_protect_burst(engine, &job, 1);
	if (job.status != SRTP_STATUS_OK)
		return false;
	sending->udp.payload_bytes = job.out_length;
	return true;
}

static void damage(struct input *input, uint8_t *bytes, unsigned int n)
{
	unsigned int at = (unsigned int)take(input) << 3 | take(input) >> 5;

	if (n)
		bytes[at % n] ^= take(input);
}

static void send_datagram(struct input *input, struct sending *sending, bool rtcp)
{
	const struct sl_leg *leg = &world_session(sending->slot)->legs[sending->transport];
	bool odd = rtcp != !!(sending->how & HOW_ODD_PORT) && !(rtcp && sending->how & HOW_MUXED);
	struct sent sent = {.slot = sending->slot, .leg = sending->transport};
	struct frame *frame = &sent.frame;

	choose_source(sending, leg);
	sent.authentic = protect_payload(sending, rtcp);
	if (sending->how & HOW_DAMAGED)
		damage(input, sending->payload, sending->udp.payload_bytes);
	sending->udp.from_port = (uint16_t)(sending->udp.from_port + odd);
	sending->udp.payload = sending->payload;
	sent.port = world_build(frame, sending->slot, sending->leg, sending->udp, odd);
	if (sending->how & HOW_DAMAGED_FRAME) {
		damage(input, frame->bytes, frame->length);
		if (take(input) & 1)
			frame->length = RTE_MAX(frame->length - take(input) % frame->length, 1u);
	}
	push(&sent, sending->how & HOW_EXACT);
}

// Slot, leg and manner; false where nobody is there.
static bool choose_sending(struct input *input, struct sending *sending)
{
	uint8_t whom = take(input);
	const struct sl_session *session = world_session(whom % WORLD_SLOTS);

	memset(sending, 0, sizeof(*sending));
	sending->how = take(input);
	if (!session)
		return false;
	sending->slot = whom % WORLD_SLOTS;
	sending->leg = (unsigned int)whom / WORLD_SLOTS % session->n_legs;
	sending->transport = world_transport(sending->slot, sending->leg);
	return session->legs[sending->transport].remote.family != SL_UNSPEC;
}

// ---- steps ----

static void step_set(struct input *input)
{
	uint8_t what = take(input);

	world_set(what % WORLD_SLOTS, what / WORLD_SLOTS % N_WORLD_KINDS, take(input));
}

static void step_delete(struct input *input)
{
	world_delete(take(input) % WORLD_SLOTS);
}

static void step_turn(struct input *)
{
	turn();
}

static void step_turn_once(struct input *)
{
	must(world_turn_once());
	path.rig.n_events = 0;
}

// Up to ten seconds.
static void step_pass(struct input *input)
{
	unsigned int much = take(input);

	turn();
	path_pass(much * much / 6);
	turn();
}

static void put32(uint8_t *at, uint32_t value)
{
	value = rte_cpu_to_be_32(value);
	memcpy(at, &value, sizeof(value));
}

enum { // of an RTP packet
	SHAPE_MARKER = 1 << 0,
	SHAPE_EXTENSION = 1 << 1,
	SHAPE_PADDING = 1 << 2,
	SHAPE_CSRCS = 1 << 3,
	SHAPE_OTHER_SSRC = 1 << 4,
	SHAPE_EVENT = 1 << 5,
	SHAPE_OTHER_PT = 1 << 6,
	SHAPE_LONG = 1 << 7,
};

// Headers behind the fixed one, and what fills the rest. Returns the bytes of the packet.
static unsigned int finish_rtp(struct input *input, uint8_t *rtp, uint8_t shape, unsigned int leg)
{
	unsigned int n = 12, more = take(input);

	if (shape & SHAPE_CSRCS) {
		rtp[0] |= 2;
		n += 8;
	}
	if (shape & SHAPE_EXTENSION) {
		rtp[0] |= 0x10;
		memcpy(rtp + n, "\xbe\xde\x00\x01\x10\x61\x00\x00", 8);
		rtp[n + 5] = leg % 2 ? 'v' : 'a'; // a MID
		n += 8;
	}
	more = shape & SHAPE_EVENT ? 4 : more << (shape & SHAPE_LONG ? 2 : 0);
	more = RTE_MIN(more, PAYLOAD_MAX - n);
	memset(rtp + n, take(input), more);
	n += more;
	if (shape & SHAPE_PADDING && more) {
		rtp[0] |= 0x20;
		rtp[n - 1] = take(input);
	}
	return n;
}

static uint8_t choose_pt(struct input *input, const struct sl_leg *leg, uint8_t shape)
{
	if (shape & SHAPE_OTHER_PT)
		return take(input) & 0x7f;
	if (shape & SHAPE_EVENT && leg->n_formats > 1)
		return leg->formats[1].receive_pt;
	if (leg->n_formats == 0)
		return take(input) & 0x7f;
	return leg->formats[0].receive_pt;
}

static void step_rtp(struct input *input)
{
	struct sending sending;
	const struct sl_leg *leg;
	uint16_t *sequence;
	uint8_t shape;

	if (!choose_sending(input, &sending))
		return;
	leg = &world_session(sending.slot)->legs[sending.leg];
	sequence = &sequences[sending.slot][sending.leg];
	shape = take(input);
	*sequence = (uint16_t)(*sequence + (int8_t)take(input));
	if (sending.how & HOW_PLAIN) // a jump would be the ciphers' business, too
		*sequence = (uint16_t)(*sequence + (take(input) << 8));
	sending.payload[0] = 0x80;
	sending.payload[1] = (uint8_t)((shape & SHAPE_MARKER) << 7 | choose_pt(input, leg, shape));
	sending.payload[2] = (uint8_t)(*sequence >> 8);
	sending.payload[3] = (uint8_t)*sequence;
	put32(sending.payload + 4, *sequence * 160u);
	put32(sending.payload + 8, 0x1000 + sending.leg + (shape & SHAPE_OTHER_SSRC));
	sending.udp.payload_bytes = finish_rtp(input, sending.payload, shape, sending.leg);
	send_datagram(input, &sending, false);
}

// A compound of SR, SDES, BYE and whatever the input calls the rest.
static void step_rtcp(struct input *input)
{
	static const uint8_t sr[28] = {0x80, 200, 0, 6, 0, 0, 0x10, 0};
	static const uint8_t rr[32] = {0x81, 201, 0, 7, 0, 0, 0x10, 0, 0, 0, 0x10, 1};
	static const uint8_t sdes[16] = {0x81, 202, 0, 3, 0, 0, 0x10, 0, 1, 3, 'a', '@', 'b'};
	static const uint8_t bye[8] = {0x81, 203, 0, 1, 0, 0, 0x10, 0};
	struct sending sending;
	unsigned int n = 0;
	uint8_t parts;

	if (!choose_sending(input, &sending))
		return;
	parts = take(input);
#define PART(bit, bytes)                                           \
	if (parts & (bit)) {                                       \
		memcpy(sending.payload + n, bytes, sizeof(bytes)); \
		n += sizeof(bytes);                                \
	}
	PART(1, sr)
	PART(2, rr)
	PART(4, sdes)
	PART(8, bye)
#undef PART
	for (unsigned int i = parts >> 4; i > 0; i--)
		sending.payload[n++] = take(input);
	sending.udp.payload_bytes = n;
	send_datagram(input, &sending, true);
}

// STUN, DTLS, text: a payload of the input's own.
static void step_datagram(struct input *input)
{
	struct sending sending;
	unsigned int n;

	if (!choose_sending(input, &sending))
		return;
	n = take(input) % 64;
	for (unsigned int i = 0; i < n; i++)
		sending.payload[i] = take(input);
	sending.udp.payload_bytes = n;
	send_datagram(input, &sending, false);
}

static void step_frame(struct input *input)
{
	unsigned int n = 1 + take(input);
	struct sent sent = {.frame.length = n};

	for (unsigned int i = 0; i < n; i++)
		sent.frame.bytes[i] = take(input);
	push(&sent, true);
}

// What was sent before, again, perhaps with other bytes.
static void step_replay(struct input *input)
{
	struct sent sent = history[take(input) % HISTORY];

	if (!sent.frame.length)
		return;
	for (unsigned int i = take(input) % 4; i > 0; i--)
		damage(input, sent.frame.bytes, sent.frame.length);
	push(&sent, true);
}

static void start(void)
{
	path_start();
	path_open(2);
	atexit(path_close); // the leak checker does not see into DPDK's memory
	engine = srtp_engine_create(NULL, NULL);
	must(engine ? NULL : "no SRTP engine");
}

static void check_end(void)
{
	struct sessions_counts counts;

	must(path_imbalance());
	sessions_count(path.sessions, &counts);
	must(counts.legs || counts.ports_used || counts.deferred ? "a leg is left" : NULL);
	must(mbufs_in_use() || n_frames ? "a packet buffer is left" : NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct input * input) = {step_rtp, step_set, step_rtcp,
		step_turn, step_pass, step_delete, step_datagram, step_frame, step_replay,
		step_turn_once};
	struct input input = {data, size};

	if (!engine)
		start();
	memset(history, 0, sizeof(history));
	memset(sequences, 0, sizeof(sequences));
	n_history = 0;
	while (input.left)
		steps[take(&input) % RTE_DIM(steps)](&input);
	turn();
	world_end();
	path.rig.n_events = 0;
	forget_far_ends();
	check_end();
	return 0;
}
