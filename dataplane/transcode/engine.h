// The transcode engine's own structures: lanes between workers and transcode lcores, and the
// lcores.
#pragma once

#include <rte_common.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "scratch.h"
#include "shed.h"
#include "stream.h"

#define BATCH_MAX SCRATCH_BUFFERS // jobs of one codec call
#define TAKE_MAX  64		  // packets of one lane and turn
#define RING_SIZE 1024
#define HOLD_MS	  50 // longest that a packet waits for one before it

TAILQ_HEAD(stream_list, transcode_stream);

// A packet on its way from a worker, and a finished one on its way back.
struct lane_packet {
	struct rte_mbuf *packet;
	struct transcode_stream *stream;
	uint64_t now_ns;
};

struct lane_result {
	struct rte_mbuf *packet;
	struct transcode_stream *stream;
};

// Between one worker and one transcode lcore. Each ring has one producer and one consumer.
struct transcode_lane {
	struct rte_ring *in;  // worker -> lcore, struct lane_packet
	struct rte_ring *out; // lcore -> worker, struct lane_result
	struct transcode_lcore *lcore;
	uint64_t taken __rte_cache_aligned;	// packets, lcore only
	uint64_t given;				// results, lcore only
	uint64_t collected __rte_cache_aligned; // results dealt with, worker: rw, lcore: ro
} __rte_cache_aligned;

// Jobs of one kind and one codec.
struct decode_batch {
	struct codec_decode_job jobs[BATCH_MAX];
	struct transcode_stream *streams[BATCH_MAX];
	enum stream_job kinds[BATCH_MAX];
	unsigned int n;
};

struct encode_batch {
	struct codec_encode_job jobs[BATCH_MAX];
	struct transcode_stream *streams[BATCH_MAX];
	struct rte_mbuf *outputs[BATCH_MAX];
	unsigned int n;
};

struct transcode_lcore {
	struct rte_ring *orders;   // main -> lcore, struct transcode_stream *: digits wait
	struct rte_ring *removals; // main -> lcore, struct transcode_stream *
	struct rte_ring *remains;  // lcore -> main, struct transcode_stream *: free them
	struct transcode_lane **lanes;
	unsigned int n_lanes;

	// lcore only
	struct stream_list run;	    // streams that have something to do
	struct stream_list holding; // streams that wait for a missing packet, oldest first
	struct wheel wheel;	    // streams that time drives: noise, jitter buffers
	struct stream_list dying;   // streams whose packets may still be in a ring
	struct decode_batch decode[CODECS_MAX];
	struct encode_batch encode[CODECS_MAX];

	struct transcode_lcore_stats stats; // lcore: rw, others: ro; busy_ns counts TSC cycles

	struct scratch scratch; // lcore only, ...
	int16_t *resampled;	// ... BATCH_MAX frames at the rates of encoders

	struct shed shed; // lcore: rw, others: ro

	uint64_t cost_ns;  // main only: sum of its streams, of 20 ms
	uint64_t least_ns; // main only: the same, with quality given up
	uint64_t refused;  // main only: streams
	uint32_t n_streams;
} __rte_cache_aligned;

struct transcode {
	struct transcode_config config;
	unsigned int n_lcores;
	uint64_t hold_tsc;
	uint64_t shed_tsc; // over which busy shares are measured
	struct transcode_lcore *lcores;
	struct transcode_lane *lanes; // [worker * n_lcores + lcore]
	struct stream_list streams;   // main only: all that are not freed
	unsigned int n_streams;
	struct transcode_codec_streams codec_streams[CODECS_MAX]; // main only
};

// transcode_turn() as if it were `tsc` (tests).
unsigned int transcode_turn_at(
	struct transcode *engine, unsigned int index, unsigned int jobs_max, uint64_t tsc);

// The lane between a worker and an lcore, NULL where there is none.
struct transcode_lane *engine_lane(
	const struct transcode *engine, unsigned int worker, unsigned int lcore);
