// Shards: addresses that move between nodes, as sl_api.h has them. Here is main's part: what
// control wants of each, the addresses in the kernel, announcements, and what makes us stop.
// Workers know only the fence (fence.h).
//
// Subtle is the order. Becoming active: the fence opens, then the kernel gets the addresses (from
// here on it answers ARP), then they are announced; media that comes is ours from the first packet
// on. Becoming inactive: the fence closes, all workers pass, then the kernel loses the addresses;
// so whoever hears from control that it is done may let the next owner begin. The addresses are
// steered to us all the time (steer.h): what still comes for one that we do not have is dropped and
// counted (drop.shard_inactive) and never answered.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fence.h"
#include "port.h"
#include "sl_api.h"
#include "worker.h"

struct shards;

typedef void (*shard_event_fn)(void *context, const struct sl_shard_event *event);

struct shards_config {
	const char (*names)[SL_SHARD_NAME_MAX]; // that realms' `shards` count, from 1 on
	unsigned int n;
	const struct realms *realms;
	const struct port *ports;
	unsigned int n_ports;
	struct next_hops *hops; // which interfaces carry a VLAN; NULL: none
	struct fence *fence;
	struct worker_shared *workers;
	struct rte_rcu_qsbr *rcu;
	shard_event_fn event; // may be NULL
	void *context;
};

// All are inactive; what a run before left in the kernel is removed. NULL with errno.
struct shards *shards_create(const struct shards_config *config);
void shards_destroy(struct shards *shards); // all become inactive, as far as the kernel has them

// SL_SHARD_SET: errors are those of sl_api.h; `now` is written on 0 only.
int shards_set(struct shards *shards, const struct sl_shard *wanted, struct sl_shard *now);

// All of them; `out` has room for SL_SHARDS_MAX. Returns how many.
size_t shards_list(const struct shards *shards, struct sl_shard *out);

// Index into the fence's, or -ENOENT.
int shards_find(const struct shards *shards, const char *name);

// Call every few milliseconds: announcements, lifetimes, and whether we have been stopped.
void shards_tick(struct shards *shards, uint64_t now_ns);

// Somebody says that it has an address.
struct claim;
void shards_claimed(struct shards *shards, const struct claim *claim);

const char *shard_state_name(unsigned int state); // enum sl_shard_state

// Readable where somebody says something about an address of ours.
int shards_fd(const struct shards *shards);
void shards_poll(struct shards *shards);
