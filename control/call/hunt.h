// Where a call goes: numbers, the targets of its routes one after the other, places of a user, an
// INVITE to one of them, and what a 3xx says instead.
#pragma once

#include "call_private.h"

// call_number.c
// What the INVITE says of who calls and who is called. Returns 0 or -ENAMETOOLONG.
int call_numbers_read(struct call *call, const struct sip_message *invite);
// The same of any request from the trunk; `caller` is "" where it is nobody's number.
int message_numbers_read(const struct calls *calls, const struct trunk *trunk,
	const struct sip_message *request, struct number *called, char caller[CALL_NAME_MAX]);
// A user part of one side for the other. Returns 0 or -ENAMETOOLONG.
int number_pass(const struct trunk *from, const struct trunk *to, struct slice user, char *out,
	size_t size);
// A URI as the trunk wants it. `params`: of the number, "" or ";..."; NULL for who is not called.
void number_uri_write(struct builder *b, const struct trunk *trunk, bool secure, const char *user,
	const char *params, struct slice host);
// Of who is called: `target` is the number that the route has made of it.
struct called {
	const struct trunk *trunk;
	const char *target;
	const struct number *number;
	bool secure;
};
void target_uri_write(struct builder *b, const struct called *called, struct slice host);
void called_uri_write(struct builder *b, const struct call *call, struct slice host);

// hunt.c
// The first of hunt.routes that has room. Returns 0 or a SIP status.
unsigned int hunt_begin(struct call *call);
// INVITE the target that is next, once ports are known. Returns 0 or a SIP status.
int hunt_invite(struct call *call);
bool hunt_has_next(const struct call *call);
// The target that was tried has come to nothing (`response` NULL: no word from it). Returns whether
// the call is to go on to another; `status` becomes that of the best refusal so far.
bool hunt_lost(struct call *call, unsigned int *status, const struct sip_message *response);
void hunt_heard(struct call *call); // anything
void hunt_fini(struct call *call);
// Our listener for a target, or NULL.
struct listener *target_listener(
	const struct calls *calls, const struct trunk *trunk, const struct target *target);
// What has come of a request to it: a final status with its response, or `response` NULL and no
// word from it.
void target_note(const struct trunk *trunk, struct target *target, unsigned int status,
	const struct sip_message *response);
// Count the call in its trunk. Returns 0, or 503 where that is full.
unsigned int leg_enter(struct leg *leg);
void leg_leave(struct leg *leg); // once is enough

// contacts.c
struct contact {
	struct flow flow;
	uint16_t q;
	struct slice uri, route; // malloced together; route absent: none
};
bool trunk_is_of_users(const struct trunk *trunk);
// Where the user is whom a request asks for, at most `max` places in the order of q; each one's
// uri.p is the caller's to free. Returns 0, or a SIP status where there is none.
struct user_query {
	const struct calls *calls;
	const struct trunk *trunk;
	const char *number;
	const struct sip_message *request;
	bool secure;
	bool by_token; // for the one binding that the request names
};
unsigned int contacts_list(
	const struct user_query *query, struct contact *list, size_t max, size_t *n);
// Where the user is. Returns 0 or a SIP status.
unsigned int contacts_find(struct call *call, const struct trunk *trunk, const char *number);
bool contacts_are_there(const struct call *call, const struct trunk *trunk, const char *number);
void contacts_drop(struct hunt *hunt);
// INVITE those that come next. Returns 0 or a SIP status.
int contacts_invite(struct call *call);
void contacts_ring_time_stop(struct call *call);
// As a redirection has them (RFC 3261 21.3.3).
void contacts_write(const struct call *call, struct builder *b);
// Nothing can be sent there: on a stream the binding is gone with it (RFC 5626 5.3.1).
void contacts_flow_failed(struct call *call, const struct flow *flow);
// One of them has refused. Returns the best refusal so far.
unsigned int contacts_refused(struct call *call, unsigned int status);
bool contacts_are_left(const struct call *call);

// redirect.c
// Whether a 3xx is followed: the routes of the call are those of what it names then.
bool redirect_follow(struct call *call, const struct sip_message *response);
// The status for a of b's last refusal.
unsigned int redirect_status(struct call *call, const struct call_event *event);
// Contact of a 3xx to a.
void redirect_write(const struct leg *leg, struct builder *b);

// attempt.c
struct attempt_to {
	struct flow flow;
	struct slice host;	// of the To
	struct slice uri;	// the Request-URI; absent: as To
	struct slice route;	// absent: none
	bool is_one_of_several; // that ring at the same time, with other keys
};
// INVITE the peer. Returns NULL with errno set.
struct attempt *attempt_start(struct call *call, const struct attempt_to *to,
	const char *description, const struct timeval *patience);
// The call needs none of them any more: CANCEL them where they are unanswered, with the Reason of
// `cause` (may be NULL) or `reason` (whole line, or absent); end any answer that still comes.
void attempts_abandon(struct call *call, const struct sip_message *cause, struct slice reason);
// The call has taken its answer: acknowledge repetitions, end other forks.
void attempt_won(struct attempt *attempt);
// What b was offered by this one of several; NULL: all were offered the same, or there is none.
const struct negotiation_leg *attempt_half(const struct attempt *attempt);
const struct dialog_request *attempt_request(const struct attempt *attempt);
const struct trunk *attempt_trunk(const struct attempt *attempt);
// What its INVITE proved with, for the ACK in this dialog.
void attempt_credentials(const struct attempt *attempt, struct dialog *dialog);
void attempt_response(struct attempt *attempt, const struct sip_message *response);
void attempt_failed(struct attempt *attempt, unsigned int status);
void attempt_destroy(struct attempt *attempt);
// INVITEs of the call without final response, as bytes for another node; their length.
int attempts_save(const struct call *call, void *out, size_t size);
// CANCEL those of another node; they are nobody's then, and answers that come all the same end.
// Returns how many.
unsigned int attempts_cancel_saved(
	struct call *call, const void *data, size_t size); // its transaction is closed
