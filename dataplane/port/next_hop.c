// Next hops: (source, destination) to port and MAC, as the kernel's routes and neighbours say.
//
//   hop (source, destination) --route--> neighbour (interface, gateway) --ARP, ND--> MAC
//
// Hops of one gateway share its neighbour. Subtle: the kernel never sees our packets, so nothing
// tells it that a neighbour is in use or answers; for as long as we hold one we ask the kernel to
// probe it whenever it goes stale. All here is the main lcore's but the word of each hop.
#include <errno.h>
#include <libmnl/libmnl.h>
#include <rte_jhash.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "links.h"
#include "netlink.h"
#include "port.h"

#define BUCKETS		 4096 // power of two
#define WORK_MAX	 512  // questions to the kernel in one poll
#define RETRY_MS	 1000 // a neighbour that is not known
#define REFRESH_MS	 10000
#define ROUTES_SETTLE_MS 50 // a daemon changes many at once: look when it is done

struct neighbour {
	struct netlink_neighbour kernel; // as last heard
	uint16_t port;
	uint16_t vlan;
	unsigned int n_refs;
	uint64_t refresh_at_ms;
	LIST_HEAD(, hop) hops;
	LIST_ENTRY(neighbour) bucket;
	TAILQ_ENTRY(neighbour) entry;
};

struct hop {
	struct next_hop next_hop; // first: the caller's handle
	struct sl_address source;
	struct sl_address destination;
	unsigned int n_refs;
	uint32_t routes_seen;	     // generation of routes it was resolved with
	struct neighbour *neighbour; // NULL: no route
	LIST_ENTRY(hop) of_neighbour;
	LIST_ENTRY(hop) bucket;
	TAILQ_ENTRY(hop) entry;
};

struct next_hops {
	const struct realms *realms;
	struct links links;
	struct mnl_socket *query;
	struct mnl_socket *monitor;
	uint64_t now_ms;
	uint64_t routes_changed_ms; // when a change was first heard of, 0: none
	uint32_t routes;	    // generation
	TAILQ_HEAD(, hop) hops;	    // those resolved longest ago first
	TAILQ_HEAD(, neighbour) neighbours;
	LIST_HEAD(, hop) hop_buckets[BUCKETS];
	LIST_HEAD(, neighbour) neighbour_buckets[BUCKETS];
	struct next_hop fixed[REALMS_MAX]; // of realms that do not ask the kernel
};

static bool same_host(const struct sl_address *a, const struct sl_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static struct sl_address host_of(const struct sl_address *address)
{
	struct sl_address host = {.family = address->family};

	memcpy(host.bytes, address->bytes, address->family == SL_IPV6 ? 16 : 4);
	return host;
}

static unsigned int bucket_of(const struct sl_address *address, uint32_t seed)
{
	return rte_jhash(address->bytes, sizeof(address->bytes), seed) & (BUCKETS - 1);
}

static uint64_t word_of(uint16_t port, uint16_t vlan, const struct rte_ether_addr *mac)
{
	uint64_t word = 0;

	memcpy(&word, mac, sizeof(*mac));
	word = rte_le_to_cpu_64(word);
	return word | (uint64_t)port << NEXT_HOP_PORT_SHIFT |
	       (uint64_t)vlan << NEXT_HOP_VLAN_SHIFT | NEXT_HOP_USABLE;
}

static void publish(struct hop *hop)
{
	const struct neighbour *neighbour = hop->neighbour;
	uint64_t word = 0;

	if (neighbour && neighbour->kernel.valid)
		word = word_of(neighbour->port, neighbour->vlan, &neighbour->kernel.mac);
	__atomic_store_n(&hop->next_hop.word, word, __ATOMIC_RELAXED);
}

// Take over what the kernel says about a neighbour.
static void neighbour_update(struct neighbour *neighbour, const struct netlink_neighbour *kernel)
{
	struct hop *hop;
	bool changed = neighbour->kernel.valid != kernel->valid ||
		       !rte_is_same_ether_addr(&neighbour->kernel.mac, &kernel->mac);

	neighbour->kernel = *kernel;
	if (!changed)
		return;
	LIST_FOREACH (hop, &neighbour->hops, of_neighbour)
		publish(hop);
}

static void neighbour_probe(struct next_hops *hops, struct neighbour *neighbour)
{
	if (!neighbour->kernel.fresh)
		netlink_neighbour_probe(hops->query, &neighbour->kernel);
	neighbour->refresh_at_ms = hops->now_ms + (neighbour->kernel.valid ? REFRESH_MS : RETRY_MS);
}

// Ask the kernel how it stands, and have it probe where that is not well.
static void neighbour_refresh(struct next_hops *hops, struct neighbour *neighbour)
{
	struct netlink_neighbour kernel = {
		.ifindex = neighbour->kernel.ifindex, .address = neighbour->kernel.address};

	netlink_neighbour_get(hops->query, &kernel);
	neighbour_update(neighbour, &kernel);
	neighbour_probe(hops, neighbour);
}

static struct neighbour *neighbour_find(
	struct next_hops *hops, unsigned int ifindex, const struct sl_address *address)
{
	struct neighbour *neighbour;

	LIST_FOREACH (neighbour, &hops->neighbour_buckets[bucket_of(address, ifindex)], bucket)
		if (neighbour->kernel.ifindex == ifindex &&
			same_host(&neighbour->kernel.address, address))
			return neighbour;
	return NULL;
}

static struct neighbour *neighbour_take(
	struct next_hops *hops, const struct link *link, const struct netlink_route *route)
{
	struct neighbour *neighbour = neighbour_find(hops, route->ifindex, &route->gateway);

	if (neighbour) {
		neighbour->port = link->port; // an index may be another interface's by now
		neighbour->vlan = link->vlan;
		neighbour->n_refs++;
		return neighbour;
	}
	neighbour = calloc(1, sizeof(*neighbour));
	if (!neighbour)
		return NULL;
	neighbour->kernel.ifindex = route->ifindex;
	neighbour->kernel.address = route->gateway;
	neighbour->port = link->port;
	neighbour->vlan = link->vlan;
	neighbour->n_refs = 1;
	LIST_INIT(&neighbour->hops);
	LIST_INSERT_HEAD(&hops->neighbour_buckets[bucket_of(&route->gateway, route->ifindex)],
		neighbour, bucket);
	TAILQ_INSERT_TAIL(&hops->neighbours, neighbour, entry);
	neighbour_refresh(hops, neighbour);
	return neighbour;
}

static void neighbour_return(struct next_hops *hops, struct neighbour *neighbour)
{
	if (!neighbour || --neighbour->n_refs)
		return;
	LIST_REMOVE(neighbour, bucket);
	TAILQ_REMOVE(&hops->neighbours, neighbour, entry);
	free(neighbour);
}

// Whether an address of ours is of a shard, so that the kernel does not have it all the time.
static bool moves(const struct next_hops *hops, const struct sl_address *address)
{
	for (unsigned int i = 0; i < hops->realms->n; i++) {
		const struct realm *realm = &hops->realms->entries[i];

		for (unsigned int j = 0; j < realm->n_addresses; j++)
			if (realm->shards[j] && same_host(&realm->addresses[j], address))
				return true;
	}
	return false;
}

// Give the hop the neighbour that the kernel's routes name now. On error it keeps none.
static int hop_resolve(struct next_hops *hops, struct hop *hop)
{
	struct neighbour *old = hop->neighbour;
	struct netlink_route route;
	int ret = netlink_route_get(hops->query, &hop->source, &hop->destination, &route);
	const struct link *link;

	if (ret && moves(hops, &hop->source)) // and may not be ours now: be ready for when it is
		ret = netlink_route_get(hops->query, NULL, &hop->destination, &route);
	link = ret ? NULL : links_find(&hops->links, route.ifindex);
	hop->routes_seen = hops->routes;
	if (old)
		LIST_REMOVE(hop, of_neighbour);
	hop->neighbour = link ? neighbour_take(hops, link, &route) : NULL;
	if (hop->neighbour)
		LIST_INSERT_HEAD(&hop->neighbour->hops, hop, of_neighbour);
	neighbour_return(hops, old);
	publish(hop);
	if (!link)
		return -ENETUNREACH;
	return hop->neighbour ? 0 : -ENOMEM;
}

static unsigned int hop_bucket(
	const struct sl_address *source, const struct sl_address *destination)
{
	return bucket_of(destination, bucket_of(source, 0));
}

static struct hop *hop_find(struct next_hops *hops, const struct sl_address *source,
	const struct sl_address *destination)
{
	struct hop *hop;

	LIST_FOREACH (hop, &hops->hop_buckets[hop_bucket(source, destination)], bucket)
		if (same_host(&hop->source, source) && same_host(&hop->destination, destination))
			return hop;
	return NULL;
}

static void hop_destroy(struct next_hops *hops, struct hop *hop)
{
	if (hop->neighbour)
		LIST_REMOVE(hop, of_neighbour);
	neighbour_return(hops, hop->neighbour);
	LIST_REMOVE(hop, bucket);
	TAILQ_REMOVE(&hops->hops, hop, entry);
	free(hop);
}

static const struct next_hop *hop_create(struct next_hops *hops, const struct sl_address *source,
	const struct sl_address *destination)
{
	struct hop *hop = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*hop)));
	int ret;

	if (!hop) {
		errno = ENOMEM;
		return NULL;
	}
	*hop = (struct hop){.source = *source, .destination = *destination, .n_refs = 1};
	LIST_INSERT_HEAD(&hops->hop_buckets[hop_bucket(source, destination)], hop, bucket);
	TAILQ_INSERT_TAIL(&hops->hops, hop, entry);
	ret = hop_resolve(hops, hop);
	if (!ret)
		return &hop->next_hop;
	hop_destroy(hops, hop);
	errno = -ret;
	return NULL;
}

// Index of the realm that an address is of, or -EADDRNOTAVAIL.
static int realm_of_source(const struct next_hops *hops, const struct sl_address *source)
{
	for (unsigned int i = 0; i < hops->realms->n; i++) {
		const struct realm *realm = &hops->realms->entries[i];

		for (unsigned int j = 0; j < realm->n_addresses; j++)
			if (same_host(&realm->addresses[j], source))
				return (int)i;
	}
	return -EADDRNOTAVAIL;
}

const struct next_hop *next_hop_hold(struct next_hops *hops, const struct sl_address *source,
	const struct sl_address *destination)
{
	struct sl_address from = host_of(source), to = host_of(destination);
	int realm = realm_of_source(hops, &from);
	struct hop *hop;

	if (realm < 0) {
		errno = EADDRNOTAVAIL;
		return NULL;
	}
	if (hops->fixed[realm].word)
		return &hops->fixed[realm];
	hop = hop_find(hops, &from, &to);
	if (!hop)
		return hop_create(hops, &from, &to);
	if (!hop->neighbour && hop_resolve(hops, hop)) {
		errno = ENETUNREACH;
		return NULL;
	}
	hop->n_refs++;
	return &hop->next_hop;
}

void next_hop_release(struct next_hops *hops, const struct next_hop *next_hop)
{
	struct hop *hop = (struct hop *)(uintptr_t)next_hop;

	if (!next_hop || (next_hop >= hops->fixed && next_hop < hops->fixed + REALMS_MAX))
		return;
	if (--hop->n_refs == 0)
		hop_destroy(hops, hop);
}

static void routes_changed(void *arg)
{
	struct next_hops *hops = arg;

	if (!hops->routes_changed_ms)
		hops->routes_changed_ms = hops->now_ms ? hops->now_ms : 1;
}

static void link_changed(void *arg, const struct netlink_link *link)
{
	struct next_hops *hops = arg;

	links_update(&hops->links, link);
}

static void neighbour_changed(void *arg, const struct netlink_neighbour *kernel)
{
	struct next_hops *hops = arg;
	struct neighbour *neighbour = neighbour_find(hops, kernel->ifindex, &kernel->address);

	if (!neighbour)
		return;
	neighbour_update(neighbour, kernel);
	if (kernel->valid)
		neighbour_probe(hops, neighbour); // does so where it has gone stale
	else
		neighbour->refresh_at_ms =
			RTE_MIN(neighbour->refresh_at_ms, hops->now_ms + RETRY_MS);
}

// Announcements were lost: everything may have changed.
static void resynchronise(struct next_hops *hops)
{
	const struct netlink_listener listener = {.link_changed = link_changed, .arg = hops};
	struct neighbour *neighbour;

	log_warn(&log_port, "netlink_overrun", "action=resynchronise");
	netlink_links_get(hops->query, &listener);
	TAILQ_FOREACH (neighbour, &hops->neighbours, entry)
		neighbour->refresh_at_ms = 0;
	routes_changed(hops);
}

static void resolve_again(struct next_hops *hops)
{
	struct hop *hop;

	if (hops->routes_changed_ms && hops->now_ms >= hops->routes_changed_ms + ROUTES_SETTLE_MS) {
		hops->routes_changed_ms = 0;
		hops->routes++;
	}
	for (unsigned int i = 0; i < WORK_MAX; i++) {
		hop = TAILQ_FIRST(&hops->hops);
		if (!hop || hop->routes_seen == hops->routes)
			return;
		TAILQ_REMOVE(&hops->hops, hop, entry);
		TAILQ_INSERT_TAIL(&hops->hops, hop, entry);
		hop_resolve(hops, hop);
	}
}

static void refresh_neighbours(struct next_hops *hops)
{
	struct neighbour *neighbour;
	unsigned int n = 0;

	TAILQ_FOREACH (neighbour, &hops->neighbours, entry) {
		if (hops->now_ms < neighbour->refresh_at_ms)
			continue;
		neighbour_refresh(hops, neighbour);
		if (++n == WORK_MAX)
			return;
	}
}

void next_hops_poll(struct next_hops *hops, uint64_t now_ms)
{
	const struct netlink_listener listener = {
		routes_changed, link_changed, neighbour_changed, hops};

	hops->now_ms = now_ms;
	if (netlink_monitor_read(hops->monitor, &listener) == -ENOBUFS)
		resynchronise(hops);
	resolve_again(hops);
	refresh_neighbours(hops);
}

unsigned int next_hops_interface(const struct next_hops *hops, unsigned int port, uint16_t vlan)
{
	return links_interface(&hops->links, port, vlan);
}

int next_hops_fd(const struct next_hops *hops)
{
	return mnl_socket_get_fd(hops->monitor);
}

// A realm's own, or where its port has no kernel to ask the port's.
static uint64_t fixed_word(const struct port *ports, const struct realm *realm)
{
	const struct port *port = &ports[realm->port];

	if (!rte_is_zero_ether_addr(&realm->next_hop))
		return word_of(realm->port, realm->vlan, &realm->next_hop);
	if (!port->ifindex)
		return word_of(realm->port, realm->vlan, &port->config.next_hop);
	return 0;
}

struct next_hops *next_hops_create(
	const struct port *ports, unsigned int n_ports, const struct realms *realms)
{
	struct next_hops *hops = calloc(1, sizeof(*hops));
	const struct netlink_listener listener = {.link_changed = link_changed, .arg = hops};
	int error;

	if (!hops)
		return NULL;
	hops->realms = realms;
	TAILQ_INIT(&hops->hops);
	TAILQ_INIT(&hops->neighbours);
	for (unsigned int i = 0; i < realms->n; i++)
		hops->fixed[i].word = fixed_word(ports, &realms->entries[i]);
	links_init(&hops->links, ports, n_ports);
	hops->query = netlink_open();
	hops->monitor = netlink_monitor_open();
	if (hops->query && hops->monitor) {
		error = -netlink_links_get(hops->query, &listener);
		if (!error)
			return hops;
	} else {
		error = errno;
	}
	next_hops_destroy(hops);
	errno = error;
	return NULL;
}

void next_hops_destroy(struct next_hops *hops)
{
	struct hop *hop;

	if (!hops)
		return;
	while ((hop = TAILQ_FIRST(&hops->hops)))
		hop_destroy(hops, hop);
	if (hops->query)
		mnl_socket_close(hops->query);
	if (hops->monitor)
		mnl_socket_close(hops->monitor);
	free(hops);
}
