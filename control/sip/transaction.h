// Transactions: RFC 3261 17 with RFC 6026 (Accepted state), 4320 and 4321 (non-INVITE).
//
// Who owns what: the stack owns transactions. A pointer is good from the call that shows it until
// closed() for it returns. The TU hangs its own pointer on it and takes it off (sets NULL) when its
// own object goes first.
#pragma once

#include "builder.h"
#include "stack.h"

// ---- client side

// Send a request and run its transaction. `request` is the start line, all headers except
// Via, and the body, as builder writes them; it is copied, with our Via and a new branch put in.
// Not for ACK (dialog_ack()) or CANCEL (transaction_cancel()). Callbacks come from the event loop,
// never from within. Returns NULL with errno: EMSGSIZE, ENOMEM, EBADMSG.
struct transaction *transaction_start(
	struct sip_stack *stack, const struct flow *flow, struct slice request, void *user);

// Give up an INVITE (9.1): CANCEL goes out now if a provisional response has come, else as soon as
// one comes; nothing is sent once there is a final one. `extra` is whole header lines for the
// CANCEL ("Reason: ...\r\n") or absent. The response to the INVITE still comes; without one
// for 64*T1 it is reported as failed with 408. Returns 0, -EALREADY.
int transaction_cancel(struct transaction *transaction, struct slice extra);

// Write the header lines with which a request of ours proved who we are, if it did: an ACK of its
// 2xx has them too (22.1).
void transaction_credentials(const struct transaction *transaction, struct builder *b);

// An INVITE of ours that has no final response, as bytes for another process: what CANCEL, ACK and
// BYE are made of. Returns the bytes written, or -EINVAL, -EBADMSG, -ENOSPC.
int transaction_save(const struct transaction *transaction, void *out, size_t size);
// The reverse: nothing is sent; it is as if a provisional response had come last. Anything may be
// in `data`. NULL with errno: EBADMSG, ENOENT (no listener of that address), ENOMEM.
struct transaction *transaction_resume(
	struct sip_stack *stack, const void *data, size_t size, void *user);
// What a client transaction has sent. `headers`: MESSAGE_MAX_HEADERS. 0 or a negative errno.
int transaction_sent(const struct transaction *transaction, struct sip_message *message,
	struct sip_header *headers);

// ---- server side

// The request that began it, valid as long as the transaction; but one that is no INVITE and was
// answered for good in request() only until that returns, and NULL then.
const struct sip_message *transaction_request(const struct transaction *transaction);

// Our To tag for responses to this request, made when it came (absent in a request that has one).
struct slice transaction_to_tag(const struct transaction *transaction);

// Start a response: status line, Via, From, To (with transaction_to_tag(), or with `to_tag` where
// it is not absent), Call-ID, CSeq, Timestamp (100), and Record-Route for what makes a dialog (1xx
// and 2xx of INVITE, 12.1.1). The TU adds its headers and ends with builder_body().
void response_begin(struct builder *b, const struct transaction *transaction, unsigned int status,
	struct slice reason, struct slice to_tag);

// Send a response written with response_begin(). Provisional ones as often as wanted, then
// one final; a 2xx to INVITE may be sent again while it is accepted (retransmit.h does).
// A 408 to a non-INVITE is swallowed (RFC 4320). Returns 0, -EALREADY after a final one,
// -EINVAL for what is no response, -EMSGSIZE, -ENOMEM.
int transaction_respond(struct transaction *transaction, struct slice response);

// response_begin(), no more headers, no body, transaction_respond().
int transaction_reply(struct transaction *transaction, unsigned int status);
// The same with whole header lines ("Allow: INVITE\r\n") of the TU.
int transaction_reply_with(struct transaction *transaction, unsigned int status,
	struct slice reason, struct slice extra);

// After a final response other than 2xx: keep nothing, as a stateless UAS does (8.2.7). Where the
// response is lost, or repeated requests come, the TU sees the request again.
void transaction_forget(struct transaction *transaction);

// Answer what every UAS must refuse, in the order of 8.2: 501 (a method that nobody here has heard
// of) or 405 (one not in `allowed`), both with Allow; 416 (scheme); 483 (Max-Forwards 0, where
// `forwards`); 420 (Require beyond `supported`, with Unsupported); 413 (body larger than
// `max_body`); 415 (content type not in `accepted`, with Accept; an encoding other than identity; a
// body that its sender marks as optional passes). Lists are comma-separated; an absent list skips
// its check. Returns the status that was sent, 0 where all is well.
struct request_rules {
	struct slice allowed;	// "INVITE, ACK, ..."
	struct slice supported; // "timer, 100rel"
	struct slice accepted;	// "application/sdp"
	size_t max_body;	// bytes; 0: no limit
	bool forwards;		// this request goes on to another hop
};
unsigned int transaction_refuse(struct transaction *transaction, const struct request_rules *rules);

// ---- both

enum method transaction_method(const struct transaction *transaction);
const struct flow *transaction_flow(const struct transaction *transaction);
bool transaction_is_client(const struct transaction *transaction);
bool transaction_is_final(const struct transaction *transaction); // final response sent or received
struct sip_stack *transaction_stack(const struct transaction *transaction);
void *transaction_user(const struct transaction *transaction);
void transaction_user_set(struct transaction *transaction, void *user);
