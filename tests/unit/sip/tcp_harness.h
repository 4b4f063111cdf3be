// The harness with a listener of TCP, and far ends that are bare TCP sockets.
#pragma once

#include "harness.h"

enum { CONNECT_MS = 100, MESSAGE_MS = 100, IDLE_MS = 500 };

extern const struct transport_limits tcp_limits;

int tcp_setup(void **state); // h->listener is that of TCP; harness_teardown() ends it

const struct transport_counters *counters(const struct harness *h);

int peer_connect(struct harness *h);
int peer_listen(struct harness *h); // on the address that h->to_peer gets
int peer_accept(struct harness *h, int listening);

void say(int fd, const char *text);

// What the far end gets until `ms` have passed without more, as text: h->text.
const char *hear(struct harness *h, int fd, unsigned int ms);

// True where the far end sees the connection closed within that time.
bool is_closed_within(struct harness *h, int fd, unsigned int ms);

unsigned int occurrences(const char *text, const char *of);

// A request from the peer, in static memory.
const char *request(const char *method, unsigned int via_port, const char *branch);

// Answer what hear() has got.
void reply(struct harness *h, int fd, unsigned int status);

// Requests for transaction_start().
extern const char options_text[], invite_text[];

// What the TU does with a request.
void answer_ok(struct harness *h, struct transaction *t);
void answer_busy(struct harness *h, struct transaction *t);
