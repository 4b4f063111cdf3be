// A transcode engine with real rings and buffers, one worker and its packets, for tests.
#pragma once

#include <rte_mbuf.h>

#include "rtp.h"
#include "transcode.h"

#define RIG_POOL    2047
#define RIG_OUT_MAX 4096
#define RIG_MS	    1000000ull

// A finished packet, as it left.
struct rig_packet {
	struct rtp_view view;
	void *cookie;
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
};

struct rig {
	struct rte_mempool *pool;
	struct transcode *engine;
	struct transcode_stream *stream; // rig_open()'s
	struct rig_packet *out;
	unsigned int n_out;
	uint64_t now_ns;
	unsigned int jobs_max; // per turn
	bool virtual_time;     // the engine's clock is now_ns
};

// cmocka group set-up: EAL without hugepages and devices. 0 or -1.
int rig_eal(void **state);

void rig_init(struct rig *rig, const struct transcode_config *config); // config NULL: one worker
void rig_fini(struct rig *rig); // fails where a packet buffer leaked

struct transcode_spec rig_spec(const char *from, const char *to); // PT 0, 8, 111; events 101
struct transcode_stream *rig_open(struct rig *rig, struct transcode_spec spec);

struct rte_mbuf *rig_mbuf(
	struct rig *rig, const struct rtp_view *view, const void *payload, size_t n);

// Hand a packet over, let the engine work and collect what comes out.
void rig_send(struct rig *rig, struct transcode_stream *stream, const struct rtp_view *view,
	const void *payload, size_t n);
void rig_pump(struct rig *rig);
struct transcode_stats rig_stats(const struct rig *rig);
