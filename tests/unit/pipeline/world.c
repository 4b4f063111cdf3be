#include "world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#define ALLOWED_MAX 8

static struct place {
	bool exists;
	struct sl_session session;
	struct sl_address allowed[SL_LEGS_MAX][ALLOWED_MAX]; // besides what was signalled
	unsigned int n_allowed[SL_LEGS_MAX];
	struct sl_address latched[SL_LEGS_MAX]; // as last seen; SL_UNSPEC: it had not
} places[WORLD_SLOTS];

static bool keeps_latch(const struct sl_leg *old, const struct sl_leg *new)
{
	return !memcmp(&old->remote, &new->remote, sizeof(new->remote)) &&
	       old->source_rule == new->source_rule;
}

void world_set(unsigned int slot, enum world_kind kind, uint8_t change)
{
	struct place *place = &places[slot];
	uint8_t seed = (uint8_t)(1 + 4 * slot + (change & WORLD_REKEYED ? 2 : 0));
	struct sl_session wanted = rig_session(slot + 1);
	struct sl_session answer = {};
	const char *why;

	workers_want_punts(path.workers, true);
	world_describe(&wanted, kind, change, seed);
	if (session_set(path.sessions, &wanted, NULL, &answer, &why))
		return;
	for (unsigned int i = 0; i < wanted.n_legs; i++) {
		if (wanted.legs[i].transport == SL_NO_LEG)
			wanted.legs[i].local = answer.legs[i].local;
		if (!place->exists || !keeps_latch(&place->session.legs[i], &wanted.legs[i]))
			place->latched[i] = (struct sl_address){};
	}
	place->session = wanted;
	place->exists = true;
}

void world_delete(unsigned int slot)
{
	struct place *place = &places[slot];

	if (!place->exists)
		return;
	session_delete(path.sessions, session_find(path.sessions, &place->session.id));
	place->exists = false;
}

void world_end(void)
{
	for (unsigned int i = 0; i < WORLD_SLOTS; i++)
		world_delete(i);
	for (int i = 0; i < 3; i++) {
		sessions_tick(path.sessions, clock_now_ns());
		path_turn();
	}
}

const struct sl_session *world_session(unsigned int slot)
{
	return places[slot].exists ? &places[slot].session : NULL;
}

unsigned int world_transport(unsigned int slot, unsigned int leg)
{
	uint8_t transport = places[slot].session.legs[leg].transport;

	return transport == SL_NO_LEG ? leg : transport;
}

// ---- who may be sent what ----

static bool is_allowed(const struct place *place, unsigned int leg, const struct sl_address *to)
{
	for (unsigned int i = 0; i < place->n_allowed[leg]; i++)
		if (!memcmp(to, &place->allowed[leg][i], sizeof(*to)))
			return true;
	return false;
}

static void allow(struct place *place, unsigned int leg, const struct sl_address *to)
{
	if (place->n_allowed[leg] < ALLOWED_MAX && !is_allowed(place, leg, to))
		place->allowed[leg][place->n_allowed[leg]++] = *to;
}

void world_prove(unsigned int slot, unsigned int leg, const struct sl_address *from)
{
	if (places[slot].session.legs[leg].source_rule == SL_SOURCE_LATCH)
		allow(&places[slot], leg, from);
}

// Where it has latched to it stays, unless it has just had proof.
static const char *look_at_latch(
	struct place *place, unsigned int leg, const struct sl_leg_stats *stats)
{
	struct sl_address *latched = &place->latched[leg];
	bool moved = latched->family && memcmp(latched, &stats->source, sizeof(*latched));

	if (!stats->latched)
		return latched->family ? "a latch was forgotten" : NULL;
	if (place->session.legs[leg].source_rule != SL_SOURCE_LATCH)
		return "a leg latched that may not";
	if (moved && !is_allowed(place, leg, &stats->source))
		return "a latched leg moved without proof";
	*latched = stats->source;
	allow(place, leg, latched);
	return NULL;
}

static const char *look_at_latches(void)
{
	const char *wrong = NULL;

	for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++) {
		struct place *place = &places[slot];
		struct sl_session_report report;

		if (!place->exists)
			continue;
		session_report(session_find(path.sessions, &place->session.id), &report);
		for (unsigned int i = 0; i < place->session.n_legs && !wrong; i++)
			wrong = look_at_latch(place, i, &report.stats[i]);
	}
	return wrong;
}

static void forget_allowed(void)
{
	for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++)
		memset(places[slot].n_allowed, 0, sizeof(places[slot].n_allowed));
}

static bool is_host(const struct sl_address *a, const struct sl_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static bool is_signalled(const struct sl_leg *leg, const struct sl_address *to, bool rtcp)
{
	if (!rtcp)
		return is_host(to, &leg->remote) && to->port == leg->remote.port;
	if (leg->remote_rtcp.family)
		return is_host(to, &leg->remote_rtcp) && to->port == leg->remote_rtcp.port;
	return is_host(to, &leg->remote) && to->port == leg->remote.port + 1;
}

// RTCP latches to another port of the same host.
static bool is_latched(
	const struct place *place, unsigned int leg, const struct sl_address *to, bool rtcp)
{
	for (unsigned int i = 0; i < place->n_allowed[leg]; i++) {
		const struct sl_address *allowed = &place->allowed[leg][i];

		if (is_host(to, allowed) && (rtcp || to->port == allowed->port))
			return true;
	}
	return false;
}

static const char *check_way(const struct sl_address *from, const struct sl_address *to)
{
	bool rtcp = from->port & 1;

	for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++) {
		const struct place *place = &places[slot];

		for (unsigned int i = 0; place->exists && i < place->session.n_legs; i++) {
			const struct sl_leg *leg = &place->session.legs[i];

			if (!is_host(from, &leg->local) || (from->port & ~1) != leg->local.port)
				continue;
			if (is_signalled(leg, to, rtcp) || is_latched(place, i, to, rtcp))
				return NULL;
			return "sent to somebody who is not the leg's far end";
		}
	}
	return "sent from a port that is no leg's";
}

// ---- is it sound? ----

static uint64_t sum16(const uint8_t *bytes, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += i % 2 ? bytes[i] : (uint64_t)bytes[i] << 8;
	return sum;
}

static bool is_all_ones(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static struct sl_address address_at(const uint8_t *ip, uint8_t family, const uint8_t *port)
{
	struct sl_address address = {.family = family, .port = (uint16_t)(port[0] << 8 | port[1])};

	memcpy(address.bytes, ip, family == SL_IPV4 ? 4 : 16);
	return address;
}

static const char *check_udp(
	const uint8_t *addresses, uint8_t family, const uint8_t *udp, unsigned int n)
{
	unsigned int size = family == SL_IPV4 ? 4 : 16;
	struct sl_address from, to;

	if (n < 8 || (unsigned int)(udp[4] << 8 | udp[5]) != n)
		return "a wrong length in a UDP header";
	// A payload that came with a wrong checksum leaves with one (checksum.h).
	if (!path.n_lies && !is_all_ones(sum16(addresses, 2 * size) + 17 + n + sum16(udp, n)))
		return "a wrong UDP checksum";
	from = address_at(addresses, family, udp);
	to = address_at(addresses + size, family, udp + 2);
	return check_way(&from, &to);
}

static const char *check_ip(const uint8_t *ip, unsigned int n, uint16_t type)
{
	if (type == 0x86dd) {
		if (n < 40 || ip[0] >> 4 != 6 || (unsigned int)(ip[4] << 8 | ip[5]) + 40 != n ||
			ip[6] != 17)
			return "an unsound IPv6 header";
		return check_udp(ip + 8, SL_IPV6, ip + 40, n - 40);
	}
	if (type != 0x0800 || n < 20 || ip[0] != 0x45 || ip[9] != 17 ||
		(unsigned int)(ip[2] << 8 | ip[3]) != n)
		return "an unsound IPv4 header";
	if (!is_all_ones(sum16(ip, 20)))
		return "a wrong IPv4 checksum";
	return check_udp(ip + 12, SL_IPV4, ip + 20, n - 20);
}

// The VLAN follows from the address that it is sent from, and the next hop from both.
static const char *check_link(unsigned int port, const struct frame *frame, unsigned int at)
{
	static const char *const macs[2] = {MAC_FAR0 MAC_P0, MAC_FAR1 MAC_P1};
	bool ipv6 = half_at(frame, at - 2) == 0x86dd;
	struct sl_address tagged = rig_address(ipv6 ? OUR7_V6 : OUR7, 0);
	const uint8_t *from = frame->bytes + at + (ipv6 ? 8 : 12);
	bool is_tagged = !memcmp(from, tagged.bytes, ipv6 ? 16 : 4);
	const char *mac = is_tagged && ipv6 ? MAC_FAR7 MAC_P1 : macs[port];

	if (memcmp(frame->bytes, mac, 12))
		return "a wrong MAC address";
	if (is_tagged != (at == 18) || (is_tagged && (half_at(frame, 14) & 0xfff) != 7))
		return "a wrong VLAN";
	return NULL;
}

static const char *check_frame(unsigned int port, const struct frame *frame)
{
	unsigned int at = half_at(frame, 12) == 0x8100 ? 18 : 14;
	const char *wrong;

	if (frame->length < at + 28)
		return "a frame that is too short";
	wrong = check_link(port, frame, at);
	if (wrong)
		return wrong;
	return check_ip(frame->bytes + at, frame->length - at, half_at(frame, at - 2));
}

unsigned int world_build(
	struct frame *frame, unsigned int slot, unsigned int leg, struct udp_packet udp, bool rtcp)
{
	unsigned int transport = world_transport(slot, leg);
	const struct sl_address *local = &places[slot].session.legs[transport].local;
	struct sl_address first = rig_address(local->family == SL_IPV6 ? OUR0_V6 : OUR0, 0);
	bool port = !is_host(local, &first);
	struct sl_address tagged = rig_address(local->family == SL_IPV6 ? OUR7_V6 : OUR7, 0);
	char to[INET6_ADDRSTRLEN];

	inet_ntop(local->family == SL_IPV6 ? AF_INET6 : AF_INET, local->bytes, to, sizeof(to));
	udp.to = to;
	udp.to_port = (uint16_t)(local->port + rtcp);
	udp.to_mac = port ? MAC_P1 : MAC_P0;
	udp.from_mac = port ? MAC_FAR1 : MAC_FAR0;
	udp.vlan = is_host(local, &tagged) ? 7 : 0;
	frame_build(frame, &udp);
	return port;
}

// What control would be told of; who sent it must be one whom the leg may believe.
static const char *take_punts(void)
{
	struct sl_datagram datagram;

	while (workers_next_punt(path.workers, &datagram)) {
		bool known = false;

		for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++)
			known |= places[slot].exists && !memcmp(&places[slot].session.id,
								&datagram.id, sizeof(datagram.id));
		if (!known || datagram.length > SL_DATAGRAM_MAX)
			return "a punt of nobody";
	}
	return NULL;
}

static void turn_once(void)
{
	for (unsigned int i = 0; i < path.workers->config.n_workers; i++)
		worker_turn(path.workers->workers[i]);
}

static const char *turn(void (*move)(void), unsigned int *n_out)
{
	const char *wrong = look_at_latches();
	struct frame frame;

	move();
	if (!wrong)
		wrong = look_at_latches();
	for (unsigned int port = 0; port < 2; port++)
		while (frame_pop(port, &frame)) {
			if (n_out)
				(*n_out)++;
			if (!wrong)
				wrong = check_frame(port, &frame);
		}
	if (!wrong)
		wrong = take_punts();
	return wrong ? wrong : path_imbalance();
}

const char *world_turn(unsigned int *n_out)
{
	const char *wrong = turn(path_turn, n_out);

	path.n_lies = 0; // nothing of them is left inside
	forget_allowed();
	return wrong;
}

const char *world_turn_once(void)
{
	return turn(turn_once, NULL); // packets that wait may have proof with them
}
