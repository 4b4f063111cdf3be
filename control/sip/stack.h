// The SIP stack as its user (the TU of RFC 3261) sees it: messages come in through the callbacks
// below, go out through transaction.h and dialog.h. No policy lives here: the stack answers on its
// own only what no TU could answer differently: malformed requests (400, 505, 513), a CANCEL
// (200 or 481), merged requests (482), a request retransmission, 100 after 200 ms, and what there
// is no time for (503, backlog.h).
//
// The way of a message: accept? -> parse -> response: client transaction, or stray
//                                        -> request: server transaction, CANCEL, ACK
//                                           new: waits until the rest is done -> transaction
//
// One thread, one event_base. Callbacks may start, answer and abandon transactions freely, except
// that stack_destroy() must not be called from one. Messages handed to a callback are valid until
// it returns (message.h says how to keep one).
#pragma once

#include "message.h"

struct digest_keys;
struct sip_stack;
struct transaction;

struct stack_user {
	// May this source talk to us at all? Asked before parsing; false: silence. NULL: everyone.
	bool (*accept)(void *arg, const struct listener *listener, const struct sockaddr *source);

	// Whether this request, which begins something, goes before all others that wait and is not
	// refused for want of time. Asked only where others wait. May be NULL: none is.
	bool (*is_urgent)(void *arg, const struct sip_message *request);

	// Whether the TU can begin something now; where not, what is new waits (and is refused when
	// that takes too long). May be NULL: always.
	bool (*is_ready)(void *arg);

	// Is this for another node of the cluster? Asked of each good message before anything else
	// is done with it, and of a CANCEL whose INVITE is not here (`is_lost`): true where it has
	// been sent there. NULL: never.
	bool (*elsewhere)(void *arg, const struct sip_message *message, bool is_lost);

	// What we sent for another node, which is to know that it was not delivered. NULL: nobody.
	void (*failed_elsewhere)(void *arg, const struct sip_message *message, int error);

	// As struct transport_user has it.
	void (*send_elsewhere)(void *arg, const struct flow *flow, struct slice message);

	// A new request, never ACK or CANCEL; in a dialog or not is for the TU to find out
	// (dialog_find()). Answer it, now or later, with transaction_respond().
	void (*request)(
		void *arg, struct transaction *transaction, const struct sip_message *request);

	// A CANCEL for this INVITE that has no final response yet; the CANCEL is answered already.
	// Answer the INVITE with 487 (9.2).
	void (*cancel)(void *arg, struct transaction *invite, const struct sip_message *cancel);

	// An ACK of a 2xx, or one that belongs to nothing. There is no answer to it.
	void (*ack)(void *arg, const struct sip_message *ack);

	// A response to a client transaction: every provisional (100 too), then one final; for
	// INVITE every 2xx, each fork and retransmission of it (RFC 6026).
	void (*response)(
		void *arg, struct transaction *transaction, const struct sip_message *response);

	// A client transaction was answered 401 or 407: what we are known by to whoever asks. Where
	// the keys fit a challenge, the request goes out again as another transaction with the next
	// CSeq, under the same pointer, and nobody hears of the refusal (22.1). NULL (and no such
	// callback): the response is told. The keys are used at once.
	const struct digest_keys *(*keys)(
		void *arg, struct transaction *transaction, const struct sip_message *response);

	// The CSeq number of that request, which a dialog must know. NULL: one more than before.
	uint32_t (*next_cseq)(void *arg, const struct sip_message *response);

	// A 2xx to an INVITE whose transaction is over: most often a late retransmission that wants
	// its ACK again (dialog_find(), dialog_ack_again()).
	void (*stray_2xx)(void *arg, const struct sip_message *response);

	// No final response will come to a client transaction: 408 timer B or F, 503 transport. Or,
	// on a server INVITE transaction: 408 no ACK for the final response, 503 could not send it.
	void (*failed)(void *arg, struct transaction *transaction, unsigned int status);

	// The transaction is gone when this returns; the last call for it, exactly once. May be
	// NULL.
	void (*closed)(void *arg, struct transaction *transaction);

	// Every message in and out, for traces. May be NULL.
	void (*trace)(void *arg, const struct flow *flow, bool outgoing, struct slice data);
};

struct stack_config {
	struct event_base *base;
	const struct stack_user *user;
	void *arg;
	// Milliseconds; 0 takes the default.
	unsigned int t1_ms;	       // 500, round trip estimate
	unsigned int t2_ms;	       // 4000, longest retransmission interval
	unsigned int t4_ms;	       // 5000, longest time a message stays in the network
	unsigned int timer_d_ms;       // 32000, at least: absorb retransmitted finals
	unsigned int trying_ms;	       // 200, 100 Trying where the TU is silent
	unsigned int max_transactions; // 1,000,000; more are answered 503
	unsigned int wait_ms;	       // as in stack_overload_set(), but 0 takes the default: 200
};

struct stack_counters {
	uint64_t requests, responses; // parsed
	uint64_t malformed_answered;  // 400, 505, 513
	uint64_t malformed_dropped;   // responses and junk
	uint64_t retransmissions_in;  // absorbed
	uint64_t retransmissions_out;
	uint64_t responses_unmatched;	     // dropped
	uint64_t merged;		     // 482
	uint64_t overload;		     // no room for a transaction: 503
	uint64_t timeouts, transport_errors; // reported by failed()
	uint64_t overloads;		     // times that it began
	uint64_t shed;			     // new requests refused with 503 for want of time
	uint64_t urgent;		     // that went before others
};

struct stack_overload {
	bool now;	       // something was refused in the last two seconds
	size_t waiting;	       // new requests
	unsigned int waits_ms; // the oldest of them
};

// Returns NULL with errno.
struct sip_stack *stack_create(const struct stack_config *config);
// Closes all transactions (with their closed() calls), then the sockets.
void stack_destroy(struct sip_stack *stack);

// New requests are refused with 503 when they have waited for `wait_ms` (0: never for that reason).
// When most are, the answers say Retry-After, with 1 to `retry_after_s` seconds (0: never).
void stack_overload_set(struct sip_stack *stack, unsigned int wait_ms, unsigned int retry_after_s);
void stack_overload_get(const struct sip_stack *stack, struct stack_overload *overload);

// For listener_open() and friends.
struct transport *stack_transport(struct sip_stack *stack);

// Send without a transaction: an ACK to a 2xx, a response to a message that got none. The message
// must be whole; stack_request() writes the Via for requests.
int stack_send(struct sip_stack *stack, const struct flow *flow, struct slice message);

// Send `request` (start line, headers without Via, body), with our Via put in front, without a
// transaction. `sent`, where not NULL, gets a malloced copy as sent that the caller frees.
// Returns 0 or a negative errno.
int stack_send_request(
	struct sip_stack *stack, const struct flow *flow, struct slice request, struct slice *sent);

// Answer a request that has no transaction. `extra`: header lines.
void stack_refuse(struct sip_stack *stack, const struct sip_message *request, unsigned int status,
	struct slice reason, struct slice extra);

size_t stack_n_transactions(const struct sip_stack *stack);
const struct stack_counters *stack_counters(const struct sip_stack *stack);
