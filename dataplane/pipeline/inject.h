// Packets that control sends from a leg's ports, from main to the leg's worker.
#pragma once

#include "worker.h"

// The way of one packet; all that its headers need.
struct injection {
	struct leg_endpoint from; // both of one family
	struct leg_endpoint to;
	uint64_t hop_word;
	uint32_t flow_label;
	uint8_t dscp;
	uint8_t shard; // that `from` is of
	bool is_frame; // the payload is a whole frame; of the rest only these count
	uint8_t port;  // index into ports that a frame leaves by
};

// main: send `length` bytes. Returns 0, or -EAGAIN where too many wait.
int workers_inject(struct worker_shared *shared, unsigned int worker,
	const struct injection *injection, const void *payload, uint16_t length);
