// Sockets that carry SIP. UDP: recvmmsg and sendmmsg on libevent; what is sent during one turn of
// the event loop leaves together at its end. The others: connections that come and go by
// themselves; who sends names the two ends, and the connection between them is found or opened. One
// thread.
//
// Subtle: data handed to transport_user.receive() is writable and lives until it returns; data
// given to transport_send() is copied and may be reused at once.
#pragma once

#include "sip_address.h"
#include "token.h"

struct event_base;
struct transport;
struct upgrade_rules;
struct listener; // one local address and protocol
struct tls;

// Values are in the records of calls.
enum transport_protocol {
	TRANSPORT_UDP,
	TRANSPORT_TCP,
	TRANSPORT_TLS,
	TRANSPORT_WS, // WebSocket (RFC 7118): connections that far ends open, and no others
	TRANSPORT_WSS,
};

// The two ends that a message travels between. On all but UDP `remote` is the far end of a
// connection.
struct flow {
	struct listener *listener;
	struct sip_address remote;
	uint16_t connect_port; // TCP, TLS: of the remote host, where the connection is gone and
			       // another must be opened (18.2.2); 0: the port of `remote`
};

struct transport_user {
	// Asked before anything else is done with a datagram, a connection, or a message on one:
	// false drops it without an answer. NULL accepts all.
	bool (*accept)(void *arg, const struct listener *listener, const struct sockaddr *source);

	// A datagram that is no keep-alive, or a message on a stream. It may be anything.
	void (*receive)(void *arg, const struct flow *flow, char *data, size_t size);

	// The start of a message on a stream whose end cannot be known, for `reason`. The
	// connection closes when this returns and what was sent has left. May be NULL.
	void (*malformed)(
		void *arg, const struct flow *flow, char *data, size_t size, const char *reason);

	// `data` could not be delivered: a local error, or an ICMP error where the kernel hands one
	// on; then `data` is as much of it as the ICMP message quotes. Never called from within
	// transport_send().
	void (*error)(void *arg, const struct flow *flow, int error, struct slice data);

	// Send a message by a listener that is not bound here: another node may have it. It is
	// copied, or lost. NULL: it is lost.
	void (*send_elsewhere)(void *arg, const struct flow *flow, struct slice message);

	// Every message in and out, for traces. May be NULL.
	void (*trace)(void *arg, const struct flow *flow, bool outgoing, struct slice data);
};

struct transport_counters {
	uint64_t received, sent;	   // messages
	uint64_t refused;		   // by accept()
	uint64_t keepalives;		   // CRLF, STUN and other non-SIP that is ignored
	uint64_t truncated;		   // larger than MESSAGE_MAX_SIZE
	uint64_t receive_overruns;	   // datagrams for which the socket had no room
	uint64_t send_errors, icmp_errors; // told to error()
	uint64_t send_dropped;		   // socket buffer full; retransmission mends it

	uint64_t accepted, connected; // connections, by the far end and by us
	uint64_t connections_refused; // over a limit
	uint64_t connect_errors;
	uint64_t framing_errors;  // what came was no SIP, or had no usable Content-Length
	uint64_t timed_out;	  // connections: idle, half a message, not read by the far end
	unsigned int connections; // now

	uint64_t handshakes_failed; // of TLS or WebSocket: refused by either end, no such protocol,
				    // or late
	uint64_t handshakes_refused; // over a limit
	unsigned int handshakes;     // that far ends have begun and not finished, now
	uint64_t upgrades_refused;   // to WebSocket, by an answer
};

// For connections. 0 takes the default.
struct transport_limits {
	unsigned int connections; // 10,000, or half of the files that the process may open
	unsigned int per_source;  // 100 from one host; those that we opened do not count
	unsigned int connect_ms;  // 4000, until the far end has accepted, handshake included
	unsigned int message_ms;  // 5000, from the first byte of a message to the last, in and out
	unsigned int idle_ms;	  // 600,000, without a message or keep-alive from the far end

	unsigned int ping_ms; // 30,000; WebSocket: of silence before a ping, and for its answer

	// Of TLS and WebSocket on connections that far ends open: a handshake costs much and may
	// never end.
	unsigned int handshakes;	    // 1,000 at the same time
	unsigned int handshakes_per_source; // 20
	unsigned int handshake_ms;	    // 5000, to its end
};

// Returns NULL with errno.
struct transport *transport_create(
	struct event_base *base, const struct transport_user *user, void *arg);
void transport_destroy(struct transport *transport); // and its listeners and connections

// For connections from now on.
void transport_limits_set(struct transport *transport, const struct transport_limits *limits);

// Bind and start to receive. Port 0 takes a free one. `advertised` is what Via (and, if the TU
// likes, Contact) says instead of the bound address ("sip.example.com:5060"); absent: the address,
// which then must be one that a peer can answer to (EINVAL for 0.0.0.0 and ::). Returns NULL with
// errno.
struct listener *listener_open(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *address, struct slice advertised);

// The same for an address that is not ours yet: nothing comes in and nothing goes out (what is sent
// is lost without a word, as on a cable that is cut) until it is bound, and again when it is
// unbound; connections are closed then. The address need not be there when it is bound
// (IP_FREEBIND). What points to the listener stays good. Bind: 0 or a negative errno; port 0 is not
// taken (EINVAL).
struct listener *listener_define(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *address, struct slice advertised);
int listener_bind(struct listener *listener);
void listener_unbind(struct listener *listener);
bool listener_is_bound(const struct listener *listener);
bool listener_is_away(const struct listener *listener); // defined, and not bound

// The ends of TLS of a listener; without them it accepts and opens no connection. They must outlive
// it. `server` is what the connections are that far ends open; `client` those that we open to where
// listener_tls_expect() names nothing else.
void listener_tls_set(struct listener *listener, struct tls *server, struct tls *client);
// What connections to `remote` are: those to its port, else the first to its host. Returns 0 or
// -ENOMEM.
int listener_tls_expect(
	struct listener *listener, const struct sip_address *remote, struct tls *client);

// Forget what listener_tls_expect() has said.
void listener_tls_forget(struct listener *listener);
// For one that nothing has used yet.
void listener_close(struct listener *listener);
// Give its socket back. The listener itself stays, for whoever still knows it: what is sent by it
// fails, but on connections that there are, which live on.
void listener_stop(struct listener *listener);

// The listener bound to `address` that is not stopped, or NULL.
struct listener *listener_find(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *address);

// For requests to `remote` where nobody says which: the first of its family, or NULL.
struct listener *listener_for(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *remote);

// WebSocket: of whose pages connections are taken. The texts must outlive it.
void listener_upgrade_rules_set(struct listener *listener, const struct upgrade_rules *rules);

// Tags and branches bear marks (token.h), so that any node of a cluster knows whose they are: that
// of the listener while it is bound, else that of the transport. `keys` must outlive it; NULL, and
// -1: none.
void transport_marks_set(struct transport *transport, const struct token_keys *keys, int mark);
void listener_mark_set(struct listener *listener, int mark);
// A token for a tag or branch.
void listener_token_make(const struct listener *listener, char out[TOKEN_SIZE]);

const struct sip_address *listener_address(const struct listener *listener);
enum transport_protocol listener_protocol(const struct listener *listener);
struct slice listener_sent_by(const struct listener *listener);	 // "192.0.2.1:5060"
struct slice listener_via_name(const struct listener *listener); // "UDP", "TCP", ...
bool listener_is_reliable(const struct listener *listener);
bool listener_is_secure(const struct listener *listener);
// Whether it can open connections: with WebSocket a far end is reached by its own only.
bool listener_connects(const struct listener *listener);
// 5060 or 5061 (19.1.2); WebSocket: 80 or 443 (RFC 7118 5.1).
uint16_t listener_default_port(const struct listener *listener);

// Queue one message. Returns 0, -EMSGSIZE, -ENOMEM. Later trouble goes to transport_user.error().
int transport_send(const struct flow *flow, struct slice message);

// Send what is queued now instead of at the end of the event loop's turn.
void transport_flush(struct transport *transport);

// A message as if it came from the socket; also one that came to a listener which another node has
// bound. The door that each datagram takes, and that the fuzzer uses.
void transport_receive(const struct flow *flow, char *data, size_t size);

// What another node could not deliver: told to transport_user.error() from the loop. Copied.
void transport_fail(const struct flow *flow, int error, struct slice message);

const struct transport_counters *transport_counters(const struct transport *transport);
