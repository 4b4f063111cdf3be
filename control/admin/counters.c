// Our own counters, under the names that `sluicectl counters` and /metrics know them by: those of
// calls, the SIP stack, its transports and the guard. A name that ends with "_now" is a value that
// goes up and down; every other only grows.
#include <string.h>

#include "admin_private.h"
#include "call.h"
#include "cdr_file.h"
#include "cluster_show.h"
#include "exchange.h"
#include "guard.h"
#include "registrar.h"
#include "stack.h"
#include "transport.h"

static void add_number(void *result, const char *name, uint64_t value)
{
	json_object_set_new(result, name, json_integer((json_int_t)value));
}

// Between nodes.
static void add_hop(
	json_t *result, const struct calls_counters *calls, const struct exchange_counters *hop)
{
	const struct {
		const char *name;
		uint64_t value;
	} own[] = {
		{"hop.messages_out", calls->elsewhere_sent},
		{"hop.cancels_asked", calls->elsewhere_asked},
		{"hop.answers_out", calls->elsewhere_answers},
		{"hop.no_owner", calls->elsewhere_unknown},
		{"hop.stale", calls->elsewhere_stale},
		{"hop.bindings_in", calls->bindings_shared},
		{"hop.bindings_unreadable", calls->bindings_unreadable},
		{"hop.bindings_unkept", calls->bindings_unkept},
		{"hop.sent", hop->sent},
		{"hop.received", hop->received},
		{"hop.send_errors", hop->send_errors},
		{"hop.too_large", hop->too_large},
		{"hop.refused", hop->refused},
		{"hop.repeated", hop->repeated},
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		add_number(result, own[i].name, own[i].value);
}

json_t *own_counters(const struct admin_settings *settings)
{
	const struct calls_counters *calls = calls_counters(settings->calls);
	struct sip_stack *stack = calls_stack(settings->calls);
	const struct stack_counters *sip = stack_counters(stack);
	const struct transport_counters *transport = transport_counters(stack_transport(stack));
	const struct guard_counters *guard = guard_counters(settings->guard);
	const struct registrar_counters *registrar = calls_registrar_counters(settings->calls);
	struct stack_overload overload;
	stack_overload_get(stack, &overload);
	const struct {
		const char *name;
		uint64_t value;
	} own[] = {
		{"call.active_now", calls->active_now},
		{"call.invites", calls->invites},
		{"call.draining_now", calls_are_draining(settings->calls)},
		{"call.drained", calls->drained},
		{"call.answered", calls->answered},
		{"call.refused", calls->refused},
		{"call.recovered", calls->recovered},
		{"call.unrecovered", calls->unrecovered},
		{"call.adopted", calls->adopted},
		{"call.unadopted", calls->unadopted},
		{"call.given_up", calls->given_up},
		{"call.media_timeouts", calls->media_timeouts},
		{"call.one_way", calls->one_way},
		{"call.ssrc_collisions", calls->ssrc_collisions},
		{"call.media_loops", calls->media_loops},
		{"call.rates_exceeded", calls->rates_exceeded},
		{"call.infos_relayed", calls->infos_relayed},
		{"request.active_now", calls->requests_now},
		{"request.relayed", calls->requests_relayed},
		{"request.refused", calls->requests_refused},
		{"subscription.active_now", calls->subscriptions_now},
		{"subscription.begun", calls->subscriptions_begun},
		{"subscription.notifies", calls->notifies_relayed},
		{"subscription.notifies_refused", calls->notifies_refused},
		{"call.digits_by_info", calls->digits_by_info},
		{"call.digits_lost", calls->digits_lost},
		{"call.unknown_dialogs", calls->unknown_dialogs},
		{"call.challenges", calls->challenges},
		{"call.bad_proofs", calls->bad_proofs},
		{"call.cdrs", calls->cdrs},
		{"call.cdr_errors", calls->cdr_errors},
		{"call.cdrs_waiting", calls_cdr_counters(settings->calls)->waiting},
		{"call.cdrs_rotated", calls_cdr_counters(settings->calls)->rotated},
		{"registrar.registers", registrar->registers},
		{"registrar.refused", registrar->refused},
		{"registrar.set", registrar->set},
		{"registrar.removed", registrar->removed},
		{"registrar.expired", registrar->expired},
		{"registrar.dropped", registrar->dropped},
		{"registrar.keepalives", registrar->keepalives},
		{"registrar.forwarded", registrar->forwarded},
		{"registrar.answered_here", registrar->answered_here},
		{"registrar.upstream_refused", registrar->upstream_refused},
		{"registrar.upstream_failed", registrar->upstream_failed},
		{"registrar.limited", registrar->registers_limited},
		{"sip.transactions_now", stack_n_transactions(stack)},
		{"sip.requests", sip->requests},
		{"sip.responses", sip->responses},
		{"sip.malformed_answered", sip->malformed_answered},
		{"sip.malformed_dropped", sip->malformed_dropped},
		{"sip.retransmissions_in", sip->retransmissions_in},
		{"sip.retransmissions_out", sip->retransmissions_out},
		{"sip.responses_unmatched", sip->responses_unmatched},
		{"sip.merged", sip->merged},
		{"sip.overload", sip->overload},
		{"sip.overloaded_now", overload.now},
		{"sip.overloads", sip->overloads},
		{"sip.shed", sip->shed},
		{"sip.urgent", sip->urgent},
		{"sip.waiting_now", overload.waiting},
		{"sip.waits_ms_now", overload.waits_ms},
		{"sip.timeouts", sip->timeouts},
		{"sip.transport_errors", sip->transport_errors},
		{"transport.connections_now", transport->connections},
		{"transport.handshakes_now", transport->handshakes},
		{"transport.received", transport->received},
		{"transport.sent", transport->sent},
		{"transport.refused", transport->refused},
		{"transport.keepalives", transport->keepalives},
		{"transport.truncated", transport->truncated},
		{"transport.receive_overruns", transport->receive_overruns},
		{"transport.send_errors", transport->send_errors},
		{"transport.icmp_errors", transport->icmp_errors},
		{"transport.send_dropped", transport->send_dropped},
		{"transport.accepted", transport->accepted},
		{"transport.connected", transport->connected},
		{"transport.connections_refused", transport->connections_refused},
		{"transport.connect_errors", transport->connect_errors},
		{"transport.framing_errors", transport->framing_errors},
		{"transport.timed_out", transport->timed_out},
		{"transport.handshakes_failed", transport->handshakes_failed},
		{"transport.handshakes_refused", transport->handshakes_refused},
		{"transport.upgrades_refused", transport->upgrades_refused},
		{"guard.allowed", guard->allowed},
		{"guard.refused", guard->refused},
		{"guard.answered", guard->answered},
		{"guard.calls_refused", guard->calls_refused},
	};
	json_t *result = json_object();

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		json_object_set_new(result, own[i].name, json_integer((json_int_t)own[i].value));
	if (settings->cluster)
		cluster_counters_read(settings->cluster, add_number, result);
	if (settings->exchange)
		add_hop(result, calls, exchange_counters(settings->exchange));
	return result;
}

void counters_read(const struct sl_message *message, counter_fn *each, void *arg)
{
	const struct sl_counter *counters = NULL;
	size_t n = 0;

	if (message && !message->status)
		counters = sl_payload_counters(message, &n);
	for (size_t i = 0; counters && i < n; i++) {
		char name[sizeof(counters[i].name) + 1] = "";

		memcpy(name, counters[i].name, sizeof(counters[i].name));
		each(arg, name, counters[i].value);
	}
}
