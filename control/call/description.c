// What the legs describe to each other, by way of control/sdp, and what the dataplane is to do
// about it. The subtle thing: media is taken from a leg and sent to it as soon as both descriptions
// are known (early media), but time-outs apply only once the call is answered.
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bodies.h"
#include "call_digits.h"
#include "call_private.h"
#include "call_shards.h"
#include "description.h"
#include "sdp.h"
#include "token.h"

// What the dataplane can transcode, if it has all codecs: some come as plug-ins. It is asked which
// it has whenever it comes up.
static const struct sdp_encoding encodings[] = {
	{"opus", 48000, 2}, {"PCMU", 8000, 1}, {"PCMA", 8000, 1}, {"G722", 8000, 1},
	{"AMR", 8000, 1}, {"AMR-WB", 16000, 1}, {"GSM", 8000, 1}, {"G726-16", 8000, 1},
	{"G726-24", 8000, 1}, {"G726-32", 8000, 1}, {"G726-40", 8000, 1}, {"AAL2-G726-16", 8000, 1},
	{"AAL2-G726-24", 8000, 1}, {"AAL2-G726-32", 8000, 1}, {"AAL2-G726-40", 8000, 1},
	{"L16", 8000, 1}, {"L16", 16000, 1}, {"L16", 24000, 1}, {"L16", 48000, 1},
	{"telephone-event", 8000, 1}, {"telephone-event", 16000, 1}, {"telephone-event", 24000, 1},
	{"telephone-event", 48000, 1}, {"speex", 8000, 1}, {"speex", 16000, 1}, {"speex", 32000, 1},
	{"G729", 8000, 1}, // the only plug-in
};
#define N_ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

static const struct sdp_encoding *transcoders[N_ENCODINGS + 1]; // NULL ends

static bool has_codec(const struct sl_codec *codecs, size_t n, const struct sdp_encoding *encoding)
{
	if (!strcmp(encoding->name, "telephone-event"))
		return true;
	for (size_t i = 0; i < n; i++)
		if (!strncasecmp(codecs[i].name, encoding->name, sizeof(codecs[i].name)) &&
			codecs[i].clock_hz == encoding->clock_hz &&
			codecs[i].channels == encoding->channels)
			return true;
	return false;
}

// Before the dataplane has answered: what it has always.
static const struct sdp_encoding *const *transcoders_list(void)
{
	if (!transcoders[0])
		for (size_t i = 0; i < N_ENCODINGS - 1; i++)
			transcoders[i] = &encodings[i];
	return transcoders;
}

void description_codecs(const struct sl_codec *codecs, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < N_ENCODINGS; i++)
		if (has_codec(codecs, n, &encodings[i]))
			transcoders[at++] = &encodings[i];
	transcoders[at] = NULL;
}

#define SAME_SUITE(name, ...)                                       \
	static_assert((int)SDP_SUITE_##name == (int)SL_SRTP_##name, \
		"descriptions and the dataplane have the same suites");
SDP_SUITES(SAME_SUITE)
#undef SAME_SUITE

struct sl_address session_address(const struct sdp_address *from, uint16_t port)
{
	struct sl_address address = {.family = from->family, .port = port};

	if (!from->family || !port || sdp_address_is_any(from))
		return (struct sl_address){};
	memcpy(address.bytes, from->bytes, sizeof(address.bytes));
	return address;
}

void session_leg_place(struct call *call, struct sl_leg *leg, int side)
{
	const struct sdp_address *local =
		call_media(call, side, call->negotiation.legs[side].family);

	leg->local.family = local->family;
	memcpy(leg->local.bytes, local->bytes, sizeof(leg->local.bytes));
	leg->source = SL_NO_LEG;
	leg->transport = SL_NO_LEG;
	leg->source_rule = SL_SOURCE_STRICT;
	leg->dscp = SL_DSCP_REALM;
}

void description_init(struct call *call)
{
	struct negotiation_settings settings = {
		.transcoders = transcoders_list(),
		.random = token_random,
	};

	token_random(settings.ids, sizeof(settings.ids));
	for (int i = 0; i < LEGS; i++) {
		settings.ids[i] >>= 3; // below 2^62, as the lesser parsers want it
		settings.policies[i] = &call->legs[i].trunk->media;
	}
	negotiation_init(&call->negotiation, &settings);
}

void description_move(struct call *call)
{
	negotiation_wipe(&call->negotiation);
	description_init(call);
	for (int i = 0; i < LEGS; i++)
		call->session.legs[i].n_formats = 0;
	call->session.legs[LEG_B].local.port = 0;
	media_session_resize(&call->session, LEGS);
}

// How the far end of a leg speaks SIP.
static uint8_t signalling_family(const struct leg *leg)
{
	const struct sockaddr *near = &listener_address(leg->listener)->any;

	return near->sa_family == AF_INET6 ? SL_IPV6 : SL_IPV4;
}

void description_place(struct call *call)
{
	for (int i = 0; i < LEGS; i++) {
		if (!call->negotiation.legs[i].family)
			negotiation_set_family(
				&call->negotiation, i, signalling_family(&call->legs[i]));
		session_leg_place(call, &call->session.legs[i], i);
	}
	relays_place(call);
}

bool message_has_sdp(const struct sip_message *message)
{
	return message_sdp(message).n > 0;
}

// Returns 0, or the status and a log line for what is not acceptable.
static unsigned int refuse(struct leg *leg, const char *what, int err)
{
	log_info(&log_call, "description_refused", "call=%s leg=%s kind=%s error=\"%s\"",
		leg->call->id_text, leg_name(leg), what, strerror(-err));
	switch (err) {
	case -EOPNOTSUPP:
		leg->warning = negotiation_warning(
			&leg->call->negotiation, leg->index, leg->call->calls->sdp);
		return 488;
	case -EBUSY:
		return 491;
	default:
		return 400;
	}
}

static int parse(struct leg *leg, const struct sip_message *message)
{
	struct slice text = message_sdp(message);

	return sdp_parse(leg->call->calls->sdp, text.p, text.n, NULL);
}

unsigned int description_take_offer(struct leg *leg, const struct sip_message *message)
{
	struct call *call = leg->call;
	int err = parse(leg, message);

	if (!err)
		err = negotiation_take_offer(&call->negotiation, leg->index, call->calls->sdp);
	return err ? refuse(leg, "offer", err) : 0;
}

unsigned int description_take_reoffer(
	struct leg *leg, const struct sip_message *message, bool *ask_other)
{
	struct negotiation *negotiation = &leg->call->negotiation;
	const struct sdp *sdp = leg->call->calls->sdp;
	int err = parse(leg, message);

	if (!err) {
		*ask_other = *ask_other && !negotiation_is_refresh(negotiation, leg->index, sdp);
		err = *ask_other ? negotiation_take_offer(negotiation, leg->index, sdp)
				 : negotiation_answer_here(negotiation, leg->index, sdp);
	}
	return err ? refuse(leg, "offer", err) : 0;
}

unsigned int description_take_answer(struct leg *leg, const struct sip_message *message)
{
	struct call *call = leg->call;
	int err = parse(leg, message);

	if (!err)
		err = negotiation_take_answer(&call->negotiation, leg->index, call->calls->sdp);
	return err ? refuse(leg, "answer", err) : 0;
}

int description_write(struct leg *leg, char *out)
{
	struct call *call = leg->call;
	struct negotiation_local local = {
		.address = *call_media_advertised(
			call, leg->index, call->session.legs[leg->index].local.family),
		.port = call->session.legs[leg->index].local.port,
	};
	int n;

	relays_ports(call, leg->index, local.relay_ports);
	n = negotiation_write(&call->negotiation, leg->index, &local, out, NEGOTIATION_TEXT_MAX);

	return n < 0 ? n : 0;
}

// What the far end can take at most is no reason to send more than the codec needs for speech.
#define BITRATE_ENOUGH 36000

static uint16_t format_flags(const struct sdp_fmtp *params)
{
	return (uint16_t)((params->dtx ? SL_FORMAT_DTX : 0) |
			  (params->octet_align ? SL_FORMAT_OCTET_ALIGN : 0) |
			  (params->mode_change_neighbor ? SL_FORMAT_MODE_CHANGE_NEIGHBOR : 0) |
			  (params->cbr ? SL_FORMAT_CBR : 0) | (params->vbr ? SL_FORMAT_VBR : 0));
}

static struct sl_format format_from(
	const struct media_summary_format *from, const struct media_summary_leg *leg)
{
	uint32_t bitrate_max = from->params.bitrate_max;
	struct sl_format format = {
		.clock_hz = from->encoding.clock_hz,
		.bitrate = bitrate_max < BITRATE_ENOUGH ? bitrate_max : 0,
		.pt = from->send_pt,
		.receive_pt = from->receive_pt,
		.channels = from->encoding.channels,
		.ptime_ms = leg->ptime_ms,
		.complexity = 0xff,
		.fec = from->params.fec,
		.flags = format_flags(&from->params),
		.playback_hz = from->params.playback_hz,
		.mode_set = from->params.mode_set,
		.mode_change_period = from->params.mode_change_period,
	};

	snprintf(format.name, sizeof(format.name), "%s", from->encoding.name);
	return format;
}

// Where the far end answered with payload types of its own, it sends with those of our offer
// (RFC 3264 section 6.1). Some send with their own all the same: taken too, where that is no other
// format's number.
static void formats_fill(struct sl_leg *leg, const struct media_summary_leg *from)
{
	bool taken[128] = {};

	leg->n_formats = 0;
	memset(leg->formats, 0, sizeof(leg->formats));
	for (int i = 0; i < from->n_formats && i < SL_FORMATS_MAX; i++) {
		taken[from->formats[i].receive_pt & 0x7f] = true;
		leg->formats[leg->n_formats++] = format_from(&from->formats[i], from);
	}
	for (int i = 0; i < from->n_formats && leg->n_formats < SL_FORMATS_MAX; i++) {
		uint8_t pt = from->formats[i].send_pt & 0x7f;

		if (taken[pt])
			continue;
		taken[pt] = true;
		leg->formats[leg->n_formats] = format_from(&from->formats[i], from);
		leg->formats[leg->n_formats++].receive_pt = pt;
	}
}

// Sent: with another key the count of the far end starts again (RFC 4568 7.1.4), as it does in the
// libraries that phones have.
// `resume` is media's, and of the key that there is.
static void key_fill(struct sl_srtp *srtp, const struct sdp_crypto *from, uint8_t flags)
{
	struct sl_srtp_indices resume = srtp->resume;
	bool same = srtp->suite == from->suite && !memcmp(srtp->key, from->key, sizeof(srtp->key));

	explicit_bzero(srtp, sizeof(*srtp));
	if (from->suite == SDP_SUITE_NONE)
		return;
	if (same)
		srtp->resume = resume;
	srtp->suite = from->suite;
	srtp->flags = flags;
	srtp->mki_bytes = from->mki_bytes;
	memcpy(srtp->key, from->key, sizeof(srtp->key));
	memcpy(srtp->salt, from->salt, sizeof(srtp->salt));
	memcpy(srtp->mki, from->mki, sizeof(srtp->mki));
}

void session_keys_fill(
	struct sl_leg *leg, const struct sdp_crypto *receive, const struct sdp_crypto *send)
{
	key_fill(&leg->srtp_receive, receive, 0);
	key_fill(&leg->srtp_send, send, SL_SRTP_RESTART);
}

static_assert((int)TRUNK_JITTER_FIXED == (int)SL_JITTER_FIXED &&
		      (int)TRUNK_JITTER_ADAPTIVE == (int)SL_JITTER_ADAPTIVE,
	"trunks and the dataplane have the same jitter buffers");

static void jitter_fill(struct sl_leg *leg, const struct trunk_jitter *jitter)
{
	leg->jitter_buffer = jitter->buffer;
	leg->jitter_ms = jitter->buffer == TRUNK_JITTER_NONE ? 0 : jitter->ms;
	leg->jitter_max_ms = jitter->buffer == TRUNK_JITTER_ADAPTIVE ? jitter->max_ms : 0;
}

static void digit_modes_set(struct call *call, const struct media_summary *media)
{
	for (int i = 0; i < LEGS; i++)
		call->legs[i].digits.mode = media->legs[i].digits;
}

static void session_leg_fill(struct call *call, const struct media_summary *media, int index)
{
	const struct calls_settings *settings = &call->calls->settings;
	const struct media_summary_leg *from = &media->legs[index];
	struct sl_leg *leg = &call->session.legs[index];
	// Where there is no audio, none is missing.
	bool answered = call->times.answer_ms && call->negotiation.legs[index].audio_on;

	leg->remote = session_address(&from->remote, from->remote_port);
	leg->remote_rtcp = session_address(&from->remote_rtcp, from->remote_rtcp_port);
	leg->flags = (from->receive ? SL_LEG_RECEIVE : SL_LEG_HELD) |
		     (from->send ? SL_LEG_SEND : 0) | (from->rtcp_mux ? SL_LEG_RTCP_MUX : 0) |
		     (from->rtcp_reduced ? SL_LEG_RTCP_REDUCED : 0) |
		     (from->no_rtcp ? SL_LEG_NO_RTCP : 0) |
		     (call->legs[index].trunk->logs_quality ? SL_LEG_QUALITY_REPORT : 0) |
		     digits_flags(call, index);
	leg->source =
		media->agreed && !(call->gated && index == LEG_A) ? (uint8_t)!index : SL_NO_LEG;
	leg->start_timeout_ms = answered ? settings->media_start_s * 1000 : 0;
	leg->media_timeout_ms = answered ? settings->media_s * 1000 : 0;
	leg->hold_timeout_ms = answered ? settings->media_hold_s * 1000 : 0;
	formats_fill(leg, from);
	jitter_fill(leg, &call->legs[index].trunk->jitter);
	session_keys_fill(leg, &from->srtp_receive, &from->srtp_send);
}

void description_keys_restore(struct call *call)
{
	struct media_summary media;

	negotiation_media(&call->negotiation, &media);
	digit_modes_set(call, &media);
	for (int i = 0; i < LEGS; i++)
		session_keys_fill(&call->session.legs[i], &media.legs[i].srtp_receive,
			&media.legs[i].srtp_send);
	relays_keys_restore(call, &media);
	explicit_bzero(&media, sizeof(media));
}

void description_wipe(struct call *call)
{
	negotiation_wipe(&call->negotiation);
	media_session_fini(&call->session);
}

void description_expect(struct call *call)
{
	struct media_summary media;

	if (!negotiation_expects_codecs(&call->negotiation, &media))
		return;
	for (int i = 0; i < LEGS; i++) {
		formats_fill(&call->session.legs[i], &media.legs[i]);
		call->session.legs[i].source = (uint8_t)!i;
	}
}

void description_apply(struct call *call)
{
	struct media_summary media;

	negotiation_media(&call->negotiation, &media);
	digit_modes_set(call, &media);
	for (int i = 0; i < LEGS; i++)
		session_leg_fill(call, &media, i);
	relays_fill(call, &media);
	explicit_bzero(&media, sizeof(media));
	media_session_update(&call->session);
}

const char *description_codec(const struct call *call, unsigned int leg, char *out, size_t size)
{
	struct media_summary media;

	negotiation_media(&call->negotiation, &media);
	if (!media.agreed || !media.legs[leg].n_formats)
		*out = '\0';
	else
		sdp_encoding_text(&media.legs[leg].formats[0].encoding, out, size);
	explicit_bzero(&media, sizeof(media));
	return out;
}

const char *description_suite(const struct call *call, unsigned int leg)
{
	return sdp_suite_name((enum sdp_suite)call->negotiation.legs[leg].keys.ours.suite);
}
