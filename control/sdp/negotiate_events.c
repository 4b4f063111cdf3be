// Telephone events (RFC 4733) in offer and answer: whom they are offered to, in which clocks, and
// whether they get to the other side at all, be it in another form.
#include "negotiate_formats.h"

static bool local_has_clock(const struct negotiation_leg *leg, uint32_t clock_hz, uint8_t end)
{
	for (uint8_t i = 0; i < end; i++)
		if (leg->local_formats[i].encoding.clock_hz == clock_hz)
			return true;
	return false;
}

static const struct remote_format *find_event(const struct format_list *formats, uint32_t clock_hz)
{
	for (uint8_t i = 0; i < formats->n; i++) {
		const struct sdp_encoding *encoding = &formats->list[i].format.encoding;

		if (encoding_is_event(encoding) && (!clock_hz || encoding->clock_hz == clock_hz))
			return &formats->list[i];
	}
	return NULL;
}

static bool has_encoding(const struct format_list *formats, const struct sdp_encoding *encoding)
{
	for (uint8_t i = 0; i < formats->n; i++)
		if (sdp_encoding_equal(&formats->list[i].format.encoding, encoding))
			return true;
	return false;
}

// RFC 4733 section 2.1: events have the clock of the audio they go with. But where the audio is to
// be relayed, so are its events, and they must be such as the other leg has.
static uint32_t event_clock(const struct format_list *others, const struct sdp_encoding *voice)
{
	const struct remote_format *event = find_event(others, voice->clock_hz);

	if (event || !has_encoding(others, voice))
		return voice->clock_hz;
	event = find_event(others, 0);
	return event ? event->format.encoding.clock_hz : voice->clock_hz;
}

static bool has_transcodable(const struct negotiation *n, const struct format_list *formats)
{
	for (uint8_t i = 0; i < formats->n; i++)
		if (encoding_is_voice(&formats->list[i].format.encoding) &&
			format_is_transcodable(n, &formats->list[i]))
			return true;
	return false;
}

// Digits have another form at the far end of leg `leg` than events, and the dataplane, which has to
// pass the audio through a codec for it, can make the one into the other.
static bool digits_are_converted(
	const struct negotiation *n, int leg, const struct format_list *formats)
{
	uint8_t dtmf = n->policies[leg]->dtmf;

	return (dtmf == SDP_DTMF_AUTO || dtmf == SDP_DTMF_INBAND || dtmf == SDP_DTMF_INFO) &&
	       has_transcodable(n, formats);
}

bool formats_pass_digits(const struct negotiation *n, int leg, const struct format_list lists[2])
{
	return formats_have_event(&lists[1 - leg]) ||
	       (digits_are_converted(n, 1 - leg, &lists[1 - leg]) &&
		       has_transcodable(n, &lists[leg]));
}

void events_offer(struct negotiation_leg *leg, const struct format_list *others)
{
	uint8_t n_voice = leg->n_local;

	for (uint8_t i = 0; i < n_voice; i++) {
		struct sdp_encoding event = {"telephone-event", 0, 1};
		bool there = false;

		event.clock_hz = event_clock(others, &leg->local_formats[i].encoding);
		for (uint8_t j = n_voice; j < leg->n_local; j++)
			there = there ||
				sdp_encoding_equal(&leg->local_formats[j].encoding, &event);
		if (!there)
			leg_add_local(leg, &event, event.clock_hz == 8000 ? PT_TELEPHONE_EVENT : 0);
	}
}

// Of the offered events those whose clock goes with an answered format; where there is none, the
// first: peers that offer events at 8000 beside opus mean them for opus too. With audio that is
// relayed only events count that the other leg has in the same clock.
void events_answer(struct negotiation_leg *leg, const struct format_list *others, bool relayed)
{
	uint8_t n_voice = leg->n_local;
	const struct remote_format *first = NULL;

	for (uint8_t i = 0; i < leg->n_remote; i++) {
		const struct remote_format *remote = &leg->remote_formats[i];
		uint32_t clock_hz = remote->format.encoding.clock_hz;

		if (!encoding_is_event(&remote->format.encoding) ||
			(relayed && !find_event(others, clock_hz)))
			continue;
		if (!first)
			first = remote;
		if (local_has_clock(leg, clock_hz, n_voice))
			leg_answer_with(leg, remote);
	}
	if (leg->n_local == n_voice && first)
		leg_answer_with(leg, first);
}
