// Writes a message once, front to back, into a buffer of the caller. Running out of room is
// remembered, not reported at each step: write everything, then ask builder_finish().
#pragma once

#include "header.h"

struct builder {
	char *p;
	size_t n, size;
	bool overflow;
};

struct sip_message;

static inline void builder_init(struct builder *b, char *buffer, size_t size)
{
	*b = (struct builder){.p = buffer, .size = size};
}

// `WIPED_BUILDER b;` for a message with a description, which may have keys of media in it: what has
// been written is wiped where b goes out of scope.
static inline void builder_wipe(struct builder *b)
{
	if (b->p)
		explicit_bzero(b->p, b->n);
}
#define WIPED_BUILDER __attribute__((cleanup(builder_wipe))) struct builder

void builder_slice(struct builder *b, struct slice text);
void builder_text(struct builder *b, const char *text);
void builder_char(struct builder *b, char c);
void builder_unsigned(struct builder *b, uint64_t number);

// "INVITE sip:b@example.com SIP/2.0"; "SIP/2.0 180 Ringing" (absent reason: the usual phrase).
void builder_request_line(struct builder *b, struct slice method, struct slice uri);
void builder_status_line(struct builder *b, unsigned int status, struct slice reason);

// A q-value of thousandths: "0.250" (20.10).
void builder_q(struct builder *b, unsigned int thousandths);

// "Name: value" and its line end. A value that holds CR or LF is refused as an overflow is, so that
// nothing can be injected.
void builder_header(struct builder *b, enum header_id id, struct slice value);
void builder_header_named(struct builder *b, struct slice name, struct slice value);
void builder_header_unsigned(struct builder *b, enum header_id id, uint64_t value);

// "CSeq: 1 INVITE"
void builder_cseq(struct builder *b, uint32_t number, struct slice method);

// Copy every field of an id from a received message, in order, one line each.
void builder_copy(struct builder *b, const struct sip_message *from, enum header_id id);

// Text for inside a quoted string: quotes it and escapes what needs it.
void builder_quoted(struct builder *b, struct slice text);

// Content-Type, Content-Length, the empty line and the body; an empty `body` writes
// "Content-Length: 0" and the empty line. Always the last thing written.
void builder_body(struct builder *b, struct slice content_type, struct slice body);

// What was written, or an absent slice where it did not fit.
struct slice builder_finish(const struct builder *b);
