// Both legs of a negotiation as bytes, for the call's record: what is needed to carry on with
// re-offers after a restart. Fields in the order of struct negotiation_leg, integers big-endian,
// texts with a length octet. Reading trusts nothing: counts, states and lengths are checked.
//
// Version 2 has the family of addresses and SRTP keys behind each leg; version 1, which knew none,
// is still read. A record has keys in the clear, like the session that it is kept with. Of our last
// offer only the key in use is kept.
#include <errno.h>
#include <string.h>

#include "negotiate.h"

#define RECORD_VERSION 2
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
			leg->rtcp_reduced << 3,
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

int negotiation_save(const struct negotiation *n, uint8_t *out, size_t size)
{
	struct bytes bytes = {.at = out, .end = out + size};

	put(&bytes, RECORD_VERSION, 1);
	put_leg(&bytes, &n->legs[0]);
	put_leg(&bytes, &n->legs[1]);
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
	if (leg->audio_line >= (leg->n_lines ? leg->n_lines : 1))
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
	flags = get_below(reader, 16);
	leg->remote_mux = flags & 1;
	leg->local_mux = flags & 2;
	leg->offered_by_us = flags & 4;
	leg->rtcp_reduced = flags & 8;
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

int negotiation_load(struct negotiation *n, const uint8_t *data, size_t length)
{
	struct reader reader = {.at = data, .end = data + length};
	struct negotiation_leg legs[2];
	uint8_t version;

	version = get_below(&reader, RECORD_VERSION + 1);
	if (!version)
		return -EBADMSG;
	get_leg(&reader, &legs[0], version);
	get_leg(&reader, &legs[1], version);
	if (reader.bad || reader.at != reader.end) {
		explicit_bzero(legs, sizeof(legs));
		return -EBADMSG;
	}
	for (int i = 0; i < 2; i++) {
		legs[i].version += VERSION_LEAP;
		legs[i].text_hash = 0;
	}
	memcpy(n->legs, legs, sizeof(legs));
	explicit_bzero(legs, sizeof(legs));
	n->stale = true;
	return 0;
}
