// REGISTER of users: who may, and by which rules; the registrar does the rest.
#include <errno.h>

#include "call_private.h"
#include "elsewhere.h"
#include "outside.h"
#include "registrar.h"

#define REGISTER_SUPPORTED "path, outbound, gruu"

static struct registrar_rules rules_of(const struct trunk_users *users)
{
	return (struct registrar_rules){.domain = users->domain,
		.expires_s = users->expires_s,
		.expires_min_s = users->expires_min_s,
		.expires_max_s = users->expires_max_s,
		.contacts = users->contacts,
		.keepalive_s = users->keepalive_s};
}

void register_take(
	struct calls *calls, struct transaction *transaction, const struct sip_message *request)
{
	static const struct request_rules wanted = {
		.allowed = SLICE("REGISTER"), .supported = SLICE(REGISTER_SUPPORTED)};
	const struct realm *realm = calls_realm(calls, request->flow.listener);
	struct registrar_rules rules;
	const struct trunk *trunk;
	struct slice user;
	struct uri to;

	if (drain_refuse(calls, transaction))
		return;
	if (transaction_refuse(transaction, &wanted))
		return;
	trunk = uri_parse(request->to.uri, &to)
			? NULL
			: trunk_of_domain(calls->settings.trunks, realm, to.host);
	if (!trunk) {
		transaction_reply(transaction, 404); // 10.3, step 5
		return;
	}
	rules = rules_of(trunk->users);
	if (trunk->users->forward.to) {
		register_forward_take(calls, trunk, &rules, transaction);
		return;
	}
	if (!proof_check(calls, trunk, transaction, request, false, &user))
		return;
	registrar_take(calls->registrar, &rules, transaction, user);
}

int register_open(struct calls *calls)
{
	const struct registrar_settings settings = {.base = calls->settings.base,
		.changed = shared_binding_changed,
		.arg = calls,
		.stack = calls->stack,
		.bindings_max = calls->settings.auth.bindings};

	calls->registrar = registrar_create(&settings);
	if (!calls->registrar)
		return -ENOMEM;
	register_keepalive(calls);
	return 0;
}

// One rhythm for all: that of the trunk that wants the shortest.
void register_keepalive(struct calls *calls)
{
	const struct trunks *trunks = calls->settings.trunks;
	uint32_t least_s = 0;

	for (size_t i = 0; i < trunks->n; i++) {
		const struct trunk_users *users = trunks->list[i].users;

		if (users && users->registers && users->keepalive_s &&
			(!least_s || users->keepalive_s < least_s))
			least_s = users->keepalive_s;
	}
	registrar_keepalive_set(calls->registrar, least_s);
}

const struct registrar_counters *calls_registrar_counters(const struct calls *calls)
{
	return registrar_counters(calls->registrar);
}

// For people.

// What others write may be no UTF-8, which JSON has to be.
static json_t *json_text(const char *p, size_t n)
{
	char text[512];

	n = n < sizeof(text) ? n : sizeof(text);
	for (size_t i = 0; i < n; i++)
		text[i] = p[i] >= ' ' && p[i] <= '~' ? p[i] : '?';
	return json_stringn(text, n);
}

// How long the registrar elsewhere keeps it; null: it is here.
static json_t *upstream_json(const struct binding_values *values, uint64_t now_ms)
{
	uint64_t until_ms = values->upstream_until_ms;

	if (!until_ms)
		return json_null();
	return json_integer(until_ms > now_ms ? (json_int_t)((until_ms - now_ms) / 1000) : 0);
}

static bool binding_add(void *list, struct slice aor, const struct binding *binding)
{
	const struct binding_values *values = &binding->values;
	char source[SIP_ADDRESS_TEXT_SIZE];
	uint64_t now_ms = now_realtime_ms();

	sip_address_format(&values->flow.remote, source);
	json_array_append_new(list,
		json_pack("{s:o, s:o, s:s, s:s, s:I, s:f, s:b, s:o, s:o}", "aor",
			json_text(aor.p, aor.n), "contact",
			json_text(values->strings[BINDING_CONTACT].p,
				values->strings[BINDING_CONTACT].n),
			"source", source, "transport",
			values->flow.listener ? listener_via_name(values->flow.listener).p : "-",
			"expires_s",
			(json_int_t)(values->expires_ms > now_ms
					     ? (values->expires_ms - now_ms) / 1000
					     : 0),
			"q", values->q / 1000.0, "nat", values->is_natted, "agent",
			json_text(values->strings[BINDING_USER_AGENT].p,
				values->strings[BINDING_USER_AGENT].n),
			"upstream_expires_s", upstream_json(values, now_ms)));
	return true;
}

json_t *calls_bindings(const struct calls *calls)
{
	json_t *list = json_array();

	if (list)
		location_each(registrar_location(calls->registrar), binding_add, list);
	return list;
}
