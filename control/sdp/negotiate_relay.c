// Lines that are relayed, beside the audio: video, text, T.38. What they mean is between the far
// ends: payload types, parameters, feedback and the attributes of T.38 go from the one's
// description into ours for the other, addresses, ports and keys are ours. The subtle thing is
// which line is which: a relay is a line of each leg, the two at places of their own that never
// change, and other media may take the place of what is refused (RFC 3264 8), so that fax may come
// as a line of its own or in the place of the audio.
#include "negotiate_relay.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "negotiate_crypto.h"
#include "negotiate_formats.h"

// Where it is there and its address is of the leg's family.
static bool is_reachable(const struct negotiation_leg *leg, const struct sdp_media *media)
{
	uint8_t family = media->connection.address.family;

	return media->port && family && (!leg->family || family == leg->family);
}

// Free, or refused and so to be had for something else.
static struct negotiation_relay *relay_find_room(struct negotiation *n)
{
	struct negotiation_relay *found = NULL;

	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		struct negotiation_relay *relay = &n->relays[i];
		bool has_lines = RELAY_LEG(n, relay, 0).line != NEGOTIATION_NO_LINE ||
				 RELAY_LEG(n, relay, 1).line != NEGOTIATION_NO_LINE;

		if (RELAY_LEG(n, relay, 0).offered || RELAY_LEG(n, relay, 1).offered)
			continue;
		if (!has_lines)
			return relay;
		found = relay;
	}
	if (found)
		RELAY_LEG(n, found, 0).line = RELAY_LEG(n, found, 1).line = NEGOTIATION_NO_LINE;
	return found;
}

static struct negotiation_relay *relay_of_line(struct negotiation *n, int leg, uint8_t line)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		if (n->legs[leg].relays[i].line == line)
			return &n->relays[i];
	return NULL;
}

static void relay_refuse(struct relay_leg *leg)
{
	leg->offered = leg->on = false;
	explicit_bzero(&leg->keys, sizeof(leg->keys));
}

static void read_offered(struct negotiation *n, int from, const struct sdp *sdp, uint8_t line)
{
	const struct sdp_media *media = &sdp->media[line];
	uint8_t kind = relay_kind(sdp, media);
	struct negotiation_leg *leg = &n->legs[from];
	struct negotiation_relay *relay;
	struct relay_leg *out, probe;
	struct sdp_crypto key = {};
	bool opaque = kind == SDP_RELAY_IMAGE;

	if (!(kind & n->policies[0]->relays & n->policies[1]->relays) || !is_reachable(leg, media))
		return;
	relay_read_formats(&probe, sdp, media);
	if (opaque ? n->policies[from]->srtp == SDP_SRTP_REQUIRED
		   : !probe.n_formats || !crypto_read_offer(n, from, sdp, media, &key))
		return;
	relay = relay_of_line(n, from, line);
	if (!relay)
		relay = relay_find_room(n);
	if (!relay)
		return;
	out = &RELAY_LEG(n, relay, from);
	out->line = line;
	out->n_formats = probe.n_formats;
	memcpy(out->formats, probe.formats, sizeof(out->formats));
	relay->opaque = opaque;
	relay->feedback = proto_has_feedback(media->proto);
	snprintf(relay->type, sizeof(relay->type), "%s", leg->lines[line].type);
	snprintf(relay->format, sizeof(relay->format), "%s", leg->lines[line].format);
	relay_read_transport(out, media);
	relay_keep_text(leg, out, relay->feedback, sdp, media);
	leg->family = out->remote.family;
	out->keys.theirs = key;
	sdp_crypto_wipe(&key);
	out->offered = out->on = true;
}

void relays_read_offer(struct negotiation *n, int from, const struct sdp *offer)
{
	struct negotiation_leg *leg = &n->legs[from];
	bool before[NEGOTIATION_RELAYS_MAX];

	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		struct negotiation_relay *relay = &n->relays[i];
		struct relay_leg *own = &RELAY_LEG(n, relay, from);

		before[i] = own->on;
		own->offered = own->on = false;
		// Audio is back in its place, or the line has gone away.
		if ((leg->audio_on && own->line == leg->audio_line) || own->line >= leg->n_lines)
			own->line = NEGOTIATION_NO_LINE;
	}
	leg->n_lines_text = 0;
	for (uint8_t i = 0; i < leg->n_lines; i++)
		if (!leg->audio_on || i != leg->audio_line)
			read_offered(n, from, offer, i);
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		if (before[i] && !n->legs[from].relays[i].on)
			relay_refuse(&n->legs[from].relays[i]);
}

static bool read_answered(struct negotiation *n, int from, struct negotiation_relay *relay,
	const struct sdp *answer, struct sdp_crypto *key)
{
	struct relay_leg *own = &RELAY_LEG(n, relay, from);
	const struct sdp_media *media;
	uint8_t kind;
	bool opaque;

	if (own->line >= answer->n_media)
		return false;
	media = &answer->media[own->line];
	kind = relay_kind(answer, media);
	opaque = kind == SDP_RELAY_IMAGE;
	if (!kind || opaque != relay->opaque || !sdp_slice_equal_nocase(media->type, relay->type) ||
		!is_reachable(&n->legs[from], media))
		return false;
	if (!opaque && !crypto_read_answer(n, from, &own->keys, answer, media, key))
		return false;
	relay_read_formats(own, answer, media);
	if (!opaque && !own->n_formats)
		return false;
	relay_read_transport(own, media);
	relay_keep_text(&n->legs[from], own, relay->feedback && proto_has_feedback(media->proto),
		answer, media);
	return true;
}

void relays_read_answer(struct negotiation *n, int from, const struct sdp *answer)
{
	struct negotiation_leg *leg = &n->legs[from];
	struct sdp_crypto key = {};

	leg->n_lines_text = 0;
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		struct relay_leg *own = &n->legs[from].relays[i];

		own->on = own->offered && read_answered(n, from, &n->relays[i], answer, &key);
		if (!own->on)
			continue;
		crypto_answered(&own->keys, &key);
		sdp_crypto_wipe(&key);
		own->remote_direction &= direction_reverse(own->local_direction);
		own->remote_mux = own->remote_mux && own->local_mux;
		leg->family = own->remote.family;
	}
}

// A place in the descriptions of a leg: of refused media of that type, else a new one, else of any
// refused media. The audio's is left to it.
static uint8_t line_take(struct negotiation *n, int to, const char *type)
{
	struct negotiation_leg *leg = &n->legs[to];
	uint8_t other = NEGOTIATION_NO_LINE;

	for (uint8_t i = 0; i < leg->n_lines; i++) {
		if (i == leg->audio_line || relay_of_line(n, to, i))
			continue;
		if (!strcasecmp(leg->lines[i].type, type))
			return i;
		other = i;
	}
	if (leg->n_lines < NEGOTIATION_LINES_MAX)
		return leg->n_lines++;
	return other;
}

// The line of a relay whose place has been taken on the other side.
static uint8_t relay_line_left(const struct negotiation *n, int to)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		if (n->legs[to].relays[i].line != NEGOTIATION_NO_LINE &&
			n->legs[1 - to].relays[i].line == NEGOTIATION_NO_LINE)
			return n->legs[to].relays[i].line;
	return NEGOTIATION_NO_LINE;
}

bool audio_line_take(struct negotiation *n, int to)
{
	static const struct media_line plain = {"audio", "RTP/AVP", "0"},
				       secure = {"audio", "RTP/SAVP", "0"};
	struct negotiation_leg *leg = &n->legs[to];
	uint8_t n_lines = leg->n_lines;

	if (leg->audio_line == NEGOTIATION_NO_LINE)
		leg->audio_line = relay_line_left(n, to);
	if (leg->audio_line == NEGOTIATION_NO_LINE)
		leg->audio_line = line_take(n, to, "audio");
	if (leg->audio_line == NEGOTIATION_NO_LINE)
		return false;
	if (leg->audio_line >= n_lines || strcasecmp(leg->lines[leg->audio_line].type, "audio"))
		leg->lines[leg->audio_line] =
			n->policies[to]->srtp == SDP_SRTP_REQUIRED ? secure : plain;
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		if (n->legs[to].relays[i].line == leg->audio_line)
			n->legs[to].relays[i].line = NEGOTIATION_NO_LINE;
	return true;
}

// Its line for leg `to`: in the place of the audio where that is so on the other side.
static bool relay_line_take(struct negotiation *n, int to, struct negotiation_relay *relay)
{
	struct negotiation_leg *leg = &n->legs[to], *other = &n->legs[1 - to];
	struct relay_leg *own = &RELAY_LEG(n, relay, to);
	bool in_place = !leg->audio_offered && leg->audio_line != NEGOTIATION_NO_LINE &&
			RELAY_LEG(n, relay, 1 - to).line == other->audio_line &&
			!relay_of_line(n, to, leg->audio_line);

	if (own->line == NEGOTIATION_NO_LINE)
		own->line = in_place ? leg->audio_line : line_take(n, to, relay->type);
	return own->line != NEGOTIATION_NO_LINE;
}

static void line_write(struct negotiation *n, int to, const struct negotiation_relay *relay)
{
	static const char *const protos[2][2] = {
		{"RTP/AVP", "RTP/SAVP"}, {"RTP/AVPF", "RTP/SAVPF"}};
	struct media_line *line = &n->legs[to].lines[RELAY_LEG(n, relay, to).line];
	bool secure = n->policies[to]->srtp == SDP_SRTP_REQUIRED;

	*line = (struct media_line){};
	snprintf(line->type, sizeof(line->type), "%s", relay->type);
	snprintf(line->proto, sizeof(line->proto), "%s",
		relay->opaque ? "udptl" : protos[relay->feedback][secure]);
	snprintf(line->format, sizeof(line->format), "%s", relay->format);
}

static void prepare_offered(struct negotiation *n, int to, struct negotiation_relay *relay)
{
	const struct sdp_policy *policy = n->policies[to];
	struct relay_leg *own = &RELAY_LEG(n, relay, to), *other = &RELAY_LEG(n, relay, 1 - to);
	bool was_on = own->on;

	own->offered = own->on = false;
	if (!other->on || (relay->opaque && policy->srtp == SDP_SRTP_REQUIRED) ||
		!relay_line_take(n, to, relay)) {
		relay_refuse(own);
		return;
	}
	own->offered = own->on = true;
	line_write(n, to, relay);
	own->local_direction = other->remote_direction;
	own->local_mux =
		!relay->opaque &&
		(policy->rtcp_mux == SDP_MUX_OFFER ||
			(policy->rtcp_mux == SDP_MUX_ACCEPT && own->local_mux && own->remote_mux));
	if (!relay->opaque)
		crypto_offer(n, to, &own->keys, was_on);
}

void relays_prepare_offer(struct negotiation *n, int to)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		prepare_offered(n, to, &n->relays[i]);
}

void relays_prepare_answer(struct negotiation *n, int to)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		struct negotiation_relay *relay = &n->relays[i];
		struct relay_leg *own = &RELAY_LEG(n, relay, to),
				 *other = &RELAY_LEG(n, relay, 1 - to);

		own->on = own->offered && other->on;
		if (!own->on) {
			relay_refuse(own);
			continue;
		}
		own->local_direction = (uint8_t)(other->remote_direction &
						 direction_reverse(own->remote_direction));
		own->local_mux = own->remote_mux && n->policies[to]->rtcp_mux != SDP_MUX_NEVER;
		if (!relay->opaque)
			crypto_answer(n, &own->keys);
	}
}

bool relays_any(const struct negotiation *n, int leg)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		if (n->legs[leg].relays[i].on)
			return true;
	return false;
}

static bool same_text(const struct negotiation *a, const struct negotiation *b, int leg, int i)
{
	const struct relay_leg *of_a = &a->legs[leg].relays[i], *of_b = &b->legs[leg].relays[i];

	return of_a->text_length == of_b->text_length &&
	       !memcmp(a->legs[leg].lines_text + of_a->text, b->legs[leg].lines_text + of_b->text,
		       of_a->text_length);
}

static bool same_formats(const struct relay_leg *a, const struct relay_leg *b)
{
	if (a->n_formats != b->n_formats)
		return false;
	for (uint8_t i = 0; i < a->n_formats; i++)
		if (a->formats[i].pt != b->formats[i].pt)
			return false;
	return true;
}

bool relays_same(const struct negotiation *a, const struct negotiation *b, int leg)
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		const struct relay_leg *of_a = &a->legs[leg].relays[i],
				       *of_b = &b->legs[leg].relays[i];

		// Offered again what was refused is something new, too.
		if (of_a->on != of_b->on)
			return false;
		if (of_a->on &&
			(!same_formats(of_a, of_b) || !same_text(a, b, leg, i) ||
				a->legs[!leg].relays[i].local_direction != of_b->remote_direction))
			return false;
	}
	return true;
}
