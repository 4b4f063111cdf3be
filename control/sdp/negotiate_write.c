// Our descriptions as text. What they say has been decided before (negotiate.c); here are the
// words, and the version of o=, which grows with each text that differs from the one before (RFC
// 3264 8).
#include <errno.h>
#include <string.h>

#include "negotiate_formats.h"
#include "negotiate_relay.h"
#include "sdp_write.h"

// FNV-1a: only to see whether a description differs from the one before.
static uint64_t hash_text(const char *text, int length)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (int i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3;
	return hash;
}

static size_t describe_formats(const struct negotiation *n, int to,
	struct sdp_write_format *formats, char (*fmtps)[SDP_FMTP_MAX])
{
	const struct negotiation_leg *leg = &n->legs[to];

	for (uint8_t i = 0; i < leg->n_local; i++) {
		const struct media_format *format = &leg->local_formats[i];

		formats_local_fmtp(n, to, format, fmtps[i], sizeof(fmtps[i]));
		formats[i] = (struct sdp_write_format){
			.name = format->encoding.name,
			.fmtp = fmtps[i],
			.clock_hz = format->encoding.clock_hz,
			.channels = format->encoding.channels,
			.pt = format->pt,
		};
	}
	return leg->n_local;
}

static void describe_lines(const struct negotiation_leg *leg, struct sdp_write_media *lines)
{
	for (uint8_t i = 0; i < leg->n_lines; i++)
		lines[i] = (struct sdp_write_media){
			.type = leg->lines[i].type,
			.proto = leg->lines[i].proto,
			.rejected_format = leg->lines[i].format,
		};
}

// Texts of the keys that are offered, or of the one that answers. Returns how many.
static size_t describe_keys(const struct negotiation_leg *leg, char (*texts)[SDP_CRYPTO_TEXT_MAX],
	const char *out[SDP_N_SUITES])
{
	const struct negotiation_keys *keys = &leg->keys;
	const struct sdp_crypto *from = leg->offered_by_us ? keys->offered : &keys->ours;
	uint8_t n_from = leg->offered_by_us ? keys->n_offered : 1;
	size_t n = 0;

	for (uint8_t i = 0; i < n_from; i++)
		if (from[i].suite != SDP_SUITE_NONE) {
			out[n] = sdp_crypto_text(&from[i], texts[n]);
			n++;
		}
	return n;
}

static int write_versioned(
	struct negotiation_leg *leg, struct sdp_description *description, char *out, size_t size)
{
	int length = sdp_write(description, out, size);
	uint64_t hash;

	if (length < 0)
		return length;
	hash = hash_text(out, length);
	if (leg->text_hash && leg->text_hash != hash)
		leg->version++;
	leg->text_hash = hash;
	description->version = leg->version;
	return sdp_write(description, out, size);
}

// What describe_audio() points to.
struct audio_texts {
	struct sdp_write_format formats[NEGOTIATION_FORMATS_MAX];
	char fmtps[NEGOTIATION_FORMATS_MAX][SDP_FMTP_MAX];
	char keys[SDP_N_SUITES][SDP_CRYPTO_TEXT_MAX];
	const char *key_list[SDP_N_SUITES];
};

static void describe_audio(const struct negotiation *n, int to, uint16_t port,
	struct sdp_write_media *audio, struct audio_texts *texts)
{
	const struct negotiation_leg *leg = &n->legs[to];

	audio->formats = texts->formats;
	audio->n_formats = describe_formats(n, to, texts->formats, texts->fmtps);
	audio->port = port;
	audio->direction = (enum sdp_direction)leg->local_direction;
	audio->ptime_ms = leg->local_ptime_ms;
	audio->maxptime_ms = leg->local_maxptime_ms;
	audio->rtcp_mux = leg->local_mux;
	audio->no_rtcp = leg->no_rtcp && !leg->offered_by_us;
	audio->rtcp_rsize = leg->rtcp_reduced && !leg->offered_by_us;
	audio->keys = texts->key_list;
	audio->n_keys = describe_keys(leg, texts->keys, texts->key_list);
}

int negotiation_write(struct negotiation *n, int to, const struct negotiation_local *local,
	char *out, size_t size)
{
	struct negotiation_leg *leg = &n->legs[to];
	struct sdp_write_media lines[NEGOTIATION_LINES_MAX];
	struct relay_texts relays[NEGOTIATION_RELAYS_MAX];
	struct audio_texts audio;
	struct sdp_description description = {
		.session_id = leg->session_id,
		.address = local->address,
		.media = lines,
		.n_media = leg->n_lines,
	};
	int length;

	if (leg->state == NEGOTIATION_IDLE || leg->state == NEGOTIATION_ANSWER_DUE)
		return -EAGAIN;
	describe_lines(leg, lines);
	if (leg->audio_on)
		describe_audio(n, to, local->port, &lines[leg->audio_line], &audio);
	relays_describe(n, to, local, lines, relays);
	length = write_versioned(leg, &description, out, size);
	explicit_bzero(audio.keys, sizeof(audio.keys));
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		explicit_bzero(relays[i].keys, sizeof(relays[i].keys));
	return length;
}
