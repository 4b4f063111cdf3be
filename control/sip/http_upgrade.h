// The opening handshake of WebSocket (RFC 6455 4.2) as RFC 7118 wants it: one GET, read strictly,
// and its answer. Pure functions over bytes that the caller holds.
#pragma once

#include "slice.h"

enum {
	UPGRADE_HEADER_MAX = 8192, // bytes: request line and fields
	UPGRADE_FIELDS_MAX = 64,
	UPGRADE_ANSWER_MAX = 512, // bytes
	UPGRADE_ACCEPT_SIZE = 29, // of Sec-WebSocket-Accept, with its NUL
};

// Of whose pages we take connections (RFC 6455 10.2); none: of all, and of what is no browser. A
// list lets in only who sends one of its origins ("https://phone.example.com").
struct upgrade_rules {
	const char *const *origins;
	size_t n_origins;
};

struct upgrade {
	unsigned int status;		  // 0: more must come; 101, or why not
	const char *reason;		  // of a refusal, for logs
	char accept[UPGRADE_ACCEPT_SIZE]; // 101
};

// Look at all `data` that has come so far.
struct upgrade upgrade_read(struct slice data, const struct upgrade_rules *rules);

// Write the answer into `out` of UPGRADE_ANSWER_MAX bytes.
struct slice upgrade_answer(const struct upgrade *upgrade, char *out);

// "scheme://host" or "scheme://host:port" as browsers write it (RFC 6454 6.2), in lower case.
bool upgrade_origin_valid(struct slice origin);
