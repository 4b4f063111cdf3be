// Which server is the master: asked of the sentinels in turn, then followed by +switch-master.
#pragma once

#include "redis_link.h"

struct redis_sentinel;

struct redis_sentinel_config {
	struct redis_link_config link; // user, password, TLS and times; callbacks are set here
	const char *master;
	const struct redis_address *addresses;
	size_t n_addresses;
	void (*found)(void *arg, const struct redis_address *master); // also when it changes
	void (*failed)(
		void *arg); // this sentinel does not know or does not answer; ask again later
	void *arg;
};

struct redis_sentinel *redis_sentinel_create(const struct redis_sentinel_config *config);
void redis_sentinel_destroy(struct redis_sentinel *sentinel);
// Ask the next sentinel; found() or failed() follows from the loop.
void redis_sentinel_ask(struct redis_sentinel *sentinel);
