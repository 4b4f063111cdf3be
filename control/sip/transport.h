// Sockets that carry SIP. UDP: recvmmsg and sendmmsg on libevent; what is sent during one turn of
// the event loop leaves together at its end. One thread.
//
// Subtle: data handed to transport_user.receive() is writable and lives until it returns; data
// given to transport_send() is copied and may be reused at once.
#pragma once

#include "sip_address.h"

struct event_base;
struct transport;
struct listener; // one local address and protocol

enum transport_protocol { TRANSPORT_UDP };

// The two ends that a message travels between.
struct flow {
	struct listener *listener;
	struct sip_address remote;
};

struct transport_user {
	// Asked before anything else is done with a datagram: false drops it without an answer.
	// NULL accepts all.
	bool (*accept)(void *arg, const struct listener *listener, const struct sockaddr *source);

	// A datagram that is no keep-alive. It may be anything.
	void (*receive)(void *arg, const struct flow *flow, char *data, size_t size);

	// `data` could not be delivered: a local error, or an ICMP error where the kernel hands one
	// on; then `data` is as much of it as the ICMP message quotes. Never called from within
	// transport_send().
	void (*error)(void *arg, const struct flow *flow, int error, struct slice data);

	// Every message in and out, for traces. May be NULL.
	void (*trace)(void *arg, const struct flow *flow, bool outgoing, struct slice data);
};

struct transport_counters {
	uint64_t received, sent;	   // messages
	uint64_t refused;		   // by accept()
	uint64_t keepalives;		   // CRLF, STUN and other non-SIP that is ignored
	uint64_t truncated;		   // larger than MESSAGE_MAX_SIZE
	uint64_t send_errors, icmp_errors; // told to error()
	uint64_t send_dropped;		   // socket buffer full; retransmission mends it
};

// Returns NULL with errno.
struct transport *transport_create(
	struct event_base *base, const struct transport_user *user, void *arg);
void transport_destroy(struct transport *transport); // and its listeners

// Bind and start to receive. Port 0 takes a free one. `advertised` is what Via (and, if the TU
// likes, Contact) says instead of the bound address ("sip.example.com:5060"); absent: the address,
// which then must be one that a peer can answer to (EINVAL for 0.0.0.0 and ::). Returns NULL with
// errno.
struct listener *listener_open(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *address, struct slice advertised);

// The listener bound to `address`, or NULL.
struct listener *listener_find(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *address);

// For requests to `remote` where nobody says which: the first of its family, or NULL.
struct listener *listener_for(struct transport *transport, const struct sip_address *remote);

const struct sip_address *listener_address(const struct listener *listener);
enum transport_protocol listener_protocol(const struct listener *listener);
struct slice listener_sent_by(const struct listener *listener);	 // "192.0.2.1:5060"
struct slice listener_via_name(const struct listener *listener); // "UDP"
bool listener_is_reliable(const struct listener *listener);

// Queue one message. Returns 0, -EMSGSIZE, -ENOMEM. Later trouble goes to transport_user.error().
int transport_send(const struct flow *flow, struct slice message);

// Send what is queued now instead of at the end of the event loop's turn.
void transport_flush(struct transport *transport);

// A datagram as if it came from the socket: the door that each one takes, and that the fuzzer uses.
void transport_receive(const struct flow *flow, char *data, size_t size);

const struct transport_counters *transport_counters(const struct transport *transport);
