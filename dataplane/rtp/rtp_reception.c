// Reception statistics of one sender (RFC 3550 A.1, A.3, A.8). The names of the RFC are kept where
// it has one. Beyond it there is a window of 64 sequence numbers, without which a duplicate would
// make up for a loss.
#include <string.h>

#include "rtp.h"

static void restart(struct rtp_reception *r, const struct rtp_view *view, uint32_t now)
{
	uint64_t lost = rtp_reception_lost(r);

	*r = (struct rtp_reception){
		.seen = 1,
		.received = 1,
		.lost_before = lost,
		.base = view->sequence,
		.ssrc = view->ssrc,
		.transit = now - view->timestamp,
		.timestamp = view->timestamp,
		.duplicates = r->duplicates,
		.reordered = r->reordered,
		.jumps = r->jumps,
		.bursts = r->bursts,
		.max_sequence = view->sequence,
		.started = true,
	};
}

static enum rtp_arrival receive_next(
	struct rtp_reception *r, const struct rtp_view *view, uint16_t delta, uint32_t now)
{
	if (view->sequence < r->max_sequence)
		r->cycles += 1u << 16;
	r->max_sequence = view->sequence;
	r->seen = delta < 64 ? r->seen << delta | 1 : 1;
	r->received++;
	r->bursts += delta > 1;
	rtp_reception_measure(r, view->timestamp, now);
	return RTP_ARRIVAL_NEXT;
}

// A packet that was missing comes: its run ends, or becomes two, or one shorter. What is older than
// the window is taken to have come.
static void mend_burst(struct rtp_reception *r, uint16_t behind)
{
	bool newer = r->seen & 1ull << (behind - 1);
	bool older = behind == 63 || r->seen & 1ull << (behind + 1);

	if (newer && older && r->bursts)
		r->bursts--;
	else if (!newer && !older)
		r->bursts++;
}

// `behind` the highest. Where the very first packets were reordered the base moves back.
static enum rtp_arrival receive_late(
	struct rtp_reception *r, const struct rtp_view *view, uint16_t behind, uint32_t now)
{
	uint32_t extended = r->cycles + r->max_sequence - behind;

	if (behind < 64 && r->seen & 1ull << behind) {
		r->duplicates++;
		return RTP_ARRIVAL_DUPLICATE;
	}
	if (behind < 64)
		r->seen |= 1ull << behind;
	if ((int32_t)(extended - r->base) < 0) {
		r->bursts += r->base - extended > 1;
		r->base = extended;
	} else if (behind < 64) {
		mend_burst(r, behind);
	}
	r->received++;
	r->reordered++;
	rtp_reception_measure(r, view->timestamp, now);
	return RTP_ARRIVAL_LATE;
}

enum rtp_arrival rtp_reception_update_other(
	struct rtp_reception *r, const struct rtp_view *view, uint32_t now)
{
	uint16_t delta = (uint16_t)(view->sequence - r->max_sequence);

	if (!r->started || view->ssrc != r->ssrc) {
		restart(r, view, now);
		return RTP_ARRIVAL_RESTART;
	}
	if (delta != 0 && delta < RTP_MAX_DROPOUT) {
		r->jumped = false;
		return receive_next(r, view, delta, now);
	}
	if ((uint16_t)-delta < RTP_MAX_MISORDER)
		return receive_late(r, view, (uint16_t)-delta, now);
	if (r->jumped && view->sequence == r->bad_sequence) {
		r->jumps--;
		restart(r, view, now);
		return RTP_ARRIVAL_RESTART;
	}
	r->jumps++;
	r->jumped = true;
	r->bad_sequence = (uint16_t)(view->sequence + 1);
	return RTP_ARRIVAL_JUMP;
}

uint64_t rtp_reception_expected(const struct rtp_reception *r)
{
	return r->started ? (uint64_t)(uint32_t)(r->cycles + r->max_sequence - r->base) + 1 : 0;
}

uint64_t rtp_reception_lost(const struct rtp_reception *r)
{
	uint64_t expected = rtp_reception_expected(r);

	return r->lost_before + (expected > r->received ? expected - r->received : 0);
}
