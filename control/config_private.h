// What the files of the configuration share. Private to control/config*.c.
#pragma once

#include "config.h"

struct check;

#define CALLS_MAX 1000000

// `where` is the mapping that has `transport`, or `address` and `port`. Return 0, or a negative
// errno with the error written.
int config_read_transport(
	const struct check *check, const char *where, const char *name, enum realm_transport *out);
int config_read_endpoint(const struct check *check, const char *where, const char *host,
	uint32_t port, struct sockaddr_storage *out);

// config_trunk.c; realms are read already.
int config_read_trunks(const struct check *check, struct config *config);
