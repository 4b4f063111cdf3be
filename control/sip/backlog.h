// New work waits its turn. Requests that begin something (INVITE, REGISTER, MESSAGE, SUBSCRIBE,
// PUBLISH, REFER without a To tag) are dealt with after everything else that a turn of the event
// loop has to do, a few milliseconds of them at a time: what has begun is always carried on first,
// and the processor is never idle while something waits. Where more comes than there is time for,
// what has waited too long is refused with 503 at the cost of parsing it, without a transaction and
// without a log line (RFC 6357 3: local overload control, by delay).
//
// Subtle: a refused request is remembered by its hash for some seconds, since a repetition of it
// that comes later must hear the same: its sender has given it up, and a call made of it would ring
// for nobody. A CANCEL whose INVITE may be waiting here waits behind it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

struct event;
struct sip_stack;

enum {
	BACKLOG_MAX = 8192,	      // requests that wait
	BACKLOG_BYTES_MAX = 32 << 20, // and their text; more is refused at once
	BACKLOG_TURN_US = 2000,	      // of work begun in one turn of the loop
	BACKLOG_REFUSALS_A_TURN = 256,
	BACKLOG_LATER_MS = 5,	    // until the TU is asked again whether it is ready
	BACKLOG_REMEMBERED = 16384, // refusals
	BACKLOG_REMEMBERED_MS = 32000,
	BACKLOG_OVER_MS = 2000, // without a refusal, and the overload is over
	BACKLOG_LOG_MS = 10000, // between two lines about one that lasts
};

struct backlog_waiting {
	struct sip_message *message;
	uint64_t since_us;
};

struct backlog_refusal {
	uint64_t hash;
	uint64_t at_ms;
};

struct backlog {
	struct backlog_waiting *ring; // BACKLOG_MAX, oldest at `head`
	size_t head, n, bytes;
	struct event *turn;
	struct backlog_refusal *refusals; // BACKLOG_REMEMBERED, by hash
	unsigned int wait_ms, retry_after_s;
	double share; // of the last some hundred requests that were refused

	// The overload of now, or the last one.
	bool is_overload;
	uint64_t began_ms, last_ms, logged_ms;
	uint64_t refused_before; // by the counter, when it began
	struct event *watch;	 // while there is one
};

// Returns 0 or -ENOMEM; backlog_fini() is due in either case.
int backlog_init(struct sip_stack *stack);
void backlog_fini(struct sip_stack *stack);

// Whether this request waits, or has been refused: then it is of no more concern. False: it is to
// be dealt with at once.
bool backlog_takes(struct sip_stack *stack, const struct sip_message *request);

// What the stack does with a request that has waited, which is its from then on
// (message_destroy()).
void stack_begin(struct sip_stack *stack, struct sip_message *request);
