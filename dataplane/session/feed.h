// Decide what becomes of each format on its way from one leg to another.
#pragma once

#include "leg.h"

// Build the feed of `from`'s media to `leg` (described by `to`), creating the streams of the
// transcoder that it needs. `engine` NULL: no transcoding. NULL with errno set: EOPNOTSUPP where
// the first format cannot get across, ENOMEM, ENOSPC.
struct feed *feed_create(const struct sl_leg *from, const struct sl_leg *to, struct leg *leg,
	struct transcode *engine);

// Two steps, with the wait for readers between them (see transcode_stream_stop()).
void feed_stop(struct feed *feed);
void feed_destroy(struct feed *feed, struct transcode *engine);

// Frames, concealed frames and CPU time of all its streams, added to what is there.
void feed_stats_add(
	const struct feed *feed, uint64_t *frames, uint64_t *concealed, uint64_t *busy_ns);
