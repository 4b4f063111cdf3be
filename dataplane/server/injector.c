// Control sends where no leg sends to (yet): to each address that ICE tries. The next hop of each
// is held for a while, so that the kernel finds its neighbour between the first packet, which is
// answered with -EAGAIN, and the next; what was used longest ago gives way.
#include "injector.h"

#include <errno.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdlib.h>

#include "inject.h"

#define HOPS_MAX 256

struct held_hop {
	const struct next_hop *hop; // NULL: free
	struct sl_address source;   // without ports
	struct sl_address destination;
	uint64_t used; // number of the packet that did last
};

struct injector {
	struct next_hops *hops;
	const struct sessions *sessions;
	struct worker_shared *workers;
	uint64_t n_packets;
	struct held_hop held[HOPS_MAX];
};

struct injector *injector_create(
	struct next_hops *hops, const struct sessions *sessions, struct worker_shared *workers)
{
	struct injector *injector = calloc(1, sizeof(*injector));

	if (!injector)
		return NULL;
	injector->hops = hops;
	injector->sessions = sessions;
	injector->workers = workers;
	return injector;
}

void injector_destroy(struct injector *injector)
{
	if (!injector)
		return;
	for (size_t i = 0; i < HOPS_MAX; i++)
		if (injector->held[i].hop)
			next_hop_release(injector->hops, injector->held[i].hop);
	free(injector);
}

static bool same_host(const struct sl_address *a, const struct sl_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

// Where it is held, or else the place of what was used longest ago.
static struct held_hop *find_place(struct injector *injector, const struct sl_address *source,
	const struct sl_address *destination)
{
	struct held_hop *oldest = &injector->held[0];

	for (size_t i = 0; i < HOPS_MAX; i++) {
		struct held_hop *held = &injector->held[i];

		if (held->hop && same_host(&held->source, source) &&
			same_host(&held->destination, destination))
			return held;
		if (held->used < oldest->used)
			oldest = held;
	}
	return oldest;
}

// NULL with errno.
static const struct next_hop *hold(struct injector *injector, const struct sl_address *source,
	const struct sl_address *destination)
{
	struct held_hop *held = find_place(injector, source, destination);
	const struct next_hop *hop;

	if (!held->hop || !same_host(&held->source, source) ||
		!same_host(&held->destination, destination)) {
		hop = next_hop_hold(injector->hops, source, destination);
		if (!hop)
			return NULL;
		if (held->hop)
			next_hop_release(injector->hops, held->hop);
		*held = (struct held_hop){hop, *source, *destination, 0};
	}
	held->used = ++injector->n_packets;
	return held->hop;
}

static bool is_destination(const struct sl_address *address, uint8_t family)
{
	static const struct sl_address nobody;

	if (address->family != family || address->port == 0 || address->reserved != 0 ||
		!memcmp(address->bytes, nobody.bytes, sizeof(nobody.bytes)))
		return false;
	if (family == SL_IPV6)
		return address->bytes[0] != 0xff;
	return address->bytes[0] != 0 && address->bytes[0] < 224 &&
	       !memcmp(address->bytes + 4, nobody.bytes, 12);
}

static bool fits(const struct injector *injector, const struct sl_datagram *datagram,
	const struct next_hop_view *hop)
{
	unsigned int headers = sizeof(struct rte_udp_hdr);

	headers += datagram->address.family == SL_IPV6 ? sizeof(struct rte_ipv6_hdr)
						       : sizeof(struct rte_ipv4_hdr);
	return headers + datagram->length <= injector->workers->config.ports[hop->port].mtu;
}

int injector_send(struct injector *injector, const struct sl_datagram *datagram)
{
	const struct session *session = session_find(injector->sessions, &datagram->id);
	struct session_origin origin;
	struct next_hop_view view;
	const struct next_hop *hop;
	struct injection injection;

	if (!session)
		return -ENOENT;
	if (!session_origin(session, datagram->leg, &origin) || datagram->rtcp > 1 ||
		!is_destination(&datagram->address, origin.local.family) || datagram->length == 0 ||
		datagram->length > sizeof(datagram->bytes))
		return -EINVAL;
	if (!injector->hops)
		return -ENETUNREACH;
	hop = hold(injector, &origin.local, &datagram->address);
	if (!hop)
		return errno == ENOMEM ? -ENOMEM : -ENETUNREACH;
	injection = (struct injection){.from = leg_endpoint_of(&origin.local),
		.to = leg_endpoint_of(&datagram->address),
		.hop_word = next_hop_word(hop),
		.flow_label = origin.flow_label ^ datagram->rtcp,
		.dscp = origin.dscp,
		.shard = origin.shard};
	if (!next_hop_unpack(injection.hop_word, &view))
		return -EAGAIN;
	if (!fits(injector, datagram, &view))
		return -EINVAL;
	if (datagram->rtcp)
		injection.from.port = rte_cpu_to_be_16(origin.local.port + 1);
	return workers_inject(
		injector->workers, origin.worker, &injection, datagram->bytes, datagram->length);
}
