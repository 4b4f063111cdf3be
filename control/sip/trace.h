// The last SIP messages that came and went, for looking into a call while it lasts and some time
// after.
//
// A ring of bytes of a fixed size: a new message takes the place of the oldest ones. Messages are
// found by Call-ID, or by an owner whom Call-IDs were assigned to (a call has one on each side).
// What authenticates or decrypts is blanked before it is kept: keys of SDES (RFC 4568 9.1) and
// responses of digests.
#pragma once

#include "transport.h"

#define TRACE_OWNER_SIZE 16

struct trace;

struct trace_message {
	uint64_t at_us; // CLOCK_REALTIME
	bool outgoing;
	enum transport_protocol protocol;
	struct sip_address local, remote;
	struct slice text; // as sent or received, secrets blanked; cut where it was very long
	size_t n_whole;	   // its length before that
};

// NULL with errno set. `size` bytes for messages, at least 64 kB.
struct trace *trace_create(size_t size);
void trace_destroy(struct trace *trace);

void trace_keep(struct trace *trace, const struct flow *flow, bool outgoing, struct slice message);
// Messages with this Call-ID, before and after, belong to `owner` too. The last 32,768 are known.
void trace_assign(struct trace *trace, struct slice call_id, const uint8_t owner[TRACE_OWNER_SIZE]);

// Calls `each` for all messages, oldest first, and returns how many there were. The message is
// valid during the call only.
typedef void trace_each_fn(void *arg, const struct trace_message *message);
size_t trace_find(const struct trace *trace, const uint8_t owner[TRACE_OWNER_SIZE],
	trace_each_fn *each, void *arg);
size_t trace_find_call_id(
	const struct trace *trace, struct slice call_id, trace_each_fn *each, void *arg);
