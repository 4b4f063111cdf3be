// The jitter buffer of a stream. See playout.h.
#include "playout.h"

#include <stdlib.h>

#include "stream.h"

#define PERCENT		97  // of packets are to be in time
#define FORGET		512 // packets, by when the past counts half
#define LOOK_EACH	16
#define LEARN		50 // packets before the delays are trusted
#define WINDOW_MS	5000
#define JUMP_MS		2000 // of the delay: the far end's clock was set anew
#define STALL_MS	100  // beyond that no tick is made up for
#define ADJUST_MS	1000 // between two changes in speech
#define ADJUST_QUIET_MS 100
#define LATE_MAX	25 // in a row: the way has become longer, for good
#define QUIET		48 // mean magnitude of a sample

void playout_init(struct playout *p, const struct transcode_spec *spec, uint64_t tsc_hz)
{
	*p = (struct playout){
		.adaptive = spec->jitter == TRANSCODE_JITTER_ADAPTIVE,
		.ms_tsc = (uint32_t)(tsc_hz / 1000),
		.tick_q16 = (uint64_t)(((unsigned __int128)tsc_hz << 16) / spec->from->clock_hz),
	};
	p->target = (int64_t)spec->jitter_ms * p->ms_tsc;
	p->max = p->adaptive ? (int64_t)spec->jitter_max_ms * p->ms_tsc
			     : 2 * p->target + 40 * (int64_t)p->ms_tsc;
}

void playout_restart(struct playout *p)
{
	p->known = false;
	p->may_take = false;
	p->after_event = false;
	p->due = 0;
}

static int64_t cycles(const struct playout *p, int64_t ticks)
{
	return (int64_t)((__int128)ticks * (int64_t)p->tick_q16 >> 16);
}

static int64_t position_of(const struct playout *p, uint32_t timestamp)
{
	return p->newest + rtp_timestamp_distance((uint32_t)p->newest, timestamp);
}

static int64_t base_of(const struct playout *p)
{
	return p->base[0] < p->base[1] ? p->base[0] : p->base[1];
}

static int64_t depth_of(const struct playout *p)
{
	return p->due - cycles(p, p->position) - base_of(p);
}

// Ticks of the packets that come.
static int64_t packet_ticks(const struct transcode_stream *s)
{
	return timeline_ticks(&s->timeline.in, s->timeline.last_samples);
}

static bool is_audio(const struct transcode_stream *s, const struct reorder_packet *packet)
{
	return packet->view.pt == s->spec.from_pt ||
	       (s->spec.hears_noise && packet->view.pt == s->spec.cn_from_pt);
}

static void aim(struct transcode_stream *s)
{
	struct playout *p = s->playout;
	int64_t least = cycles(p, packet_ticks(s));
	uint32_t sum = 0, bin = 0;

	while (bin < PLAYOUT_BINS && (sum += p->bins[bin]) * 100 < (uint32_t)p->n_bins * PERCENT)
		bin++;
	p->target = (int64_t)(bin + 1) * PLAYOUT_BIN_MS * p->ms_tsc;
	if (p->target < least)
		p->target = least;
	if (p->target > p->max)
		p->target = p->max;
}

static void count_delay(struct transcode_stream *s, int64_t behind)
{
	struct playout *p = s->playout;
	int64_t bin = behind / ((int64_t)p->ms_tsc * PLAYOUT_BIN_MS);

	p->bins[bin < PLAYOUT_BINS ? bin : PLAYOUT_BINS - 1]++;
	if (++p->n_bins >= FORGET) {
		p->n_bins = 0;
		for (unsigned int i = 0; i < PLAYOUT_BINS; i++)
			p->n_bins = (uint16_t)(p->n_bins + (p->bins[i] /= 2));
	}
	if (!p->adaptive || p->n_bins < LEARN || ++p->n_new < LOOK_EACH)
		return;
	p->n_new = 0;
	aim(s);
}

static void learn(struct transcode_stream *s, int64_t position, int64_t now)
{
	struct playout *p = s->playout;
	int64_t delay = now - cycles(p, position);

	if (!p->known || llabs(delay - base_of(p)) > (int64_t)JUMP_MS * p->ms_tsc) {
		playout_restart(p);
		p->known = true;
		p->base[0] = p->base[1] = delay;
		p->window_from = now;
	} else if (now - p->window_from > (int64_t)WINDOW_MS * p->ms_tsc) {
		p->base[1] = p->base[0];
		p->base[0] = delay;
		p->window_from = now;
	} else if (delay < p->base[0]) {
		p->base[0] = delay;
	}
	count_delay(s, delay - base_of(p));
}

void playout_arrived(struct transcode_stream *s, const struct reorder_packet *packet)
{
	struct playout *p = s->playout;
	int64_t now = (int64_t)packet->put_tsc, position;

	if (!p->known)
		p->newest = packet->view.timestamp;
	position = position_of(p, packet->view.timestamp);
	if (packet->view.pt == s->spec.from_pt || !p->known)
		learn(s, position, now);
	if (position > p->newest)
		p->newest = position;
	if (p->due)
		return;
	p->position = position;
	p->made_in_row = 0;
	p->due = cycles(p, position) + base_of(p) + p->target;
	if (p->due < now)
		p->due = now;
}

static void go_on(struct playout *p, int64_t ticks)
{
	p->position += ticks;
	p->due += cycles(p, ticks);
}

// A packet's length, with what the codec makes of nothing.
static void make_up(struct transcode_stream *s)
{
	s->conceal = s->timeline.last_samples;
	s->recoverable = false;
	timeline_expect(&s->timeline, s->conceal);
	s->playout->made_in_row++;
	go_on(s->playout, packet_ticks(s));
}

// The depth grows by a packet: what has its turn comes that much later.
static void insert(struct transcode_stream *s)
{
	struct playout *p = s->playout;

	s->conceal = s->timeline.last_samples;
	s->recoverable = false;
	p->adjusted = p->due;
	p->due += cycles(p, packet_ticks(s));
}

// Noise that was described, for the length of a frame. Returns false where there is none.
static bool make_noise(struct transcode_stream *s, int64_t ticks_free)
{
	int64_t frame = timeline_ticks(&s->timeline.in, s->frame_samples);
	uint32_t fill = s->pcm_fill;

	if (frame > ticks_free)
		return false;
	if (digits_are_sent(s)) {
		digits_tick(s);
		go_on(s->playout, timeline_ticks(&s->timeline.in, s->pcm_fill - fill));
		return true;
	}
	if (s->silence && s->silence->on) {
		silence_tick(s);
		go_on(s->playout, timeline_ticks(&s->timeline.in, s->pcm_fill - fill));
		return s->pcm_fill != fill;
	}
	if (!s->in_noise || !s->noise_left)
		return false;
	stream_make_noise(s);
	go_on(s->playout, frame);
	return true;
}

static void drop_head(struct transcode_stream *s)
{
	struct reorder_packet packet;
	uint32_t missing;

	reorder_take(&s->window, true, &packet, &missing);
	rte_pktmbuf_free(packet.mbuf);
}

// Nothing is there.
static void starve(struct transcode_stream *s)
{
	struct playout *p = s->playout;

	if (make_noise(s, INT64_MAX))
		return;
	if (s->timeline.started && p->made_in_row < STREAM_CONCEAL_MAX && !p->after_event)
		make_up(s);
	else
		p->due = 0;
}

// The packet at the head has its turn now, and is what delays are measured by.
static void resync(struct playout *p, int64_t position, int64_t put_tsc)
{
	p->base[0] = p->base[1] = put_tsc - cycles(p, position);
	p->late_in_row = 0;
	p->position = position;
}

// The packet at the head should have been played before now.
static void take_late(struct transcode_stream *s, int64_t position, int64_t put_tsc)
{
	struct playout *p = s->playout;
	int64_t late = cycles(p, p->position - position);

	if (++p->late_in_row >= LATE_MAX)
		resync(p, position, put_tsc);
	else if (p->adaptive && depth_of(p) + late <= p->max)
		p->position = position;
	else {
		STAT_ADD(s->stats.late, 1);
		drop_head(s);
	}
}

static bool is_too_deep(const struct transcode_stream *s)
{
	const struct playout *p = s->playout;
	int64_t packet = cycles(p, packet_ticks(s)), depth = depth_of(p);
	int64_t wait = (int64_t)(p->quiet ? ADJUST_QUIET_MS : ADJUST_MS) * p->ms_tsc;

	return s->window.n_held >= 2 && depth > p->target + packet &&
	       (depth > p->max + 2 * packet || p->due - p->adjusted > wait);
}

static bool is_too_shallow(const struct transcode_stream *s)
{
	const struct playout *p = s->playout;
	int64_t wait = (int64_t)(p->quiet ? ADJUST_QUIET_MS : ADJUST_MS) * p->ms_tsc;

	return s->timeline.started && !p->after_event &&
	       depth_of(p) < p->target - cycles(p, packet_ticks(s)) && p->due - p->adjusted > wait;
}

static void give_turn(struct transcode_stream *s, int64_t position, bool recover)
{
	struct playout *p = s->playout;

	p->may_take = true;
	p->recover = recover;
	p->taken = position;
	p->turn = p->due;
	p->turn_at = p->position;
	go_on(p, position + packet_ticks(s) - p->position); // playout_decoded() knows better
}

// Leave the packet at the head out.
static void discard(struct transcode_stream *s, int64_t position)
{
	struct playout *p = s->playout;

	STAT_ADD(s->stats.discarded, 1);
	drop_head(s);
	p->position = position + packet_ticks(s);
	p->adjusted = p->due;
	timeline_expect(&s->timeline, s->timeline.last_samples);
}

// Silence: its length is nobody's business. Returns whether the tick is over.
static bool pass_silence(struct transcode_stream *s, int64_t ahead)
{
	struct playout *p = s->playout;
	int64_t packet = packet_ticks(s), excess = depth_of(p) - p->target;
	int64_t ticks = (excess << 16) / (int64_t)p->tick_q16;

	if (ticks > packet / 2) {
		ticks = ticks < ahead ? ticks : ahead;
		p->position += ticks;
		timeline_skip(&s->timeline, (int32_t)ticks);
		return false;
	}
	if (ticks < -packet && p->due - p->adjusted > (int64_t)ADJUST_QUIET_MS * p->ms_tsc) {
		p->adjusted = p->due;
		p->due += cycles(p, packet);
		timeline_skip(&s->timeline, (int32_t)-packet);
		return true;
	}
	go_on(p, packet < ahead ? packet : ahead);
	return true;
}

// Returns whether the tick is over; else look again.
static bool decide(struct transcode_stream *s)
{
	struct playout *p = s->playout;
	unsigned int missing;
	const struct reorder_packet *head = reorder_head(&s->window, &missing);
	int64_t packet = packet_ticks(s), position, ahead;
	bool is_old;

	if (!head) {
		starve(s);
		return true;
	}
	position = position_of(p, head->view.timestamp) +
		   timeline_ticks(&s->timeline.in, stream_overlap(s, head, &is_old));
	ahead = position - p->position;
	if (is_old) {
		STAT_ADD(s->stats.duplicates, 1);
		drop_head(s);
		return false;
	}
	if (llabs(ahead) > (int64_t)s->timeline.in_hz) { // no buffer is that deep
		resync(p, position, (int64_t)head->put_tsc);
		return false;
	}
	if (ahead < -packet / 2) {
		take_late(s, position, (int64_t)head->put_tsc);
		return false;
	}
	if (ahead < packet / 2 && is_too_deep(s)) {
		discard(s, position);
		return false;
	}
	if (ahead < packet / 2 && is_too_shallow(s)) {
		insert(s);
		return true;
	}
	if (ahead < packet / 2 || (missing == 1 && ahead <= packet && s->spec.from->has_fec &&
					  head->view.pt == s->spec.from_pt)) {
		give_turn(s, position, ahead >= packet / 2);
		return true;
	}
	if (missing && p->made_in_row < STREAM_CONCEAL_MAX && !p->after_event &&
		s->timeline.started) {
		make_up(s);
		return true;
	}
	return make_noise(s, ahead) || pass_silence(s, ahead);
}

void playout_tick(struct transcode_stream *s, uint64_t now_tsc)
{
	struct playout *p = s->playout;
	int64_t now = (int64_t)now_tsc;

	if (s->current || s->conceal || s->jump || p->may_take) { // codecs are behind
		p->due = now + p->ms_tsc;
		return;
	}
	if (now - p->due > (int64_t)STALL_MS * p->ms_tsc)
		p->due = now;
	while (p->due && !decide(s))
		;
}

bool playout_allows(const struct transcode_stream *s)
{
	const struct playout *p = s->playout;
	unsigned int missing;
	const struct reorder_packet *head = reorder_head(&s->window, &missing);

	if (!head)
		return false;
	if (is_audio(s, head))
		return p->may_take;
	return position_of(p, head->view.timestamp) <= p->position; // events come several at once
}

uint32_t playout_taken(struct transcode_stream *s, const struct reorder_packet *packet)
{
	struct playout *p = s->playout;

	p->after_event = !is_audio(s, packet);
	if (p->after_event)
		return 0;
	p->may_take = false;
	p->made_in_row = 0;
	p->late_in_row = 0;
	if (packet->view.pt != s->spec.from_pt) { // comfort noise lasts no time of its own
		p->position = p->taken;
		p->due = p->turn + p->ms_tsc;
	}
	return p->recover;
}

void playout_decoded(struct transcode_stream *s, const int16_t *pcm, uint32_t n)
{
	struct playout *p = s->playout;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += (uint64_t)abs(pcm[i]);
	p->quiet = sum < (uint64_t)n * QUIET;
	p->position = p->taken + timeline_ticks(&s->timeline.in, n);
	p->due = p->turn + cycles(p, p->position - p->turn_at);
	STAT_SET(s->stats.depth_us,
		(uint64_t)(depth_of(p) > 0 ? depth_of(p) : 0) * 1000 / p->ms_tsc);
	STAT_SET(s->stats.target_us, (uint64_t)p->target * 1000 / p->ms_tsc);
}
