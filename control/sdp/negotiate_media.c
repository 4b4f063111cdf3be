// What both legs' descriptions together mean for the media: which formats pass, in which direction,
// from where to where.
#include <string.h>

#include "negotiate_formats.h"
#include "negotiate_relay.h"

static uint8_t receive_pt(const struct negotiation_leg *leg, const struct media_format *remote)
{
	for (uint8_t i = 0; i < leg->n_local; i++)
		if (sdp_encoding_equal(&leg->local_formats[i].encoding, &remote->encoding))
			return leg->offered_by_us ? leg->local_formats[i].pt : remote->pt;
	return remote->pt;
}

static void summarise_format(const struct negotiation_leg *leg, const struct remote_format *format,
	struct media_summary_leg *out)
{
	const struct sdp_codec *codec = sdp_codec_find(&format->format.encoding);
	struct media_summary_format *to = &out->formats[out->n_formats++];

	*to = (struct media_summary_format){
		.encoding = format->format.encoding,
		.send_pt = format->format.pt,
		.receive_pt = receive_pt(leg, &format->format),
	};
	if (codec && codec->read)
		codec->read(format->fmtp, &to->params);
}

// What the far end may send besides the chosen format, if the other leg can be given it.
static bool is_deliverable(const struct negotiation *n, const struct remote_format *format,
	const struct format_list *others, int other_first)
{
	for (uint8_t i = 0; i < others->n; i++) {
		enum pair_rank rank = formats_rank(n, format, &others->list[i]);

		if (rank == PAIR_SAME || (i == other_first && rank != PAIR_NONE))
			return true;
	}
	return false;
}

static void summarise_events(const struct negotiation_leg *leg, const struct format_list *own,
	bool matching, uint32_t clock_hz, struct media_summary_leg *out)
{
	for (uint8_t i = 0; i < own->n; i++) {
		const struct sdp_encoding *encoding = &own->list[i].format.encoding;

		if (encoding_is_event(encoding) && (encoding->clock_hz == clock_hz) == matching)
			summarise_format(leg, &own->list[i], out);
	}
}

// Comfort noise that was agreed on: it may come, and silence may be sent as such.
static void summarise_noise(const struct negotiation_leg *leg, const struct format_list *own,
	struct media_summary_leg *out)
{
	for (uint8_t i = 0; i < own->n; i++) {
		if (!encoding_is_noise(&own->list[i].format.encoding))
			continue;
		summarise_format(leg, &own->list[i], out);
		if (sdp_takes_noise(&out->formats[0].encoding))
			out->formats[0].params.dtx = true;
		return;
	}
}

static void summarise_formats(const struct negotiation *n, int leg,
	const struct format_list lists[2], const struct format_pair *pair,
	struct media_summary_leg *out)
{
	const struct format_list *own = &lists[leg], *others = &lists[1 - leg];
	int first = pair->formats[leg];

	summarise_format(&n->legs[leg], &own->list[first], out);
	for (uint8_t i = 0; i < own->n; i++)
		if (i != first && is_deliverable(n, &own->list[i], others, pair->formats[1 - leg]))
			summarise_format(&n->legs[leg], &own->list[i], out);
	if (formats_have_event(own) && formats_pass_digits(n, leg, lists)) {
		uint32_t clock_hz = own->list[first].format.encoding.clock_hz;

		summarise_events(&n->legs[leg], own, true, clock_hz, out);
		summarise_events(&n->legs[leg], own, false, clock_hz, out);
	}
	summarise_noise(&n->legs[leg], own, out);
	for (uint8_t i = 0; i < out->n_formats; i++)
		out->formats[i].params.dtx &= n->policies[leg]->dtx;
}

static bool has_events(const struct media_summary_leg *leg)
{
	for (uint8_t i = 0; i < leg->n_formats; i++)
		if (encoding_is_event(&leg->formats[i].encoding))
			return true;
	return false;
}

static void summarise_digits(const struct sdp_policy *policy, struct media_summary_leg *out)
{
	if (policy->dtmf == SDP_DTMF_INFO)
		out->digits = MEDIA_DIGITS_INFO;
	else if (has_events(out))
		out->digits = MEDIA_DIGITS_EVENTS;
	else if (policy->dtmf == SDP_DTMF_INBAND || policy->dtmf == SDP_DTMF_AUTO)
		out->digits = MEDIA_DIGITS_INBAND;
}

static void summarise_remote(const struct negotiation_leg *leg, const struct sdp_policy *policy,
	struct media_summary_leg *out)
{
	uint16_t ptime_ms = leg->remote_ptime_ms;

	if (!ptime_ms)
		ptime_ms = policy->ptime_ms ? policy->ptime_ms : NEGOTIATION_PTIME_MS;
	if (leg->remote_maxptime_ms && ptime_ms > leg->remote_maxptime_ms)
		ptime_ms = leg->remote_maxptime_ms;
	out->ptime_ms = (uint8_t)ptime_bound(ptime_ms);
	if (leg->remote_port && !sdp_address_is_any(&leg->remote)) {
		out->remote = leg->remote;
		out->remote_port = leg->remote_port;
	}
	if (leg->remote_rtcp_port) {
		out->remote_rtcp = leg->remote_rtcp.family ? leg->remote_rtcp : out->remote;
		out->remote_rtcp_port = leg->remote_rtcp_port;
	}
	out->rtcp_mux = leg->local_mux && leg->remote_mux;
	out->rtcp_reduced = leg->rtcp_reduced;
	out->no_rtcp = leg->no_rtcp;
	if (leg->keys.ours.suite != SDP_SUITE_NONE) {
		out->srtp_send = leg->keys.ours;
		out->srtp_receive = leg->keys.theirs;
	}
}

// What the codec would like besides what the line says; a=maxptime is the last word.
static void summarise_ptime(const struct negotiation_leg *leg, struct media_summary_leg *out)
{
	uint16_t least = out->formats[0].params.ptime_min_ms;

	if (leg->remote_maxptime_ms && least > leg->remote_maxptime_ms)
		least = leg->remote_maxptime_ms;
	if (least > out->ptime_ms)
		out->ptime_ms = (uint8_t)ptime_bound(least);
}

static void summarise_directions(const struct negotiation_leg *leg, struct media_summary_leg *out)
{
	enum sdp_direction ours = (enum sdp_direction)(
		leg->local_direction & direction_reverse(leg->remote_direction));

	out->send = (ours & SDP_SENDONLY) && out->remote.family;
	out->receive = ours & SDP_RECVONLY;
}

bool negotiation_expects_codecs(const struct negotiation *n, struct media_summary *out)
{
	const struct negotiation_leg *offered = &n->legs[1];
	struct format_list lists[2] = {};
	struct format_pair pair;

	if (n->legs[0].state != NEGOTIATION_ANSWER_DUE || offered->state != NEGOTIATION_OFFERED ||
		!offered->audio_on)
		return false;
	formats_of_leg(n, 0, &lists[0]);
	for (uint8_t i = 0; i < offered->n_local; i++)
		lists[1].list[lists[1].n++].format = offered->local_formats[i];
	pair = formats_best_pair(n, lists, 0);
	if (pair.rank == PAIR_NONE || pair.rank == PAIR_SAME)
		return false;
	*out = (struct media_summary){.transcoded = true};
	for (int i = 0; i < 2; i++)
		summarise_format(&n->legs[i], &lists[i].list[pair.formats[i]], &out->legs[i]);
	return true;
}

void negotiation_media(const struct negotiation *n, struct media_summary *out)
{
	struct format_list lists[2];
	struct format_pair pair;

	*out = (struct media_summary){};
	for (int i = 0; i < 2; i++)
		if (n->legs[i].audio_on && n->legs[i].n_remote)
			summarise_remote(&n->legs[i], n->policies[i], &out->legs[i]);
	relays_summarise(n, out);
	if (n->legs[0].state != NEGOTIATION_STABLE || n->legs[1].state != NEGOTIATION_STABLE ||
		!n->legs[0].audio_on || !n->legs[1].audio_on)
		return;
	pair = formats_agreed_pair(n, lists);
	if (pair.rank == PAIR_NONE)
		return;
	out->agreed = true;
	out->transcoded = pair.rank != PAIR_SAME;
	for (int i = 0; i < 2; i++) {
		summarise_formats(n, i, lists, &pair, &out->legs[i]);
		summarise_digits(n->policies[i], &out->legs[i]);
		summarise_ptime(&n->legs[i], &out->legs[i]);
		summarise_directions(&n->legs[i], &out->legs[i]);
	}
}
