// Where messages begin and end in a stream (RFC 3261 18.3): by Content-Length, which every message
// on a stream must have. Pure functions over the bytes that the caller holds.
//
// Subtle: a stream that was framed wrong once has no next message, so FRAMER_BAD is final.
#pragma once

#include "slice.h"

enum {
	FRAMER_HEADER_MAX = 32768, // start line and header fields
};

enum framer_result {
	FRAMER_MORE,	// what there is ends within a message, or between two
	FRAMER_MESSAGE, // a whole one
	FRAMER_PING,	// double CRLF between messages: answer it with one (RFC 5626 4.4.1)
	FRAMER_BAD,	// no message can be found here, nor behind it
};

// State of one stream; starts as zeros.
struct framer {
	unsigned int n_blank; // how much of CR LF CR LF has come between messages
	size_t scanned;	      // of the message at hand: no end of header before this
	size_t size;	      // of it, once its header is whole; else 0
};

struct frame {
	size_t skip;	    // bytes before the message, which are used up whatever the result
	size_t size;	    // of the message, which follows; BAD: of what there is of it
	const char *reason; // BAD: what is wrong, for a 400; NULL: this is no SIP
};

// Look at the bytes of the stream that are not used up: all `n` of them, the same as last time and
// more behind. After MESSAGE skip + size are used up; after the others skip.
enum framer_result framer_next(
	struct framer *framer, const char *data, size_t n, struct frame *frame);

// Between two messages, not within one.
static inline bool framer_is_idle(const struct framer *framer)
{
	return !framer->scanned && !framer->size;
}
