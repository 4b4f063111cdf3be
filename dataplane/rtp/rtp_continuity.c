// One continuous stream out of changing sources. A source is mapped by two constant offsets, so
// loss and reordering within it go through as they are; only a change of the source sets new ones.
// The source before stays known, so that its last packets, overtaken by the first of the new one,
// still find their place instead of looking like yet another change.
#include "rtp.h"

#define NS_PER_S 1000000000ull

// Is this a packet of the source before, from the time before the change?
static bool is_straggler(const struct rtp_continuity *c, const struct rtp_view *view)
{
	uint16_t sequence;
	int16_t behind;

	if (!c->has_previous || view->ssrc != c->previous_ssrc)
		return false;
	sequence = (uint16_t)(view->sequence + c->previous_sequence_offset);
	behind = rtp_sequence_distance(sequence, c->previous_last_sequence);
	return behind >= 0 && behind < RTP_MAX_MISORDER;
}

static bool is_same_source(const struct rtp_continuity *c, const struct rtp_view *view)
{
	uint16_t sequence = (uint16_t)(view->sequence + c->sequence_offset);
	int16_t ahead = rtp_sequence_distance(c->last_sequence, sequence);

	return view->ssrc == c->source_ssrc && ahead > -RTP_MAX_MISORDER && ahead < RTP_MAX_DROPOUT;
}

static void change_source(
	struct rtp_continuity *c, const struct rtp_view *view, uint64_t now_ns, uint32_t clock_hz)
{
	uint64_t elapsed_ns = now_ns > c->last_sent_ns ? now_ns - c->last_sent_ns : 0;
	uint64_t ticks =
		elapsed_ns / NS_PER_S * clock_hz + elapsed_ns % NS_PER_S * clock_hz / NS_PER_S;

	c->has_previous = c->source_ssrc != view->ssrc;
	c->previous_ssrc = c->source_ssrc;
	c->previous_timestamp_offset = c->timestamp_offset;
	c->previous_sequence_offset = c->sequence_offset;
	c->previous_last_sequence = c->last_sequence;
	c->source_ssrc = view->ssrc;
	c->sequence_offset = (uint16_t)(c->last_sequence + 1 - view->sequence);
	c->timestamp_offset = c->last_timestamp + (uint32_t)(ticks ? ticks : 1) - view->timestamp;
}

bool rtp_continuity_map_other(struct rtp_continuity *c, const struct rtp_view *view,
	uint64_t now_ns, uint32_t clock_hz, uint16_t *sequence, uint32_t *timestamp)
{
	bool changed = false;

	if (c->started && is_straggler(c, view)) {
		*sequence = (uint16_t)(view->sequence + c->previous_sequence_offset);
		*timestamp = view->timestamp + c->previous_timestamp_offset;
		return false;
	}
	if (!c->started) {
		c->source_ssrc = view->ssrc;
		c->started = changed = true;
	} else if (!is_same_source(c, view)) {
		change_source(c, view, now_ns, clock_hz);
		changed = true;
	}
	*sequence = (uint16_t)(view->sequence + c->sequence_offset);
	*timestamp = view->timestamp + c->timestamp_offset;
	if (changed) {
		c->last_sequence = *sequence;
		c->last_timestamp = *timestamp;
		c->last_sent_ns = now_ns;
	} else if (rtp_sequence_distance(c->last_sequence, *sequence) > 0) {
		rtp_continuity_note(c, *sequence, *timestamp, now_ns, clock_hz);
	}
	return changed;
}
