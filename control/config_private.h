// What the files of the configuration share. Private to control/config*.c.
#pragma once

#include "config.h"

struct check;
struct file_realm;
struct file_trunk;

#define CALLS_MAX 1000000

// `where` is the mapping that has `transport`, or `address` and `port`. Return 0, or a negative
// errno with the error written.
int config_read_transport(
	const struct check *check, const char *where, const char *name, enum realm_transport *out);
int config_read_endpoint(const struct check *check, const char *where, const char *host,
	uint32_t port, struct sockaddr_storage *out);

// config_tls.c; the listeners of the realm, and the peers of the trunk, are read already.
int config_read_realm_tls(const struct check *check, const struct file_realm *from,
	unsigned int number, struct realm *realm);
int config_read_trunk_tls(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk);

// config_trunk.c; realms are read already.
int config_read_trunks(const struct check *check, struct config *config);

// config_peers.c; the trunk's realm is known.
int config_read_peers(const struct check *check, const struct config *config,
	const struct file_trunk *from, unsigned int number, struct trunk *trunk);
int config_read_trunk_rules(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk);
