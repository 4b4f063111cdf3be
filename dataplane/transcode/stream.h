// One transcode stream: what its transcode lcore does with the packets of one direction.
//
// A packet's way: stream_put() into the reorder window; stream_next_job() takes it out in order,
// decides what the gap before it means, and says what a codec has to do next; the engine runs the
// job in a batch with those of other streams and calls stream_finish_decode() or
// stream_finish_encode(). A stream has at most one job at a time. Decoded samples wait in `pcm`
// until a frame of the output is full, so any packet length becomes any other; that is in a buffer
// of the lcore (scratch.h) while there is as much, else in `rest`. Where the encoder
// runs at another rate than the decoder, the frame is resampled then; everything else, the timeline
// too, counts in samples of the decoder. Timestamps say nothing of the resampler's 1 or 2 ms.
#pragma once

#include <rte_mbuf.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "digits.h"
#include "dtmf.h"
#include "playout.h"
#include "reorder.h"
#include "scratch.h"
#include "silence.h"
#include "timeline.h"
#include "transcode.h"
#include "wheel.h"

#define STREAM_NOISE_MAX_S 30 // silence that is filled with noise; then nothing is sent
#define STREAM_CONCEAL_MAX 5  // packets made up in a row; what is missing beyond is left out

enum stream_job { STREAM_JOB_NONE, STREAM_JOB_DECODE, STREAM_JOB_CONCEAL, STREAM_JOB_ENCODE };

struct transcode_lane;

struct transcode_stream {
	// Written by main before the first packet, read by the stream's transcode lcore.
	struct transcode_spec spec;
	struct transcode_lane *lane;
	void *encoder, *decoder;
	struct silence *silence; // NULL: no comfort noise
	struct playout *playout; // NULL: no jitter buffer
	struct digits *digits;	 // NULL: no tones to find or to make
	int16_t *rest;		 // less than a frame, from one packet to the next
	uint32_t pcm_room;	 // samples
	uint32_t frame_samples;	 // of an output packet, in `pcm`
	void *resampler;	 // NULL: encoder and decoder run at one rate
	uint32_t encode_samples; // of it
	uint32_t ssrc;		 // of the output
	uint32_t cost_ns;	 // main: estimate of 20 ms, for placing
	uint32_t least_ns;	 // main: the same, with quality given up

	struct scratch *scratch; // of the lcore

	_Atomic(void *) cookie; // main: rw, worker: ro

	// Transcode lcore only, from here to `stats`.
	struct reorder window;
	struct timeline timeline;
	struct dtmf_mapper dtmf;
	struct reorder_packet *current; // audio, taken and not decoded yet, in its mbuf
	int16_t *pcm;			// at the decoder's rate: `rest`, or lent by `scratch`
	uint32_t pcm_fill;
	uint32_t conceal; // samples to make up before `current`
	uint32_t jump;	  // samples to leave out after that
	uint32_t missing; // packets lost since the last audio packet
	uint32_t source_ssrc, previous_ssrc;
	uint64_t source_changed_ns;
	uint16_t sequence; // of the next output packet
	bool started;
	bool marker;	  // on the next audio packet
	bool restart;	  // the next packet taken is the first of a new source
	bool give_up;	  // waited long enough for what is missing
	bool recoverable; // the last sample to make up is in the FEC of `current`
	bool queued, holding, dead;
	uint8_t from_index, to_index; // main sets: in codecs[]
	bool in_noise;		      // silence was described last: what is missing is noise
	uint16_t played;	// samples at the beginning of `current` that were played before
	uint64_t noise_due_tsc; // then: when to go on without a packet
	uint32_t noise_left;	// samples, before we stop
	uint32_t sample_tsc;	// TSC cycles of a sample in `pcm`
	union {
		struct {
			TAILQ_ENTRY(transcode_stream) run_entry, hold_entry;
		};
		struct { // when dead: see turn.c
			TAILQ_ENTRY(transcode_stream) dying_entry;
			uint64_t taken_until, given_until;
		};
	};
	struct wheel_timer timer;

	struct transcode_stats stats; // lcore: rw, others: ro; busy_ns counts TSC cycles

	TAILQ_ENTRY(transcode_stream) entry; // main only
};

#define FEEDBACK_DIGITS 16 // that main may not have looked at yet
#define FEEDBACK_DIGIT	(UINT32_C(1) << 31)

// transcode lcores: rw. `n_holders`: main only.
struct transcode_feedback {
	uint32_t n_holders;
	uint8_t request;		  // see struct codec_decode_job, 0: nothing
	uint32_t n_digits;		  // put in
	uint32_t n_taken;		  // main only
	uint32_t digits[FEEDBACK_DIGITS]; // FEEDBACK_DIGIT | code << 16 | duration in ms; 0: empty
} __rte_cache_aligned;

// A transcode lcore: a digit of the far end is over.
void feedback_put_digit(struct transcode_feedback *feedback, uint8_t code, uint32_t duration_ms);

// Count for readers on other cores.
#define STAT_SET(field, n) __atomic_store_n(&(field), n, __ATOMIC_RELAXED)
#define STAT_ADD(field, n) __atomic_store_n(&(field), (field) + (n), __ATOMIC_RELAXED)

// main: allocate and set up. NULL with errno set.
struct transcode_stream *stream_create(const struct transcode_spec *spec, int socket_id);
int stream_start_decoder(struct transcode_stream *stream); // of a new source; 0 or an errno
void stream_free(struct transcode_stream *stream);	   // main; also what it holds

void stream_put(
	struct transcode_stream *stream, struct rte_mbuf *packet, uint64_t now_ns, uint64_t tsc);

// Samples at the beginning of a packet that were played before, out of packets before it (RFC 4867
// 3.7.1): all that it has, at most, and then it `is_old`.
uint32_t stream_overlap(
	const struct transcode_stream *stream, const struct reorder_packet *packet, bool *is_old);

// The timestamp of the first sample that waits in `pcm`.
uint32_t stream_pcm_timestamp(const struct transcode_stream *stream);

// Is there anything to do?
bool stream_ready(const struct transcode_stream *stream);

// Fill in the next job. Events among the packets are sent on the way.
enum stream_job stream_next_job(struct transcode_stream *stream, struct codec_decode_job *decode,
	struct codec_encode_job *encode, struct rte_mbuf **output);
// Once, right before an encode job is run, where encoder and decoder run at different rates; `out`
// has room for CODEC_FRAME_SAMPLES_MAX.
void stream_resample(struct transcode_stream *stream, struct codec_encode_job *job, int16_t *out);
void stream_forget_frames(struct transcode_stream *stream); // of a stream that ends
// Has a frame to be encoded: then it goes before others, which may need its buffer.
static inline bool stream_has_frame(const struct transcode_stream *stream)
{
	return stream->pcm_fill >= stream->frame_samples;
}
// From here on there is noise: n samples after `from_tsc` time begins to make it.
void stream_pace_noise(struct transcode_stream *stream, uint64_t from_tsc, uint32_t n_samples);
// Digits wait to be sent: with what comes in, or else by time.
void stream_send_digits(struct transcode_stream *stream, uint64_t now_tsc);
// Silence goes on and no packet has come: make the noise of one more output frame.
void stream_make_noise(struct transcode_stream *stream);
// When time has something to do for the stream, in TSC cycles; 0: never.
uint64_t stream_due(const struct transcode_stream *stream);
void stream_tick(struct transcode_stream *stream, uint64_t now_tsc); // it does
void stream_finish_decode(
	struct transcode_stream *stream, const struct codec_decode_job *job, enum stream_job kind);
void stream_finish_encode(struct transcode_stream *stream, const struct codec_encode_job *job,
	struct rte_mbuf *output);

// Give a finished packet to the worker (engine.c).
void lane_give(
	struct transcode_lane *lane, struct transcode_stream *stream, struct rte_mbuf *packet);
