// Which shard an address belongs to, and which address a shard has somewhere.
#include "shard.h"

#include <netinet/in.h>
#include <string.h>

bool shard_address_is(const struct shard_address *own, const struct sockaddr *address)
{
	if (own->sip.family == 6)
		return address->sa_family == AF_INET6 &&
		       !memcmp(&((const struct sockaddr_in6 *)address)->sin6_addr, own->sip.bytes,
			       16);
	return address->sa_family == AF_INET &&
	       !memcmp(&((const struct sockaddr_in *)address)->sin_addr, own->sip.bytes, 4);
}

const struct shard *shards_of(
	const struct shards *shards, const char *realm, const struct sockaddr *address)
{
	for (size_t i = 0; i < shards->n; i++)
		for (size_t j = 0; j < shards->list[i].n_addresses; j++) {
			const struct shard_address *own = &shards->list[i].addresses[j];

			if (!strcmp(own->realm, realm) && shard_address_is(own, address))
				return &shards->list[i];
		}
	return NULL;
}

const struct shard *shards_find(const struct shards *shards, const char *name)
{
	for (size_t i = 0; i < shards->n; i++)
		if (!strcmp(shards->list[i].name, name))
			return &shards->list[i];
	return NULL;
}

const struct shard_address *shard_in_realm(
	const struct shard *shard, const char *realm, uint8_t family)
{
	const struct shard_address *found = NULL;

	for (size_t i = 0; i < shard->n_addresses; i++) {
		const struct shard_address *own = &shard->addresses[i];

		if (strcmp(own->realm, realm) != 0)
			continue;
		if (own->sip.family == family)
			return own;
		found = own;
	}
	return found;
}
