// Shards: taken over with their calls, and given up without a word.
//
//   own    calls that our dataplane still has (we were started again), then the records of the
//          store: each call is restored with its media, silently. Then the addresses are opened,
//          and only then is anything heard or sent
//   drop   addresses closed first, then the calls forgotten: no BYE and no CDR, they live on
//          elsewhere
//
// In-dialog requests that come in the moment between are not heard at all, and their senders repeat
// them (500 ms later on UDP): a refusal would end or disturb a call that is about to be back. Where
// the store goes away in that moment, the addresses are opened after LIST_PATIENCE_MS without the
// rest of the calls, and requests of dialogs that we do not know get 500 with Retry-After, not 481.
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>

#include "call_shards.h"
#include "cluster.h"
#include "elsewhere.h"
#include "media_shard.h"
#include "offer.h"
#include "sl_client.h"
#include "token.h"
#include "transfer.h"

#define RETRY_MS	 100
#define LIST_PATIENCE_MS 2000
#define SPREAD_MS	 5000 // over which session timers fire that are due

static struct call_shard *shard_find(const struct calls *calls, const char *name)
{
	for (size_t i = 0; i < calls->n_shards; i++)
		if (!strcmp(calls->shards[i].shard->name, name))
			return &calls->shards[i];
	return NULL;
}

struct call_shard *shard_of_address(
	const struct calls *calls, const struct realm *realm, const struct sockaddr *address)
{
	const struct shard *shard = calls->n_shards && realm
					    ? shards_of(calls->all_shards, realm->name, address)
					    : NULL;

	return shard ? &calls->shards[shard - calls->all_shards->list] : NULL;
}

struct call_shard *shard_of_listener(const struct calls *calls, const struct listener *listener)
{
	return listener ? shard_of_address(calls, calls_realm(calls, listener),
				  &listener_address(listener)->any)
			: NULL;
}

const struct sdp_address *call_media(const struct call *call, int side, uint8_t family)
{
	const struct realm *realm = call->legs[side].trunk->realm;
	const struct shard_address *own =
		call->shard ? shard_in_realm(call->shard->shard, realm->name, family) : NULL;

	return own ? &own->media : realm_media(realm, family);
}

const struct sdp_address *call_media_advertised(const struct call *call, int side, uint8_t family)
{
	const struct realm *realm = call->legs[side].trunk->realm;

	return call->shard && shard_in_realm(call->shard->shard, realm->name, family)
		       ? call_media(call, side, family)
		       : realm_media_advertised(realm, family);
}

bool shard_is_incomplete(const struct calls *calls, const struct listener *listener)
{
	const struct call_shard *shard = shard_of_listener(calls, listener);

	return shard && !shard->listed;
}

// Records.

void call_share(struct call *call)
{
	if (!call->shard || !call->shard->epoch || call->state == CALL_OVER)
		return;
	if (!cluster_put(call->calls->cluster, call->shard->shard->name, call->id_text))
		call->is_shared = true;
}

void call_unshare(struct call *call)
{
	if (call->is_shared)
		cluster_delete(call->calls->cluster, call->shard->shard->name, call->id_text);
	call->is_shared = false;
}

static size_t on_record(void *arg, const char *, const char *key, uint8_t *out, size_t size)
{
	const struct call *call = call_find(arg, key);

	return call ? checkpoint_save(call, out, size) : 0;
}

// Listeners.

static void retry_in(struct call_shard *shard, uint32_t ms)
{
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(shard->retry, &after);
}

// All of them, or try again: on the same host the one who had them before may still be at it.
static void listeners_bind(struct call_shard *shard)
{
	struct calls *calls = shard->calls;
	bool all = true;

	for (size_t i = 0; i < calls->n_listeners; i++) {
		struct calls_listener *own = &calls->listeners[i];
		char text[SIP_ADDRESS_TEXT_SIZE];
		int err;

		if (own->shard != shard || !own->realm || listener_is_bound(own->listener))
			continue;
		err = listener_bind(own->listener);
		if (err && !own->is_refused)
			log_warn(&log_call, "not_listening", "shard=%s address=%s error=\"%s\"",
				shard->shard->name,
				address_text((const struct sockaddr *)&own->wanted.address, text,
					sizeof(text)),
				strerror(-err));
		own->is_refused = err;
		all &= !err;
	}
	if (all && !shard->bound)
		log_info(&log_call, "shard_heard", "shard=%s", shard->shard->name);
	shard->bound = all;
	if (!all)
		retry_in(shard, RETRY_MS);
}

static void listeners_unbind(const struct call_shard *shard)
{
	const struct calls *calls = shard->calls;

	for (size_t i = 0; i < calls->n_listeners; i++)
		if (calls->listeners[i].shard == shard)
			listener_unbind(calls->listeners[i].listener);
}

void shards_bind(struct calls *calls)
{
	for (size_t i = 0; i < calls->n_shards; i++)
		if (calls->shards[i].open)
			listeners_bind(&calls->shards[i]);
}

// The dataplane's side of it: media flows while the shard is active there, and the addresses are
// the kernel's. Sessions that were set before go out first.

static void on_media_set(void *arg, int status, const struct sl_shard *now)
{
	struct call_shard *shard = arg;

	if (status == -ENOENT && !shard->no_media) {
		shard->no_media = true;
		log_warn(&log_call, "shard_without_media", "shard=%s", shard->shard->name);
	}
	// It has heard of another owner before we have.
	if (status == -ESTALE && shard->epoch)
		cluster_conflict(shard->calls->cluster, shard->shard->name, 0);
	(void)now;
}

static void media_set(struct call_shard *shard, enum sl_shard_state state)
{
	const struct cluster *cluster = shard->calls->cluster;
	uint64_t since_ms = now_monotonic_ms() - shard->asked_ms;
	struct sl_shard wanted = {.epoch = shard->epoch ? shard->epoch : shard->newer,
		.valid_until_ns = media_now_ns() - since_ms * 1000000 +
				  (uint64_t)cluster_lease_ms(cluster) * 1000000,
		.pause_ms = cluster_silence_ms(cluster),
		.state = (uint8_t)state};

	if (shard->no_media)
		return;
	snprintf(wanted.name, sizeof(wanted.name), "%s", shard->shard->name);
	media_shard_set(shard->calls->media, &wanted, on_media_set, shard);
}

void shards_media_up(struct calls *calls)
{
	for (size_t i = 0; i < calls->n_shards; i++) {
		calls->shards[i].no_media = false;
		if (calls->shards[i].open)
			media_set(&calls->shards[i], SL_SHARD_ACTIVE);
	}
}

void shards_media_event(struct calls *calls, const struct sl_shard_event *event)
{
	const struct call_shard *shard = shard_find(calls, event->name);

	if (!shard || !shard->epoch)
		return;
	log_warn(&log_call, event->type == SL_SHARD_CONFLICT ? "address_conflict" : "media_paused",
		"shard=%s suspended=%d", shard->shard->name, event->state == SL_SHARD_SUSPENDED);
	cluster_conflict(calls->cluster, shard->shard->name, 0);
}

// Taking over.

static void shard_open(struct call_shard *shard)
{
	if (shard->open)
		return;
	shard->open = true;
	log_info(&log_call, "shard_open",
		"shard=%s epoch=%" PRIu64
		" adopted=%u cancelled=%u failed=%u complete=%d ms=%" PRIu64,
		shard->shard->name, shard->epoch, shard->n_adopted, shard->n_cancelled,
		shard->n_failed, shard->listed, now_monotonic_ms() - shard->began_ms);
	media_set(shard, SL_SHARD_ACTIVE);
	listeners_bind(shard);
}

// One that was not answered: what rings is being cancelled already.
static void early_end(struct call_shard *shard, struct call *call)
{
	shard->n_cancelled++;
	call->adopted = true;
	call->shard = shard;
	media_session_open(call->calls->media, &call->session);
	cluster_delete(call->calls->cluster, shard->shard->name, call->id_text);
	call_over(call, ENDED_BY_US, 503, "node_lost", NULL);
	call->state = CALL_OVER;
}

static void record_adopt(struct call_shard *shard, const char *key, const void *data, size_t length)
{
	struct calls *calls = shard->calls;
	struct call *call;
	struct ulid id;
	int err = -ENOMEM;

	if (call_find(calls, key))
		return; // our dataplane had it, and later than the store
	if (ulid_parse(key, strlen(key), &id)) {
		cluster_delete(calls->cluster, shard->shard->name, key);
		return;
	}
	if (cdr_is_written(calls->cdr, key))
		err = -EALREADY; // it ended here, and the store has not heard of that
	call = err == -EALREADY ? NULL : call_create(calls, &id);
	if (call)
		err = checkpoint_restore(call, data, length);
	if (err > 0) {
		early_end(shard, call);
		return;
	}
	if (!err && call->shard != shard)
		err = -EBADMSG;
	if (!err) {
		call->adopted = true;
		call_share(call); // with numbers that are ours now
		call_confirm(call);
		shard->n_adopted++;
		calls->counters.adopted++;
		for (int i = 0; i < LEGS; i++) {
			refresh_spread(&call->legs[i], SPREAD_MS);
			call_trace(call, call->legs[i].dialog.strings[DIALOG_CALL_ID]);
		}
		log_info(&log_call, "adopted", "call=%s shard=%s", call->id_text,
			shard->shard->name);
		return;
	}
	shard->n_failed++;
	calls->counters.unadopted++;
	log_warn(&log_call, "not_adopted", "call=%s shard=%s error=\"%s\"", key, shard->shard->name,
		strerror(-err));
	if (call)
		call_give_up(call);
	if (err != -ENOTSUP) // of a newer version: for those who can
		cluster_delete(calls->cluster, shard->shard->name, key);
}

static void on_listed(void *arg, const char *key, const void *record, size_t length, int status)
{
	struct call_shard *shard = arg;

	if (!shard->epoch)
		return; // it has gone meanwhile
	if (key) {
		record_adopt(shard, key, record, length);
		return;
	}
	shard->listed = !status;
	if (status)
		retry_in(shard, RETRY_MS);
	if (shard->listed || now_monotonic_ms() - shard->began_ms > LIST_PATIENCE_MS)
		shard_open(shard);
}

static void records_list(struct call_shard *shard)
{
	if (cluster_list(shard->calls->cluster, shard->shard->name, on_listed, shard))
		retry_in(shard, RETRY_MS);
}

static void on_retry(evutil_socket_t, short, void *arg)
{
	struct call_shard *shard = arg;

	if (!shard->epoch)
		return;
	if (!shard->listed)
		records_list(shard);
	if (shard->open)
		listeners_bind(shard);
}

// Sessions in our dataplane: of an earlier run, of shards that were ours and perhaps are again.

static bool is_known(struct calls *calls, const struct sl_session_report *report)
{
	return media_session_find(calls->media, &report->session.id);
}

static void on_own_session(void *arg, const struct sl_message *message)
{
	struct call_shard *shard = arg;
	struct calls *calls = shard->calls;
	const void *record = NULL;
	const struct sl_session_report *report =
		message && !message->status ? sl_payload_report(message, &record) : NULL;

	if (report && shard->epoch && !is_known(calls, report))
		session_recover(calls, report, record);
	if ((!message || !message->more) && shard->epoch && !shard->listed)
		records_list(shard);
}

static void on_other_session(void *arg, const struct sl_message *message)
{
	struct call_shard *shard = arg;
	struct calls *calls = shard->calls;
	const void *record = NULL;
	const struct sl_session_report *report =
		message && !message->status ? sl_payload_report(message, &record) : NULL;

	if (report && !shard->epoch && !is_known(calls, report) &&
		session_shard(calls, report, record) == shard)
		media_orphan_delete(calls->media, &report->session.id);
}

enum media_found shard_session_found(
	struct calls *calls, const struct sl_session_report *report, const void *record)
{
	const struct call_shard *shard =
		calls->n_shards ? session_shard(calls, report, record) : NULL;

	return shard && !shard->epoch && !shard->newer ? MEDIA_FOUND_LEFT : MEDIA_FOUND_ORPHAN;
}

// What the cluster says.

static void on_own(void *arg, const char *name, uint64_t epoch)
{
	struct call_shard *shard = shard_find(arg, name);

	if (shard->epoch) { // the store had lost it
		shard->epoch = epoch;
		return;
	}
	shard->epoch = epoch;
	elsewhere_marks_set(arg);
	shard->newer = 0;
	shard->listed = shard->open = shard->bound = false;
	shard->n_adopted = shard->n_failed = shard->n_cancelled = 0;
	shard->began_ms = now_monotonic_ms();
	if (media_list(shard->calls->media, on_own_session, shard))
		records_list(shard); // the dataplane is away: what it has is found when it is back
}

static void on_leased(void *arg, const char *name, uint64_t asked_ms)
{
	struct call_shard *shard = shard_find(arg, name);

	shard->asked_ms = asked_ms;
	if (shard->open)
		media_set(shard, SL_SHARD_ACTIVE);
}

static void on_other(void *arg, const char *name, uint64_t epoch)
{
	struct call_shard *shard = shard_find(arg, name);

	shard->newer = epoch;
	media_set(shard, SL_SHARD_INACTIVE);
	media_list(shard->calls->media, on_other_session, shard);
}

static void on_drop(void *arg, const char *name, uint64_t epoch)
{
	struct calls *calls = arg;
	struct call_shard *shard = shard_find(calls, name);
	struct call *call, *next;
	unsigned int n = 0;

	listeners_unbind(shard);
	evtimer_del(shard->retry);
	shard->epoch = 0;
	elsewhere_marks_set(calls);
	shard->newer = epoch;
	shard->open = shard->bound = shard->listed = false;
	media_set(shard, SL_SHARD_INACTIVE);
	for (call = TAILQ_FIRST(&calls->list); call; call = next) {
		next = TAILQ_NEXT(call, in_calls);
		// One that is over wants its CDR, which nobody else will write.
		if (call->shard != shard || call->state == CALL_OVER)
			continue;
		call_give_up(call);
		n++;
	}
	calls->counters.given_up += n;
	log_warn(&log_call, "shard_given_up", "shard=%s calls=%u", name, n);
}

static uint32_t on_calls(void *arg)
{
	return calls_counters(arg)->active_now;
}

const struct cluster_ops calls_cluster_ops = {.own = on_own,
	.leased = on_leased,
	.drop = on_drop,
	.other = on_other,
	.record = on_record,
	.calls = on_calls};

// Life.

int calls_cluster_set(struct calls *calls, struct cluster *cluster, const struct shards *shards)
{
	calls->shards = calloc(shards->n + 1, sizeof(*calls->shards));
	if (!calls->shards)
		return -ENOMEM;
	calls->cluster = cluster;
	calls->all_shards = shards;
	for (; calls->n_shards < shards->n; calls->n_shards++) {
		struct call_shard *shard = &calls->shards[calls->n_shards];

		*shard = (struct call_shard){
			.shard = &shards->list[calls->n_shards], .calls = calls};
		shard->retry = evtimer_new(calls->settings.base, on_retry, shard);
		if (!shard->retry)
			return -ENOMEM;
	}
	return 0;
}

void shards_stop(struct calls *calls)
{
	for (size_t i = 0; i < calls->n_shards; i++)
		event_free(calls->shards[i].retry);
	free(calls->shards);
	calls->shards = NULL;
	calls->n_shards = 0;
}

bool calls_are_adopting(const struct calls *calls)
{
	for (size_t i = 0; i < calls->n_shards; i++)
		if (calls->shards[i].epoch && !calls->shards[i].bound)
			return true;
	return false;
}
