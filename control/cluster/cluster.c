// The cluster on the loop's time: a turn each heartbeat judges who is there and what to claim, and
// says how we are.
//
// The subtle thing is the doubt. A process that was stopped for so long that others may have taken
// it for dead does not know what has happened to its shards, and all that waited for it is due at
// once: requests in its sockets, its own timers. So the turn has the highest priority of the loop
// and is the first to see that time has passed; from then on `hold` is active all the time with the
// same priority, and nothing of lower priority runs (no SIP, no timers of calls, nothing of the
// dataplane) until the store has said whose the shards are, or cannot and no heartbeat says that
// they are another's.
#include "cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster_private.h"
#include "store_keys.h"

LOG_MODULE(log_cluster, "cluster");

enum {
	PRIORITY = 0,
	BEATS_A_TURN = 64,
	UNPROTECTED_SAID_MS = 5000,
	HOLD_US = 500,
};

uint64_t cluster_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t realtime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// Heartbeats.

static void beat_fill(const struct cluster *cluster, struct beat *beat)
{
	*beat = (struct beat){.draining = cluster->draining,
		.boot = cluster->boot,
		.counter = cluster->counter,
		.calls = cluster->ops->calls ? cluster->ops->calls(cluster->arg) : 0};
	strncpy(beat->node, cluster->settings->node, CLUSTER_NAME_MAX);
	for (size_t i = 0; i < cluster->members.n; i++) {
		const struct member *member = &cluster->members.list[i];

		if (member->state == MEMBER_DEAD)
			strncpy(beat->missing[beat->n_missing++], member->node->name,
				CLUSTER_NAME_MAX);
	}
	for (size_t i = 0; i < cluster->n_shards; i++) {
		struct beat_shard *shard = &beat->shards[beat->n_shards];

		if (!cluster->shards[i].owned)
			continue;
		strncpy(shard->name, cluster->shards[i].config->name, CLUSTER_NAME_MAX);
		shard->epoch = cluster->shards[i].epoch;
		beat->n_shards++;
	}
}

static void beat_send(struct cluster *cluster)
{
	uint8_t datagram[BEAT_MAX];
	struct beat beat;
	int n;

	cluster->counter++;
	beat_fill(cluster, &beat);
	n = beat_seal(&beat, cluster->keys, datagram);
	if (n < 0)
		return;
	for (size_t i = 0; i < cluster->members.n; i++) {
		const struct sockaddr_storage *to = &cluster->members.list[i].node->address;
		socklen_t length = to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							     : sizeof(struct sockaddr_in);

		// What is lost is sent again in a moment, with news.
		if (sendto(cluster->fd, datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
			    (const struct sockaddr *)to, length) == n)
			cluster->counters.beats_sent++;
	}
}

static void beat_take(struct cluster *cluster, const uint8_t *datagram, size_t length)
{
	struct member *member = NULL;
	struct beat beat;

	if (!beat_open(&beat, cluster->keys, datagram, length))
		member = members_hear(&cluster->members, &beat, cluster_now_ms());
	if (!member) {
		cluster->counters.beats_refused++;
		return;
	}
	cluster->counters.beats_received++;
	for (size_t i = 0; i < cluster->n_shards; i++)
		shard_beat(&cluster->shards[i], member);
}

static void on_readable(evutil_socket_t fd, short, void *arg)
{
	uint8_t datagram[BEAT_MAX + 1];

	for (int i = 0; i < BEATS_A_TURN; i++) {
		ssize_t n = recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT);

		if (n < 0)
			return;
		beat_take(arg, datagram, (size_t)n);
	}
}

static void members_judge(struct cluster *cluster, uint64_t now_ms)
{
	const struct member *member;

	while ((member = members_turn(&cluster->members, now_ms))) {
		if (member->state == MEMBER_ALIVE)
			log_info(&log_cluster, "node_alive", "node=%s", member->node->name);
		else
			log_warn(&log_cluster,
				member->state == MEMBER_DEAD ? "node_dead" : "node_unknown",
				"node=%s silent_ms=%" PRIu64, member->node->name,
				now_ms - (member->n_beats ? member->heard_ms
							  : cluster->members.since_ms));
	}
}

// The store.

// One that came back may have forgotten who owns what: owners tell it first.
static void grace_judge(struct cluster *cluster, uint64_t now_ms)
{
	const struct store_status *status = store_status(cluster->store);
	bool again = cluster->n_connects_seen && status->n_connects != cluster->n_connects_seen;

	if (again || status->n_rewound != cluster->n_rewound_seen) {
		cluster->grace_until_ms = now_ms + 2 * cluster->settings->store.lease_ms;
		for (size_t i = 0; i < cluster->n_shards; i++)
			cluster->shards[i].asked = false;
	}
	cluster->n_connects_seen = status->n_connects;
	cluster->n_rewound_seen = status->n_rewound;
}

// Calls that another node could not take over are worth a line from time to time.
static void unprotected_tell(struct cluster *cluster, uint64_t now_ms)
{
	const struct store_status *status = store_status(cluster->store);
	bool well = status->up && status->ill == STORE_ILL_NONE;

	if (well && cluster->unprotected_said && !status->n_unprotected) {
		cluster->unprotected_said = 0;
		log_info(&log_cluster, "protected", "records=%zu", status->n_records);
	}
	if (well || !status->n_unprotected ||
		now_ms - cluster->unprotected_said_ms < UNPROTECTED_SAID_MS)
		return;
	cluster->unprotected_said = status->n_unprotected;
	cluster->unprotected_said_ms = now_ms;
	log_warn(&log_cluster, "unprotected", "calls=%zu of=%zu store=%s", status->n_unprotected,
		status->n_records, store_ill_name(status->ill));
}

static void on_store(void *arg, const struct store_status *status)
{
	struct cluster *cluster = arg;

	if (!status->up)
		cluster->unprotected_said_ms = 0; // say so at once
}

static void on_leased(void *arg, const char *shard, uint64_t asked_ms)
{
	struct cluster *cluster = arg;
	struct shard_state *state = shard_state_find(cluster, shard);

	if (!state || !state->owned)
		return;
	state->leased_ms = asked_ms;
	if (cluster->ops->leased)
		cluster->ops->leased(cluster->arg, shard, asked_ms);
}

// The doubt.

static bool is_doubted(struct cluster *cluster)
{
	bool up = store_status(cluster->store)->up, doubted = false;

	for (size_t i = 0; i < cluster->n_shards; i++) {
		struct shard_state *shard = &cluster->shards[i];

		if (!shard->owned || !shard->doubted)
			continue;
		doubted = true;
		if (up)
			shard_doubt(shard); // asked again where it was down before
	}
	return doubted && (up || cluster_now_ms() < cluster->doubt_until_ms);
}

static void doubt_end(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->n_shards; i++)
		cluster->shards[i].doubted = false;
	cluster->in_doubt = false;
	store_urgent(cluster->store, false);
	cluster->last_tick_ms = cluster_now_ms();
	log_info(&log_cluster, "doubt_over", "store=%s",
		store_status(cluster->store)->up ? "up" : "down");
}

static void on_hold(evutil_socket_t, short, void *arg)
{
	struct cluster *cluster = arg;

	if (!is_doubted(cluster)) {
		doubt_end(cluster);
		return;
	}
	usleep(HOLD_US);
	event_active(cluster->hold, 0, 0);
	event_base_loopcontinue(cluster->base); // look for what has come, nothing else
}

static void doubt_begin(struct cluster *cluster, uint64_t now_ms, uint64_t stopped_ms)
{
	log_warn(&log_cluster, "doubt", "stopped_ms=%" PRIu64, stopped_ms);
	cluster->counters.doubts++;
	cluster->in_doubt = true;
	// Without the store: long enough to hear from whoever is there.
	cluster->doubt_until_ms = now_ms + 2 * cluster->members.silence_ms;
	members_restart(&cluster->members, now_ms);
	store_urgent(cluster->store, true);
	for (size_t i = 0; i < cluster->n_shards; i++) {
		cluster->shards[i].asked = false;
		shard_doubt(&cluster->shards[i]);
	}
	event_active(cluster->hold, 0, 0);
}

// Others may have claimed a shard of ours: they have missed our heartbeats, and a lease has lapsed.
static bool may_be_missed(const struct cluster *cluster, uint64_t now_ms, uint64_t passed_ms)
{
	const struct cluster_settings *settings = cluster->settings;

	if (passed_ms + settings->heartbeat_ms <= cluster->members.silence_ms)
		return false;
	for (size_t i = 0; i < cluster->n_shards; i++)
		if (cluster->shards[i].owned &&
			now_ms >= cluster->shards[i].leased_ms + settings->store.lease_ms)
			return true;
	return false;
}

static void on_tick(evutil_socket_t, short, void *arg)
{
	struct cluster *cluster = arg;
	uint64_t now_ms = cluster_now_ms(), passed_ms = now_ms - cluster->last_tick_ms;

	cluster->last_tick_ms = now_ms;
	if (cluster->in_doubt)
		return;
	if (may_be_missed(cluster, now_ms, passed_ms)) {
		doubt_begin(cluster, now_ms, passed_ms);
		return;
	}
	members_judge(cluster, now_ms);
	grace_judge(cluster, now_ms);
	for (size_t i = 0; i < cluster->n_shards; i++)
		shard_turn(&cluster->shards[i], now_ms);
	unprotected_tell(cluster, now_ms);
	beat_send(cluster);
}

uint32_t cluster_lease_ms(const struct cluster *cluster)
{
	return cluster->settings->store.lease_ms;
}

uint32_t cluster_silence_ms(const struct cluster *cluster)
{
	return cluster->members.silence_ms;
}

void cluster_drain(struct cluster *cluster, bool draining)
{
	if (cluster->draining != draining)
		log_info(&log_cluster, "draining", "on=%d", draining);
	cluster->draining = draining;
}

// Life.

static int rank_of(const struct cluster_shard *shard, const char *node)
{
	for (size_t i = 0; i < shard->n_nodes; i++)
		if (!strcmp(shard->nodes[i], node))
			return (int)i;
	return -1;
}

static int shards_create(struct cluster *cluster)
{
	const struct cluster_settings *settings = cluster->settings;

	cluster->shards = calloc(settings->n_shards + 1, sizeof(*cluster->shards));
	if (!cluster->shards)
		return -ENOMEM;
	for (; cluster->n_shards < settings->n_shards; cluster->n_shards++)
		cluster->shards[cluster->n_shards] = (struct shard_state){.cluster = cluster,
			.config = &settings->shards[cluster->n_shards],
			.rank = rank_of(&settings->shards[cluster->n_shards], settings->node),
			.answer = CLAIM_LISTENING};
	return 0;
}

static int socket_open(struct cluster *cluster, char *error, size_t error_size)
{
	const struct sockaddr_storage *address = NULL;
	int size = 1 << 20, err;

	for (size_t i = 0; i < cluster->settings->n_nodes; i++)
		if (!strcmp(cluster->settings->nodes[i].name, cluster->settings->node))
			address = &cluster->settings->nodes[i].address;
	if (!address)
		return -EINVAL;
	cluster->fd = socket(address->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (cluster->fd < 0)
		return -errno;
	setsockopt(cluster->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(cluster->fd, (const struct sockaddr *)address,
		    address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						   : sizeof(struct sockaddr_in))) {
		err = -errno;
		snprintf(error, error_size, "cannot bind the address of heartbeats: %s",
			strerror(-err));
		return err;
	}
	return 0;
}

static int events_create(struct cluster *cluster)
{
	struct timeval interval = {.tv_sec = cluster->settings->heartbeat_ms / 1000,
		.tv_usec = (suseconds_t)(cluster->settings->heartbeat_ms % 1000 * 1000)};

	cluster->readable =
		event_new(cluster->base, cluster->fd, EV_READ | EV_PERSIST, on_readable, cluster);
	cluster->tick = event_new(cluster->base, -1, EV_PERSIST, on_tick, cluster);
	cluster->hold = event_new(cluster->base, -1, 0, on_hold, cluster);
	if (!cluster->readable || !cluster->tick || !cluster->hold)
		return -ENOMEM;
	event_priority_set(cluster->readable, PRIORITY);
	event_priority_set(cluster->tick, PRIORITY);
	event_priority_set(cluster->hold, PRIORITY);
	return event_add(cluster->readable, NULL) || event_add(cluster->tick, &interval) ? -ENOMEM
											 : 0;
}

static int parts_create(
	struct cluster *cluster, struct store_memory *memory, char *error, size_t error_size)
{
	const struct store_callbacks callbacks = {.shard = shard_event,
		.leased = on_leased,
		.fetch = record_fetch,
		.status = on_store};
	const struct store_config *config = &cluster->settings->store;
	int err;

	cluster->keys = store_keys_load(cluster->settings->key_file, error, error_size);
	if (!cluster->keys)
		return -errno;
	err = shards_create(cluster);
	if (!err)
		err = socket_open(cluster, error, error_size);
	if (err)
		return err;
	cluster->store =
		memory ? store_create_shared(cluster->base, config, memory, &callbacks, cluster)
		       : store_create(cluster->base, config, &callbacks, cluster);
	if (!cluster->store) {
		err = -errno;
		snprintf(error, error_size, "store: %s", strerror(-err));
		return err;
	}
	return events_create(cluster);
}

struct cluster *cluster_create_shared(struct event_base *base,
	const struct cluster_settings *settings, struct store_memory *memory,
	const struct cluster_ops *ops, void *arg)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));
	char error[256] = "";
	int err;

	if (!cluster)
		return NULL;
	*cluster = (struct cluster){.settings = settings,
		.ops = ops,
		.arg = arg,
		.base = base,
		.fd = -1,
		.boot = realtime_ms(),
		.last_tick_ms = cluster_now_ms()};
	members_init(&cluster->members, settings, cluster->last_tick_ms);
	err = parts_create(cluster, memory, error, sizeof(error));
	if (!err)
		return cluster;
	if (error[0])
		log_error(&log_cluster, "not_started", "error=\"%s\"", error);
	cluster_destroy(cluster);
	errno = -err;
	return NULL;
}

struct cluster *cluster_create(struct event_base *base, const struct cluster_settings *settings,
	const struct cluster_ops *ops, void *arg)
{
	return cluster_create_shared(base, settings, NULL, ops, arg);
}

void cluster_destroy(struct cluster *cluster)
{
	if (!cluster)
		return;
	store_destroy(cluster->store);
	if (cluster->readable)
		event_free(cluster->readable);
	if (cluster->tick)
		event_free(cluster->tick);
	if (cluster->hold)
		event_free(cluster->hold);
	if (cluster->fd >= 0)
		close(cluster->fd);
	store_keys_destroy(cluster->keys);
	free(cluster->shards);
	free(cluster);
}
