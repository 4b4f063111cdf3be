// SL_SESSION_SET from request to answer (check, plan, keep, commit), deletion, and finding
// sessions.
#include "session.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "session_commit.h"
#include "session_plan.h"
#include "session_state.h"

// No copy of a key is left behind but those that are in use (leg_srtp.h).
static void forget_keys(struct sl_session *session)
{
	for (unsigned int i = 0; i < session->n_legs; i++) {
		leg_srtp_forget(&session->legs[i].srtp_receive);
		leg_srtp_forget(&session->legs[i].srtp_send);
	}
}

// A slot and a place in the hash for a new session.
static struct session *session_enter(
	struct sessions *sessions, const struct sl_id *id, uint64_t now_ns)
{
	struct session *session = slab_take(&sessions->session_memory);

	errno = ENOMEM;
	if (!session)
		return NULL;
	errno = ENOSPC;
	if (sessions->n_free_slots == 0 ||
		rte_hash_add_key_data(sessions->by_id, id, session) < 0) {
		slab_return(session);
		return NULL;
	}
	session->id = *id;
	session->legs = session->few;
	session->created_ns = now_ns;
	session->slot = sessions->free_slots[--sessions->n_free_slots];
	sessions->slots[session->slot] = session;
	if (session->slot >= sessions->slots_used)
		sessions->slots_used = session->slot + 1;
	sessions->n_sessions++;
	return session;
}

static void session_leave(struct sessions *sessions, struct session *session)
{
	rte_hash_del_key(sessions->by_id, &session->id);
	sessions->slots[session->slot] = NULL;
	sessions->free_slots[sessions->n_free_slots++] = session->slot;
	sessions->n_sessions--;
	wanted_state_destroy(session->wanted);
	if (session->legs != session->few)
		slab_return(session->legs);
	slab_return(session);
}

static int make_place(struct sessions *sessions, struct session *session, unsigned int n_legs)
{
	struct leg **legs;

	if (n_legs <= SESSION_LEGS || session->legs != session->few)
		return 0;
	legs = slab_take(&sessions->more_legs);
	if (!legs)
		return -ENOMEM;
	memcpy(legs, session->few, sizeof(session->few));
	session->legs = legs;
	return 0;
}

// What was wanted, but for what session_wanted() finds in the legs.
static struct wanted_state *keep(const struct sl_session *session, const void *record)
{
	struct sl_session kept;

	memcpy(&kept, session, session_bytes(session));
	for (unsigned int i = 0; i < kept.n_legs; i++)
		memset(kept.legs[i].formats, 0, sizeof(kept.legs[i].formats));
	return wanted_state_create(&kept, record);
}

// Plan, keep what was wanted, commit: `session` is there, new or old.
static int session_apply(
	struct session *session, struct session_plan *plan, const void *record, const char **why)
{
	struct wanted_state *wanted;
	int rc = session_plan_make(plan, why);

	if (rc)
		return rc;
	forget_keys(plan->session);
	*why = "memory";
	if (make_place(plan->sessions, session, plan->session->n_legs)) {
		session_plan_undo(plan);
		return -ENOMEM;
	}
	wanted = keep(plan->session, record);
	if (!wanted) {
		session_plan_undo(plan);
		return -ENOMEM;
	}
	session->worker = (uint16_t)plan->worker;
	session_commit(session, plan, wanted);
	session_dial_again(plan->sessions, session);
	return 0;
}

int session_set(struct sessions *sessions, const struct sl_session *wanted, const void *record,
	struct sl_session *session, const char **why)
{
	struct session *old = session_find(sessions, &wanted->id), *entered = old;
	struct session_plan plan = {.sessions = sessions, .old = old, .session = session};
	int rc = session_check(wanted, why);

	if (rc)
		return rc;
	plan.now_ns = clock_now_ns();
	if (old) {
		session_wanted(old, &sessions->was);
		plan.was = &sessions->was;
	} else {
		*why = "no session is left";
		entered = session_enter(sessions, &wanted->id, plan.now_ns);
	}
	if (!entered)
		return -errno;
	memcpy(session, wanted, session_bytes(wanted));
	rc = session_apply(entered, &plan, record, why);
	forget_keys(session);
	if (rc && !old)
		session_leave(sessions, entered);
	return rc;
}

struct session *session_find(const struct sessions *sessions, const struct sl_id *id)
{
	void *found;

	return rte_hash_lookup_data(sessions->by_id, id, &found) < 0 ? NULL : found;
}

void session_delete(struct sessions *sessions, struct session *session)
{
	for (unsigned int i = 0; i < session->n_legs; i++)
		if (session->legs[i]->control.feed)
			feed_unlink(sessions, session->legs[i]->control.feed,
				session->legs[session->legs[i]->config->source]);
	for (unsigned int i = 0; i < session->n_legs; i++)
		leg_unlink(sessions, session->legs[i]);
	session_leave(sessions, session);
}

struct session *sessions_next(const struct sessions *sessions, uint32_t *cursor)
{
	while (*cursor < sessions->slots_used) {
		struct session *session = sessions->slots[(*cursor)++];

		if (session)
			return session;
	}
	return NULL;
}
