// What a message carries, part by part (RFC 2046 5.1, RFC 5621): the parts of a multipart body, or
// the body itself as the only one. A part that is a multipart body again is one part of that type.
#pragma once

#include "message.h"

enum { BODY_PARTS_MAX = 16 };

struct body_part {
	struct slice type_value;  // Content-Type as it stands; absent: none, which is text/plain
	struct content_type type; // without parameters
	struct slice disposition; // Content-Disposition
	struct slice id;	  // Content-ID
	struct slice language;	  // Content-Language
	struct slice encoding;	  // Content-Transfer-Encoding; absent in a body of its own
	struct slice coding;	  // Content-Encoding
	struct slice body;
};

struct body_parts {
	const struct sip_message *message;
	bool is_multipart, is_alternative; // one of the parts is enough (RFC 2046 5.1.4)
	struct slice boundary, rest;
	unsigned int n;
};

// The parts of a message: body_parts_begin(), then body_parts_next() until it does not return 1.
// Returns 0, or -EBADMSG where the body has no type, or is a multipart without boundary or parts.
int body_parts_begin(struct body_parts *parts, const struct sip_message *message);
// Returns 1 and the next part, 0 at the end, -EBADMSG where it is cut short, has no blank line or
// header fields that are none, or is one too many. Header fields of a part that are folded over
// lines come with their line ends.
int body_parts_next(struct body_parts *parts, struct body_part *part);

bool body_part_is(const struct body_part *part, struct slice type, struct slice subtype);
// Whether who does not understand it must refuse the message: so it is where nothing else is said
// (RFC 3261 20.11).
bool body_part_is_required(const struct body_part *part);
// Whether its octets are what they say, without encoding or compression.
bool body_part_is_plain(const struct body_part *part);
