// A stack on loopback and a peer that is a bare UDP socket, so that tests say what is on the wire
// byte by byte. Timers run at a fiftieth of their RFC length: T1 is 10 ms.
#pragma once

#include <event2/event.h>

#include "transaction.h"

enum { T1_MS = 10, T2_MS = 80, T4_MS = 100, TIMER_D_MS = 640, TRYING_MS = 4 };

// What the TU has seen, as words: "request INVITE", "response 180", "failed 408", "closed"...
struct seen {
	char text[32];
	struct transaction *transaction;
};

struct harness {
	struct event_base *base;
	struct sip_stack *stack;
	struct listener *listener;
	struct flow to_peer;
	int peer; // UDP socket
	struct seen seen[256];
	unsigned int n_seen;
	struct transaction *server;	// the last request's
	bool refuse_all;		// accept() says no
	bool not_ready;			// is_ready() says no
	const char *urgent;		// Call-ID of a request that is, or NULL
	const struct digest_keys *keys; // against 401 and 407, or NULL

	char text[65536]; // last datagram that the peer got
	size_t size;
	struct sip_message message; // and as a message
	struct sip_header headers[MESSAGE_MAX_HEADERS];

	// Optional reactions of the TU.
	void (*on_request)(struct harness *h, struct transaction *t);
	void (*on_response)(struct harness *h, struct transaction *t, const struct sip_message *m);
	void (*on_cancel)(struct harness *h, struct transaction *invite);
	void (*on_ack)(struct harness *h, const struct sip_message *ack);
	void (*on_stray)(struct harness *h, const struct sip_message *m);
};

int harness_setup(void **state); // *state: struct harness
int harness_teardown(void **state);

// Run the event loop for that long.
void harness_run(struct harness *h, unsigned int ms);
// Run until `text` has been told `n` times: at most ten seconds, however busy the machine is.
void harness_until(struct harness *h, const char *text, unsigned int n);
uint64_t harness_now_ms(void);

// Send from the peer; "%s" of the Via's port and the like is the caller's.
void peer_send(struct harness *h, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Run until the peer gets a datagram, parse it into h->message. False after `ms` of silence.
bool peer_receive(struct harness *h, unsigned int ms);

// The first line of the last datagram, without its end, in static memory.
const char *peer_line(const struct harness *h);

// Answer what the peer got last, with a To tag or "".
void peer_answer(struct harness *h, unsigned int status, const char *tag);

// The same with whole header lines.
void peer_answer_with(struct harness *h, unsigned int status, const char *tag, const char *extra);

// A request from the peer, with its address in Via. `branch` and `extra` (whole header lines) as
// given.
void peer_request(struct harness *h, const char *method, const char *branch, const char *to_tag,
	const char *extra);

// How often the TU has seen `text`.
unsigned int harness_count(const struct harness *h, const char *text);
