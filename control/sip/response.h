// The part of a response that follows from its request (8.2.6): status line, Via, From, To,
// Call-ID, CSeq, Timestamp and Record-Route.
#pragma once

#include "builder.h"
#include "message.h"

// Write that part; the caller adds headers and ends with builder_body(). `to_tag` goes into a To
// that has no tag; absent: none is added (100, and what cannot be parsed). The request may be a
// malformed one: what is missing in it is left out. Our observation of the source
// goes into the top Via: received, and the port where rport was asked for (18.2.1, RFC 3581).
void response_write(struct builder *b, const struct sip_message *request, unsigned int status,
	struct slice reason, struct slice to_tag);

// Where the response to a request goes (18.2.2, RFC 3581): back to the source address, and to the
// source port with rport, else to the port of the top Via; on TCP to the connection of the request,
// and where that is gone to the port of the top Via. Unlike 18.2.2, maddr is not followed: it
// would let a request aim our answers at anybody.
struct flow response_flow(const struct sip_message *request);
