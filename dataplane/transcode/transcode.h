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

// What a stream does. Formats are checked by transcode_supported().
struct transcode_spec {
	const struct codec *from;
	const struct codec *to;
	uint8_t from_pt;
	uint8_t to_pt;
	uint8_t to_ptime_ms;
	uint8_t dtmf_from_pt; // telephone-event in (RFC 4733), 0xff: none
	uint8_t dtmf_to_pt;   // 0xff: none: events are dropped
	uint8_t complexity;   // see struct codec_params
	uint8_t fec;
	uint32_t bitrate;
	uint32_t dtmf_from_hz; // clock of telephone-event, each side
	uint32_t dtmf_to_hz;
	uint32_t playback_hz; // far decoder's limit, 0: none
};

// Counters of one stream. transcode lcore: rw, others: ro, each read on its own.
struct transcode_stats {
	uint64_t frames;    // decoded and encoded
	uint64_t concealed; // of them made up for lost packets
	uint64_t late;	    // packets that came behind the reorder window
	uint64_t bad;	    // payloads that the decoder refused
	uint64_t busy_ns;   // CPU time of decoding and encoding
};

struct transcode;	 // the engine: rings and lcores
struct transcode_stream; // one direction of one leg pair

struct transcode_config {
	unsigned int n_workers;
	unsigned int n_transcoders; // 0: workers run transcode_turn()
	unsigned int streams_max;
	int socket_id;
	struct rte_mempool *pool; // output packets
};

// main lcore, at start. NULL with errno set.
struct transcode *transcode_create(const struct transcode_config *config);
void transcode_destroy(struct transcode *engine); // all lcores have stopped

// 0, or -EOPNOTSUPP where no codec or common rate joins the two.
int transcode_supported(const struct transcode_spec *spec);

// main lcore: a stream whose output goes to `worker`'s collect ring with `cookie`. NULL with errno
// set (ENOMEM, ENOSPC, EOPNOTSUPP).
struct transcode_stream *transcode_stream_create(struct transcode *engine,
	const struct transcode_spec *spec, unsigned int worker, void *cookie);

// main lcore: unlink and free. No worker may submit to it any more (RCU has passed). Packets of it
// still in the rings are freed; output already in the collect ring stays valid, its cookie is NULL.
// The state is freed by its transcode lcore, later.
void transcode_stream_destroy(struct transcode *engine, struct transcode_stream *stream);

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

// transcode lcore `index` (or worker `index` where there are none): do what is ready. Returns the
// number of jobs done, 0: idle. `jobs_max` bounds them.
unsigned int transcode_turn(struct transcode *engine, unsigned int index, unsigned int jobs_max);
