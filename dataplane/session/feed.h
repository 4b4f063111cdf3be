// Decide what becomes of each format on its way from one leg to another.
#pragma once

#include "leg.h"
#include "slab.h"

// A leg and what is wanted of it.
struct feed_end {
	struct leg *leg;
	const struct sl_leg *wanted;
	bool refusable; // of the source: its streams may be refused (transcode.h)
};

// Build the feed of one leg's media to another, creating the streams of the transcoder that it
// needs. `engine` NULL: no transcoding. NULL with errno set: EOPNOTSUPP where the first format
// cannot get across, ENOMEM, ENOSPC, EBUSY.
struct feed *feed_create(const struct feed_end *from, const struct feed_end *to,
	struct transcode *engine, struct slab *feeds);

// The telephone-event of a leg that goes with a clock: that of the same clock, else the first;
// NULL: none.
const struct sl_format *feed_find_event(const struct sl_leg *leg, uint32_t clock_hz);

// Two steps, with the wait for readers between them (see transcode_stream_stop()).
void feed_stop(struct feed *feed);
void feed_destroy(struct feed *feed, struct transcode *engine);

// main: send a digit as a tone in what the feed makes. Returns 0, -EOPNOTSUPP or -ENOBUFS.
int feed_digit(const struct feed *feed, struct transcode_digit digit);

// Frames, concealed frames and CPU time of all its streams, added to what is there.
void feed_stats_add(
	const struct feed *feed, uint64_t *frames, uint64_t *concealed, uint64_t *busy_ns);

void leg_codecs_destroy(struct leg_codecs *coded); // may be NULL

// What its streams say of late packets and jitter buffers, added.
void feed_jitter_stats(const struct feed *feed, struct sl_leg_stats *stats);
