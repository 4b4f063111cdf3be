// Requests: one received packet to one call and its answer.
#pragma once

#include "connection.h"
#include "injector.h"
#include "server.h"
#include "stats.h"

struct request_context {
	const struct server_config *config;
	struct stats *stats;
	struct injector *injector;
	uint64_t instance;
	uint64_t started_ns;
};

// Answer one packet from a client. `packet` is aligned to 8 bytes.
void request_handle(struct request_context *context, struct connection *connection,
	const void *packet, size_t length);

// Go on with a list for as long as the socket takes it.
void request_continue_list(struct request_context *context, struct connection *connection);
