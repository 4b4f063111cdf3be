// What the kinds of world.h are.
#include <string.h>

#include "world.h"

static const struct sl_format pcma = {
	.name = "PCMA", .clock_hz = 8000, .channels = 1, .pt = 8, .receive_pt = 8};
static const struct sl_format opus = {
	.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 97};

static void set_events(struct sl_leg *leg, uint32_t clock_hz)
{
	leg->formats[1] = (struct sl_format){.name = "telephone-event",
		.clock_hz = clock_hz,
		.channels = 1,
		.pt = 101,
		.receive_pt = 101};
	leg->n_formats = 2;
}

static void set_codec(struct sl_session *session)
{
	session->legs[1].formats[0] = opus;
	set_events(&session->legs[1], 48000);
	set_events(&session->legs[0], 8000);
}

static void set_fork(struct sl_session *session)
{
	session->n_legs = 3;
	session->legs[2] = session->legs[1];
	session->legs[2].remote.port = 6000;
	session->legs[2].formats[0] = opus;
}

static void set_addresses(struct sl_leg *leg, const char *local, const char *remote)
{
	leg->local = rig_address(local, 0);
	leg->remote = rig_address(remote, leg->remote.port);
}

static void set_opaque(struct sl_leg *leg)
{
	leg->flags |= SL_LEG_OPAQUE;
	leg->n_formats = 0;
	memset(leg->formats, 0, sizeof(leg->formats));
}

// Legs 2 and 3 are what legs 0 and 1 are fed by, and feed.
static void set_bundle(struct sl_session *session)
{
	static const struct sl_format video = {
		.name = "VP8", .clock_hz = 90000, .channels = 1, .pt = 97, .receive_pt = 97};
	struct sl_leg *legs = session->legs;

	session->n_legs = 4;
	legs[2] = legs[1];
	legs[3] = legs[1];
	legs[3].remote.port = 5002;
	legs[3].formats[0] = video;
	legs[1] = (struct sl_leg){.flags = SL_LEG_RECEIVE | SL_LEG_SEND,
		.mid = "v",
		.mid_extension = 1,
		.transport = 0,
		.n_formats = 1,
		.formats = {video}};
	legs[0].flags |= SL_LEG_RTCP_MUX;
	legs[0].mid_extension = 1;
	memcpy(legs[0].mid, "a", 2);
	for (uint8_t i = 0; i < 4; i++)
		legs[i].source = (uint8_t)(i ^ 2);
}

// No two keys of a session are alike, nor are those of two sessions.
static void set_keys(struct sl_leg *leg, unsigned int suite, uint8_t seed)
{
	leg->srtp_receive = (struct sl_srtp){.suite = (uint8_t)suite, .key = {seed, 1}};
	leg->srtp_send = (struct sl_srtp){.suite = (uint8_t)suite, .key = {seed, 2}};
}

static void set_secure(struct sl_session *session, unsigned int number, uint8_t seed)
{
	set_keys(&session->legs[0], 1 + number % 6, seed);
	if (number % 2)
		set_keys(&session->legs[1], 1 + (number + 1) % 6, (uint8_t)(seed + 1));
}

static void describe(struct sl_session *session, enum world_kind kind, uint8_t seed)
{
	switch (kind) {
	case WORLD_RELAYED:
		set_events(&session->legs[0], 8000);
		set_events(&session->legs[1], 8000);
		break;
	case WORLD_G711:
		session->legs[1].formats[0] = pcma;
		break;
	case WORLD_MUX:
		session->legs[0].flags |= SL_LEG_RTCP_MUX;
		break;
	case WORLD_LATCH:
		session->legs[0].source_rule = SL_SOURCE_LATCH;
		break;
	case WORLD_TRANSPARENT:
		session->legs[1].flags |= SL_LEG_TRANSPARENT_SSRC;
		break;
	case WORLD_TRANSCODED:
		set_codec(session);
		break;
	case WORLD_FORKED:
		set_fork(session);
		break;
	case WORLD_IPV6:
		set_addresses(&session->legs[0], OUR0_V6, FAR0_V6);
		set_addresses(&session->legs[1], OUR1_V6, FAR1_V6);
		break;
	case WORLD_IPV6_TO_IPV4:
		set_addresses(&session->legs[0], OUR0_V6, FAR0_V6);
		break;
	case WORLD_TAGGED:
		set_addresses(&session->legs[1], OUR7, FAR1);
		break;
	case WORLD_TAGGED_IPV6:
		set_addresses(&session->legs[1], OUR7_V6, FAR1_V6);
		break;
	case WORLD_OPAQUE:
		set_opaque(&session->legs[0]);
		set_opaque(&session->legs[1]);
		break;
	case WORLD_PUNTING:
		session->legs[0].flags |= SL_LEG_PUNT | SL_LEG_RTCP_MUX;
		session->legs[1].flags |= SL_LEG_PUNT;
		break;
	case WORLD_BUNDLED:
		set_bundle(session);
		break;
	case WORLD_POLICED:
		session->legs[0].packets_per_second = 100;
		session->legs[0].bytes_per_second = 10000;
		break;
	case WORLD_SECURE_LATCH:
		session->legs[0].source_rule = SL_SOURCE_LATCH;
		set_keys(&session->legs[0], SL_SRTP_AES_CM_128_HMAC_SHA1_80, seed);
		break;
	default:
		set_secure(session, kind - WORLD_SECURE, seed);
		break;
	}
}

static void change_session(struct sl_session *session, uint8_t change)
{
	if (change & WORLD_DEAF)
		session->legs[0].flags &= (uint16_t)~SL_LEG_RECEIVE;
	if (change & WORLD_MUTE)
		session->legs[1].flags &= (uint16_t)~SL_LEG_SEND;
	if (change & WORLD_MOVED)
		session->legs[0].remote.port += 2;
	if (change & WORLD_NO_REMOTE)
		memset(&session->legs[1].remote, 0, sizeof(session->legs[1].remote));
	if (change & WORLD_LATCHING)
		session->legs[0].source_rule = SL_SOURCE_LATCH;
	if (change & WORLD_MUXED)
		session->legs[1].flags |= SL_LEG_RTCP_MUX;
	if (change & WORLD_CODEC && session->legs[0].n_formats)
		set_codec(session);
}

void world_describe(struct sl_session *session, enum world_kind kind, uint8_t change, uint8_t seed)
{
	describe(session, kind, seed);
	change_session(session, change);
}
