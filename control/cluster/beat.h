// A node's heartbeat as it goes from node to node in one UDP datagram (big-endian):
//
//   offset size
//        0    2  magic "SB"
//        2    1  version: 1. Others are not read
//        3    1  0
//        4    4  id of the key of the cluster that seals
//        8   ..  sealed as store_record.h has it: salt 16, number 8, text, tag 16; what is before
//        it
//                is authenticated with it
//
//   text: u8 flags (1: draining) | u64 boot | u64 counter | u32 calls | name of the node
//         u8 n, n names of nodes that it does not hear | u8 n, n times (name, u64 epoch) of shards
//         that it owns. A name is a u8 length and its bytes. What follows is for later versions.
//
// `boot` is when the process started, in ms since 1970, and `counter` only grows within it: of two
// heartbeats the one that is not after the last one taken is a repetition, and is not heard. So the
// clock of a host may not go back over a restart.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster.h"

struct store_keys;

struct beat_shard {
	char name[CLUSTER_NAME_MAX + 1];
	uint64_t epoch;
};

struct beat {
	char node[CLUSTER_NAME_MAX + 1];
	bool draining;
	uint64_t boot, counter;
	uint32_t calls;
	size_t n_missing;
	char missing[CLUSTER_NODES_MAX][CLUSTER_NAME_MAX + 1];
	size_t n_shards;
	struct beat_shard shards[CLUSTER_SHARDS_MAX];
};

enum { BEAT_HEADER = 8, BEAT_TEXT_MAX = 4096, BEAT_MAX = BEAT_HEADER + 40 + BEAT_TEXT_MAX };

// The text that is sealed. Returns its length, at most BEAT_TEXT_MAX.
size_t beat_write(const struct beat *beat, uint8_t out[BEAT_TEXT_MAX]);
// Anything may be in `text`. Returns 0 or -EBADMSG.
int beat_read(const void *text, size_t length, struct beat *beat);

// The datagram. Returns its length or a negative errno.
int beat_seal(const struct beat *beat, struct store_keys *keys, uint8_t out[BEAT_MAX]);
// The reverse: 0, -EBADMSG, -ENOTSUP (another version), -ENOKEY.
int beat_open(struct beat *beat, struct store_keys *keys, const void *data, size_t length);
