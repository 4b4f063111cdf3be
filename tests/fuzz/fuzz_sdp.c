// Session descriptions through the parser and a whole exchange with fixed policies. The input is
// cut at each "%%" line: offer, answer, then a re-offer and its answer from the other side. It is
// played twice: without SRTP, and with SRTP optional on one side and required on the other.
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sdp_encoding pcmu = {"PCMU", 8000, 1}, pcma = {"PCMA", 8000, 1},
				 opus = {"opus", 48000, 2};
static const struct sdp_encoding *const transcoders[] = {&pcmu, &pcma, &opus, NULL};
static const struct sdp_policy carrier = {
	.codecs = {{"PCMU", 8000, 1}, {"PCMA", 8000, 1}, {"G729", 8000, 1}, {"AMR", 8000, 1}},
	.n_codecs = 4,
	.ptime_ms = 20,
	.dtmf = SDP_DTMF_AUTO,
	.relays = SDP_RELAY_VIDEO | SDP_RELAY_TEXT | SDP_RELAY_IMAGE,
	.suites = {SDP_SUITE_AES_CM_128_HMAC_SHA1_80, SDP_SUITE_AES_256_CM_HMAC_SHA1_32},
	.n_suites = 2,
};
static const struct sdp_policy agents = {
	.codecs = {{"opus", 48000, 2}, {"PCMA", 8000, 1}, {"AMR", 8000, 1}},
	.n_codecs = 3,
	.dtmf = SDP_DTMF_EVENTS,
	.relays = SDP_RELAY_VIDEO | SDP_RELAY_IMAGE,
	.rtcp_mux = SDP_MUX_OFFER,
	.suites = {SDP_SUITE_AEAD_AES_256_GCM, SDP_SUITE_AES_CM_128_HMAC_SHA1_80},
	.n_suites = 2,
};
static const struct negotiation_local local = {{{192, 0, 2, 1}, 4}, 10000, {10002, 10004}};

// The same keys in each run, and no two alike.
static uint32_t n_made;

static void random_bytes(void *out, size_t length)
{
	memset(out, 0x55, length);
	n_made++;
	memcpy(out, &n_made, sizeof(n_made));
}

// A key is never on two ways, both are there or none, and a policy is kept.
static void check_keys(const struct negotiation *n, const struct media_summary *media)
{
	for (int i = 0; i < 2; i++) {
		const struct media_summary_leg *leg = &media->legs[i], *other = &media->legs[!i];

		if (leg->srtp_send.suite != leg->srtp_receive.suite && media->agreed)
			abort();
		if (sdp_crypto_same_key(&leg->srtp_send, &leg->srtp_receive) ||
			sdp_crypto_same_key(&leg->srtp_send, &other->srtp_receive) ||
			sdp_crypto_same_key(&leg->srtp_send, &other->srtp_send))
			abort();
		if (media->agreed && n->policies[i]->srtp == SDP_SRTP_REQUIRED &&
			leg->srtp_send.suite == SDP_SUITE_NONE)
			abort();
	}
}

// No key is sent with on two lines, and none that came is sent with.
static void check_relay_keys(const struct media_summary *media)
{
	const struct sdp_crypto *sent[2 + 2 * NEGOTIATION_RELAYS_MAX],
		*came[2 + 2 * NEGOTIATION_RELAYS_MAX];
	int n = 0;

	for (int i = 0; i < 2; i++) {
		came[n] = &media->legs[i].srtp_receive;
		sent[n++] = &media->legs[i].srtp_send;
		for (int j = 0; j < NEGOTIATION_RELAYS_MAX; j++) {
			came[n] = &media->relays[j].legs[i].srtp_receive;
			sent[n++] = &media->relays[j].legs[i].srtp_send;
		}
	}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			if ((i != j && sdp_crypto_same_key(sent[i], sent[j])) ||
				sdp_crypto_same_key(sent[i], came[j]))
				abort();
}

// A line is of one medium, and one that is agreed is on both sides.
static void check_lines(const struct negotiation *n, const struct media_summary *media)
{
	for (int leg = 0; leg < 2; leg++)
		for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
			const struct relay_leg *relay = &n->legs[leg].relays[i];

			if (relay->on && relay->line >= n->legs[leg].n_lines)
				abort();
			if (relay->on && n->legs[leg].audio_on &&
				relay->line == n->legs[leg].audio_line)
				abort();
			for (int j = 0; j < i; j++)
				if (relay->on && relay->line == n->legs[leg].relays[j].line)
					abort();
			if (media->relays_agreed[i] && !relay->on)
				abort();
			if (media->relays_agreed[i] && !media->relays[i].opaque &&
				n->policies[leg]->srtp == SDP_SRTP_REQUIRED &&
				media->relays[i].legs[leg].srtp_send.suite == SDP_SUITE_NONE)
				abort();
		}
}

// What we write must be a description to us too.
static void write_and_parse(struct negotiation *n, int leg)
{
	static struct sdp again;
	char text[NEGOTIATION_TEXT_MAX];
	int length = negotiation_write(n, leg, &local, text, sizeof(text));

	if (length == -ENOBUFS || (length >= 0 && sdp_parse(&again, text, (size_t)length, NULL)))
		abort();
}

// One payload type, one format (RFC 3264 section 8.3.2).
static void check_payload_types(const struct negotiation_leg *leg)
{
	for (int i = 0; i < leg->n_local; i++)
		for (int j = 0; j < i; j++)
			if (leg->local_formats[i].pt == leg->local_formats[j].pt)
				abort();
}

static void save_and_load(const struct negotiation *n)
{
	struct negotiation copy = *n;
	uint8_t record[NEGOTIATION_RECORD_MAX];
	int length = negotiation_save(n, record, sizeof(record));

	if (length >= 0 && negotiation_load(&copy, record, (size_t)length))
		abort();
}

static void play(struct negotiation *n, const struct sdp *sdp, unsigned int step)
{
	int leg = step % 4 == 1 || step % 4 == 2;
	struct media_summary media;

	if (step % 2)
		negotiation_take_answer(n, leg, sdp);
	else if (negotiation_is_refresh(n, leg, sdp))
		negotiation_answer_here(n, leg, sdp);
	else
		negotiation_take_offer(n, leg, sdp);
	for (int i = 0; i < 2; i++) {
		write_and_parse(n, i);
		check_payload_types(&n->legs[i]);
	}
	negotiation_media(n, &media);
	check_keys(n, &media);
	check_relay_keys(&media);
	check_lines(n, &media);
	save_and_load(n);
}

static void play_all(struct negotiation *n, const uint8_t *data, size_t size)
{
	static struct sdp sdp;

	for (unsigned int step = 0; size; step++) {
		const uint8_t *cut = memmem(data, size, "%%\n", 3);
		size_t length = cut ? (size_t)(cut - data) : size;
		size_t used = cut ? length + 3 : length;
		char *text = malloc(length ? length : 1); // exact, so that a read past it shows

		memcpy(text, data, length);
		if (sdp_parse(&sdp, text, length, NULL) == 0)
			play(n, &sdp, step);
		free(text);
		data += used;
		size -= used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct negotiation_settings settings = {
		.transcoders = transcoders, .random = random_bytes, .ids = {1, 2}};
	struct sdp_policy policies[2] = {carrier, agents};
	struct negotiation n;

	settings.policies[0] = &policies[0];
	settings.policies[1] = &policies[1];
	negotiation_init(&n, &settings);
	play_all(&n, data, size);
	policies[0].srtp = SDP_SRTP_OPTIONAL;
	policies[1].srtp = SDP_SRTP_REQUIRED;
	n_made = 0;
	negotiation_init(&n, &settings);
	play_all(&n, data, size);
	return 0;
}
