#include "elsewhere.h"

#include <errno.h>

#include "call_shards.h"
#include "chars.h"
#include "cluster.h"
#include "exchange.h"

enum { COOKIE_SIZE = 7 }; // "z9hG4bK"

static struct slice branch_token(const struct sip_message *message)
{
	return slice_skip(message->via.branch, COOKIE_SIZE);
}

// The shard that a token of ours is of, or NULL.
static struct call_shard *shard_of_token(const struct calls *calls, struct slice token)
{
	int mark = token.p ? token_mark_read(exchange_token_keys(calls->exchange), token) : -1;

	return mark >= 0 && (size_t)mark < calls->n_shards ? &calls->shards[mark] : NULL;
}

static uint8_t mark_of(const struct calls *calls, const struct call_shard *shard)
{
	return shard ? (uint8_t)(shard - calls->shards) : EXCHANGE_NO_MARK;
}

static struct exchange_message about(
	const struct flow *flow, enum exchange_kind kind, struct slice sip)
{
	return (struct exchange_message){.kind = (uint8_t)kind,
		.protocol = (uint8_t)listener_protocol(flow->listener),
		.mark = EXCHANGE_NO_MARK,
		.local = *listener_address(flow->listener),
		.remote = flow->remote,
		.sip = sip};
}

// To the owner of `shard`. Returns false where nobody is heard who is; then it is dropped: who sent
// it repeats it, and by then the shard has an owner.
static bool to_owner(
	struct calls *calls, const struct call_shard *shard, struct exchange_message *hop)
{
	int node = cluster_owner(calls->cluster, shard->shard->name);

	if (node < 0) {
		calls->counters.elsewhere_unknown++;
		return false;
	}
	return !exchange_send(calls->exchange, (size_t)node, hop);
}

// ---- what comes in here

static bool ask_all(struct calls *calls, const struct sip_message *cancel)
{
	struct exchange_message hop = about(&cancel->flow, EXCHANGE_RECEIVED, cancel->text);
	bool asked = false;

	hop.if_known = true;
	for (size_t i = 0; i < calls->n_nodes; i++)
		if (cluster_hears(calls->cluster, i))
			asked |= !exchange_send(calls->exchange, i, &hop);
	calls->counters.elsewhere_asked += asked;
	return asked;
}

static void refuse_size(struct calls *calls, const struct sip_message *message)
{
	if (message_is_request(message) && message->method != METHOD_ACK)
		stack_refuse(calls->stack, message, 513, (struct slice){}, (struct slice){});
}

bool elsewhere_take(void *arg, const struct sip_message *message, bool is_lost)
{
	struct calls *calls = arg;
	const struct call_shard *shard;
	struct exchange_message hop;

	if (!calls->exchange)
		return false;
	if (calls->hopped || listener_is_away(message->flow.listener))
		return is_lost; // it has come a hop, and was asked for from others, too
	if (is_lost)
		return ask_all(calls, message);
	shard = shard_of_token(
		calls, message_is_request(message) ? message->to_tag : branch_token(message));
	if (!shard || shard->epoch)
		return false;
	if (message->text.n > EXCHANGE_SIP_MAX) {
		refuse_size(calls, message);
		return true;
	}
	hop = about(&message->flow, EXCHANGE_RECEIVED, message->text);
	hop.mark = mark_of(calls, shard);
	calls->counters.elsewhere_sent += to_owner(calls, shard, &hop);
	return true;
}

// ---- what is sent

void elsewhere_send(void *arg, const struct flow *flow, struct slice message)
{
	struct calls *calls = arg;
	const struct call_shard *shard =
		calls->exchange ? shard_of_listener(calls, flow->listener) : NULL;
	struct exchange_message hop;

	if (!shard || shard->epoch)
		return; // not bound yet, or not any more
	hop = about(flow, EXCHANGE_SEND, message);
	calls->counters.elsewhere_answers += to_owner(calls, shard, &hop);
}

void elsewhere_failed(void *arg, const struct sip_message *message, int error)
{
	struct calls *calls = arg;
	const struct call_shard *shard;
	struct exchange_message hop;

	if (!calls->exchange || !message->text.n || listener_is_away(message->flow.listener))
		return;
	shard = shard_of_token(
		calls, message_is_request(message) ? branch_token(message) : message->to_tag);
	if (!shard || shard->epoch)
		return;
	hop = about(&message->flow, EXCHANGE_FAILED, message->text);
	hop.mark = mark_of(calls, shard);
	hop.error = (uint16_t)error;
	to_owner(calls, shard, &hop);
}

// ---- what comes from other nodes

static void received(
	struct calls *calls, const struct flow *flow, const struct exchange_message *hop)
{
	const struct call_shard *shard =
		hop->mark < calls->n_shards ? &calls->shards[hop->mark] : NULL;

	if (!hop->if_known && (!shard || !shard->open)) {
		calls->counters.elsewhere_stale++; // it has moved, or is about to be ours
		return;
	}
	calls->hopped = true;
	transport_receive(flow, (char *)hop->sip.p, hop->sip.n);
	calls->hopped = false;
}

static void on_hop(void *arg, struct exchange_message *hop)
{
	struct calls *calls = arg;
	struct flow flow = {.remote = hop->remote,
		.listener = listener_find(stack_transport(calls->stack),
			(enum transport_protocol)hop->protocol, &hop->local)};

	if (hop->kind == EXCHANGE_BINDING) {
		shared_binding_take(calls, hop);
		return;
	}
	// Configurations differ, or the address has moved meanwhile.
	if (!flow.listener || (hop->kind == EXCHANGE_SEND && listener_is_away(flow.listener))) {
		calls->counters.elsewhere_stale++;
		return;
	}
	if (hop->kind == EXCHANGE_RECEIVED)
		received(calls, &flow, hop);
	else if (hop->kind == EXCHANGE_SEND)
		transport_send(&flow, hop->sip);
	else
		transport_fail(&flow, hop->error, hop->sip);
}

// ---- marks

void elsewhere_marks_set(struct calls *calls)
{
	int own = -1;

	if (!calls->exchange)
		return;
	for (size_t i = calls->n_shards; i-- > 0;)
		if (calls->shards[i].epoch)
			own = (int)i;
	transport_marks_set(
		stack_transport(calls->stack), exchange_token_keys(calls->exchange), own);
	for (size_t i = 0; i < calls->n_listeners; i++) {
		const struct calls_listener *listener = &calls->listeners[i];

		if (listener->shard)
			listener_mark_set(
				listener->listener, (int)(listener->shard - calls->shards));
	}
}

void call_token_make(const struct call *call, char out[TOKEN_SIZE])
{
	const struct calls *calls = call->calls;

	if (calls->exchange && call->shard)
		token_make_marked(
			out, exchange_token_keys(calls->exchange), mark_of(calls, call->shard));
	else
		token_make(out);
}

int calls_exchange_set(struct calls *calls, struct exchange *exchange, size_t n_nodes)
{
	if (!exchange && calls->exchange) {
		exchange_receiver_set(calls->exchange, NULL, NULL);
		transport_marks_set(stack_transport(calls->stack), NULL, -1);
		shared_bindings_close(calls);
	}
	calls->exchange = exchange;
	calls->n_nodes = n_nodes;
	if (!exchange)
		return 0;
	exchange_receiver_set(exchange, on_hop, calls);
	elsewhere_marks_set(calls);
	return shared_bindings_open(calls);
}
