// The jitter buffer of a stream: packets wait in the reorder window until it is their time.
//
// Without it output follows input as it comes. With it, output goes by our clock, a packet's length
// at a time: each tick takes the packet whose turn it is, makes one up, or lets silence pass. How
// long packets wait beyond the fastest of the last seconds is the depth. It is kept within a packet
// of the target, which is fixed, or follows the delays that there were:
//
//   longer    at once by a packet that comes too late (adaptive), else by a made-up one
//   shorter   in silence at once, else by leaving out a packet, at most one a second
//
// The same mends drift between the far end's clock and ours, of which nothing else has to know: the
// fastest packet of the last seconds drifts along.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct transcode_stream;
struct transcode_spec;
struct reorder_packet;

#define PLAYOUT_BINS   100
#define PLAYOUT_BIN_MS 5

// Times are in TSC cycles; media positions are timestamps of the input, extended to 64 bits.
struct playout {
	bool adaptive;
	bool known;	  // `base` is
	bool may_take;	  // the packet at the head of the window has its turn
	bool recover;	  // and has the one before it as FEC
	bool after_event; // what is missing is the rest of a telephone event
	bool quiet;	  // what was played last is next to silence
	uint8_t made_in_row;
	uint8_t late_in_row;
	uint32_t ms_tsc;
	int64_t target, max;
	uint64_t tick_q16;   // of a tick of the input's clock, << 16
	int64_t newest;	     // position of the newest packet that came
	int64_t position;    // what is to be played next ...
	int64_t due;	     // ... and when; 0: nothing is
	int64_t taken;	     // position of the packet that has its turn ...
	int64_t turn;	     // ... and when it was, at ...
	int64_t turn_at;     // ... this position
	int64_t base[2];     // least of arrival less position, in this window of time and the last
	int64_t window_from; // when that began
	int64_t adjusted;    // when the depth was changed last
	uint16_t bins[PLAYOUT_BINS]; // how many packets came how much later than the fastest
	uint16_t n_bins;
	uint16_t n_new; // since the target was looked at
};

void playout_init(struct playout *playout, const struct transcode_spec *spec, uint64_t tsc_hz);

// A new source is coming.
void playout_restart(struct playout *playout);
// The window has taken a packet.
void playout_arrived(struct transcode_stream *stream, const struct reorder_packet *packet);
// It is `playout.due`.
void playout_tick(struct transcode_stream *stream, uint64_t now_tsc);
// May the packet at the head of the window be taken?
bool playout_allows(const struct transcode_stream *stream);
// It has been. Returns how many packets before it are to be made up.
uint32_t playout_taken(struct transcode_stream *stream, const struct reorder_packet *packet);
// It was n samples.
void playout_decoded(struct transcode_stream *stream, const int16_t *pcm, uint32_t n);
