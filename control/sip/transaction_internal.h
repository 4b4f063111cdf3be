// What the files of the transaction layer share: the transaction itself, its keys, and the stack.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "backlog.h"
#include "hash.h"
#include "siphash.h"
#include "token.h"
#include "transaction.h"
#include "transaction_fsm.h"

enum {
	BRANCH_COOKIE_SIZE = 7, // "z9hG4bK"
	BRANCH_SIZE = BRANCH_COOKIE_SIZE + TOKEN_SIZE,
	N_TIMEOUTS = 32,
};

struct sip_stack {
	struct event_base *base;
	const struct stack_user *user;
	void *arg;
	struct transport *transport;
	unsigned int t1_ms, t2_ms, t4_ms, timer_d_ms, trying_ms, max_transactions;
	struct siphash_key key;
	struct hash_table transactions; // all, by match_hash()
	struct hash_table requests;	// server, by merge_hash(): those without To tag
	struct stack_counters counters;
	struct backlog backlog; // new requests

	// O(1) timers of libevent, by their length
	struct {
		unsigned int ms;
		const struct timeval *common;
	} timeouts[N_TIMEOUTS];
	unsigned int n_timeouts;

	// Where the stack writes its own messages. Nothing that is told to the TU, and nothing that
	// writes here itself, may come between writing and sending.
	char scratch[MESSAGE_MAX_SIZE];
};

struct transaction {
	struct hash_node match;
	struct sip_stack *stack;
	struct flow flow; // where it sends to
	void *user;
	uint8_t machine, state;	  // enum fsm_machine, fsm_state
	uint8_t method;		  // enum method
	bool is_private;	  // a CANCEL of the stack's own: the TU does not see it
	unsigned int interval_ms; // of the repeat timer
	struct event repeat, life;
	struct slice branch;

	// What goes out again on a retransmission: the request, or the last response (malloced).
	struct slice sent;

	// Client.
	char own_branch[BRANCH_SIZE];
	struct listener *too_small; // UDP, which the request was too large for (18.1.1), or NULL
	bool cancel_wanted, cancel_sent;
	struct slice cancel_extra; // malloced
	unsigned int n_answers;	   // to challenges

	// Server.
	unsigned int status; // of the last response
	struct sip_message *request;
	struct hash_node merge; // hash 0: not in the table
	char to_tag[TOKEN_SIZE];
};

// Keys: of a client transaction 17.1.3, of a server transaction 17.2.3. `method` is INVITE where an
// ACK or CANCEL looks for its INVITE.
uint64_t client_hash(const struct sip_stack *stack, struct slice method, struct slice branch);
uint64_t server_hash(
	const struct sip_stack *stack, const struct sip_message *request, enum method method);
struct transaction *client_match(const struct sip_stack *stack, const struct sip_message *response);
struct transaction *server_match(
	const struct sip_stack *stack, const struct sip_message *request, enum method method);

// Make one known to the stack in its first state, with the timers of it.
void transaction_enter(struct transaction *transaction, enum fsm_machine machine, uint64_t hash);

// Run an event through the table. `message` is what came in, or NULL; `response` what the
// TU sends, or absent.
void transaction_event(struct transaction *transaction, enum fsm_event event,
	const struct sip_message *message, struct slice response);

// Last call to the TU, then free.
void transaction_destroy(struct transaction *transaction);

// Start the timers of its state anew, for a flow that has changed.
void transaction_restart(struct transaction *transaction);

// Restart the timer that ends the state.
void transaction_life_set(struct transaction *transaction, unsigned int ms);

// The event of a response with that status.
enum fsm_event transaction_status_event(unsigned int status);

// Client: a transaction for `request`, which gets our Via. An absent branch: a new one.
struct transaction *client_create(struct sip_stack *stack, const struct flow *flow,
	struct slice request, struct slice branch);
void client_ack(struct transaction *transaction, const struct sip_message *response);
void client_progress(struct transaction *transaction); // a CANCEL that waits may go out now

// The far end does not speak the TCP that was taken for the request's size alone: send it over UDP
// after all (18.1.1). Returns whether that is so and done.
bool client_retreat(struct transaction *transaction, int error);

// Put our Via behind the start line of `request`. Returns the length written to `out`, which has
// room for request.n + VIA_ROOM; 0 where there is no start line.
enum { VIA_ROOM = 384 };
size_t client_via_insert(
	const struct flow *flow, struct slice request, struct slice branch, char *out);
void client_branch_make(const struct flow *flow, char out[BRANCH_SIZE]);

// Where the response asks for a proof that we have: send the request again with it (22.1). Returns
// whether that is done; else the response is to be told.
bool client_authenticate(struct transaction *transaction, const struct sip_message *response);
// What was sent, as a message. Returns 0 or -EBADMSG.
int client_sent_parse(const struct transaction *transaction, struct sip_message *message,
	struct sip_header *headers);
// Go on with another request in place of that which was refused with `response`.
int client_again(
	struct transaction *transaction, struct slice request, const struct sip_message *response);

// Server. The transaction takes `request` over (message_clone(); NULL is out of memory), also where
// it cannot be made: NULL.
struct transaction *server_create(struct sip_stack *stack, struct sip_message *request);
void server_send(struct transaction *transaction, struct slice response);
void server_send_100(struct transaction *transaction);
// One that the TU has answered for good and is done with forgets the request, but for its branch,
// which is in the response.
void server_trim(struct transaction *transaction);

// 8.2.2.2: the same request came another way and is being worked on, or was accepted. (One that was
// refused may be a client that tries our next address, RFC 3263 4.3.)
bool server_is_merged(const struct sip_stack *stack, const struct sip_message *request);

// A timeval for event_add(), O(1) where libevent has one of that length.
const struct timeval *stack_timeout(
	struct sip_stack *stack, unsigned int ms, struct timeval *storage);
