// What the files of this folder share about a call.
//
//   calls.c      all calls, and the life of one
//   signalling.c the SIP stack's callbacks, turned into events of calls
//   session.c    the dataplane's, likewise
//   fsm.c        the table: what each event does in each state
//   setup.c      actions from the INVITE to the ACK
//   hunt.c       where the call goes, and where next when that fails
//   early.c      actions from b's first response to the answer that a gets
//   contacts.c   the same for registered users, who may be in several places
//   modify.c     actions of a re-INVITE, and of offers by UPDATE and PRACK
//   teardown.c   actions that end a call
//   proof.c      who is who: digests of callers, and ours for those who ask
//   register.c   REGISTER of users
//   registration.c  REGISTER of ours with trunks
//   attempt.c    one INVITE to one peer of the far trunk: forks, late and crossing answers
//   probe.c      OPTIONS to the peers of trunks
//   fork.c       b's early dialogs, PRACKs to them
//   leg.c        requests and responses of one leg
//   pass.c, identity.c, redirection.c  headers that pass from one leg to the other
//   reliable.c   provisional responses to a, and what waits for its PRACK
//   offer.c      offers by UPDATE and PRACK
//   refresh.c    session timers
//   redirect.c   3xx of b
//   refer.c      REFER and its NOTIFYs
//   transfer.c   what is done for a REFER
//   extension.c  Allow, Supported, Require
//   info.c       INFO from one leg to the other
//   digits.c     DTMF between INFO and the dataplane; info_digit.c: what INFO says
//   description.c  descriptions and codecs of both legs, into the media session; relays.c: those of
//                video, text and T.38
//   record.c     the call as bytes in its session, for the next run
//   cdr.c, describe.c  the call as JSON: for ever, and now
//
// Lifetime: a call is created by its INVITE (or from a record), is over when call_over() has run,
// and is freed when in addition its media session has been read and deleted and no leg waits for an
// ACK before its BYE. INVITEs that outlive that are attempts, which stand alone.
#pragma once

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "call.h"
#include "dialog.h"
#include "log.h"
#include "media.h"
#include "negotiate.h"
#include "retransmit.h"
#include "session_expires.h"
#include "stack.h"
#include "trace.h"
#include "transaction.h"
#include "ulid.h"

#define CALL_NAME_MAX 128 // of caller and called number in logs and CDRs, with the NUL

extern struct log_module log_call;

// What a transaction's user pointer points to: a leg, an attempt, a probe, an INFO.
enum owner_kind {
	OWNER_LEG,
	OWNER_ATTEMPT,
	OWNER_PROBE,
	OWNER_DIGITS,
	OWNER_INFO,
	OWNER_REGISTRATION
};
struct owner {
	enum owner_kind kind;
};

enum { LEG_A, LEG_B, LEGS };

// A digit, as SIP INFO carries it.
struct info_digit {
	char digit; // '0'..'9', '*', '#', 'A'..'D'; '!': a flash of the hook
	uint16_t duration_ms;
};

#define DIGITS_WAITING_MAX 16

// How digits come from a leg and go to it; digits.c.
struct digits {
	struct owner owner; // of `info`
	uint8_t mode;	    // enum media_digits, as negotiated
	bool by_info;	    // it has no events, and has sent INFO: that counts from then on
	uint8_t n_waiting;  // to be sent by INFO, one after the other
	struct info_digit waiting[DIGITS_WAITING_MAX];
	struct transaction *info; // of the first of them
};

enum leg_state {
	LEG_IDLE,
	LEG_INVITED,   // its INVITE has no final response from us yet
	LEG_CALLING,   // ours has none from it
	LEG_ACCEPTED,  // we sent a 2xx, its ACK has not come
	LEG_CONFIRMED, // both ways
	LEG_OVER,
};

// What a far end can, as far as it has said so.
struct leg_peer {
	bool update;	   // Allow: UPDATE
	bool rel100;	   // Supported or Require: 100rel, where the trunk allows that
	bool needs_100rel; // or the trunk does
};

// What an early dialog of b has besides struct dialog.
struct early {
	unsigned int number; // in the order of their coming; 0: there is none
	bool has_rseq;
	bool prack_due;	 // of the last reliable response
	bool described;	 // reliably: what comes behind it is no answer any more
	bool authorized; // its early media, by P-Early-Media
	uint32_t rseq;
	struct negotiation_leg
		*negotiated; // of a fork: b's half of the negotiation; NULL: none yet
};

// One of b's early dialogs: the leg's own, or a fork.
struct fork;
struct early_dialog {
	struct dialog *dialog; // NULL: the response makes none
	struct early *early;
	struct fork *fork; // NULL: the leg's own
};

// A response 101 to 199 for a.
struct provisional {
	unsigned int status;
	bool reliable, describes;
	unsigned int early;   // number of b's early dialog that gets a PRACK for it; 0: none does
	char early_media[48]; // P-Early-Media; "": without
};

struct reliable;

// A session timer (RFC 4028).
struct leg_timer {
	uint32_t interval_s; // 0: none
	uint32_t min_s;	     // the far end wants no less; 0: has not said so
	unsigned int n_raised;
	bool we_refresh;
	uint64_t began_ms;	     // CLOCK_MONOTONIC
	struct transaction *refresh; // our UPDATE
	struct event event;
};

// One side of a call: a dialog and its media.
struct leg {
	struct owner owner;
	struct call *call;
	uint8_t index; // LEG_A, LEG_B: the same in the negotiation and the session
	enum leg_state state;
	struct trunk *trunk;
	struct listener *listener;
	bool counted; // trunk_call_start() has been called
	bool has_dialog;
	struct dialog dialog;
	struct transaction *invite; // without final response: of theirs, or a re-INVITE of ours
	struct transaction *offer;  // likewise an UPDATE or PRACK that offers
	struct leg_peer peer;
	struct leg_timer timer;
	struct reliable *reliable; // a: provisional responses that are; NULL: none yet
	bool described;		   // a: has our description reliably
	struct early early;	   // b: of the dialog, while it is early
	LIST_HEAD(, fork) forks;   // b: its other early dialogs
	unsigned int n_forks, n_early;
	struct retransmit *answer; // our 2xx, until its ACK
	uint32_t accepted_cseq;	   // of the INVITE that it answers
	unsigned int n_refers;	   // of its that we took
	bool bye_due;		   // a BYE must wait for that ACK (RFC 3261 15)
	struct digits digits;
	enum sdp_warning warning; // of its description that was refused last; 0: none
};

enum call_state {
	CALL_IDLE,
	CALL_NEW,	// ports asked for
	CALL_TRYING,	// INVITE sent to b
	CALL_RINGING,	// b has sent 101 to 199
	CALL_ANSWERING, // b has sent a 2xx that a may not have yet
	CALL_ANSWERED,	// 2xx passed on to a, its ACK outstanding
	CALL_UP,	// nothing under way
	CALL_MODIFYING, // re-INVITE of one leg passed on to the other
	CALL_MODIFIED,	// 2xx to it passed back, ACK outstanding
	CALL_JOINING,	// a transferee is on its way to take the place of one leg
	CALL_OVER,
	CALL_STATES,
};

enum call_event_type {
	EVENT_INVITE,	      // the initial one
	EVENT_MEDIA_READY,    // ports are known, or an update was taken
	EVENT_MEDIA_FAILED,   // status: what it means in SIP
	EVENT_MEDIA_TIMEOUT,  // leg: from which nothing comes
	EVENT_PROVISIONAL,    // b sent 101 to 199
	EVENT_ANSWER,	      // b sent a first 2xx
	EVENT_NEXT_PEER,      // a peer of b failed, and there is another
	EVENT_REDIRECTED,     // b named another number, and there are routes for that
	EVENT_REFUSAL,	      // b's final status, nobody left to try
	EVENT_ACK,	      // leg: of a 2xx of ours
	EVENT_NO_ACK,	      // leg: 64*T1 after our 2xx
	EVENT_CANCEL,	      // leg: gave up its INVITE
	EVENT_BYE,	      // leg: answered already
	EVENT_PRACK,	      // leg, transaction
	EVENT_NO_PRACK,	      // leg: 64*T1 after our reliable response; status
	EVENT_UPDATE,	      // leg, dialog, transaction: with an offer
	EVENT_REINVITE,	      // leg, transaction
	EVENT_REFRESH,	      // leg: its session timer fired; status
	EVENT_MODIFY_ANSWER,  // leg: 2xx to our re-INVITE, UPDATE or PRACK
	EVENT_MODIFY_REFUSAL, // leg, status
	EVENT_REFER,	      // leg, transaction, message
	EVENT_CALL_FOR,	      // of a transferee: make the call; message: the REFER
	EVENT_REPLACE,	      // leg: it goes, a transferee comes
	EVENT_TRANSFER,	      // leg: the transferee; description: what it is offered
	EVENT_JOINED,	      // leg: the transferee, in its old call; message: its answer
	EVENT_TIMER,	      // set-up, no-answer or longest duration, by state
	EVENT_HANGUP,	      // by a person, or at stop
	EVENT_FAIL,	      // an action could not do its work; status
	EVENT_TYPES,
};

struct call_event {
	enum call_event_type type;
	struct leg *leg;		   // whose doing it is; may be NULL
	const struct dialog *dialog;	   // UPDATE: which of the leg's
	struct transaction *transaction;   // REINVITE, UPDATE, PRACK
	const struct sip_message *message; // what came; may be NULL
	unsigned int status;		   // SIP
	const char *why;		   // for logs and the CDR
	const char *description;	   // TRANSFER
};

// Who ended a call, for the CDR.
enum call_ender { ENDED_BY_A, ENDED_BY_B, ENDED_BY_US };

struct call_times {
	uint64_t invite_ms, ringing_ms, answer_ms, end_ms; // CLOCK_REALTIME; 0: has not happened
};

enum { HUNT_ROUTES_MAX = 16, HUNT_TARGETS_MAX = 32, REDIRECTS_MAX = 5 };

struct contact;
struct attempt;
LIST_HEAD(attempt_list, attempt);

// Where the call may go, and how far it has got.
struct hunt {
	struct route_target routes[HUNT_ROUTES_MAX];
	size_t n_routes, at_route;		  // at: the next
	struct target *targets[HUNT_TARGETS_MAX]; // of the present route's trunk
	size_t n_targets, at_target;
	struct contact *contacts; // or of the registered user, in the order of q
	size_t n_contacts, at_contact;
	struct event *ring_timer; // of those that ring now, where there are others
	unsigned int best_status; // of the refusals so far
	unsigned int n_tried;	  // INVITEs
	bool rings;		  // somebody has sent 101 to 199
	bool placing;		  // ports for another trunk are asked for
};

struct call {
	struct calls *calls;
	struct plan **plans; // that its trunks are of: the first is the one that it began under
	size_t n_plans;
	TAILQ_ENTRY(call) in_calls;
	struct ulid id;
	char id_text[ULID_TEXT_SIZE];
	enum call_state state;
	struct leg legs[LEGS];
	struct attempt_list attempts; // INVITEs to b that have no final response
	struct attempt *attempt;      // the one that speaks
	struct number number;	      // called, as the caller's trunk has it
	struct hunt hunt;
	bool is_secure;					     // to a sips URI
	bool emergency;					     // exempt from limits
	char redirects[REDIRECTS_MAX + 1][ROUTE_NUMBER_MAX]; // numbers that 3xx of b named
	unsigned int n_redirects;
	struct route_target target;
	char from[CALL_NAME_MAX]; // user part of From
	char user[CALL_NAME_MAX]; // who the caller has proved to be; "": nobody asked

	struct negotiation negotiation;
	struct negotiation *before;	     // an exchange is under way: what held before it
	uint8_t asker;			     // LEG_A, LEG_B: whose offer it is; LEGS: ours
	enum method asked_by;		     // INVITE, UPDATE or PRACK
	enum method ask_by;		     // and the other leg
	bool waits_for_ports;		     // before it can be
	struct negotiation_leg *first_offer; // b's half before it was changed in an early dialog
	bool tells;			     // ours, of what the other leg has answered in an ACK
	bool gated;			     // early media of b is not for a
	bool late_offer;		     // the answer comes in the ACK
	struct media_session session;
	bool session_closed;

	const struct sip_message *heard; // what is being dealt with, of `heard_from`; else NULL
	const struct leg *heard_from;

	struct event timer;
	struct call_times times;
	// Transfers (transfer.c): of the call that is left, and of the one that the transferee goes
	// to.
	struct call *transfer_to, *transfer_from; // NULL: none under way
	struct sip_message *refer;		  // that the call was made for; NULL: none
	uint8_t transferor;			  // leg that asked
	uint8_t slot;				  // leg whose place the transferee takes
	bool transferred;			  // the transferee has gone
	bool waits_for_place;			  // for the port of that leg
	bool subscribed;			  // the transferor is notified
	uint32_t refer_cseq;

	bool recovered;
	enum call_ender ended_by;
	unsigned int end_status; // SIP status that describes the end; 200: normal clearing
	unsigned int far_status; // what b refused with
	const char *end_why;
};

TAILQ_HEAD(call_list, call);

struct calls_listener {
	struct listener *listener;
	const struct realm *realm;    // NULL: of no realm any more
	struct realm_listener wanted; // as configured: port 0 is another once it is bound
};

struct tls_ends;
struct probes;
struct peers;
struct plan;

struct calls {
	struct calls_settings settings;
	struct call_list list;
	struct sip_stack *stack;
	struct dialog_table *dialogs;
	struct media *media;
	struct cdr_file *cdr;
	struct trace *trace; // NULL: none is kept
	struct calls_listener *listeners;
	size_t n_listeners;
	struct tls_ends *tls_ends;
	struct probes *probes;
	struct peers *peers;
	struct plan *plan;	 // of now
	LIST_HEAD(, plan) plans; // that are in use
	struct registrar *registrar;
	struct registrations *registrations;
	struct digest_nonces *nonces;
	struct bans *bans;
	struct sdp *sdp; // scratch: one description is parsed at a time
	const struct timeval *setup_timeout, *no_answer_timeout, *max_duration;
	struct calls_counters counters;
	bool ready; // earlier calls have been recovered, or are not to be expected any more
	struct event *grace_timer, *stop_timer;
	unsigned int stop_turns;
	void (*stopped)(void *arg);
	void *stopped_arg;
};

// tls_ends.c: certificates for the listeners of TLS and the connections to peers. Opened once the
// listeners are there, closed after them. Returns 0 or a negative errno with `error`.
int tls_ends_open(struct calls *calls, char *error, size_t error_size);
void tls_ends_free(struct tls_ends *ends);
// Go back to `before`, and have the listeners use what there is.
void tls_ends_undo(struct calls *calls, struct tls_ends *before);
void tls_ends_use(struct calls *calls);
void tls_ends_close(struct calls *calls);

// fsm.c
void call_event(struct call *call, const struct call_event *event);
const char *call_state_name(enum call_state state);
// Whether an event does anything in a state, and where it leads; for tests of the table.
bool fsm_row(enum call_state state, enum call_event_type type, enum call_state *next);

// An action returns 0: go to the table's next state; a SIP status: it failed, EVENT_FAIL follows in
// the old state; ACTION_GO(state): go there instead.
typedef int call_action_fn(struct call *call, const struct call_event *event);
#define ACTION_GO(state) (~(int)(state))

call_action_fn setup_admit, setup_invite, setup_redirected, setup_next_peer, setup_placed,
	setup_provisional, setup_answer, setup_confirm;
call_action_fn early_acknowledged, early_acknowledged_late, early_update;
call_action_fn transfer_begin, transfer_call, transfer_replace, transfer_placed, transfer_ask,
	transfer_joined;
call_action_fn refresh_begin, refresh_later;
call_action_fn modify_placed, modify_unplaced, modify_begin, modify_offer, modify_answer,
	modify_refuse, modify_confirm, modify_cancel, modify_busy;
call_action_fn end_refused, end_cancelled, end_bye, end_unacknowledged, end_media_timeout,
	end_no_answer, end_no_media, end_duration, end_hangup, end_failed, end_answer_acknowledged;

// cdr.c
struct cdr_file;
// "-": standard output; NULL: a file that takes nothing. NULL with errno set.
struct cdr_file *cdr_open(const char *path);
void cdr_close(struct cdr_file *file);
// Whether a CDR of that call is among the last ones of the file.
bool cdr_is_written(struct cdr_file *file, const char *id);
// Append the call's CDR. `report` may be NULL. Returns 0 or a negative errno.
int cdr_write(
	struct cdr_file *file, const struct call *call, const struct sl_session_report *report);

// registration.c: with all trunks that want one. Returns NULL without memory.
struct registrations;
struct registrations *registrations_start(struct calls *calls);
// Another configuration: those that it has as well go on. Returns 0 or -ENOMEM.
int registrations_follow(struct calls *calls);
// Take them back, as far as that can be done; _are_ending: until the answers are there.
void registrations_end(struct registrations *registrations);
bool registrations_are_ending(const struct registrations *registrations);
void registrations_stop(struct registrations *registrations);
void registration_response(struct owner *owner, const struct sip_message *response);
void registration_failed(struct owner *owner);
void registration_closed(struct owner *owner);
const struct trunk *registration_trunk(const struct owner *owner);
// The trunk that was told to send calls to this user of ours, or NULL.
struct trunk *registrations_match(
	const struct registrations *registrations, const struct realm *realm, struct slice user);
// The Service-Route of a trunk, absent without one.
struct slice registrations_route(
	const struct registrations *registrations, const struct trunk *trunk);

// proof.c
// The trunk that a request outside of dialogs belongs to: that of its source, else that of
// registered users. NULL: none.
struct trunk *trunk_of_request(const struct calls *calls, const struct sip_message *request);
// Whether the sender has proved who it is, where its trunk wants that; else the request is
// answered. `user` is who it is, absent where nobody asked.
bool proof_check(struct calls *calls, const struct trunk *trunk, struct transaction *transaction,
	const struct sip_message *request, bool is_proxy, struct slice *user);
// As struct stack_user has them.
const struct digest_keys *proof_keys(
	void *calls, struct transaction *transaction, const struct sip_message *response);
uint32_t proof_next_cseq(void *calls, const struct sip_message *response);
// What a request from where nobody is known is answered, whatever it asks for; 0: he is known.
unsigned int stranger_answer(const struct calls *calls, const struct sip_message *request);
bool proof_accepts(
	struct calls *calls, const struct listener *listener, const struct sockaddr *source);
int proof_open(struct calls *calls);
void proof_close(struct calls *calls);

// register.c
void register_take(
	struct calls *calls, struct transaction *transaction, const struct sip_message *request);
int register_open(struct calls *calls);
void register_keepalive(struct calls *calls);

// signalling.c, session.c
extern const struct stack_user signalling;
extern const struct media_ops session_ops;

// call_number.c
// What the INVITE says of who calls and who is called. Returns 0 or -ENAMETOOLONG.
int call_numbers_read(struct call *call, const struct sip_message *invite);
// A user part of one side for the other. Returns 0 or -ENAMETOOLONG.
int number_pass(const struct trunk *from, const struct trunk *to, struct slice user, char *out,
	size_t size);
// A URI as the trunk wants it. `params`: of the number, "" or ";..."; NULL for who is not called.
void number_uri_write(struct builder *b, const struct trunk *trunk, bool secure, const char *user,
	const char *params, struct slice host);
// Of who is called.
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
// Count the call in its trunk. Returns 0, or 503 where that is full.
unsigned int leg_enter(struct leg *leg);
void leg_leave(struct leg *leg); // once is enough

// plan.c: a configuration, as long as anything uses it.
struct plan *plan_create(
	struct calls *calls, const struct calls_settings *settings, struct plan *before);
struct plan *plan_hold(struct plan *plan);
void plan_drop(struct plan *plan);
// The call looks into the present plan, or takes a trunk over from another call. Returns 0 or
// -ENOMEM.
int call_plan_add(struct call *call, struct plan *plan);
int call_plans_share(struct call *call, const struct call *of);
void call_plans_drop(struct call *call);
struct plan *call_plan_of(const struct call *call, const struct trunk *trunk);
// The hosts of all plans that are in use may talk to us, and nobody else.
int plans_admit(struct calls *calls);

// listeners.c: open those of the settings that are not open yet; undo that; and give each the realm
// that it is of by now, where those from `before` on are new.
int listeners_open(
	struct calls *calls, const struct calls_settings *settings, char *error, size_t error_size);
void listeners_undo(struct calls *calls, size_t before);
void listeners_assign(struct calls *calls, size_t before);

// peers.c: the names among the peers of all trunks, resolved as long as it lives. Nothing is there
// where no peer is a name. Returns 0 or a negative errno.
int peers_start(struct calls *calls);
void peers_stop(struct calls *calls);
// Let the hosts of a trunk's peers talk to us.
int trunk_admit(const struct calls *calls, const struct trunk *trunk);
// tls_ends.c: what connections to the targets of a trunk's peers are to find there.
int tls_ends_expect(struct calls *calls, const struct trunk *trunk);

// contacts.c
bool trunk_is_of_users(const struct trunk *trunk);
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

// probe.c: OPTIONS to the targets of all trunks that want it. Returns NULL without memory.
struct probes *probes_start(struct calls *calls);
void probes_stop(struct probes *probes);
void probe_response(struct owner *owner, const struct sip_message *response);
void probe_failed(struct owner *owner);
void probe_closed(struct owner *owner);

// calls.c
void calls_timeouts_set(struct calls *calls);
uint64_t now_realtime_ms(void);
uint64_t now_monotonic_ms(void);
const struct realm *calls_realm(const struct calls *calls, const struct listener *listener);
enum transport_protocol calls_protocol(enum realm_transport transport);
// The listener of a realm for requests to an address that is reached by `protocol`, or NULL.
struct listener *calls_listener(const struct calls *calls, const struct realm *realm,
	enum transport_protocol protocol, const struct sockaddr *peer);
// A call in state CALL_IDLE; media does not know it yet. NULL: out of memory.
struct call *call_create(struct calls *calls, const struct ulid *id);
// Undo call_create().
void call_forget(struct call *call);
// Frees the call if it is over and nothing needs it any more.
void call_release(struct call *call);
// Messages with this Call-ID belong to the call.
void call_trace(const struct call *call, struct slice call_id);
void call_timer_set(struct call *call, const struct timeval *after); // NULL: never
// Everything is ended that is not; `status` and `why` say how for logs, CDR and unanswered INVITEs.
// `cause` is the message that did it, whose Reason is passed on; may be NULL.
void call_over(struct call *call, enum call_ender by, unsigned int status, const char *why,
	const struct sip_message *cause);

// What the call was asked for with: a's INVITE, or a REFER.
static inline const struct sip_message *call_request(const struct call *call)
{
	return call->refer ? call->refer : transaction_request(call->legs[LEG_A].invite);
}

static inline struct leg *leg_other(struct leg *leg)
{
	return &leg->call->legs[!leg->index];
}

static inline enum trunk_direction leg_direction(const struct leg *leg)
{
	return leg->index == LEG_A ? TRUNK_IN : TRUNK_OUT;
}

static inline const char *leg_name(const struct leg *leg)
{
	return leg->index == LEG_A ? "a" : "b";
}

static inline struct call *call_of_session(struct media_session *session)
{
	return (struct call *)((char *)session - offsetof(struct call, session));
}

// leg.c
#define LEG_ALLOW     "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER"
#define LEG_SUPPORTED "100rel, timer, norefersub"
void leg_init(struct leg *leg, struct call *call, uint8_t index);
// Whatever its state: final response, CANCEL, BYE, or nothing; `cause` as for call_over().
void leg_end(struct leg *leg, unsigned int status, const struct sip_message *cause);
void leg_fini(struct leg *leg);
// Start its dialog and make it known.
int leg_dialog_uas(struct leg *leg, const struct transaction *invite);
int leg_dialog_uac(
	struct leg *leg, const struct dialog_request *request, const struct sip_message *response);
// A response to its INVITE as far as the body, with what all of them have.
void leg_response_begin(struct leg *leg, struct builder *b, unsigned int status);
// 2xx to its INVITE, repeated until its ACK; `description` may be "". Returns 0 or a negative
// errno.
int leg_accept(struct leg *leg, const char *description);
// A final response other than 2xx to an INVITE of its own, where one is unanswered.
void leg_refuse(struct leg *leg, unsigned int status);
// Why a 488 is one (RFC 3261 20.43).
void warning_write(struct leg *leg, struct builder *b);
void leg_acknowledged(struct leg *leg);
int leg_reinvite(struct leg *leg, const char *description);
// Send requests where the dialog says, as far as that is an IP address.
void dialog_flow_update(struct dialog *dialog);
// `headers`: more of them, each with its line end.
void dialog_bye(struct dialog *dialog, struct sip_stack *stack, struct slice headers);
// Our Contact value on a listener, `secure` of a call to a sips URI (RFC 5630 5.1). Returns a slice
// of `out`.
struct slice contact_write(const struct listener *listener, bool secure, char *out, size_t size);
// What a status from one side is on the other.
unsigned int status_pass_on(unsigned int status);

// setup.c
// Give a the answer that b has given, unless it must wait: a state for ACTION_GO(), or a status.
int setup_pass_answer(struct call *call);

// early.c
bool early_answer_waits(const struct call *call);

// reliable.c
// Send it, or keep it until those before it are acknowledged. Returns 0 or a negative errno.
int leg_provisional(struct leg *leg, const struct provisional *provisional);
// A PRACK: what it acknowledges. Returns 0, -EBADMSG, or -ENOENT (nothing waits for it).
int reliable_acknowledge(
	struct leg *leg, const struct sip_message *prack, struct provisional *acknowledged);
void reliable_next(struct leg *leg); // of those that wait
// The description of a reliable response has not been acknowledged: the 2xx waits for that.
bool reliable_holds_answer(const struct leg *leg);
void reliable_stop(struct leg *leg); // the INVITE has its final response; a PRACK may still come
void reliable_fini(struct leg *leg);

// fork.c: b's early dialogs
// The one that a response to its INVITE belongs to, made where there is none. Returns 0 or a
// negative errno.
int early_find(struct leg *leg, const struct dialog_request *request,
	const struct sip_message *response, struct early_dialog *out);
int early_of_dialog(struct leg *leg, const struct dialog *dialog, struct early_dialog *out);
bool early_of_number(struct leg *leg, unsigned int number, struct early_dialog *out);
// Make it the leg's own, with its half of the negotiation.
int early_select(struct leg *leg, struct early_dialog *early);
// Whether a response is reliable. Returns 0, -EBADMSG, or -EALREADY: not to be taken in.
int early_rseq_take(struct early *early, const struct sip_message *response, bool *reliable);
// PRACK the last reliable response where that is due: send, or only write it.
void early_prack(struct leg *leg, const struct early_dialog *early);
struct slice early_prack_write(
	const struct early_dialog *early, struct builder *b, const char *description);
// Before an offer is made in an early dialog: the other forks still have the first one. Returns 0
// or -ENOMEM.
int fork_offer_keep(struct call *call);
void forks_drop(struct leg *leg); // all but the leg's own
void early_drop(struct leg *leg); // its own, too

// offer.c
// How the leg can be offered something now, where the other leg was offered it by `by`: INVITE,
// UPDATE, PRACK, or METHOD_OTHER for not at all.
enum method offer_method(const struct leg *leg, enum method by);
int offer_send(struct leg *leg, enum method method, const char *description);
// Theirs: to be answered or refused.
void offer_take(struct leg *leg, struct transaction *transaction);
void offer_answer(struct leg *leg, const char *description);
void offer_refuse(struct leg *leg, unsigned int status);
void offer_forget(struct leg *leg);
// 200 to an UPDATE or PRACK; `description` may be NULL.
void update_answer(struct leg *leg, struct transaction *transaction, const char *description);
// 500 with Retry-After, or 491.
void refuse_for_now(struct transaction *transaction, bool its_own);

// redirect.c
// Whether a 3xx is followed: the routes of the call are those of what it names then.
bool redirect_follow(struct call *call, const struct sip_message *response);
// The status for a of b's last refusal.
unsigned int redirect_status(struct call *call, const struct call_event *event);
// Contact of a 3xx to a.
void redirect_write(const struct leg *leg, struct builder *b);

// refer.c
// What a REFER asks for. Its slices are of the request and of `text`.
struct refer {
	struct nameaddr to;
	struct uri uri;
	struct slice replaces, to_tag, from_tag; // Call-ID and tags; absent: a blind one
	bool early_only, silent;		 // silent: no NOTIFYs (RFC 4488)
	char text[512];
};
// Returns 0 or a SIP status.
unsigned int refer_read(const struct sip_message *request, struct refer *out);
void refer_accept(struct leg *leg, struct transaction *transaction, const struct refer *refer);
// Tell the transferor how it goes (sipfrag), as long as it listens.
void refer_notify(struct call *call, unsigned int status, bool final);

// transfer.c
int transfer_answered(struct call *call);
void transfer_progress(struct call *call, unsigned int status);
struct slice transfer_party(const struct call *call); // From of the transferee
int transfer_taken(struct call *left, const struct call_event *event);
int transfer_refused(struct call *left, const struct call_event *event);
// The transferee's half of the negotiation, for another attempt, too.
void transfer_half(struct call *to);
// Part of call_over().
void transfer_call_over(struct call *call, unsigned int status);
// A BYE of the transferor, while its transfer is under way, ends its own leg only.
bool transfer_outlives(struct call *call, struct leg *leg);

// extension.c
// What a far end's message says that it can.
void extensions_learn(struct leg *leg, const struct sip_message *message);
// Whether trunk and caller agree on 100rel: 0, 420 or 421.
unsigned int extensions_check(struct leg *leg, const struct sip_message *invite);
// The headers that a refusal of ours needs.
void extensions_refused(const struct leg *leg, unsigned int status, struct builder *b);
// Allow, what we support and require, and the session timer that we ask for: in the INVITE that
// begins a dialog, in another request, in a response.
enum extensions { EXTENSIONS_FIRST, EXTENSIONS_REQUEST, EXTENSIONS_RESPONSE };
void extensions_write(struct builder *b, const struct leg *leg, enum extensions what);

// refresh.c
void refresh_init(struct leg *leg);
void refresh_stop(struct leg *leg);
// Whether the timer that a request asks for will do: 0 or 422.
unsigned int refresh_check(struct leg *leg, const struct sip_message *request);
// What our 2xx to it says of the timer, which starts anew.
void refresh_answer(struct leg *leg, struct builder *b, const struct sip_message *request);
// What we ask for, and what the 2xx grants.
void refresh_ask(const struct leg *leg, struct builder *b);
void refresh_take(struct leg *leg, const struct sip_message *response);
// A 422: whether it says what would do and we ask for that from now on.
bool refresh_raise(struct leg *leg, const struct sip_message *response);
// A refresh of ours has failed. Returns the status that ends the call, or 0: it is tried again.
unsigned int refresh_refused(
	struct leg *leg, unsigned int status, const struct sip_message *response);
// To our UPDATE; `response` is NULL where none came.
void refresh_response(struct leg *leg, unsigned int status, const struct sip_message *response);
// For records: how long ago the session was refreshed.
uint32_t refresh_age_ms(const struct leg *leg);
void refresh_restore(struct leg *leg, uint32_t age_ms);
// How long to wait after a 491.
uint32_t glare_wait_ms(const struct dialog *dialog);

// modify.c
// A re-INVITE of the leg that says what was said before. Returns the state that follows.
int modify_repeat(struct leg *leg);

// attempt.c
struct attempt_to {
	struct flow flow;
	struct slice host;  // of the To
	struct slice uri;   // the Request-URI; absent: as To
	struct slice route; // absent: none
};
// INVITE the peer. Returns NULL with errno set.
struct attempt *attempt_start(struct call *call, const struct attempt_to *to,
	const char *description, const struct timeval *patience);
// The call needs none of them any more: CANCEL them where they are unanswered, with the Reason of
// `cause` (may be NULL) or `reason` (whole line, or absent); end any answer that still comes.
void attempts_abandon(struct call *call, const struct sip_message *cause, struct slice reason);
// The call has taken its answer: acknowledge repetitions, end other forks.
void attempt_won(struct attempt *attempt);
const struct dialog_request *attempt_request(const struct attempt *attempt);
const struct trunk *attempt_trunk(const struct attempt *attempt);
// What its INVITE proved with, for the ACK in this dialog.
void attempt_credentials(const struct attempt *attempt, struct dialog *dialog);
void attempt_response(struct attempt *attempt, const struct sip_message *response);
void attempt_failed(struct attempt *attempt, unsigned int status);
void attempt_destroy(struct attempt *attempt); // its transaction is closed

// description.c
// Nothing known.
void description_init(struct call *call);
// The same for a call that goes to another trunk: b's ports are to be chosen anew.
void description_move(struct call *call);
// The codecs that the dataplane has: what calls may be transcoded with from now on.
void description_codecs(const struct sl_codec *codecs, size_t n);
// Where media of each leg is to be: on an address of the family that the far end offered, else of
// that in which it speaks SIP (peers of one trunk are expected to be alike). Ports to be chosen.
void description_place(struct call *call);
// Where the call will need codecs whatever b answers, ask for them with the ports: they are refused
// before b hears of the call.
void description_expect(struct call *call);
// Take what the leg's message describes. Return 0 or the SIP status to refuse with.
unsigned int description_take_offer(struct leg *leg, const struct sip_message *message);
// In a call: tells whether the other leg, if it can be asked, must be, or the answer is due at
// once.
unsigned int description_take_reoffer(
	struct leg *leg, const struct sip_message *message, bool *ask_other);
unsigned int description_take_answer(struct leg *leg, const struct sip_message *message);
bool message_has_sdp(const struct sip_message *message);
// A text for a description, empty at first, which is wiped where it goes out of scope.
static inline void description_text_wipe(char (*text)[NEGOTIATION_TEXT_MAX])
{
	explicit_bzero(*text, strnlen(*text, sizeof(*text)));
}
#define WIPED_DESCRIPTION(name) \
	__attribute__((cleanup(description_text_wipe))) char name[NEGOTIATION_TEXT_MAX] = ""
// Our description for the leg into `out` (NEGOTIATION_TEXT_MAX). Returns 0 or a negative errno.
int description_write(struct leg *leg, char *out);
// The session from what was negotiated, and its record with it.
void description_apply(struct call *call);
// "PCMU/8000", "opus/48000/2"; "" where nothing is agreed.
const char *description_codec(const struct call *call, unsigned int leg, char *out, size_t size);

// The SRTP suite of the leg, "" for plain RTP.
const char *description_suite(const struct call *call, unsigned int leg);
// The keys that a session recovered from the dataplane comes without.
void description_keys_restore(struct call *call);
// Keys of a call that is to be freed.
void description_wipe(struct call *call);

// info_digit.c
// The digit that an INFO carries. Returns 0, -ENOENT (it carries none), -EBADMSG.
int info_digit_read(const struct sip_message *info, struct info_digit *out);
// As a body of INFO_DIGIT_TYPE. Returns `out`.
#define INFO_DIGIT_TYPE	    "application/dtmf-relay"
#define INFO_DIGIT_TEXT_MAX 32
const char *info_digit_write(const struct info_digit *digit, char out[INFO_DIGIT_TEXT_MAX]);

// info.c
// An INFO from a leg: a digit, or something that the other leg is to answer.
void info_received(struct leg *leg, struct transaction *transaction);
// Of transactions whose owner is OWNER_INFO: a response, none (a status), or the end of it.
struct info_relay;
void info_response(struct info_relay *relay, const struct sip_message *response);
void info_failed(struct info_relay *relay, struct transaction *transaction, unsigned int status);
void info_closed(struct info_relay *relay, struct transaction *transaction);

// digits.c
void digits_init(struct leg *leg);
void digits_fini(struct leg *leg);
// The flags of session leg `index`, once the modes of both legs are known.
uint16_t digits_flags(const struct call *call, int index);
// A digit came from the leg by INFO. Returns false where the INFO itself has to go to the other
// leg, which will know what to do with it; else it has been seen to.
bool digits_received(struct leg *leg, const struct info_digit *digit);
// The dataplane has heard a digit from the leg.
void digits_reported(struct leg *leg, const struct info_digit *digit);
// Of transactions whose owner is OWNER_DIGITS: the final status.
void digits_answered(struct owner *owner, unsigned int status);

struct sl_address session_address(const struct sdp_address *from, uint16_t port);
// Where media of a leg of the session on that side of the call is to be; its port is left alone.
void session_leg_place(struct call *call, struct sl_leg *leg, int side);
void session_keys_fill(
	struct sl_leg *leg, const struct sdp_crypto *receive, const struct sdp_crypto *send);

// relays.c
// Legs of the session for the lines that are relayed; the ports come with the next answer.
void relays_place(struct call *call);
// The same in a call: whether ports are to be waited for. relays_are_placed(): they are there;
// relays_forget_new(): they cannot be had.
bool relays_wait(struct call *call);
bool relays_are_placed(struct call *call);
void relays_forget_new(struct call *call);
// Those that our description for a side of the call names, 0 where there is none.
void relays_ports(struct call *call, int side, uint16_t ports[NEGOTIATION_RELAYS_MAX]);
void relays_fill(struct call *call, const struct media_summary *media);
void relays_keys_restore(struct call *call, const struct media_summary *media);

// describe.c
// "2026-11-20T10:11:12.123Z". Returns `out`.
#define TIME_TEXT_SIZE 40
const char *time_text(uint64_t realtime_ms, char out[TIME_TEXT_SIZE]);
uint64_t call_duration_ms(const struct call *call); // since the answer; 0 before it

// record.c
size_t record_save(const struct call *call, void *out, size_t size);
// The reverse into a fresh call. Returns 0, -ENODATA (not established), -EBADMSG, -ENOENT (a trunk
// is no more), -ENOMEM.
int record_restore(struct call *call, const void *record, size_t length);
