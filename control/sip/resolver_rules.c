// The rules of RFC 3263 section 4 over records that are there or not: run again each time that more
// of them are, until none is missing. What can be asked for at once is.
#include <stdio.h>
#include <string.h>

#include "resolver_private.h"
#include "slice.h"

enum { FAILED_TTL_S = 5 };

struct walk {
	const struct resolver_question *question;
	resolver_kept_fn *kept;
	void *arg;
	struct resolver_result *result;
	bool complete;
	uint32_t group; // of priorities: NAPTR, or the order of transports
};

static const struct {
	const char *service, *prefix; // NAPTR, SRV
	uint16_t port;
} protocols[] = {
	[TRANSPORT_UDP] = {"SIP+D2U", "_sip._udp.", 5060},
	[TRANSPORT_TCP] = {"SIP+D2T", "_sip._tcp.", 5060},
	[TRANSPORT_TLS] = {"SIPS+D2T", "_sips._tcp.", 5061},
};

static bool may_use(const struct walk *walk, enum transport_protocol transport)
{
	const struct resolver_question *question = walk->question;

	return question->transports[transport] &&
	       (question->transport == RESOLVER_ANY || question->transport == (int)transport);
}

// Records, or NULL: there are none, or none yet.
static const struct dns_answer *look_up(struct walk *walk, const char *name, enum dns_type type)
{
	struct resolver_result *result = walk->result;
	struct resolver_kept kept = {};

	if (!walk->kept(walk->arg, name, type, &kept)) {
		walk->complete = false;
		return NULL;
	}
	if (kept.failed) {
		result->failed = true;
		kept.left_s = FAILED_TTL_S;
	}
	if (kept.left_s < result->ttl_s)
		result->ttl_s = kept.left_s;
	return kept.answer && kept.answer->n ? kept.answer : NULL;
}

static void target_add(struct walk *walk, const struct sockaddr *address, socklen_t length,
	uint16_t port, enum transport_protocol transport, const struct dns_record *srv)
{
	struct resolver_result *result = walk->result;
	struct resolver_target *target = &result->targets[result->n];

	if (result->n == RESOLVER_TARGETS_MAX ||
		sip_address_from(address, length, &target->address))
		return;
	sip_address_port_set(&target->address, port);
	target->transport = transport;
	target->priority = walk->group << 16 | (srv ? srv->priority : 0);
	target->weight = srv ? srv->weight : 0;
	result->n++;
}

static void addresses_add(struct walk *walk, const char *host, uint16_t port,
	enum transport_protocol transport, const struct dns_record *srv)
{
	const struct dns_answer *v4 = walk->question->v4 ? look_up(walk, host, DNS_A) : NULL;
	const struct dns_answer *v6 = walk->question->v6 ? look_up(walk, host, DNS_AAAA) : NULL;

	for (size_t i = 0; v4 && i < v4->n; i++) {
		struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = v4->records[i].v4};

		target_add(walk, (struct sockaddr *)&to, sizeof(to), port, transport, srv);
	}
	for (size_t i = 0; v6 && i < v6->n; i++) {
		struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = v6->records[i].v6};

		target_add(walk, (struct sockaddr *)&to, sizeof(to), port, transport, srv);
	}
}

// Returns whether the domain says anything of that service: a lone "." says that there is none.
static bool srv_add(struct walk *walk, const char *name, enum transport_protocol transport)
{
	const struct dns_answer *srv = look_up(walk, name, DNS_SRV);

	for (size_t i = 0; srv && i < srv->n; i++)
		if (srv->records[i].name[0])
			addresses_add(walk, srv->records[i].name, srv->records[i].port, transport,
				&srv->records[i]);
	walk->group++;
	return srv != NULL;
}

static int transport_of(const struct dns_record *naptr)
{
	for (int i = TRANSPORT_UDP; i <= TRANSPORT_TLS; i++)
		if (slice_equal_nocase(slice_of(naptr->service), slice_of(protocols[i].service)))
			return i;
	return RESOLVER_ANY;
}

static bool goes_before(const struct dns_record *a, const struct dns_record *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->weight < b->weight;
}

// 4.1: the services that we have, in the order that the domain wants. Returns whether it has any.
static bool naptr_add(struct walk *walk)
{
	const struct dns_answer *naptr = look_up(walk, walk->question->host, DNS_NAPTR);
	const struct dns_record *order[DNS_RECORDS_MAX];
	size_t n = 0;

	for (size_t i = 0; naptr && i < naptr->n; i++) {
		const struct dns_record *record = &naptr->records[i];
		int transport = transport_of(record);
		size_t at = n;

		if (transport == RESOLVER_ANY || !may_use(walk, transport) ||
			strcasecmp(record->flags, "s") != 0 || !record->name[0])
			continue;
		for (; at && goes_before(record, order[at - 1]); at--)
			order[at] = order[at - 1];
		order[at] = record;
		n++;
	}
	for (size_t i = 0; i < n; i++)
		srv_add(walk, order[i]->name, (enum transport_protocol)transport_of(order[i]));
	return n > 0;
}

// For each transport that we have, as NAPTR says nothing.
static bool services_add(struct walk *walk)
{
	char name[DNS_NAME_SIZE + 16];
	bool any = false;

	for (int i = TRANSPORT_UDP; i <= TRANSPORT_TLS; i++) {
		snprintf(name, sizeof(name), "%s%s", protocols[i].prefix, walk->question->host);
		if (may_use(walk, (enum transport_protocol)i) &&
			srv_add(walk, name, (enum transport_protocol)i))
			any = true;
	}
	return any;
}

// 4.1: UDP, but where we cannot.
static enum transport_protocol default_transport(const struct walk *walk)
{
	for (int i = TRANSPORT_UDP; i < TRANSPORT_TLS; i++)
		if (may_use(walk, (enum transport_protocol)i))
			return (enum transport_protocol)i;
	return TRANSPORT_TLS;
}

bool resolver_follow(const struct resolver_question *question, resolver_kept_fn *kept, void *arg,
	struct resolver_result *result)
{
	struct walk walk = {question, kept, arg, result, true, 0};
	enum transport_protocol transport = default_transport(&walk);
	bool found = false;

	result->failed = false;
	result->n = 0;
	result->ttl_s = DNS_TTL_MAX_S;
	if (!question->port && question->transport == RESOLVER_ANY)
		found = naptr_add(&walk);
	if (!question->port && !found && walk.complete)
		found = services_add(&walk);
	if (!found && walk.complete)
		addresses_add(&walk, question->host,
			question->port ? question->port : protocols[transport].port, transport,
			NULL);
	return walk.complete;
}
