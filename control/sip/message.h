// A SIP message, parsed once and in place: every slice points into the buffer it came in.
//
// Who owns what: a message that the stack hands to a callback lives until the callback returns. To
// hold on to it, message_clone() it: one allocation with text and headers, given back with
// message_destroy(). The request of a server transaction is such a clone and lives as long as
// the transaction (transaction_request()).
//
// Subtle: the parser writes to the buffer. Line ends of folded header fields become spaces, so that
// nothing behind it ever sees a fold.
#pragma once

#include "header.h"
#include "transport.h"

enum {
	MESSAGE_MAX_SIZE = 65535,  // bytes
	MESSAGE_MAX_HEADERS = 200, // header fields; more is 513
};

struct sip_header {
	struct slice name;  // as received
	struct slice value; // trimmed, unfolded
	uint8_t id;	    // enum header_id
	uint8_t next; // index + 1 of the next field with this id (not kept for OTHER), 0: none
};

struct sip_message {
	struct slice text; // start line to end of body
	struct slice body; // by Content-Length; absent without

	// Start line. A request has status 0.
	unsigned int status;
	enum method method; // of a response: the method of its CSeq
	struct slice method_name;
	struct slice uri;	// requests: the Request-URI as it came
	struct uri request_uri; // and its parts
	struct slice reason;	// responses

	// What every message must have (8.1.1), checked by message_parse().
	struct via via; // the top one
	struct nameaddr from, to;
	struct slice from_tag, to_tag; // absent without
	struct slice call_id;
	uint32_t cseq;
	int max_forwards; // -1: absent

	struct flow flow;	 // where it came from
	uint64_t received_at_us; // CLOCK_MONOTONIC

	unsigned int n_headers;
	uint8_t first[HEADER_N]; // index + 1 of the first field of an id, 0: none
	struct sip_header *headers;
};

// What is wrong with a message, and how a request with it is answered.
struct message_error {
	unsigned int status; // 400, 505, 513; 0: not even answerable, drop it
	const char *reason;  // reason phrase, says what is wrong: "Bad CSeq"
};

// Parse a whole datagram (or a framed stream message) into `message`, which uses the
// caller's `headers` (MESSAGE_MAX_HEADERS of them). Bytes behind Content-Length are ignored (18.3);
// too few are an error. Single-valued headers given twice, header syntax that the stack
// relies on and a CSeq that names another method are errors too. On an error `message` is filled
// as far as a response needs it, else the error's status is 0. Returns 0 or -EBADMSG.
int message_parse(struct sip_message *message, struct sip_header *headers, char *text, size_t size,
	struct message_error *error);

static inline bool message_is_request(const struct sip_message *message)
{
	return message->status == 0;
}

// The first field of an id, or NULL; and the next of the same id.
const struct sip_header *message_header(const struct sip_message *message, enum header_id id);
const struct sip_header *message_header_next(
	const struct sip_message *message, const struct sip_header *header);

// The value of the first field of an id; absent without.
struct slice message_value(const struct sip_message *message, enum header_id id);

// The first field of a name that has no id; absent without.
struct slice message_value_named(const struct sip_message *message, struct slice name);

// All values of an id, across fields and commas: for (it = message_values(m, HEADER_ROUTE);
// message_values_next(&it, &value) > 0;). Returns 1, 0 at the end, -EBADMSG.
struct message_values {
	const struct sip_message *message;
	const struct sip_header *header;
	struct slice rest;
};
struct message_values message_values(const struct sip_message *message, enum header_id id);
int message_values_next(struct message_values *it, struct slice *value);

// True where the token list of `id` (Supported, Require, Allow...) has `token`.
bool message_has_token(const struct sip_message *message, enum header_id id, struct slice token);

// First Contact. Returns 0, -ENOENT without one, -EBADMSG.
int message_contact(const struct sip_message *message, struct nameaddr *out);

// True for a body of that content type, without case ("application", "sdp").
bool message_body_is(const struct sip_message *message, struct slice type, struct slice subtype);

// A copy that lives until message_destroy(). NULL: out of memory.
struct sip_message *message_clone(const struct sip_message *message);
void message_destroy(struct sip_message *message);
