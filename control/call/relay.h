// Requests beside those that make calls: of a call, from one leg to the other, and of none, from
// one trunk to another.
#pragma once

#include "call_private.h"
#include "pass.h"

// relay.c: a request that came, and the one of ours that goes out for it; who asked is answered
// when we are. It knows two transactions and nothing else that could go before it: who asked is
// owed an answer even where the call ends meanwhile (RFC 3261 15.1.2).
struct relay;
struct relay_ops {
	// A provisional response to ours; may be NULL.
	void (*progress)(struct relay *relay);
	// The final one; `response` NULL: none will come, 408 or 503. Ends with relay_end(), or
	// with another request of ours.
	void (*answered)(
		struct relay *relay, const struct sip_message *response, unsigned int status);
	// Neither transaction is there any more: free it.
	void (*gone)(struct relay *relay);
};
struct relay {
	struct owner owner;
	const struct relay_ops *ops;
	struct calls *calls;
	struct plan *plans[2]; // that these trunks are of; NULL: none
	const struct trunk *from, *to;
	struct transaction *theirs, *ours; // NULL: closed, or answered
};
void relay_begin(struct relay *relay, struct calls *calls, const struct relay_ops *ops,
	struct transaction *theirs);
// Returns 0 or a negative errno.
int relay_send(struct relay *relay, const struct flow *flow, struct slice request);
// Whatever comes of ours is of no interest any more.
void relay_give_up(struct relay *relay);
// Ours got this response: give it to theirs as they may know it, with more header lines. Statuses
// that speak of what is theirs (its body, event, or expiry) are told as they are.
void relay_answer(struct relay *relay, const struct sip_message *response, struct slice extra);
void relay_refuse(struct relay *relay, unsigned int status);
void relay_end(struct relay *relay); // it is gone when this returns
// Of transactions whose owner is OWNER_RELAY.
void relay_response(struct owner *owner, const struct sip_message *response);
void relay_failed(struct owner *owner, struct transaction *transaction, unsigned int status);
void relay_closed(struct owner *owner, struct transaction *transaction);
const struct trunk *relay_trunk(const struct owner *owner); // that ours goes to

// Room for what is written beside a body.
enum { REQUEST_HEAD_SIZE = 16384 };

// request_write.c
// What says of the body what it is, and the body itself, unchanged; the last of a message.
void body_copy(struct builder *b, const struct sip_message *from);
void body_headers_copy(struct builder *b, const struct sip_message *from); // but its type
// The header fields that belong to what a request asks for, beside those that pass.h knows.
void request_headers_copy(struct builder *b, const struct sip_message *from);
// From, To, Call-ID and CSeq of a request that begins something; `passage` is its way.
void request_parties_write(
	struct builder *b, const struct dialog_request *request, struct slice method);

// leg_request.c: a request of a leg that the other far end is to answer.
void leg_request_relay(struct leg *leg, struct transaction *transaction);

// relay_request.c
// A request of no dialog that may pass: it goes where the dial plan says, or is refused.
void request_take(struct calls *calls, struct trunk *trunk, struct transaction *transaction,
	const struct sip_message *request);
// Whether requests of that method pass from and to the trunk.
bool request_may_pass(const struct trunk *trunk, enum method method);

// extension.c
#define ALLOW_SIZE 160
// What we allow the trunk, or somebody of none (NULL). Returns a slice of `out`.
struct slice allow_write(const struct trunk *trunk, char out[ALLOW_SIZE]);
