// Bindings of registered users on all nodes: each node tells the others at once of what has been
// registered with it (EXCHANGE_BINDING), and keeps it in the store for nodes that start. A call to
// a user goes out by the listener that his REGISTER came to, so by the node that has it
// (elsewhere.h).
//
// The value in the store is the text of exchange_message.h with what is below in the place of SIP
// (big-endian); it names nobody who is to get it:
//
//   u8 version: 1 | u8 is_natted | u16 q | u32 cseq | u32 reg_id | u64 expires_ms |
//   u64 upstream_until_ms | u16 connect_port | aor and strings in order: u16 length, bytes
//
// A binding that has no room in a value of the store (1 kB) is only told. Nothing here is repeated:
// who has missed a binding has it again when the user renews it.
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "call_shards.h"
#include "cluster.h"
#include "elsewhere.h"
#include "exchange.h"
#include "registrar.h"
#include "store.h"

#define KIND	      "binding"
#define LIST_RETRY_MS 1000

enum { VERSION = 1, PAYLOAD_MAX = 8192 };

// ---- as bytes

static void put(struct builder *b, uint64_t value, unsigned int bytes)
{
	while (bytes-- > 0)
		builder_char(b, (char)(value >> 8 * bytes));
}

static void put_text(struct builder *b, struct slice text)
{
	put(b, text.n, 2);
	builder_slice(b, text);
}

static struct slice payload_write(
	struct slice aor, const struct binding_values *values, char out[PAYLOAD_MAX])
{
	struct builder b;

	builder_init(&b, out, PAYLOAD_MAX);
	put(&b, VERSION, 1);
	put(&b, values->is_natted, 1);
	put(&b, values->q, 2);
	put(&b, values->cseq, 4);
	put(&b, values->reg_id, 4);
	put(&b, values->expires_ms, 8);
	put(&b, values->upstream_until_ms, 8);
	put(&b, values->flow.connect_port, 2);
	put_text(&b, aor);
	for (int i = 0; i < BINDING_STRINGS; i++)
		put_text(&b, values->strings[i]);
	return builder_finish(&b);
}

static uint64_t get(struct slice *rest, unsigned int bytes, bool *bad)
{
	uint64_t value = 0;

	if (rest->n < bytes) {
		*bad = true;
		return 0;
	}
	for (unsigned int i = 0; i < bytes; i++)
		value = value << 8 | (unsigned char)rest->p[i];
	*rest = (struct slice){rest->p + bytes, rest->n - bytes};
	return value;
}

static struct slice get_text(struct slice *rest, bool *bad)
{
	size_t n = get(rest, 2, bad);
	struct slice text = {rest->p, n};

	if (*bad || n > rest->n) {
		*bad = true;
		return (struct slice){};
	}
	*rest = (struct slice){rest->p + n, rest->n - n};
	return text;
}

int shared_binding_read(struct slice payload, struct slice *aor, struct binding_values *values)
{
	bool bad = false;

	*values = (struct binding_values){};
	if (get(&payload, 1, &bad) != VERSION)
		return -EBADMSG;
	values->is_natted = get(&payload, 1, &bad);
	values->q = (uint16_t)get(&payload, 2, &bad);
	values->cseq = (uint32_t)get(&payload, 4, &bad);
	values->reg_id = (uint32_t)get(&payload, 4, &bad);
	values->expires_ms = get(&payload, 8, &bad);
	values->upstream_until_ms = get(&payload, 8, &bad);
	values->flow.connect_port = (uint16_t)get(&payload, 2, &bad);
	*aor = get_text(&payload, &bad);
	for (int i = 0; i < BINDING_STRINGS; i++)
		values->strings[i] = get_text(&payload, &bad);
	return bad || !aor->n || !values->strings[BINDING_CONTACT].n ? -EBADMSG : 0;
}

// ---- from others

static void take(struct calls *calls, const struct exchange_message *hop, bool is_stored)
{
	struct binding_values values;
	struct slice aor;
	bool is_news;

	if (shared_binding_read(hop->sip, &aor, &values)) {
		calls->counters.bindings_unreadable++;
		return;
	}
	values.flow.remote = hop->remote;
	values.flow.listener = listener_find(
		stack_transport(calls->stack), (enum transport_protocol)hop->protocol, &hop->local);
	// What has no listener here is of another configuration. Ours we know better, but for what
	// the store has kept from before our start, and for users who have left by another node.
	if (!values.flow.listener)
		return;
	is_news = is_stored || !values.expires_ms || listener_is_away(values.flow.listener);
	if (!is_news)
		return;
	calls->taking_binding = true;
	location_change(
		registrar_location(calls->registrar), aor, &values, 1, SIZE_MAX, now_realtime_ms());
	calls->taking_binding = false;
	calls->counters.bindings_shared++;
}

void shared_binding_take(struct calls *calls, const struct exchange_message *hop)
{
	take(calls, hop, false);
}

static void on_listed(void *arg, const struct store_reply *reply)
{
	struct calls *calls = arg;
	struct exchange_message hop;

	for (size_t i = 0; i < reply->n_items; i++)
		if (!exchange_read(reply->items[i].value, reply->items[i].length, &hop))
			take(calls, &hop, true);
	calls->bindings_listed |= reply->result == STORE_OK;
}

// Until the store has told all that it has.
static void on_turn(evutil_socket_t, short, void *arg)
{
	static const struct timeval again = {.tv_sec = LIST_RETRY_MS / 1000};
	struct calls *calls = arg;
	struct store *store = cluster_store(calls->cluster);

	if (calls->bindings_listed)
		return;
	if (store_status(store)->up)
		store_value_list(store, KIND, on_listed, calls);
	evtimer_add(calls->bindings_timer, &again);
}

// ---- to others

static void tell(struct calls *calls, const struct exchange_message *hop)
{
	for (size_t i = 0; i < calls->n_nodes; i++)
		if (cluster_hears(calls->cluster, i))
			exchange_send(calls->exchange, i, hop);
}

static void keep(struct calls *calls, const struct exchange_message *hop, struct slice aor,
	const struct binding_values *values)
{
	uint8_t text[EXCHANGE_TEXT_HEAD_MAX + PAYLOAD_MAX];
	uint64_t now_ms = now_realtime_ms(), ttl_ms = 1;
	char name[TOKEN_SIZE + 1] = "";
	struct store_item item = {.key = name, .value = text};

	item.length = exchange_write(hop, text);
	memcpy(text + item.length, hop->sip.p, hop->sip.n);
	item.length += hop->sip.n;
	if (item.length > STORE_VALUE_MAX) {
		calls->counters.bindings_unkept++;
		return;
	}
	if (values->expires_ms > now_ms)
		ttl_ms = values->expires_ms - now_ms;
	token_derive(aor, values->strings[BINDING_CONTACT], name);
	store_value_set(cluster_store(calls->cluster), KIND, &item, ttl_ms, NULL, NULL);
}

void shared_binding_changed(
	void *arg, struct slice aor, const struct binding *binding, bool is_gone)
{
	struct calls *calls = arg;
	struct binding_values values = binding->values;
	char payload[PAYLOAD_MAX];
	struct exchange_message hop;

	if (!calls->exchange || calls->taking_binding || !values.flow.listener ||
		!shard_of_listener(calls, values.flow.listener))
		return;
	if (is_gone) {
		values.expires_ms = 0;
		values.cseq++; // newer than what set it
	}
	hop = (struct exchange_message){.kind = EXCHANGE_BINDING,
		.protocol = (uint8_t)listener_protocol(values.flow.listener),
		.mark = EXCHANGE_NO_MARK,
		.local = *listener_address(values.flow.listener),
		.remote = values.flow.remote,
		.sip = payload_write(aor, &values, payload)};
	if (!hop.sip.n)
		return; // longer than any that a datagram of SIP brings
	tell(calls, &hop);
	keep(calls, &hop, aor, &values);
}

int shared_bindings_open(struct calls *calls)
{
	static const struct timeval soon = {};

	calls->bindings_timer = evtimer_new(calls->settings.base, on_turn, calls);
	return calls->bindings_timer ? evtimer_add(calls->bindings_timer, &soon) : -ENOMEM;
}

void shared_bindings_close(struct calls *calls)
{
	if (calls->bindings_timer)
		event_free(calls->bindings_timer);
	calls->bindings_timer = NULL;
}
