// Transcode lcores: RTP packets of one format in, RTP packets of another out.
//
// A stream is one direction between two legs. The worker hands packets over with
// transcode_submit() and gets RTP packets back from transcode_collect(); both are rings with one
// producer and one consumer, and a message belongs to its receiver. The stream's codec state is
// touched by its transcode lcore alone. Where no transcode lcore is configured the worker calls
// transcode_turn() itself, which then runs at most one job.
//
// The output is a source of its own: SSRC, sequence and timestamps are consistent within the stream
// and start at arbitrary values. The pipeline's rewrite stage maps them into what the leg sends, so
// transcoding can start and stop in mid-call without a seam.
#pragma once

#include <rte_mbuf.h>
#include <stdint.h>

#include "codec.h"

#define TRANSCODE_NO_PT 0xff

// How output is timed, see playout.h.
enum transcode_jitter {
	TRANSCODE_JITTER_NONE, // as packets come
	TRANSCODE_JITTER_FIXED,
	TRANSCODE_JITTER_ADAPTIVE,
};

// What the far end of a leg asks of whoever encodes for it (AMR's codec mode request): written by
// the stream that decodes what it sends, read by the one that encodes what it is sent, which may be
// on another lcore. Belongs to main; streams hold it as long as they live.
struct transcode_feedback;
struct transcode_feedback *transcode_feedback_create(void);	      // NULL: no memory
void transcode_feedback_release(struct transcode_feedback *feedback); // may be NULL

struct transcode_digit {
	uint8_t code; // RFC 4733: 0 to 15
	uint16_t duration_ms;
};

// main lcore: take a digit of the far end that streams have reported; false where there is none.
bool transcode_feedback_digit(struct transcode_feedback *feedback, struct transcode_digit *digit);

// What a stream does. Formats are checked by transcode_supported().
struct transcode_spec {
	const struct codec *from;
	const struct codec *to;
	uint8_t from_pt;
	uint8_t to_pt;
	uint8_t to_ptime_ms;  // 0: 20; see codec_frame_ms()
	uint8_t dtmf_from_pt; // telephone-event in (RFC 4733), TRANSCODE_NO_PT: none
	uint8_t dtmf_to_pt;   // TRANSCODE_NO_PT: none: events are dropped
	uint8_t complexity;   // see struct codec_params
	uint8_t fec;
	uint32_t bitrate;
	uint32_t dtmf_from_hz; // clock of telephone-event, each side; 0: the codec's
	uint32_t dtmf_to_hz;
	uint32_t playback_hz; // far decoder's limit, 0: none
	struct codec_options from_options;
	struct codec_options to_options;
	uint8_t jitter;				  // enum transcode_jitter
	uint16_t jitter_ms;			  // depth, of an adaptive one at first
	uint16_t jitter_max_ms;			  // of an adaptive one
	bool hears_noise;			  // comfort noise comes in (RFC 3389) ...
	bool sends_noise;			  // ... and goes out, in place of silence
	uint8_t cn_from_pt;			  // where hears_noise
	uint8_t cn_to_pt;			  // where sends_noise
	bool detect_tones;			  // DTMF in the audio becomes events (dtmf_to_pt)
	bool generate_tones;			  // events (dtmf_from_pt) become DTMF in the audio
	bool report_digits;			  // to from_feedback
	bool takes_digits;			  // transcode_stream_digit()
	bool refusable;				  // -EBUSY where it would pass refuse_at
	struct transcode_feedback *from_feedback; // of the far end that sends, NULL: nobody cares
	struct transcode_feedback *to_feedback;	  // of the one that is sent to
};

// Counters of one stream. transcode lcore: rw, others: ro, each read on its own.
struct transcode_stats {
	uint64_t packets;    // RTP packets that came
	uint64_t frames;     // encoded and sent
	uint64_t events;     // telephone-event packets sent
	uint64_t concealed;  // frames made up for lost packets
	uint64_t late;	     // packets that came behind the reorder window, or their time
	uint64_t discarded;  // packets left out, so that the jitter buffer gets shorter
	uint64_t depth_us;   // of the jitter buffer, now
	uint64_t target_us;  // that it is to have
	uint64_t duplicates; // packets that came twice
	uint64_t bad;	     // payloads that the decoder refused
	uint64_t unknown_pt; // packets of a payload type that is neither codec nor event
	uint64_t dropped;    // output: no packet buffer left, or the collect ring was full
	uint64_t busy_ns;    // CPU time of decoding and encoding
};

struct transcode;	 // the engine: rings and lcores
struct transcode_stream; // one direction of one leg pair

struct transcode_config {
	unsigned int n_workers;
	unsigned int n_transcoders; // 0: workers run transcode_turn()
	unsigned int streams_max;
	unsigned int ring_size; // packets between a worker and a transcoder; 0: 1024
	int socket_id;
	uint8_t complexity;	  // where a spec says CODEC_DEFAULT; 0: the codec's own
	uint16_t shed_at;	  // busy share, in thousandths, from which complexity is lowered;
				  // 0: never
	uint16_t refuse_at;	  // expected share from which streams are refused; 0: never
	struct rte_mempool *pool; // output packets
};

// main lcore, at start. NULL with errno set. The pool's packets must hold a header and
// CODEC_FRAME_BYTES_MAX bytes behind their headroom.
struct transcode *transcode_create(const struct transcode_config *config);
void transcode_destroy(struct transcode *engine); // all lcores have stopped

// 0, or -EOPNOTSUPP where a codec is missing or no rates join the two (codec_rates()).
int transcode_supported(const struct transcode_spec *spec);

// What one transcode lcore did since its start. transcode lcore: rw, others: ro.
struct transcode_lcore_stats {
	uint64_t jobs;	  // decodes and encodes
	uint64_t frames;  // encoded and sent
	uint64_t busy_ns; // in codecs
	uint64_t dropped; // output: no packet buffer left, or a collect ring was full
	uint32_t streams_now;
	uint32_t load_permille_now;	// measured over the last SHED_WINDOW_MS
	uint32_t expected_permille_now; // by the measured costs of its streams' codecs
	uint32_t shed_level_now;	// steps of complexity given up
	uint64_t refused;		// streams; main: rw
};

void transcode_lcore_stats(
	const struct transcode *engine, unsigned int index, struct transcode_lcore_stats *stats);

// Streams that run, by what they decode and encode.
struct transcode_codec_streams {
	uint32_t decoders;
	uint32_t encoders;
};

// main lcore: of codecs[index].
struct transcode_codec_streams transcode_codec_streams(
	const struct transcode *engine, unsigned int index);

// main lcore: a stream whose output goes to `worker`'s collect ring with `cookie`. It is placed on
// the transcode lcore with the lowest sum of costs, and stays there. NULL with errno set (ENOMEM,
// ENOSPC, EOPNOTSUPP; EBUSY: all there is to shed would not make room for it, see refuse_at).
struct transcode_stream *transcode_stream_create(struct transcode *engine,
	const struct transcode_spec *spec, unsigned int worker, void *cookie);

// Removal is three steps of main:
//   1. transcode_stream_stop(): from now on transcode_collect() says cookie NULL for its output;
//      with it, unlink whatever workers find the stream by.
//   2. Wait for readers (RCU): no worker submits to it any more, none uses a cookie from before.
//   3. transcode_stream_destroy(), and free what the cookie points to.
// Packets of the stream that are still in the rings are freed as they are met. Its transcode lcore
// hands the memory back once both rings have passed it; main frees it in the next create, destroy
// or transcode_reap().
void transcode_stream_stop(struct transcode_stream *stream);
void transcode_stream_destroy(struct transcode *engine, struct transcode_stream *stream);

// main lcore: free streams whose removal is complete. Returns how many were freed.
unsigned int transcode_reap(struct transcode *engine);

#define TRANSCODE_DIGITS_MAX 16

// main lcore: send a digit as a tone, in the place of the stream's audio, whether any comes in or
// not, and behind those that wait already. 0, or -ENOBUFS where TRANSCODE_DIGITS_MAX do;
// -EOPNOTSUPP of a stream that does not take digits.
int transcode_stream_digit(struct transcode_stream *stream, struct transcode_digit digit);

void transcode_stream_stats(const struct transcode_stream *stream, struct transcode_stats *stats);

// worker: hand over one RTP packet (data starts at the RTP header, rtp_parse() passed), received at
// `now_ns`. The packet belongs to the engine. Returns false where the ring is full: it still
// belongs to the caller.
bool transcode_submit(struct transcode *engine, unsigned int worker,
	struct transcode_stream *stream, struct rte_mbuf *packet, uint64_t now_ns);

// worker: take up to `n` finished packets. Each starts at its RTP header with at least
// RTE_PKTMBUF_HEADROOM bytes of headroom; cookies[i] is its stream's.
unsigned int transcode_collect(struct transcode *engine, unsigned int worker,
	struct rte_mbuf **packets, void **cookies, unsigned int n);

// transcode lcore `index` (or worker `index` where there are none): do what is ready, at most
// `jobs_max` decodes and encodes. Returns the packets taken and jobs done, 0: idle.
unsigned int transcode_turn(struct transcode *engine, unsigned int index, unsigned int jobs_max);
