// Comfort noise (RFC 3389) of a stream, both ways.
//
//   in    a packet of it begins noise of that shape, which lasts until audio comes: paced by time,
//         a frame behind, so that there is output although there is no input; what is missing up to
//         the timestamp of the next packet is filled then
//   out   frames of silence are not encoded; a packet goes when silence begins and when it changes
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "noise.h"

struct transcode_stream;
struct reorder_packet;

struct silence {
	struct noise_maker maker;
	struct noise_watch watch;
	struct noise_shape shape; // of the noise that comes in
	uint32_t fill;		  // samples of it before the packet at hand
	bool on;		  // noise comes in
};

void silence_init(struct silence *silence, uint32_t seed);

// The packet at hand is of comfort noise: from here on there is noise.
void silence_begin(struct transcode_stream *stream, const struct reorder_packet *packet);
// It is audio.
void silence_end(struct transcode_stream *stream);
// `gap` samples are missing before the packet at hand. Returns how many of them noise fills.
uint32_t silence_fill(struct transcode_stream *stream, uint32_t gap);
// Append noise that silence_fill() promised, at most up to a full frame.
void silence_append(struct transcode_stream *stream);
// A frame of noise is due by time.
void silence_tick(struct transcode_stream *stream);

// A frame is due. Sends what is due of comfort noise. Returns whether the frame's audio is left
// out.
bool silence_take_frame(struct transcode_stream *stream);
