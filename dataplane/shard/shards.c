// See shards.h. The state machine is enter(): whatever the state was, what the new one needs is
// done, and what it must not have is undone, in the order that the header says.
#include "shards.h"

#include <errno.h>
#include <rte_rcu_qsbr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "conflicts.h"
#include "inject.h"
#include "netlink.h"
#include "shard_log.h"

#define MS	       1000000ULL
#define LIFETIME_S     2 // of an address in the kernel, which is half a second late at most
#define PROLONG_NS     (500 * MS)
#define PASS_WITHIN_NS (100 * MS) // workers, with what they have in hand
#define TELL_NS	       (1000 * MS)
#define DEFEND_NS      (1000 * MS)
#define MAC_TEXT       "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_BYTES(mac)                                                                          \
	(mac)->addr_bytes[0], (mac)->addr_bytes[1], (mac)->addr_bytes[2], (mac)->addr_bytes[3], \
		(mac)->addr_bytes[4], (mac)->addr_bytes[5]

LOG_MODULE(log_shard, "shard");

// When a shard is announced, after it has become active.
static const unsigned int announced_ms[] = {0, 50, 100, 200, 400};

struct shard_address {
	struct sl_address address;
	uint16_t port; // index into ports
	uint16_t vlan;
	unsigned int ifindex; // that has it in the kernel; 0: none
};

struct shard {
	struct sl_shard is; // as control knows it
	struct shard_address *addresses;
	unsigned int n_addresses;
	bool held; // the kernel has its addresses
	uint64_t active_ns;
	unsigned int n_announced; // of announced_ms
	uint64_t prolonged_ns;
	uint64_t defended_ns;
	uint64_t told_ns[SL_SHARD_CONFLICT + 1]; // by type of event
};

struct shards {
	struct shards_config config;
	struct shard *all; // the fence counts them from 1
	struct mnl_socket *netlink;
	struct conflicts conflicts;
	uint64_t tick_ns;      // the last ...
	uint64_t tick_boot_ns; // ... on the clock that does not stand still when the machine sleeps
};

static uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static unsigned int index_of(const struct shards *shards, const struct shard *shard)
{
	return (unsigned int)(shard - shards->all) + 1;
}

static bool same_host(const struct sl_address *a, const struct sl_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, a->family == SL_IPV6 ? 16 : 4);
}

// ---- the kernel ----

static unsigned int interface_of(const struct shards *shards, const struct shard_address *at)
{
	const struct shards_config *config = &shards->config;

	return config->hops ? next_hops_interface(config->hops, at->port, at->vlan) : 0;
}

static void release_address(struct shards *shards, struct shard_address *at)
{
	if (at->ifindex)
		netlink_address_delete(shards->netlink, at->ifindex, &at->address);
	at->ifindex = 0;
}

static void release(struct shards *shards, struct shard *shard)
{
	for (unsigned int i = 0; i < shard->n_addresses; i++)
		release_address(shards, &shard->addresses[i]);
	shard->held = false;
}

static int hold_address(struct shards *shards, struct shard_address *at)
{
	int rc;

	at->ifindex = interface_of(shards, at);
	if (!at->ifindex)
		return 0; // a device without a kernel behind it
	rc = netlink_address_set(shards->netlink, at->ifindex, &at->address, LIFETIME_S);
	return rc ? rc : conflicts_watch(&shards->conflicts, at->ifindex);
}

static int hold(struct shards *shards, struct shard *shard)
{
	int rc = 0;

	for (unsigned int i = 0; i < shard->n_addresses && rc == 0; i++)
		rc = hold_address(shards, &shard->addresses[i]);
	if (rc) {
		release(shards, shard);
		return rc;
	}
	shard->held = true;
	shard->prolonged_ns = clock_now_ns();
	return 0;
}

// ---- announcements ----

static void announce_address(
	struct shards *shards, const struct shard *shard, const struct shard_address *at)
{
	const struct claim claim = {at->address, shards->config.ports[at->port].mac};
	const struct injection injection = {.is_frame = true,
		.port = (uint8_t)at->port,
		.shard = (uint8_t)index_of(shards, shard)};
	uint8_t frame[CLAIM_BYTES_MAX];
	size_t length = claim_build(frame, &claim, at->vlan);

	workers_inject(shards->config.workers, 0, &injection, frame, (uint16_t)length);
}

static void announce(struct shards *shards, const struct shard *shard)
{
	for (unsigned int i = 0; i < shard->n_addresses; i++)
		announce_address(shards, shard, &shard->addresses[i]);
}

static void announce_due(struct shards *shards, struct shard *shard, uint64_t now_ns)
{
	if (shard->n_announced == RTE_DIM(announced_ms) ||
		now_ns < shard->active_ns + announced_ms[shard->n_announced] * MS)
		return;
	shard->n_announced++;
	announce(shards, shard);
}

// ---- states ----

// Whether every worker has ended a turn since the fence was closed.
static int wait_for_workers(const struct shards *shards)
{
	uint64_t token = rte_rcu_qsbr_start(shards->config.rcu);
	uint64_t begin_ns = clock_now_ns();

	while (rte_rcu_qsbr_check(shards->config.rcu, token, false) != 1)
		if (clock_now_ns() - begin_ns > PASS_WITHIN_NS)
			return -ETIMEDOUT;
	return 0;
}

static void confirm(struct shards *shards, struct shard *shard, uint64_t now_ns)
{
	uint64_t boot = boot_ns();
	uint64_t left_ns = shard->is.valid_until_ns > boot ? shard->is.valid_until_ns - boot : 0;

	fence_confirm(shards->config.fence, index_of(shards, shard), now_ns + left_ns,
		shard->is.pause_ms * MS);
}

static int become_active(struct shards *shards, struct shard *shard)
{
	uint64_t now_ns = clock_now_ns();
	int rc;

	confirm(shards, shard, now_ns);
	rc = hold(shards, shard);
	if (rc)
		return rc;
	shard->active_ns = now_ns;
	shard->n_announced = 0;
	announce_due(shards, shard, now_ns);
	return 0;
}

// The state is entered; 0, or a negative errno: -ETIMEDOUT it is, but the workers are late; others:
// it is INACTIVE.
static int enter(struct shards *shards, struct shard *shard, enum sl_shard_state state)
{
	enum sl_shard_state was = shard->is.state;
	int rc = 0;

	shard->is.state = (uint8_t)state;
	if (state == SL_SHARD_ACTIVE) {
		rc = become_active(shards, shard);
		if (rc) {
			enter(shards, shard, SL_SHARD_INACTIVE);
			return rc;
		}
	} else {
		fence_close(shards->config.fence, index_of(shards, shard));
		rc = wait_for_workers(shards);
	}
	if (state == SL_SHARD_FROZEN && !shard->held)
		rc = hold(shards, shard);
	if (state == SL_SHARD_INACTIVE || state == SL_SHARD_SUSPENDED)
		release(shards, shard);
	if (was != state)
		log_info(&log_shard, "state", "shard=%s state=%s epoch=%llu", shard->is.name,
			shard_state_name(state), (unsigned long long)shard->is.epoch);
	return rc;
}

const char *shard_state_name(unsigned int state)
{
	static const char *const names[] = {"inactive", "frozen", "active", "suspended"};

	return state < RTE_DIM(names) ? names[state] : "unknown";
}

static void tell(struct shards *shards, struct shard *shard, enum sl_shard_event_type type,
	const struct claim *claim, bool always)
{
	uint64_t now_ns = clock_now_ns();
	struct sl_shard_event event = {
		.epoch = shard->is.epoch, .type = (uint8_t)type, .state = shard->is.state};

	if (!always && shard->told_ns[type] && now_ns - shard->told_ns[type] < TELL_NS)
		return;
	shard->told_ns[type] = now_ns;
	memcpy(event.name, shard->is.name, sizeof(event.name));
	if (claim) {
		event.address = claim->address;
		memcpy(event.mac, &claim->mac, sizeof(event.mac));
		log_warn(&log_shard, "address_conflict", "shard=%s mac=" MAC_TEXT " state=%s",
			shard->is.name, MAC_BYTES(&claim->mac), shard_state_name(event.state));
	} else {
		log_warn(&log_shard, "paused", "shard=%s state=%s", shard->is.name,
			shard_state_name(event.state));
	}
	if (shards->config.event)
		shards->config.event(shards->config.context, &event);
}

// ---- control ----

int shards_find(const struct shards *shards, const char *name)
{
	for (unsigned int i = 0; shards && i < shards->config.n; i++)
		if (!strcmp(shards->all[i].is.name, name))
			return (int)i + 1;
	return -ENOENT;
}

static int check(const struct shards *shards, const struct sl_shard *wanted)
{
	static const uint8_t zero[sizeof(wanted->reserved)];
	int i;

	if (!memchr(wanted->name, '\0', sizeof(wanted->name)) || wanted->state > SL_SHARD_ACTIVE ||
		(wanted->state == SL_SHARD_ACTIVE && wanted->pause_ms < FENCE_LEAST_MS) ||
		memcmp(wanted->reserved, zero, sizeof(zero)))
		return -EINVAL;
	i = shards_find(shards, wanted->name);
	if (i < 0)
		return i;
	if (wanted->epoch < shards->all[i - 1].is.epoch)
		return -ESTALE;
	return i;
}

int shards_set(struct shards *shards, const struct sl_shard *wanted, struct sl_shard *now)
{
	int i = check(shards, wanted), rc = 0;
	bool valid = wanted->valid_until_ns > boot_ns();
	struct shard *shard;

	if (i < 0)
		return i;
	shard = &shards->all[i - 1];
	if (wanted->state == SL_SHARD_ACTIVE && shard->is.state != SL_SHARD_ACTIVE && !valid)
		return -ETIME;
	if (wanted->epoch > shard->is.epoch) // another lease
		shard->is.valid_until_ns = 0;
	shard->is.epoch = wanted->epoch;
	if (wanted->state == SL_SHARD_ACTIVE) {
		shard->is.pause_ms = wanted->pause_ms;
		shard->is.valid_until_ns =
			RTE_MAX(shard->is.valid_until_ns, wanted->valid_until_ns);
	}
	if (shard->is.state != wanted->state || wanted->state != SL_SHARD_ACTIVE)
		rc = enter(shards, shard, (enum sl_shard_state)wanted->state);
	else if (valid)
		confirm(shards, shard, clock_now_ns());
	if (rc == 0)
		*now = shard->is;
	return rc;
}

size_t shards_list(const struct shards *shards, struct sl_shard *out)
{
	size_t n = shards ? shards->config.n : 0;

	for (size_t i = 0; i < n; i++)
		out[i] = shards->all[i].is;
	return n;
}

// ---- time ----

// How long we have not been running, by the clock that says more.
static uint64_t take_gap(struct shards *shards, uint64_t now_ns)
{
	uint64_t boot = boot_ns();
	uint64_t gap_ns = now_ns - shards->tick_ns, boot_gap_ns = boot - shards->tick_boot_ns;

	if (!shards->tick_ns)
		gap_ns = boot_gap_ns = 0;
	shards->tick_ns = now_ns;
	shards->tick_boot_ns = boot;
	return RTE_MAX(gap_ns, boot_gap_ns);
}

static bool was_paused(const struct shards *shards, const struct shard *shard, uint64_t gap_ns)
{
	return (gap_ns >= shard->is.pause_ms * MS &&
		       shards->tick_boot_ns >= shard->is.valid_until_ns) ||
	       workers_doubt(shards->config.workers, index_of(shards, shard));
}

static void prolong(struct shards *shards, struct shard *shard, uint64_t now_ns)
{
	if (now_ns - shard->prolonged_ns < PROLONG_NS)
		return;
	shard->prolonged_ns = now_ns;
	for (unsigned int i = 0; i < shard->n_addresses; i++)
		hold_address(shards, &shard->addresses[i]); // or the next time
}

void shards_tick(struct shards *shards, uint64_t now_ns)
{
	uint64_t gap_ns = take_gap(shards, now_ns);

	for (unsigned int i = 0; i < shards->config.n; i++) {
		struct shard *shard = &shards->all[i];

		if (!shard->held && shard->is.state != SL_SHARD_ACTIVE)
			continue;
		if (was_paused(shards, shard, gap_ns)) {
			enter(shards, shard, SL_SHARD_SUSPENDED);
			tell(shards, shard, SL_SHARD_PAUSED, NULL, true);
			continue;
		}
		if (shard->is.state == SL_SHARD_ACTIVE)
			announce_due(shards, shard, now_ns);
		prolong(shards, shard, now_ns);
	}
}

// ---- conflicts ----

static bool is_ours(const struct shards *shards, const struct rte_ether_addr *mac)
{
	for (unsigned int i = 0; i < shards->config.n_ports; i++)
		if (rte_is_same_ether_addr(&shards->config.ports[i].mac, mac))
			return true;
	return false;
}

static void on_conflict(struct shards *shards, struct shard *shard, const struct shard_address *at,
	const struct claim *claim)
{
	uint64_t now_ns = clock_now_ns();
	bool yields = boot_ns() >= shard->is.valid_until_ns;

	if (yields) {
		enter(shards, shard, SL_SHARD_SUSPENDED);
	} else if (shard->is.state == SL_SHARD_ACTIVE && now_ns - shard->defended_ns >= DEFEND_NS) {
		shard->defended_ns = now_ns;
		announce_address(shards, shard, at);
	}
	tell(shards, shard, SL_SHARD_CONFLICT, claim, yields);
}

void shards_claimed(struct shards *shards, const struct claim *claim)
{
	if (is_ours(shards, &claim->mac))
		return;
	for (unsigned int i = 0; i < shards->config.n; i++) {
		struct shard *shard = &shards->all[i];

		for (unsigned int j = 0; j < shard->n_addresses; j++) {
			const struct shard_address *at = &shard->addresses[j];

			if ((shard->held || shard->is.state == SL_SHARD_ACTIVE) &&
				same_host(&at->address, &claim->address))
				on_conflict(shards, shard, at, claim);
		}
	}
}

int shards_fd(const struct shards *shards)
{
	return shards->conflicts.epoll;
}

void shards_poll(struct shards *shards)
{
	struct claim claim;

	while (conflicts_next(&shards->conflicts, &claim))
		shards_claimed(shards, &claim);
}

// ---- begin and end ----

static int add_addresses(struct shard *shard, unsigned int index, const struct realms *realms)
{
	shard->addresses = calloc(REALMS_MAX * REALM_ADDRESSES_MAX, sizeof(*shard->addresses));
	if (!shard->addresses)
		return -ENOMEM;
	for (unsigned int i = 0; i < realms->n; i++) {
		const struct realm *realm = &realms->entries[i];

		for (unsigned int j = 0; j < realm->n_addresses; j++)
			if (realm->shards[j] == index)
				shard->addresses[shard->n_addresses++] =
					(struct shard_address){.address = realm->addresses[j],
						.port = realm->port,
						.vlan = realm->vlan};
	}
	return 0;
}

// Of a run before that was killed.
static void release_leftovers(struct shards *shards, struct shard *shard)
{
	for (unsigned int i = 0; i < shard->n_addresses; i++)
		shard->addresses[i].ifindex = interface_of(shards, &shard->addresses[i]);
	release(shards, shard);
}

struct shards *shards_create(const struct shards_config *config)
{
	struct shards *shards = calloc(1, sizeof(*shards));
	int rc = -ENOMEM;

	if (!shards)
		goto fail;
	shards->config = *config;
	shards->conflicts.epoll = -1;
	config->fence->n = config->n;
	shards->all = calloc(config->n + 1, sizeof(*shards->all));
	shards->netlink = netlink_open();
	if (!shards->all || !shards->netlink)
		goto fail;
	rc = conflicts_init(&shards->conflicts);
	for (unsigned int i = 0; i < config->n && rc == 0; i++) {
		struct shard *shard = &shards->all[i];

		snprintf(shard->is.name, sizeof(shard->is.name), "%s", config->names[i]);
		shard->is.pause_ms = FENCE_LEAST_MS;
		rc = add_addresses(shard, i + 1, config->realms);
		if (rc == 0)
			release_leftovers(shards, shard);
	}
	if (rc == 0)
		return shards;
fail:
	shards_destroy(shards);
	errno = -rc;
	return NULL;
}

void shards_destroy(struct shards *shards)
{
	if (!shards)
		return;
	for (unsigned int i = 0; shards->all && i < shards->config.n; i++) {
		if (shards->all[i].held)
			release(shards, &shards->all[i]);
		free(shards->all[i].addresses);
	}
	conflicts_fini(&shards->conflicts);
	if (shards->netlink)
		netlink_close(shards->netlink);
	free(shards->all);
	free(shards);
}
