// The cluster as people and monitoring see it.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct cluster;

// A new reference, NULL without memory:
//   nodes   array of name, state ("us", "alive", "dead", "unknown"), draining, calls, heard_ms_ago
//   shards  array of name, owner ("": nobody that is heard), epoch, ours, nodes, claim (why not)
//   store   up, ill, for_ms, records, unprotected
json_t *cluster_json(const struct cluster *cluster);

typedef void cluster_counter_fn(void *arg, const char *name, uint64_t value);
void cluster_counters_read(const struct cluster *cluster, cluster_counter_fn *each, void *arg);
// Whether there is a shard of ours: without one nobody's calls come here.
bool cluster_is_serving(const struct cluster *cluster);
