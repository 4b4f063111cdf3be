// What transport.c and its protocols (udp.c, tcp.c) share.
#pragma once

#include <sys/queue.h>
#include <sys/time.h>

#include "hash.h"
#include "http_upgrade.h"
#include "siphash.h"
#include "transport.h"

enum {
	TRANSPORT_BATCH = 32,	      // datagrams a recvmmsg
	TRANSPORT_SLOT = 65536,	      // room for one of them
	TRANSPORT_QUEUE = 64,	      // messages to send before the turn ends
	TRANSPORT_ARENA = 256 * 1024, // and their bytes
};

struct event;

struct queued {
	struct flow flow;
	struct slice data; // in the arena
};

struct send_error {
	STAILQ_ENTRY(send_error) link;
	struct flow flow;
	int error;
	size_t size;
	char data[];
};

// Whom a connection of TLS must find at its other end.
struct tls_target {
	SLIST_ENTRY(tls_target) link;
	struct sip_address remote;
	struct tls *client;
};

struct listener {
	SLIST_ENTRY(listener) link;
	struct transport *transport;
	enum transport_protocol protocol;
	struct sip_address address; // as bound
	struct slice sent_by;	    // into the text below
	char sent_by_text[264];	    // host name and port
	int fd;			    // -1: not bound
	bool moves;		    // it is bound and unbound as its address comes and goes
	uint32_t overruns;	    // UDP: of its receive queue, as the kernel counts them
	struct event *event;
	struct tls *tls_server, *tls_client;
	SLIST_HEAD(, tls_target) tls_targets;
	struct upgrade_rules upgrade_rules; // of WebSocket
	int mark;			    // of its tokens, -1: none
};

static inline bool protocol_is_websocket(enum transport_protocol protocol)
{
	return protocol == TRANSPORT_WS || protocol == TRANSPORT_WSS;
}

static inline bool protocol_is_secure(enum transport_protocol protocol)
{
	return protocol == TRANSPORT_TLS || protocol == TRANSPORT_WSS;
}

// Lengths of time that all connections share, so that their timers are O(1).
struct transport_timeouts {
	struct timeval connect, message, idle, handshake, ping;
};

struct transport {
	struct event_base *base;
	const struct transport_user *user;
	void *arg;
	SLIST_HEAD(, listener) listeners;
	STAILQ_HEAD(, send_error) errors; // to be told at the end of the turn
	struct event *flush_event;
	struct queued queue[TRANSPORT_QUEUE];
	unsigned int n_queued;
	size_t arena_used;
	char *arena;
	char *inbox; // TRANSPORT_BATCH slots
	struct transport_counters counters;

	struct transport_limits limits;
	struct transport_timeouts timeouts;
	struct siphash_key key;
	const struct token_keys *token_keys; // NULL: tokens are not marked
	int mark;			     // of tokens of what is on none of our shards
	struct hash_table connections;	     // by listener and remote address
	struct hash_table sources;	     // those that were accepted, by remote host
	int spare_fd; // given up to accept and close a connection where there are no more
};

// Tell the user of an error at the end of this turn of the loop; `data` is copied.
void transport_note_error(
	struct transport *transport, const struct flow *flow, int error, struct slice data);

// Bind the listener's socket and start to receive. Returns 0 or a negative errno.
int udp_open(struct listener *listener);

// Before an address is bound that comes and goes.
void listener_options_set(const struct listener *listener);

// Send now. Failures are counted and noted, not returned.
void udp_send(struct listener *listener, const struct queued *messages, unsigned int n);

// What came from `flow` and is no SIP: where it is a STUN binding request, answer it.
void udp_stun(const struct flow *flow, struct slice data);

// The same for TCP, TLS and WebSocket; and what its connections have in common. tcp_fini() closes
// them all.
int tcp_init(struct transport *transport);
void tcp_fini(struct transport *transport);
int tcp_open(struct listener *listener);
void tcp_send(struct listener *listener, const struct queued *messages, unsigned int n);

// Of connections to `remote`, or NULL.
struct tls *listener_tls_to(const struct listener *listener, const struct sip_address *remote);
