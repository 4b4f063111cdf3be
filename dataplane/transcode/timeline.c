// The media time of a stream. Differences of timestamps are taken modulo 2^32 and read as signed,
// so wraps need no care. A gap of the timestamps is believed up to TRUST_S seconds; a longer one
// only where it is about the time that passed, as it is after silence or hold.
#include "timeline.h"

#include <errno.h>

#include "rtp.h"

#define TRUST_S	 2
#define LATE_MS	 200 // more than that is no lateness: the source's clock stood still in silence
#define NEAR_S	 5   // how far from the present an event's timestamp may be
#define NS_PER_S 1000000000ull

int timeline_ratio(uint32_t clock_hz, uint32_t sample_hz, struct timeline_ratio *ratio)
{
	for (uint32_t shift = 0; shift < 4; shift++) {
		if ((clock_hz << shift) % sample_hz == 0) {
			*ratio = (struct timeline_ratio){(clock_hz << shift) / sample_hz, shift};
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

int timeline_init(
	struct timeline *t, uint32_t in_hz, uint32_t out_hz, uint32_t sample_hz, uint32_t first_out)
{
	*t = (struct timeline){
		.in_hz = in_hz,
		.out_hz = out_hz,
		.sample_hz = sample_hz,
		.end_out = first_out,
		.last_samples = sample_hz / 50,
	};
	if (timeline_ratio(in_hz, sample_hz, &t->in) || timeline_ratio(out_hz, sample_hz, &t->out))
		return -EOPNOTSUPP;
	return 0;
}

// Samples between the end of the last packet and `arrived_ns`, had the packet been sent as it
// should; 0 where it came early.
static uint32_t samples_passed(const struct timeline *t, uint64_t arrived_ns)
{
	uint64_t ns = arrived_ns > t->last_arrived_ns ? arrived_ns - t->last_arrived_ns : 0;
	uint64_t samples;

	if (ns > UINT32_MAX * NS_PER_S / t->sample_hz) // a day
		return 0;
	samples = ns / 1000 * t->sample_hz / 1000000;
	return samples > t->last_samples ? (uint32_t)samples - t->last_samples : 0;
}

static bool is_plausible(const struct timeline *t, int64_t samples, uint32_t passed)
{
	int64_t trust = (int64_t)TRUST_S * t->sample_hz;

	return (samples >= -trust && samples <= trust) ||
	       (samples >= passed - trust && samples <= passed + trust);
}

uint32_t timeline_gap(struct timeline *t, uint32_t timestamp, uint64_t arrived_ns)
{
	int32_t ticks = rtp_timestamp_distance(t->next_in, timestamp);
	uint32_t passed = samples_passed(t, arrived_ns);
	int64_t samples = (int64_t)ticks * t->sample_hz / t->in_hz;
	bool is_first = !t->started, new_source = t->new_source;
	uint32_t expected = t->expected;

	t->started = true;
	t->new_source = false;
	t->next_in = timestamp;
	t->expected = 0;
	t->surplus = 0;
	if (is_first)
		return 0;
	if (new_source || !is_plausible(t, samples + expected, passed))
		return passed > expected ? passed - expected : 0;
	if (samples >= 0)
		return (uint32_t)samples;
	if (-samples <= expected && -samples <= LATE_MS * (int64_t)t->sample_hz / 1000)
		t->surplus = (uint16_t)-samples;
	return 0;
}

uint32_t timeline_overlap(const struct timeline *t, uint32_t timestamp)
{
	int32_t ticks = rtp_timestamp_distance(timestamp, t->next_in);

	if (!t->started || t->new_source || ticks <= 0 || ticks > (int32_t)(TRUST_S * t->in_hz))
		return 0;
	return (uint32_t)((uint64_t)ticks * t->sample_hz / t->in_hz);
}

void timeline_advance(struct timeline *t, uint32_t n_samples)
{
	t->end_out += timeline_ticks(&t->out, n_samples);
}

void timeline_expect(struct timeline *t, uint32_t n_samples)
{
	t->next_in += timeline_ticks(&t->in, n_samples);
	t->expected += n_samples;
}

void timeline_carry_surplus(struct timeline *t)
{
	timeline_expect(t, t->surplus);
	t->surplus = 0;
}

void timeline_skip(struct timeline *t, int32_t n_ticks)
{
	t->next_in += (uint32_t)n_ticks;
}

void timeline_made(struct timeline *t, uint32_t n_samples)
{
	t->next_in += timeline_ticks(&t->in, n_samples);
	t->end_out += timeline_ticks(&t->out, n_samples);
}

void timeline_decoded(struct timeline *t, uint32_t n_samples, uint32_t n_cut, uint64_t arrived_ns)
{
	timeline_made(t, n_samples);
	t->end_out -= timeline_ticks(&t->out, n_cut);
	t->last_samples = n_samples;
	t->last_arrived_ns = arrived_ns;
}

uint32_t timeline_map(const struct timeline *t, uint32_t timestamp)
{
	int32_t ticks = rtp_timestamp_distance(t->next_in, timestamp);
	int64_t limit = (int64_t)NEAR_S * t->in_hz;

	if (!t->started || t->new_source || ticks > limit || ticks < -limit)
		return t->end_out;
	return t->end_out + (uint32_t)((int64_t)ticks * t->out_hz / t->in_hz);
}
