// The media time of a stream: which outgoing timestamp an incoming one is.
//
// Output follows the input's timestamps, not a clock of ours, so there is no drift. Where the
// input's timestamps make no sense (a new source, a jump that the time of arrival denies), the
// outgoing ones go on by the time that passed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Ticks of a clock per sample at some rate, as mul / 2^shift.
struct timeline_ratio {
	uint32_t mul;
	uint32_t shift;
};

// 0, or -EOPNOTSUPP where no such ratio is exact.
int timeline_ratio(uint32_t clock_hz, uint32_t sample_hz, struct timeline_ratio *ratio);

static inline uint32_t timeline_ticks(const struct timeline_ratio *ratio, uint32_t n_samples)
{
	return n_samples * ratio->mul >> ratio->shift;
}

struct timeline {
	uint32_t in_hz, out_hz, sample_hz;
	struct timeline_ratio in, out;
	uint32_t next_in;	  // incoming timestamp behind the last sample decoded or made up
	uint32_t end_out;	  // and what it is in the output
	uint32_t last_samples;	  // of the last packet
	uint64_t last_arrived_ns; // when it came
	uint32_t expected;	  // samples, by timeline_expect() since the last packet
	uint16_t surplus;	  // of them, what the last packet was late for
	bool started;
	bool new_source; // next_in means nothing to what comes next
};

int timeline_init(struct timeline *timeline, uint32_t in_hz, uint32_t out_hz, uint32_t sample_hz,
	uint32_t first_out);

// Samples between the last packet and one that begins at `timestamp` and came at `arrived_ns`; 0
// where it follows without a gap. From here on the timeline expects `timestamp`, once the output
// has been advanced by these samples. Where it comes after its time has been filled in
// (timeline_expect()), `surplus` says how much of it has to be left out, so that the output stays
// where the input is.
uint32_t timeline_gap(struct timeline *timeline, uint32_t timestamp, uint64_t arrived_ns);

// How many samples of a packet that begins at `timestamp` are before what is expected; 0: none.
uint32_t timeline_overlap(const struct timeline *timeline, uint32_t timestamp);

// The output goes on by n samples of a gap, made up or left out.
void timeline_advance(struct timeline *timeline, uint32_t n_samples);

// n samples of a gap are made up before the next packet says that there is one: it is expected that
// much later.
void timeline_expect(struct timeline *timeline, uint32_t n_samples);

// What the last packet had no room to leave out, the next ones will: they come as late.
void timeline_carry_surplus(struct timeline *timeline);

// The gap before the next packet is that many ticks of the input shorter than its timestamp will
// say.
void timeline_skip(struct timeline *timeline, int32_t n_ticks);

// n samples were made in place of what would have come in: a tone, noise.
void timeline_made(struct timeline *timeline, uint32_t n_samples);

// n samples of a packet were decoded, of which `n_cut` are left out.
void timeline_decoded(
	struct timeline *timeline, uint32_t n_samples, uint32_t n_cut, uint64_t arrived_ns);

// The outgoing timestamp of an incoming one nearby (an event's); where it is not near: now's.
uint32_t timeline_map(const struct timeline *timeline, uint32_t timestamp);
