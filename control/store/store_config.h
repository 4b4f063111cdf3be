// How a node reaches the store. Strings belong to the giver; store_create() copies what it keeps.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_ADDRESSES_MAX = 8 };

struct store_tls {
	bool on;
	const char *ca_file;   // NULL: those of the system
	const char *cert_file; // NULL: no certificate of our own
	const char *key_file;
	const char
		*name; // to be found in the server's certificate; NULL: the address that we ask for
};

struct store_redis {
	// "host:port", "[v6]:port" or "unix:/path": the server, or with `master` the sentinels.
	const char *addresses[STORE_ADDRESSES_MAX];
	size_t n_addresses;
	const char *master;   // of Sentinel; NULL: the addresses are servers, tried in turn
	const char *user;     // of an ACL; NULL: "default"
	const char *password; // NULL: none
	const char *sentinel_user, *sentinel_password;
	struct store_tls tls;
	const char *prefix; // of all keys; NULL: "sluice"
	uint32_t connect_timeout_ms, command_timeout_ms;
	uint32_t backoff_min_ms, backoff_max_ms; // between attempts, with jitter
};

enum store_kind { STORE_MEMORY, STORE_REDIS };

struct store_config {
	enum store_kind kind;
	const char *node; // the name of this one, unique in the cluster
	uint32_t lease_ms;
	uint32_t grace_ms;     // before a shard that the store has never heard of is given away
	uint32_t flush_ms;     // of write-behind: what changes within is written once
	size_t held_max;       // bytes of values that may wait
	uint32_t record_ttl_s; // records of a shard that nobody renews go after this
	struct store_redis redis;
};

// Everything at its default: memory, lease 3 s, grace 6 s, 100 ms, 64 MB, a day; 2 s to connect, 1
// s for a command, back-off from 200 ms to 5 s.
void store_config_init(struct store_config *config);

// Whether it is an address as above.
bool store_address_is_good(const char *text);
