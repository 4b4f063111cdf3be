// OPTIONS to the targets of trunks (`health` in the configuration): who does not answer, or not as
// it should, is given no calls until it does again.
//
// Subtle: a probe may end while its transaction lives on for a while; the transaction then has no
// user any more.
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "call_private.h"
#include "outside.h"
#include "token.h"
#include "weighted.h"

#define MESSAGE_SIZE 2048
#define UNBOUND_MS   1000

// One target under observation.
struct probe {
	struct owner owner;
	LIST_ENTRY(probe) in_probes;
	struct calls *calls;
	const struct trunk *trunk;
	struct target *target;
	struct transaction *transaction; // NULL: none is waited for
	struct event *timer;		 // until the next, or for the answer
};

struct probes {
	LIST_HEAD(, probe) list;
};

static void timer_set(struct probe *probe, uint32_t ms)
{
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(probe->timer, &after);
}

// `status` 0: no answer.
static void result_take(struct probe *probe, unsigned int status)
{
	struct target *target = probe->target;
	char address[ADDRESS_TEXT_SIZE];

	if (probe->transaction)
		transaction_user_set(probe->transaction, NULL);
	probe->transaction = NULL;
	timer_set(probe, probe->trunk->health.interval_ms);
	if (!target_probed(target, &probe->trunk->health, status, now_monotonic_ms()))
		return;
	log_at(&log_call, target->is_down ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
		target->is_down ? "peer_down" : "peer_up", "trunk=%s peer=%s status=%u",
		probe->trunk->name,
		address_text((const struct sockaddr *)&target->address, address, sizeof(address)),
		status);
}

static void uri_write(struct builder *b, const char *user, struct slice host)
{
	builder_text(b, "<sip:");
	builder_text(b, user);
	builder_slice(b, host);
	builder_char(b, '>');
}

static struct slice options_write(
	struct builder *b, const struct listener *listener, struct slice host)
{
	char text[512], token[TOKEN_SIZE];
	struct builder v;

	builder_init(&v, text, sizeof(text));
	uri_write(&v, "", host);
	builder_request_line(b, SLICE("OPTIONS"), (struct slice){text + 1, v.n - 2});
	builder_header_unsigned(b, HEADER_MAX_FORWARDS, 70);
	builder_header(b, HEADER_TO, builder_finish(&v));
	token_make(token);
	builder_init(&v, text, sizeof(text));
	uri_write(&v, "sluice@", listener_sent_by(listener));
	builder_text(&v, ";tag=");
	builder_slice(&v, (struct slice){token, TOKEN_SIZE});
	builder_header(b, HEADER_FROM, builder_finish(&v));
	token_make(token);
	builder_header(b, HEADER_CALL_ID, (struct slice){token, TOKEN_SIZE});
	builder_cseq(b, 1, SLICE("OPTIONS"));
	builder_header(b, HEADER_CONTACT, contact_write(listener, false, text, sizeof(text)));
	builder_header(b, HEADER_ACCEPT, SLICE("application/sdp"));
	builder_body(b, (struct slice){}, (struct slice){});
	return builder_finish(b);
}

static int options_send(struct probe *probe)
{
	const struct target *target = probe->target;
	const struct sockaddr *address = (const struct sockaddr *)&target->address;
	char buffer[MESSAGE_SIZE], host[SIP_ADDRESS_TEXT_SIZE];
	struct flow flow = {.listener = calls_listener(probe->calls, probe->trunk->realm,
				    calls_protocol(target->transport), address)};
	struct builder b;

	if (!flow.listener)
		return -ENOTCONN;
	if (sip_address_from(address, sizeof(target->address), &flow.remote))
		return -EINVAL;
	builder_init(&b, buffer, sizeof(buffer));
	probe->transaction = transaction_start(probe->calls->stack, &flow,
		options_write(&b, flow.listener,
			target->host ? slice_of(target->host)
				     : sip_address_format(&flow.remote, host)),
		&probe->owner);
	return probe->transaction ? 0 : -errno;
}

static void on_timer(evutil_socket_t, short, void *arg)
{
	struct probe *probe = arg;

	int err = probe->transaction ? -ETIMEDOUT : options_send(probe);

	if (err == -ENOTCONN)
		timer_set(probe, UNBOUND_MS); // no shard is ours, so nobody is asked
	else if (err)
		result_take(probe, 0);
	else
		timer_set(probe, probe->trunk->health.timeout_ms);
}

void probe_response(struct owner *owner, const struct sip_message *response)
{
	if (response->status >= 200)
		result_take((struct probe *)owner, response->status);
}

void probe_failed(struct owner *owner)
{
	result_take((struct probe *)owner, 0);
}

void probe_closed(struct owner *owner)
{
	((struct probe *)owner)->transaction = NULL;
}

static void probe_destroy(struct probe *probe)
{
	if (probe->transaction)
		transaction_user_set(probe->transaction, NULL);
	if (probe->timer)
		event_free(probe->timer);
	target_return(probe->target);
	LIST_REMOVE(probe, in_probes);
	free(probe);
}

// The first is sent at some time within the interval, so that they do not all leave together; soon
// where nothing is known yet.
static int probe_create(struct probes *probes, struct calls *calls, const struct trunk *trunk,
	struct target *target)
{
	uint32_t within_ms = target->probed_ms ? trunk->health.interval_ms : 1000;
	struct probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return -ENOMEM;
	*probe = (struct probe){.owner = {OWNER_PROBE},
		.calls = calls,
		.trunk = trunk,
		.target = target_hold(target)};
	LIST_INSERT_HEAD(&probes->list, probe, in_probes);
	probe->timer = evtimer_new(calls->settings.base, on_timer, probe);
	if (!probe->timer)
		return -ENOMEM;
	timer_set(probe, random_below(within_ms));
	return 0;
}

// Two peers of a trunk may come to the same address.
static bool is_probed(const struct trunk *trunk, const struct target *target, size_t n_peers)
{
	for (size_t i = 0; i < n_peers; i++)
		for (size_t j = 0; j < trunk->peers[i].n_targets; j++)
			if (trunk->peers[i].targets[j].target == target)
				return true;
	return false;
}

static int trunk_probe(struct probes *probes, struct calls *calls, const struct trunk *trunk)
{
	int err = 0;

	for (size_t i = 0; trunk->health.interval_ms && i < trunk->n_peers; i++)
		for (size_t j = 0; !err && j < trunk->peers[i].n_targets; j++) {
			struct target *target = trunk->peers[i].targets[j].target;

			if (!is_probed(trunk, target, i))
				err = probe_create(probes, calls, trunk, target);
		}
	return err;
}

struct probes *probes_start(struct calls *calls)
{
	const struct trunks *trunks = calls->settings.trunks;
	struct probes *probes = calloc(1, sizeof(*probes));
	int err = 0;

	if (!probes)
		return NULL;
	LIST_INIT(&probes->list);
	for (size_t i = 0; !err && i < trunks->n; i++)
		err = trunk_probe(probes, calls, &trunks->list[i]);
	if (!err)
		return probes;
	probes_stop(probes);
	return NULL;
}

void probes_stop(struct probes *probes)
{
	struct probe *probe, *next;

	if (!probes)
		return;
	for (probe = LIST_FIRST(&probes->list); probe; probe = next) {
		next = LIST_NEXT(probe, in_probes);
		probe_destroy(probe);
	}
	free(probes);
}
