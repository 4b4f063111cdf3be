// The dataplane as a call sees it: a session is the wanted state of a call's media, and this module
// makes the dataplane agree with it, now or as soon as it can.
//
//   owner                     media                              dataplane
//   media_session_open    →   known, nothing sent
//   fill legs, _update    →   dirty ─ end of the loop turn ─→    SL_SESSION_SET
//                             ops.ready(status)            ←─    ports and SSRCs chosen
//   _update (as often)    →   …
//   media_session_close   →   SL_SESSION_GET               ─→
//                             ops.closed(report)           ←─    owner writes its CDR, frees it
//                             SL_SESSION_DELETE            ─→
//
// The session is read before and deleted after ops.closed(), so a crash between the two can make
// its owner see the session again (and recognise it), but never lose what it counted.
//
// Resync after a restart of either side: at each connect the sessions are listed. Those of an
// earlier run of this process are offered to ops.found() once, those nobody wants are deleted, and
// all are set again when the dataplane's instance number changed, with the ports they had; what is
// sent by SRTP goes on under new SSRCs then (media_srtp.c). Updates made while the dataplane is
// away are sent when it is back.
//
// Single-threaded, on one libevent loop; callbacks come from the loop, never from inside a call of
// this header.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "sl_api.h"

struct event_base;
struct media;

enum { MEDIA_LEG_A, MEDIA_LEG_B, MEDIA_LEGS };

// Embedded in its owner, which writes `id` and `legs` and then calls media_session_update(). The
// owner ends it with media_session_fini().
struct media_session {
	struct sl_id id;
	struct sl_leg legs[MEDIA_LEGS]; // wanted; `local` and `ssrc` are filled from responses
	struct sl_leg *more;		// behind those, of further lines: most have none
	uint8_t n_more;

	// media's own
	LIST_ENTRY(media_session) by_id;
	TAILQ_ENTRY(media_session) queued;
	struct media *media;
	uint16_t sets_in_flight;
	bool dirty;   // to be set
	bool closing; // to be read, then deleted
	bool asked;   // the read is under way
	bool on_queue;
	bool exists; // the dataplane has, or may have, heard of it
	bool listed; // seen in the listing under way
};

enum media_found {
	MEDIA_FOUND_ORPHAN, // it is deleted
	MEDIA_FOUND_ADOPTED,
	MEDIA_FOUND_LEFT, // whose it is will be known later: it stays as it is
};

struct media_ops {
	// A set was answered: 0, or what the dataplane said. On 0 the ports are known.
	void (*ready)(struct media_session *session, int status);
	void (*event)(struct media_session *session, const struct sl_media_event *event);
	// Write the session's record; returns its length, at most `size`.
	size_t (*record)(struct media_session *session, void *out, size_t size);
	// The last word about a closed session; `report` is NULL where the dataplane has none. It
	// is forgotten before this call, so the owner may free it.
	void (*closed)(struct media_session *session, const struct sl_session_report *report);
	// A session that nobody here knows, with its record: of an earlier run, or (where
	// media_is_recovered()) left over. Adopt it (media_session_adopt()) or do nothing.
	enum media_found (*found)(
		void *arg, const struct sl_session_report *report, const void *record);
	// How far its far ends' SRTP has come is known anew: media_session_leg()->srtp_receive. May
	// be NULL.
	void (*heard)(struct media_session *session);
	// The dataplane can be used (first: found() has been called for all there was) or not.
	void (*state)(void *arg, bool up);
	// The dataplane has stopped a shard, or somebody else answers for its address. May be NULL
	void (*shard)(void *arg, const struct sl_shard_event *event);
};

// Connect to the dataplane's socket and stay connected. `ops` and `arg` must outlive the result.
// Returns NULL with errno set (ENOMEM).
struct media *media_create(
	struct event_base *base, const char *path, const struct media_ops *ops, void *arg);
// Sessions in the dataplane are left as they are.
void media_destroy(struct media *media);

// Whether sessions can be set now. False from the start to the end of the first resync, and
// while the dataplane is away.
bool media_is_up(const struct media *media);
// Whether the dataplane is so far behind with what it was asked for that nothing new should begin.
bool media_is_late(const struct media *media);
// Whether the first resync is over: what an earlier run left has been found.
bool media_is_recovered(const struct media *media);

// Make a session known under session->id (not yet in use). Nothing is sent.
void media_session_open(struct media *media, struct media_session *session);
// As media_session_open(), for one that ops.found() reports: takes the legs from the report.
void media_session_adopt(
	struct media *media, struct media_session *session, const struct sl_session_report *report);
// As media_session_open(), for one of another dataplane, whose legs are as they were there: set as
// after a restart of the dataplane, with these ports, and what is sent by SRTP under new SSRCs.
void media_session_restore(struct media *media, struct media_session *session);
// It is another's by now: the dataplane forgets it, and no callback follows. Then the owner may
// free it.
void media_session_drop(struct media_session *session);
// Delete a session that nobody here knows.
void media_orphan_delete(struct media *media, const struct sl_id *id);
// A report says how far the far ends' SRTP has come, which has to be known after a restart of the
// dataplane. media asks for itself; this is for an adopted session once its keys are there.
void media_session_heard(struct media_session *session, const struct sl_session_report *report);
// The legs are counted through: those of `legs`, then those of `more`.
static inline unsigned int media_session_n_legs(const struct media_session *session)
{
	return MEDIA_LEGS + session->n_more;
}
static inline struct sl_leg *media_session_leg(struct media_session *session, unsigned int i)
{
	return i < MEDIA_LEGS ? &session->legs[i] : &session->more[i - MEDIA_LEGS];
}
// Have `n` legs (at most SL_LEGS_MAX), those that come in anew all zero. Returns 0 or -ENOMEM.
int media_session_resize(struct media_session *session, unsigned int n);
// Of one that is not open: forget its keys and free what it has.
void media_session_fini(struct media_session *session);
// Have the dataplane take over what session->legs says, and a fresh record. Several updates in one
// turn of the loop are one request.
void media_session_update(struct media_session *session);
// What was updated goes to the dataplane before this returns, as far as its socket takes it, and
// not at the end of the loop turn: for what must not be lost with this process. ops.record() is
// called.
void media_session_settle(struct media_session *session);
// End the session; ops.closed() follows, and no other callback.
void media_session_close(struct media_session *session);
// The session called `id`, or NULL.
struct media_session *media_session_find(struct media *media, const struct sl_id *id);

// Questions of the admin side, answered by `fn` once per message; the last has more == false, or is
// NULL where the connection was lost. Return 0, -ENOTCONN or another negative errno (no answer
// comes then).
struct sl_message;
typedef void media_answer_fn(void *arg, const struct sl_message *message);
int media_get(struct media *media, const struct sl_id *id, media_answer_fn *fn, void *arg);
int media_list(struct media *media, media_answer_fn *fn, void *arg);
int media_stats(struct media *media, media_answer_fn *fn, void *arg);
int media_codecs(struct media *media, media_answer_fn *fn, void *arg);
// Have a digit sent to the far end of a leg, whose state goes out first; `id` is filled in.
int media_session_dtmf(
	struct media_session *session, const struct sl_dtmf *dtmf, media_answer_fn *fn, void *arg);
int media_profile(struct media *media, bool on, media_answer_fn *fn, void *arg);

// How the connection is doing, for status pages.
struct media_status {
	bool up;
	uint32_t n_sessions; // known here
	uint32_t n_connects;
	uint32_t n_restored; // set again after a restart of the dataplane
	uint32_t n_adopted;
	uint32_t n_orphans_deleted; // sessions that nobody wanted
	uint64_t instance;
};
void media_status_get(const struct media *media, struct media_status *status);
