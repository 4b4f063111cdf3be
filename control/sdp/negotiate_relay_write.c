// Lines that are relayed in our descriptions, and what media is to do about them.
#include <string.h>

#include "negotiate_formats.h"
#include "negotiate_relay.h"

static size_t describe_keys(
	const struct negotiation_leg *leg, const struct relay_leg *own, struct relay_texts *texts)
{
	const struct negotiation_keys *keys = &own->keys;
	const struct sdp_crypto *from = leg->offered_by_us ? keys->offered : &keys->ours;
	uint8_t n_from = leg->offered_by_us ? keys->n_offered : 1;
	size_t n = 0;

	for (uint8_t i = 0; i < n_from; i++)
		if (from[i].suite != SDP_SUITE_NONE) {
			texts->key_list[n] = sdp_crypto_text(&from[i], texts->keys[n]);
			n++;
		}
	return n;
}

// What is said on behalf of the other leg, of formats that both have named.
static void describe(const struct negotiation *n, int to, const struct negotiation_relay *relay,
	struct sdp_write_media *line, struct relay_texts *texts)
{
	const struct negotiation_leg *leg = &n->legs[to], *other = &n->legs[1 - to];
	const struct relay_leg *own = &RELAY_LEG(n, relay, to),
			       *theirs = &RELAY_LEG(n, relay, 1 - to);

	for (uint8_t i = 0; i < theirs->n_formats; i++)
		texts->formats[i] = (struct sdp_write_format){.pt = theirs->formats[i].pt};
	line->formats = texts->formats;
	line->n_formats = theirs->n_formats;
	line->lines = other->lines_text + theirs->text;
	line->lines_length = theirs->text_length;
	line->direction = (enum sdp_direction)own->local_direction;
	line->opaque = relay->opaque;
	line->rtcp_mux = own->local_mux;
	line->keys = texts->key_list;
	line->n_keys = describe_keys(leg, own, texts);
}

void relays_describe(const struct negotiation *n, int to, const struct negotiation_local *local,
	struct sdp_write_media *lines, struct relay_texts texts[NEGOTIATION_RELAYS_MAX])
{
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		const struct negotiation_relay *relay = &n->relays[i];

		if (!RELAY_LEG(n, relay, to).on || !local->relay_ports[i])
			continue;
		lines[RELAY_LEG(n, relay, to).line].port = local->relay_ports[i];
		describe(n, to, relay, &lines[RELAY_LEG(n, relay, to).line], &texts[i]);
	}
}

static void summarise(const struct relay_leg *leg, struct media_summary_relay_leg *out)
{
	enum sdp_direction ours = (enum sdp_direction)(
		leg->local_direction & direction_reverse(leg->remote_direction));

	out->on = leg->on;
	if (!leg->on)
		return;
	if (leg->remote_port && !sdp_address_is_any(&leg->remote)) {
		out->remote = leg->remote;
		out->remote_port = leg->remote_port;
	}
	if (leg->remote_rtcp_port) {
		out->remote_rtcp = leg->remote_rtcp.family ? leg->remote_rtcp : out->remote;
		out->remote_rtcp_port = leg->remote_rtcp_port;
	}
	out->rtcp_mux = leg->local_mux && leg->remote_mux;
	if (leg->keys.ours.suite != SDP_SUITE_NONE) {
		out->srtp_send = leg->keys.ours;
		out->srtp_receive = leg->keys.theirs;
	}
	out->send = (ours & SDP_SENDONLY) && out->remote.family;
	out->receive = ours & SDP_RECVONLY;
	out->n_formats = leg->n_formats;
	memcpy(out->formats, leg->formats, sizeof(out->formats));
}

void relays_summarise(const struct negotiation *n, struct media_summary *out)
{
	bool stable =
		n->legs[0].state == NEGOTIATION_STABLE && n->legs[1].state == NEGOTIATION_STABLE;

	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++) {
		const struct negotiation_relay *relay = &n->relays[i];

		out->relays[i].opaque = relay->opaque;
		for (int leg = 0; leg < 2; leg++)
			summarise(&RELAY_LEG(n, relay, leg), &out->relays[i].legs[leg]);
		out->relays_agreed[i] =
			stable && RELAY_LEG(n, relay, 0).on && RELAY_LEG(n, relay, 1).on;
	}
}
