// All counters of the dataplane under their names, and the reset that control sees (the counters
// themselves have other owners and only grow).
#pragma once

#include "server.h"

struct stats;

// Of the server itself.
struct server_counters {
	uint64_t clients;
	uint64_t slow_clients; // cut off
	uint64_t refused_clients;
	uint64_t requests;
	uint64_t punts;
	uint64_t punts_dropped; // of a client that did not read them
};

struct stats *stats_create(const struct server_counters *server); // NULL: no memory
void stats_destroy(struct stats *stats);

// Read everything. Returns the counters since the last reset and how many there are; they stay
// valid until the next call.
const struct sl_counter *stats_read(
	struct stats *stats, const struct server_config *config, size_t *n_counters);

void stats_reset(struct stats *stats, const struct server_config *config);
