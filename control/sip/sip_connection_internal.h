// What the files of a connection share: sip_connection.c (its life), sip_connection_table.c (how it
// is found), ws_connection.c (what is different with WebSocket).
#pragma once

#include <event2/event_struct.h>
#include <openssl/types.h>

#include "message.h"
#include "sip_connection.h"

struct evbuffer;
struct websocket;

enum {
	INPUT_MAX = MESSAGE_MAX_SIZE + 1, // more than any message, so that one is always whole
	OUTPUT_MAX = 256 * 1024,
};

enum connection_state {
	CONNECTING,  // handshake included
	HANDSHAKING, // of TLS or WebSocket, that the far end has begun
	OPEN_IDLE,   // between two messages: the deadline is that of silence
	OPEN_HALF,   // within one
	CLOSING,     // what comes is thrown away, what was written still leaves
};

struct outgoing {
	STAILQ_ENTRY(outgoing) link;
	size_t size;
	char data[];
};

struct connection {
	struct hash_node by_flow;   // hash 0: in no table
	struct hash_node by_source; // likewise; accepted ones only
	struct listener *listener;
	struct sip_address remote;
	struct bufferevent *stream;
	SSL *ssl;	       // of the stream; NULL: no TLS
	struct event deadline; // of the state
	enum connection_state state;
	struct framer framer;
	struct websocket *websocket; // NULL: another protocol, or not upgraded yet
	bool is_encrypted;	     // TLS, handshake done
	bool has_progressed;	     // WebSocket: a message has come in this turn
	bool is_pinged;		     // WebSocket: nothing has come since
	STAILQ_HEAD(, outgoing) outgoing;
	size_t outgoing_size;
};

// Into the tables, where the far end opened it also into that of sources; and out of them.
void connection_enlist(struct connection *c, enum connection_origin origin);
void connection_delist(struct connection *c);

// The deadline of the state begins.
void connection_state_enter(struct connection *c, enum connection_state state);

// Nothing more is read. What was written leaves, then our end is closed.
void connection_close_softly(struct connection *c);

// A handshake came to nothing: counted and logged.
void connection_not_opened(const struct connection *c, const char *reason);

// ---- ws_connection.c

// What has come, handshake included.
void ws_connection_read(struct connection *c, struct evbuffer *input);
int ws_connection_send(struct connection *c, struct slice message); // as connection_send()
// Nothing has come for a while. Returns false where that is the end.
bool ws_connection_ping(struct connection *c);
// The process ends, and the connection is destroyed next: what the far end hears of that is written
// at once, or not at all.
void ws_connection_leave(struct connection *c);
