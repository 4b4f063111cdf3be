// DTMF of a stream beyond what dtmf.h maps from event to event: tones in the audio that become
// events, events that become tones, and digits that are reported to control.
//
//   detect     tones of the far end become events of the other; audio is left out meanwhile. Until
//   a
//              tone is known for one, up to 25 ms of it may have passed.
//   generate   events become tones, in place of the audio of that time
//   send       digits of control's are tones, too, but in place of whatever comes in; where nothing
//              does, time makes room for them
//   report     each digit that ended goes to the leg's feedback (transcode.h)
//
// An event whose end packets are all lost ends when another event comes, or audio more than
// DIGITS_LOST_END_MS behind the last that was heard of it.
#pragma once

#include "dtmf.h"
#include "dtmf_tone.h"
#include "transcode.h"

struct transcode_stream;
struct reorder_packet;

#define DIGITS_LOST_END_MS 100
#define DIGITS_HZ	   8000 // in which detected digits are timed

struct digits {
	// Detect:
	struct dtmf_detector detector;
	uint64_t n_heard;   // samples
	uint32_t start;	    // of the digit, in DIGITS_HZ since the stream began
	uint32_t start_out; // and in the output
	uint16_t length;    // of it so far, in DIGITS_HZ
	uint8_t code;
	uint8_t volume;
	uint8_t n_ends; // end packets still to be sent
	bool active;	// a digit is under way
	// Generate:
	struct dtmf_tone tone;
	uint32_t tone_samples; // still to be appended
	uint32_t tone_total;   // of the event
	// Send:
	struct transcode_digit queue[TRANSCODE_DIGITS_MAX]; // main: rw, lcore: ro
	uint32_t n_ordered;				    // the same
	uint32_t n_sent;				    // lcore: rw, main: ro
	struct dtmf_tone sent;
	uint32_t sent_left;  // samples of it
	uint32_t pause_left; // and of silence behind it
};

void digits_init(struct digits *digits, uint32_t sample_hz);

// The last n samples of `pcm` are new; the timeline is behind them.
void digits_heard(struct transcode_stream *stream, uint32_t n);

// A frame is due. Sends what is due of events. Returns whether the frame's audio is left out.
bool digits_take_frame(struct transcode_stream *stream);

// Whether an event begins with this packet that is to be a tone: it has a place in the audio.
bool digits_begin(const struct transcode_stream *stream, const struct reorder_packet *packet);
// A packet of events.
void digits_map(struct transcode_stream *stream, const struct reorder_packet *packet);
// An audio packet comes; ends what it shows to be over. Returns false where a tone is in its place.
bool digits_take_audio(struct transcode_stream *stream, const struct reorder_packet *packet);

// The source is gone: so is its event.
void digits_end(struct transcode_stream *stream);

// Are there digits of control's under way?
bool digits_are_sent(const struct transcode_stream *stream);
// No packet has come for a while: a frame of them is due by time.
void digits_tick(struct transcode_stream *stream);

// Append what the tone needs to `pcm`, at most up to a full frame.
void digits_append(struct transcode_stream *stream);
