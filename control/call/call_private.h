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
//   register_forward.c  REGISTER of users whose registrar is behind a trunk
//   registration.c  REGISTER of ours with trunks
//   attempt.c    one INVITE to one peer of the far trunk: forks, late and crossing answers
//   probe.c      OPTIONS to the peers of trunks
//   fork.c       b's early dialogs, PRACKs to them
//   leg.c        requests and responses of one leg; hop.c: where names lead them
//   pass.c, identity.c, redirection.c  headers that pass from one leg to the other
//   reliable.c   provisional responses to a, and what waits for its PRACK
//   offer.c      offers by UPDATE and PRACK
//   refresh.c    session timers
//   redirect.c   3xx of b
//   refer.c      REFER and its NOTIFYs
//   refer_pass.c REFER for the other leg, and its NOTIFYs
//   transfer.c   what is done for a REFER
//   extension.c  Allow, Supported, Require
//   info.c       INFO: digits, or for the other leg
//   relay.c      a request of one side as one of ours on the other: leg_request.c in a call,
//                relay_request.c outside of calls; request_write.c: as they are written
//   subscription.c  SUBSCRIBE and NOTIFY, by two dialogs; subscription_state.c: what they say;
//                event_body.c: hosts in bodies of events
//   digits.c     DTMF between INFO and the dataplane; info_digit.c: what INFO says
//   description.c  descriptions and codecs of both legs, into the media session; relays.c: those of
//                video, text and T.38
//   bodies.c     what messages carry beside descriptions
//   record.c     the call as bytes in its session, for the next run
//   cdr_file.c, facts.c, cause.c  the file of CDRs, and what they say
//   cdr.c, describe.c  the call as JSON: for ever, and now
//
// Here are the structures, and the functions that most of them call; those of one topic are in
// plan.h, outside.h, hunt.h, early.h, offer.h, transfer.h, description.h, relay.h and
// call_digits.h.
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

// What the user pointer of a transaction or dialog points to: a leg, an attempt, a probe, a request
// that is relayed.
enum owner_kind {
	OWNER_LEG,
	OWNER_ATTEMPT,
	OWNER_PROBE,
	OWNER_DIGITS,
	OWNER_RELAY,
	OWNER_REGISTRATION,
	OWNER_BYE,
	OWNER_SUBSCRIPTION,
	OWNER_FORWARD,
	OWNER_CONFIRM
};
struct owner {
	enum owner_kind kind;
};

// Our BYE, until it has its answer or none comes: the call waits for it, to say 200 to a BYE that
// crosses it.
struct bye {
	struct owner owner;
	struct leg *leg;
	struct transaction *transaction; // NULL: none is on its way
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
// Our question whether a leg from another node is still there; confirm.c.
struct confirm {
	struct owner owner;
	struct leg *leg;
	struct transaction *transaction;
};

struct leg_timer {
	uint32_t interval_s; // 0: none
	uint32_t min_s;	     // the far end wants no less; 0: has not said so
	unsigned int n_raised;
	bool we_refresh;
	uint64_t began_ms;	     // CLOCK_MONOTONIC
	struct transaction *refresh; // our UPDATE
	struct event event;
};

// A REFER of a leg that has been passed on, by the CSeq that it has on each side.
struct refer_pair {
	uint32_t theirs, ours; // 0: there is none
};
enum { REFERS_PASSED_MAX = 4 };

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
	struct refer_pair passed[REFERS_PASSED_MAX];
	bool bye_due; // a BYE must wait for that ACK (RFC 3261 15)
	struct bye bye;
	struct digits digits;
	struct confirm confirm;
	enum sdp_warning warning; // of its description that was refused last; 0: none
	char *facts;		  // for its CDR (facts.h); NULL: none
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
	bool drained;					     // refused because we drain
	char redirects[REDIRECTS_MAX + 1][ROUTE_NUMBER_MAX]; // numbers that 3xx of b named
	unsigned int n_redirects;
	struct route_target target;
	char from[CALL_NAME_MAX]; // user part of From
	char user[CALL_NAME_MAX]; // who the caller has proved to be; "": nobody asked
	char *service_route; // of the caller, where its registrar is behind a trunk; NULL: none
	bool by_token;	     // it is for what we have registered for a user

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
	struct call_shard *shard; // that it is anchored on; NULL: none
	bool is_shared;		  // the store has a record of it, or will
	bool adopted;		  // from another node
	bool is_doubtful;	  // and on the list of those that are to be asked for
	TAILQ_ENTRY(call) in_doubtful;

	struct sip_message *answer;	 // of b, while a cannot have it; NULL: none waits
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
	unsigned int cause;	 // Q.850; 0: not known yet
	const char *end_why;
};

TAILQ_HEAD(call_list, call);

struct calls_listener {
	struct listener *listener;
	const struct realm *realm;    // NULL: of no realm any more
	struct realm_listener wanted; // as configured: port 0 is another once it is bound
	bool stopped;		      // of no realm, and its calls are gone: so is its socket
	struct call_shard *shard;     // whose address it is on; NULL: none
	bool is_refused;	      // could not be bound the last time
};

struct tls_ends;
struct probes;
struct peers;
struct plan;

// REGISTERs on their way to other registrars.
struct register_forwards {
	LIST_HEAD(, register_forward) list;
	uint32_t n;
	uint64_t allowance, allowance_at_ms; // of a token bucket, in 1/1000 REGISTER
};

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
	struct event *retire_timer;	 // while one of no realm has calls; NULL: not needed yet
	struct cluster *cluster;	 // NULL: none
	const struct shards *all_shards; // of the configuration, and
	struct call_shard *shards;	 // what we have of them, in the same order
	struct call_list doubtful;	 // from other nodes, to be asked for
	struct event *confirm_timer;
	size_t n_shards;
	struct exchange *exchange; // NULL: what comes here is ours
	size_t n_nodes;		   // of the cluster
	struct event *bindings_timer;
	bool bindings_listed; // the store has told what it has
	bool taking_binding;  // of another node
	bool hopped;	      // what is being dealt with came from another node
	struct tls_ends *tls_ends;
	struct probes *probes;
	struct peers *peers;
	struct plan *plan;	 // of now
	LIST_HEAD(, plan) plans; // that are in use
	LIST_HEAD(, subscription) subscriptions;
	struct registrar *registrar;
	struct registrations *registrations;
	struct register_forwards forwards;
	LIST_HEAD(, hop) hops; // names in dialogs that are being resolved
	unsigned int n_hops;
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
	bool draining;
	struct event *drain_timer;
	void (*empty)(void *arg); // NULL: nobody waits for that
	void *empty_arg;
};

// drain.c
// Answer a request outside of dialogs that is not taken while we drain or stop. Returns whether it
// was.
bool drain_refuse(struct calls *calls, struct transaction *transaction);
// For a call that was refused with `status` because we drain: when to come back. Returns whether it
// was.
bool drain_refusal_write(const struct call *call, unsigned int status, struct builder *b);
void drain_close(struct calls *calls);

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
	end_no_answer, end_no_media, end_duration, end_hangup, end_failed, end_answer_acknowledged,
	end_answer_hung_up;

// cdr.c
struct cdr_file;
// Whether a CDR of that call is among the last ones of the file.
bool cdr_is_written(struct cdr_file *file, const char *id);
// Append the call's CDR. `report` may be NULL. Returns 0 or a negative errno.
int cdr_write(
	struct cdr_file *file, const struct call *call, const struct sl_session_report *report);

// signalling.c, session.c
// The leg of a message's dialog; NULL where it has none, or only a stray one.
struct leg *leg_of_message(const struct calls *calls, const struct sip_message *message);
extern const struct stack_user signalling;
// setup.c: whether an INVITE would take an emergency route.
bool setup_is_emergency(const struct calls *calls, const struct sip_message *invite);
extern const struct media_ops session_ops;

// calls.c
void calls_timeouts_set(struct calls *calls);
uint64_t now_realtime_ms(void);
uint64_t now_monotonic_ms(void);
const struct realm *calls_realm(const struct calls *calls, const struct listener *listener);
enum transport_protocol calls_protocol(enum realm_transport transport);
// The listener of a realm for requests to an address that is reached by `protocol`, or NULL.
struct listener *calls_listener(const struct calls *calls, const struct realm *realm,
	enum transport_protocol protocol, const struct sockaddr *peer);
// The same on the addresses of the call's shard, or for a call of none on those that are none's.
struct listener *call_listener(const struct call *call, const struct realm *realm,
	enum transport_protocol protocol, const struct sockaddr *peer);
// A call in state CALL_IDLE; media does not know it yet. NULL: out of memory.
struct call *call_create(struct calls *calls, const struct ulid *id);
// Undo call_create().
void call_forget(struct call *call);
// It lives on elsewhere, or nowhere: forget it with its media, without a word to anybody.
void call_give_up(struct call *call);
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

// Whether the registrar of a trunk's users is behind another: what asks for a proof there, and the
// proof, pass.
static inline bool trunk_forwards_to(const struct trunk *users, const struct trunk *to)
{
	return users->users && to && users->users->forward.to == to;
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
#define LEG_ALLOW     "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY"
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
// The body of a message to it: the description (may be ""), and what passes of the message that
// came from the other leg and is being dealt with.
void leg_body_write(struct leg *leg, struct builder *b, const char *description);
// 2xx to its INVITE, repeated until its ACK; `description` may be "". Returns 0 or a negative
// errno.
int leg_accept(struct leg *leg, const char *description);
// A final response other than 2xx to an INVITE of its own, where one is unanswered.
void leg_refuse(struct leg *leg, unsigned int status);
// Why a 488 is one (RFC 3261 20.43).
void warning_write(struct leg *leg, struct builder *b);
void leg_acknowledged(struct leg *leg);
int leg_reinvite(struct leg *leg, const char *description);
// The trunk of a dialog of ours; NULL for one of nobody.
const struct trunk *dialog_trunk(const struct dialog *dialog);
// Send requests where the dialog says, as far as that is an IP address.
void dialog_flow_update(struct dialog *dialog);
// hop.c: the URI names a host; once that is resolved, the dialog's requests go there.
void hop_resolve(struct calls *calls, const struct trunk *trunk, const struct dialog *dialog,
	const struct uri *uri);
void hops_stop(struct calls *calls);
// `rest`: header lines and the body, or absent. `bye`: whose it is, or NULL where nobody waits.
void dialog_bye(struct dialog *dialog, struct sip_stack *stack, struct slice rest, struct bye *bye);
// It has its answer, or will have none.
void bye_done(struct bye *bye);
// Our Contact value on a listener, `secure` of a call to a sips URI (RFC 5630 5.1). Returns a slice
// of `out`.
struct slice contact_write(const struct listener *listener, bool secure, char *out, size_t size);
// What a status from one side is on the other.
unsigned int status_pass_on(unsigned int status);

// setup.c
// Give a the answer that b has given, unless it must wait: a state for ACTION_GO(), or a status.
int setup_pass_answer(struct call *call);

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

// session.c
// Take over a call from our dataplane. 0 or a negative errno.
int session_recover(
	struct calls *calls, const struct sl_session_report *report, const void *record);
// The shard of a session that nobody knows, or NULL.
struct call_shard *session_shard(
	struct calls *calls, const struct sl_session_report *report, const void *record);
