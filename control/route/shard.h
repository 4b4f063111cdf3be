// A shard: addresses for SIP and media that move together from node to node, with all the calls on
// them. A listener is of the shard whose address it is bound to; media of a call is on the
// addresses of the shard that its caller's INVITE came to, or of the realms where that is none's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sdp.h"

// In one realm, of one family.
struct shard_address {
	const char *realm;	       // its name
	struct sdp_address sip, media; // may be the same
};

struct shard {
	const char *name; // the same in the dataplane's configuration
	struct shard_address *addresses;
	size_t n_addresses;
};

struct shards {
	struct shard *list;
	size_t n;
};

// Whether `address`, whatever its port, is the shard's for SIP there.
bool shard_address_is(const struct shard_address *own, const struct sockaddr *address);
// The shard that an address of SIP in a realm belongs to, or NULL.
const struct shard *shards_of(
	const struct shards *shards, const char *realm, const struct sockaddr *address);
const struct shard *shards_find(const struct shards *shards, const char *name);
// The shard's address in a realm: that of the family (4 or 6), or the only one; NULL: none.
const struct shard_address *shard_in_realm(
	const struct shard *shard, const char *realm, uint8_t family);
