// What goes from node to node about a SIP message, in one UDP datagram (big-endian):
//
//   offset size
//        0    2  magic "SH"
//        2    1  version: 1. Others are not read
//        3    1  0
//        4    4  id of the key of the cluster that seals
//        8   ..  sealed as store_keys.h has it (AES-256-GCM; SIP may hold keys of SRTP); what is
//                before it is authenticated with it
//
//   text: u8 kind | u8 protocol | u8 flags (1: only who has its transaction) | u8 mark of the shard
//         u16 errno of what could not be delivered | u64 boot | u64 counter
//         names of the sending and of the receiving node: u8 length and bytes
//         local and remote address: u8 family (4, 6), 4 or 16 bytes, u16 port
//         the SIP message, up to the end
//
// The names say that it is for nobody else. `boot` is when the sending process started, in ms since
// 1970, and `counter` only grows within it: with them a repetition is known (struct
// exchange_window).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sip_address.h"
#include "transport.h"

struct store_keys;

enum {
	EXCHANGE_NAME_MAX = 63,
	EXCHANGE_HEADER = 8,
	EXCHANGE_TEXT_HEAD_MAX = 22 + 2 * (1 + EXCHANGE_NAME_MAX) + 2 * 19,
	EXCHANGE_OVERHEAD =
		EXCHANGE_HEADER + 40 + EXCHANGE_TEXT_HEAD_MAX, // at most, of what is not SIP
	EXCHANGE_DATAGRAM_MAX = 65507,			       // of UDP over IPv4
	EXCHANGE_SIP_MAX = EXCHANGE_DATAGRAM_MAX - EXCHANGE_OVERHEAD,
};

enum exchange_kind {
	EXCHANGE_RECEIVED, // `local` got this message from `remote`, and it is for the receiving
			   // node
	EXCHANGE_SEND,	   // the receiving node is to send this message from `local` to `remote`
	EXCHANGE_FAILED,   // the same could not be sent
	EXCHANGE_BINDING,  // a user has registered by `local`: no SIP, shared_bindings.c says what
	EXCHANGE_N_KINDS,
};

struct exchange_message {
	uint8_t kind;	  // enum exchange_kind
	uint8_t protocol; // enum transport_protocol
	bool if_known;	  // RECEIVED: drop it where its transaction is not there
	uint8_t mark;	  // RECEIVED, FAILED: of the shard; EXCHANGE_NO_MARK: any
	uint16_t error;	  // FAILED: an errno
	uint64_t boot, counter;
	char from[EXCHANGE_NAME_MAX + 1], to[EXCHANGE_NAME_MAX + 1];
	struct sip_address local, remote;
	struct slice sip; // into the text that was read
};
#define EXCHANGE_NO_MARK 255

// The text that is sealed, without the SIP message. Returns its length.
size_t exchange_write(const struct exchange_message *message, uint8_t out[EXCHANGE_TEXT_HEAD_MAX]);
// Anything may be in `text`. Returns 0 or -EBADMSG.
int exchange_read(const void *text, size_t length, struct exchange_message *message);

// The datagram. Returns its length, or -EMSGSIZE, -EIO.
int exchange_seal(const struct exchange_message *message, struct store_keys *keys,
	uint8_t out[EXCHANGE_DATAGRAM_MAX]);
// The reverse; `text` holds the SIP message after it. 0, -EBADMSG, -ENOTSUP (another version),
// -ENOKEY.
int exchange_open(struct exchange_message *message, struct store_keys *keys, const void *data,
	size_t length, uint8_t text[EXCHANGE_DATAGRAM_MAX]);

// Which messages of a node have been taken: each is taken once, in any order within a window.
enum { EXCHANGE_WINDOW = 1024 };

struct exchange_window {
	uint64_t boot, highest;
	uint64_t taken[EXCHANGE_WINDOW / 64]; // bit n: counter n modulo EXCHANGE_WINDOW
};
// Returns 0, -EALREADY (a repetition) or -ESTALE (older than the window, or of an earlier start).
int exchange_window_take(struct exchange_window *window, uint64_t boot, uint64_t counter);
