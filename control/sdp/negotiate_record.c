// Both legs of a negotiation as bytes, for the call's record: what is needed to carry on with
// re-offers after a restart. Fields in the order of struct negotiation_leg, integers big-endian,
// texts with a length octet. Reading trusts nothing: counts, states and lengths are checked.
//
// Version 2 has the family of addresses and SRTP keys behind each leg, version 3 the lines that are
// relayed behind both; older ones, which knew none, are still read. What there is no room for of
// their attributes is left out: the far ends will say it again. A record has keys in the clear,
// like the session that it is kept with. Of our last offer only the key in use is kept.
#include <errno.h>
#include <string.h>

#include "negotiate.h"

#define RECORD_VERSION 3
#define VERSION_LEAP   2 // one description may have gone out after the record was written

struct bytes {
	uint8_t *at, *end;
	bool bad; // out of room, or malformed
};

static void put(struct bytes *bytes, uint64_t value, unsigned int n_octets)
{
	if ((size_t)(bytes->end - bytes->at) < n_octets) {
		bytes->bad = true;
		return;
	}
	for (unsigned int i = n_octets; i-- > 0;)
		*bytes->at++ = (uint8_t)(value >> (8 * i));
}

static void put_text(struct bytes *bytes, const char *text)
{
	size_t length = strlen(text);

	put(bytes, length, 1);
	for (size_t i = 0; i < length; i++)
		put(bytes, (uint8_t)text[i], 1);
}

static void put_address(struct bytes *bytes, const struct sdp_address *address)
{
	put(bytes, address->family, 1);
	for (unsigned int i = 0; i < (address->family == 6 ? 16u : address->family); i++)
		put(bytes, address->bytes[i], 1);
}

static void put_format(struct bytes *bytes, const struct media_format *format)
{
	put_text(bytes, format->encoding.name);
	put(bytes, format->encoding.clock_hz, 4);
	put(bytes, format->encoding.channels, 1);
	put(bytes, format->pt, 1);
}

static void put_octets(struct bytes *bytes, const uint8_t *octets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(bytes, octets[i], 1);
}

static void put_key(struct bytes *bytes, const struct sdp_crypto *key)
{
	put(bytes, key->suite, 1);
	if (key->suite == SDP_SUITE_NONE)
		return;
	put(bytes, key->tag, 4);
	put_octets(bytes, key->key, sdp_suite_key_bytes((enum sdp_suite)key->suite));
	put_octets(bytes, key->salt, sdp_suite_salt_bytes((enum sdp_suite)key->suite));
	put(bytes, key->mki_bytes, 1);
	put_octets(bytes, key->mki, key->mki_bytes);
}

static void put_leg(struct bytes *bytes, const struct negotiation_leg *leg)
{
	put(bytes, leg->state, 1);
	put(bytes, leg->audio_line, 1);
	put(bytes, leg->remote_direction, 1);
	put(bytes, leg->local_direction, 1);
	put(bytes,
		leg->remote_mux | leg->local_mux << 1 | leg->offered_by_us << 2 |
			leg->rtcp_reduced << 3 | leg->audio_offered << 4 | leg->audio_on << 5 |
			leg->no_rtcp << 6,
		1);
	put(bytes, leg->remote_port, 2);
	put(bytes, leg->remote_rtcp_port, 2);
	put(bytes, leg->remote_ptime_ms, 2);
	put(bytes, leg->remote_maxptime_ms, 2);
	put(bytes, leg->local_ptime_ms, 2);
	put(bytes, leg->local_maxptime_ms, 2);
	put_address(bytes, &leg->remote);
	put_address(bytes, &leg->remote_rtcp);
	put(bytes, leg->session_id, 8);
	put(bytes, leg->version, 8);
	put(bytes, leg->text_hash, 8);
	put(bytes, leg->n_lines, 1);
	for (uint8_t i = 0; i < leg->n_lines; i++) {
		put_text(bytes, leg->lines[i].type);
		put_text(bytes, leg->lines[i].proto);
		put_text(bytes, leg->lines[i].format);
	}
	put(bytes, leg->n_remote, 1);
	for (uint8_t i = 0; i < leg->n_remote; i++) {
		put_format(bytes, &leg->remote_formats[i].format);
		put_text(bytes, leg->remote_formats[i].fmtp);
	}
	put(bytes, leg->n_local, 1);
	for (uint8_t i = 0; i < leg->n_local; i++)
		put_format(bytes, &leg->local_formats[i]);
	put(bytes, leg->n_pts, 1);
	for (uint8_t i = 0; i < leg->n_pts; i++)
		put_format(bytes, &leg->pts[i]);
	put(bytes, leg->family, 1);
	put_key(bytes, &leg->keys.ours);
	put_key(bytes, &leg->keys.theirs);
}

static void put_relay_leg(struct bytes *bytes, const struct relay_leg *leg)
{
	put(bytes, leg->line, 1);
	put(bytes,
		leg->offered | leg->on << 1 | leg->remote_mux << 2 | leg->local_mux << 3 |
			leg->remote_direction << 4 | leg->local_direction << 6,
		1);
	put(bytes, leg->remote_port, 2);
	put(bytes, leg->remote_rtcp_port, 2);
	put_address(bytes, &leg->remote);
	put_address(bytes, &leg->remote_rtcp);
	put(bytes, leg->n_formats, 1);
	for (uint8_t i = 0; i < leg->n_formats; i++) {
		put(bytes, leg->formats[i].clock_hz, 4);
		put(bytes, leg->formats[i].pt, 1);
	}
	put_key(bytes, &leg->keys.ours);
	put_key(bytes, &leg->keys.theirs);
}

// One that was ever there.
static bool is_known(const struct negotiation *n, int relay)
{
	return n->legs[0].relays[relay].line != NEGOTIATION_NO_LINE ||
	       n->legs[1].relays[relay].line != NEGOTIATION_NO_LINE;
}

static void put_relays(struct bytes *bytes, const struct negotiation *n)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		const struct negotiation_relay *relay = &n->relays[i];

		put(bytes, is_known(n, i), 1);
		if (!is_known(n, i))
			continue;
		put_text(bytes, relay->type);
		put_text(bytes, relay->format);
		put(bytes, relay->opaque | relay->feedback << 1, 1);
		put_relay_leg(bytes, &n->legs[0].relays[i]);
		put_relay_leg(bytes, &n->legs[1].relays[i]);
	}
}

// Attributes, as far as there is room: of each a length, which is 0 where there is none.
static void put_texts(struct bytes *bytes, const struct negotiation *n)
{
	size_t after = 2 * 2 * NEGOTIATION_RELAYS_MAX; // lengths to come, all of them

	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		for (int j = 0; j < 2; j++) {
			const struct relay_leg *leg = &n->legs[j].relays[i];
			size_t room = (size_t)(bytes->end - bytes->at);
			uint16_t length = leg->on ? leg->text_length : 0;

			if (room < length + after)
				length = 0;
			after -= 2;
			put(bytes, length, 2);
			put_octets(
				bytes, (const uint8_t *)n->legs[j].lines_text + leg->text, length);
		}
}

int negotiation_save(const struct negotiation *n, uint8_t *out, size_t size)
{
	struct bytes bytes = {.at = out, .end = out + size};

	put(&bytes, RECORD_VERSION, 1);
	put_leg(&bytes, &n->legs[0]);
	put_leg(&bytes, &n->legs[1]);
	put_relays(&bytes, n);
	put_texts(&bytes, n);
	return bytes.bad ? -ENOBUFS : (int)(bytes.at - out);
}

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

static uint64_t get(struct reader *reader, unsigned int n_octets)
{
	uint64_t value = 0;

	if ((size_t)(reader->end - reader->at) < n_octets) {
		reader->bad = true;
		return 0;
	}
	for (unsigned int i = 0; i < n_octets; i++)
		value = value << 8 | *reader->at++;
	return value;
}

static uint8_t get_below(struct reader *reader, uint64_t limit)
{
	uint64_t value = get(reader, 1);

	if (value >= limit)
		reader->bad = true;
	return reader->bad ? 0 : (uint8_t)value;
}

static void get_text(struct reader *reader, char *out, size_t size)
{
	uint8_t length = get_below(reader, size);

	for (uint8_t i = 0; i < length; i++) {
		out[i] = (char)get(reader, 1);
		if (out[i] < ' ' || out[i] > '~')
			reader->bad = true;
	}
	out[length] = '\0';
}

static void get_address(struct reader *reader, struct sdp_address *out)
{
	uint8_t family = get_below(reader, 7);
	unsigned int n = family == 6 ? 16 : family;

	if (family != 0 && family != 4 && family != 6)
		reader->bad = true;
	out->family = family;
	for (unsigned int i = 0; i < n; i++)
		out->bytes[i] = (uint8_t)get(reader, 1);
}

static void get_format(struct reader *reader, struct media_format *out)
{
	get_text(reader, out->encoding.name, sizeof(out->encoding.name));
	out->encoding.clock_hz = (uint32_t)get(reader, 4);
	out->encoding.channels = (uint8_t)get(reader, 1);
	out->pt = get_below(reader, 128);
}

static void get_lines(struct reader *reader, struct negotiation_leg *leg)
{
	leg->n_lines = get_below(reader, NEGOTIATION_LINES_MAX + 1);
	for (uint8_t i = 0; i < leg->n_lines; i++) {
		get_text(reader, leg->lines[i].type, sizeof(leg->lines[i].type));
		get_text(reader, leg->lines[i].proto, sizeof(leg->lines[i].proto));
		get_text(reader, leg->lines[i].format, sizeof(leg->lines[i].format));
	}
	if (leg->audio_line >= (leg->n_lines ? leg->n_lines : 1) &&
		(leg->audio_line != NEGOTIATION_NO_LINE || leg->audio_on))
		reader->bad = true;
}

static void get_formats(struct reader *reader, struct negotiation_leg *leg)
{
	leg->n_remote = get_below(reader, NEGOTIATION_FORMATS_MAX + 1);
	for (uint8_t i = 0; i < leg->n_remote; i++) {
		get_format(reader, &leg->remote_formats[i].format);
		get_text(reader, leg->remote_formats[i].fmtp, sizeof(leg->remote_formats[i].fmtp));
	}
	leg->n_local = get_below(reader, NEGOTIATION_FORMATS_MAX + 1);
	for (uint8_t i = 0; i < leg->n_local; i++)
		get_format(reader, &leg->local_formats[i]);
	leg->n_pts = get_below(reader, NEGOTIATION_PTS_MAX + 1);
	for (uint8_t i = 0; i < leg->n_pts; i++)
		get_format(reader, &leg->pts[i]);
}

static void get_octets(struct reader *reader, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)get(reader, 1);
}

static void get_key(struct reader *reader, struct sdp_crypto *out)
{
	out->suite = get_below(reader, SDP_SUITES_END);
	if (out->suite == SDP_SUITE_NONE)
		return;
	out->tag = (uint32_t)get(reader, 4);
	get_octets(reader, out->key, sdp_suite_key_bytes((enum sdp_suite)out->suite));
	get_octets(reader, out->salt, sdp_suite_salt_bytes((enum sdp_suite)out->suite));
	out->mki_bytes = get_below(reader, SDP_CRYPTO_MKI_MAX + 1);
	get_octets(reader, out->mki, out->mki_bytes);
}

// What it offered last is what is in use.
static void get_keys(struct reader *reader, struct negotiation_leg *leg)
{
	struct negotiation_keys *keys = &leg->keys;

	get_key(reader, &keys->ours);
	get_key(reader, &keys->theirs);
	if (sdp_crypto_same_key(&keys->ours, &keys->theirs))
		reader->bad = true;
	if (leg->offered_by_us && keys->ours.suite != SDP_SUITE_NONE)
		keys->offered[keys->n_offered++] = keys->ours;
}

static void get_leg(struct reader *reader, struct negotiation_leg *leg, uint8_t version)
{
	uint8_t flags;

	*leg = (struct negotiation_leg){};
	leg->state = (enum negotiation_state)get_below(reader, NEGOTIATION_STABLE + 1);
	leg->audio_line = (uint8_t)get(reader, 1);
	leg->remote_direction = get_below(reader, SDP_SENDRECV + 1);
	leg->local_direction = get_below(reader, SDP_SENDRECV + 1);
	flags = get_below(reader, version < 3 ? 16 : 128);
	leg->remote_mux = flags & 1;
	leg->local_mux = flags & 2;
	leg->offered_by_us = flags & 4;
	leg->rtcp_reduced = flags & 8;
	leg->audio_offered = flags & 16 || version < 3;
	leg->audio_on = flags & 32 || version < 3;
	leg->no_rtcp = flags & 64;
	leg->remote_port = (uint16_t)get(reader, 2);
	leg->remote_rtcp_port = (uint16_t)get(reader, 2);
	leg->remote_ptime_ms = (uint16_t)get(reader, 2);
	leg->remote_maxptime_ms = (uint16_t)get(reader, 2);
	leg->local_ptime_ms = (uint16_t)get(reader, 2);
	leg->local_maxptime_ms = (uint16_t)get(reader, 2);
	get_address(reader, &leg->remote);
	get_address(reader, &leg->remote_rtcp);
	leg->session_id = get(reader, 8);
	leg->version = get(reader, 8);
	leg->text_hash = get(reader, 8);
	get_lines(reader, leg);
	get_formats(reader, leg);
	leg->family = leg->remote.family;
	if (version < 2)
		return;
	leg->family = get_below(reader, 7);
	get_keys(reader, leg);
}

static void get_relay_leg(
	struct reader *reader, const struct negotiation_leg *of, struct relay_leg *leg)
{
	uint8_t flags;

	leg->line = (uint8_t)get(reader, 1);
	flags = (uint8_t)get(reader, 1);
	leg->offered = flags & 1;
	leg->on = flags & 2;
	leg->remote_mux = flags & 4;
	leg->local_mux = flags & 8;
	leg->remote_direction = flags >> 4 & 3;
	leg->local_direction = flags >> 6 & 3;
	leg->remote_port = (uint16_t)get(reader, 2);
	leg->remote_rtcp_port = (uint16_t)get(reader, 2);
	get_address(reader, &leg->remote);
	get_address(reader, &leg->remote_rtcp);
	leg->n_formats = get_below(reader, NEGOTIATION_FORMATS_MAX + 1);
	for (uint8_t i = 0; i < leg->n_formats; i++) {
		leg->formats[i].clock_hz = (uint32_t)get(reader, 4);
		leg->formats[i].pt = get_below(reader, 128);
	}
	get_key(reader, &leg->keys.ours);
	get_key(reader, &leg->keys.theirs);
	if (of->offered_by_us && leg->keys.ours.suite != SDP_SUITE_NONE)
		leg->keys.offered[leg->keys.n_offered++] = leg->keys.ours;
	if (leg->line >= of->n_lines && (leg->line != NEGOTIATION_NO_LINE || leg->on))
		reader->bad = true;
}

static void get_relays(struct reader *reader, struct negotiation_leg legs[2],
	struct negotiation_relay relays[NEGOTIATION_RELAYS_MAX])
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		uint8_t flags;

		if (!get_below(reader, 2))
			continue;
		get_text(reader, relays[i].type, sizeof(relays[i].type));
		get_text(reader, relays[i].format, sizeof(relays[i].format));
		flags = get_below(reader, 4);
		relays[i].opaque = flags & 1;
		relays[i].feedback = flags & 2;
		get_relay_leg(reader, &legs[0], &legs[0].relays[i]);
		get_relay_leg(reader, &legs[1], &legs[1].relays[i]);
	}
}

static void get_attributes(
	struct reader *reader, struct negotiation_leg *leg, struct relay_leg *relay)
{
	uint16_t length = (uint16_t)get(reader, 2);
	char *out = leg->lines_text + leg->n_lines_text;

	if (length > sizeof(leg->lines_text) - leg->n_lines_text)
		reader->bad = true;
	if (reader->bad)
		return;
	relay->text = leg->n_lines_text;
	relay->text_length = length;
	get_octets(reader, (uint8_t *)out, length);
	leg->n_lines_text = (uint16_t)(leg->n_lines_text + length);
	for (uint16_t i = 0; i < length; i++)
		if ((unsigned char)out[i] < ' ' && out[i] != '\r' && out[i] != '\n')
			reader->bad = true;
}

// No two of a leg have one line, nor has one that of the audio.
static bool lines_are_apart(const struct negotiation_leg *leg)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		uint8_t line = leg->relays[i].line;

		if (line == NEGOTIATION_NO_LINE)
			continue;
		if (leg->audio_on && line == leg->audio_line)
			return false;
		for (int j = 0; j < i; j++)
			if (line == leg->relays[j].line)
				return false;
	}
	return true;
}

int negotiation_load(struct negotiation *n, const uint8_t *data, size_t length)
{
	struct reader reader = {.at = data, .end = data + length};
	struct negotiation_relay relays[NEGOTIATION_RELAYS_MAX] = {};
	struct negotiation_leg legs[2];
	uint8_t version;

	version = get_below(&reader, RECORD_VERSION + 1);
	if (!version)
		return -EBADMSG;
	get_leg(&reader, &legs[0], version);
	get_leg(&reader, &legs[1], version);
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		legs[0].relays[i].line = legs[1].relays[i].line = NEGOTIATION_NO_LINE;
	if (version >= 3) {
		get_relays(&reader, legs, relays);
		for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
			for (int j = 0; j < 2; j++)
				get_attributes(&reader, &legs[j], &legs[j].relays[i]);
	}
	if (reader.bad || reader.at != reader.end || !lines_are_apart(&legs[0]) ||
		!lines_are_apart(&legs[1])) {
		explicit_bzero(legs, sizeof(legs));
		return -EBADMSG;
	}
	for (int i = 0; i < 2; i++) {
		legs[i].version += VERSION_LEAP;
		legs[i].text_hash = 0;
	}
	memcpy(n->legs, legs, sizeof(legs));
	memcpy(n->relays, relays, sizeof(relays));
	explicit_bzero(legs, sizeof(legs));
	n->stale = n->established = true;
	return 0;
}
