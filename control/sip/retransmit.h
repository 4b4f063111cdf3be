// Sends a message again and again, T1 doubling, until it is stopped or 64*T1 have passed: a 2xx
// that waits for its ACK (13.3.1.4: doubling up to T2), a reliable provisional response that waits
// for its PRACK (RFC 3262 section 3: doubling without a bound).
#pragma once

#include "stack.h"

struct retransmit;

// `message` was sent once already; it is copied. `give_up` comes at 64*T1, from the event loop,
// and the retransmit is gone when it returns (stopping it in there is harmless). Returns NULL when
// out of memory.
struct retransmit *retransmit_start(struct sip_stack *stack, const struct flow *flow,
	struct slice message, void (*give_up)(void *arg), void *arg);
// Let the interval double beyond T2.
void retransmit_unbounded(struct retransmit *retransmit);
void retransmit_stop(struct retransmit *retransmit); // NULL is fine
