// REGISTER to bindings and back. Subtle: all contacts of a request are understood before any is
// taken, and what a contact asks for is bounded here, once: lengths, times, q.
#include "registrar_private.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

#include "chars.h"

LOG_MODULE(log_registrar, "registrar");

enum {
	CONTACT_SIZE_MAX = 512,
	INSTANCE_SIZE_MAX = 128,
	CALL_ID_SIZE_MAX = 256,
	USER_AGENT_SIZE_MAX = 64,
	Q_DEFAULT = 1000,
	FLOW_TIMER_S = 120, // that a phone of outbound should send keep-alives within
	RESPONSE_SIZE = 65535,
};

uint64_t registrar_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct slice aor_write(struct slice user, const char *domain, char out[AOR_SIZE])
{
	struct builder b;

	builder_init(&b, out, AOR_SIZE);
	builder_slice(&b, user);
	builder_char(&b, '@');
	builder_text(&b, domain);
	return builder_finish(&b);
}

// ---- reading

// "0.5", "1", "0.333"; in thousandths. -1: no such.
static int q_parse(struct slice text)
{
	struct slice rest = text, whole = slice_cut(&rest, '.');
	uint32_t units, part = 0;

	if (slice_to_u32(whole, 1, &units) || rest.n > 3 ||
		(rest.n && slice_to_u32(rest, 999, &part)))
		return -1;
	for (size_t i = rest.n; i < 3; i++)
		part *= 10;
	return units && part ? -1 : (int)(units * 1000 + part);
}

static bool is_natted(const struct sip_message *message)
{
	struct sip_address via;
	uint16_t port = message->via.port ? message->via.port
					  : listener_default_port(message->flow.listener);

	// On a stream nobody can connect to the port that it came from.
	if (listener_is_reliable(message->flow.listener))
		return true;
	return sip_address_parse(message->via.host, port, &via) ||
	       !sip_address_equal(&via, &message->flow.remote);
}

// RFC 5626 6: a flow is ours to use where nobody was between, or the first one there knows of it.
static bool first_hop_is_fit(const struct sip_message *message)
{
	struct message_values vias = message_values(message, HEADER_VIA),
			      paths = message_values(message, HEADER_PATH);
	struct nameaddr name;
	struct slice value, last = {};
	struct uri uri;
	unsigned int n = 0;

	while (message_values_next(&vias, &value) > 0)
		n++;
	if (n == 1)
		return true;
	while (message_values_next(&paths, &value) > 0)
		last = value;
	return last.n && !nameaddr_parse(last, &name) && !uri_parse(name.uri, &uri) &&
	       params_find(uri.params, SLICE("ob"), NULL);
}

// How long a contact wants to be bound: 0, or a time that we give. -ERANGE: too short.
static int expires_of(const struct request *request, struct slice params, uint32_t *out)
{
	const struct registrar_rules *rules = request->rules;
	struct slice text = message_value(request->message, HEADER_EXPIRES);
	uint32_t wanted = rules->expires_s;

	params_find(params, SLICE("expires"), &text);
	// What is no number, or too large for one, is taken as 10.3 step 6 and 20.19 say.
	if (text.p && slice_to_u32(text, UINT32_MAX, &wanted) == -EINVAL)
		wanted = rules->expires_s;
	if (wanted && wanted < rules->expires_min_s)
		return -ERANGE;
	*out = wanted > rules->expires_max_s ? rules->expires_max_s : wanted;
	return 0;
}

static int instance_read(
	const struct request *request, struct slice params, struct binding_values *wish)
{
	struct slice instance, reg_id;

	if (!params_find(params, SLICE("+sip.instance"), &instance))
		return 0;
	if (instance.n < 3 || instance.n > INSTANCE_SIZE_MAX || instance.p[0] != '<' ||
		instance.p[instance.n - 1] != '>' || memchr(instance.p, '\\', instance.n))
		return 400;
	wish->strings[BINDING_INSTANCE] = instance;
	if (!request->has_outbound || !params_find(params, SLICE("reg-id"), &reg_id))
		return 0;
	if (slice_to_u32(reg_id, INT32_MAX, &wish->reg_id) || !wish->reg_id)
		return 400;
	return first_hop_is_fit(request->message) ? 0 : 439;
}

static struct slice shortened(struct slice text, size_t max)
{
	return (struct slice){text.p, text.n < max ? text.n : max};
}

// A wish of one Contact value. Returns 0 or the status to refuse with.
static int contact_read(struct request *request, struct slice value, struct binding_values *wish)
{
	const struct sip_message *message = request->message;
	struct slice q;
	struct nameaddr name;
	uint32_t expires_s;
	struct uri uri;
	int thousandths = Q_DEFAULT;

	if (nameaddr_parse(value, &name) || uri_parse(name.uri, &uri) || uri.headers.p ||
		(uri.scheme != URI_SIP && uri.scheme != URI_SIPS) || name.uri.n > CONTACT_SIZE_MAX)
		return 400;
	if (params_find(name.params, SLICE("q"), &q))
		thousandths = q_parse(q);
	if (thousandths < 0)
		return 400;
	if (expires_of(request, name.params, &expires_s))
		return 423;
	*wish = (struct binding_values){
		.strings = {[BINDING_CONTACT] = name.uri,
			[BINDING_CALL_ID] = message->call_id,
			[BINDING_USER_AGENT] = shortened(
				message_value(message, HEADER_USER_AGENT), USER_AGENT_SIZE_MAX)},
		.cseq = message->cseq,
		.q = (uint16_t)thousandths,
		.expires_ms = expires_s ? request->now_ms + expires_s * 1000ull : 0,
		.flow = message->flow,
		.is_natted = is_natted(message),
	};
	return instance_read(request, name.params, wish);
}

static bool is_twice(const struct request *request, const struct binding_values *wish)
{
	for (size_t i = 0; i < request->n; i++)
		if (slice_equal(request->wishes[i].strings[BINDING_CONTACT],
			    wish->strings[BINDING_CONTACT]))
			return true;
	return false;
}

static int contacts_read(struct request *request)
{
	struct message_values it = message_values(request->message, HEADER_CONTACT);
	struct slice value;
	unsigned int n = 0;
	int more;

	while ((more = message_values_next(&it, &value)) > 0) {
		struct binding_values *wish = &request->wishes[request->n];
		int status;

		n++;
		if (slice_equal(value, SLICE("*"))) {
			request->removes_all = true;
			continue;
		}
		if (request->n == REQUEST_CONTACTS_MAX)
			return 400;
		status = contact_read(request, value, wish);
		if (status || is_twice(request, wish))
			return status ? status : 400;
		request->n++;
	}
	return more || (request->removes_all && n > 1) ? 400 : 0;
}

// In the order in which it is traversed, which is that of Route (RFC 3327 5.3).
static int path_read(struct request *request)
{
	struct message_values it = message_values(request->message, HEADER_PATH);
	struct nameaddr name;
	struct slice value;
	struct builder b;
	struct uri uri;
	int more;

	builder_init(&b, request->path, sizeof(request->path));
	while ((more = message_values_next(&it, &value)) > 0) {
		if (nameaddr_parse(value, &name) || uri_parse(name.uri, &uri))
			return 400;
		if (b.n)
			builder_slice(&b, SLICE(", "));
		builder_slice(&b, value);
	}
	if (more || b.overflow)
		return 400;
	for (size_t i = 0; i < request->n; i++) {
		request->wishes[i].strings[BINDING_PATH] = builder_finish(&b);
		request->wishes[i].is_natted = request->wishes[i].is_natted && !b.n;
	}
	return 0;
}

static int all_removed_check(const struct request *request)
{
	uint32_t expires;

	return slice_to_u32(
		       message_value(request->message, HEADER_EXPIRES), UINT32_MAX, &expires) ||
			       expires
		       ? 400
		       : 0;
}

// Returns 0 or the status to refuse with.
static int request_read(struct request *request)
{
	const struct sip_message *message = request->message;
	int status;

	if (message->call_id.n > CALL_ID_SIZE_MAX)
		return 400;
	request->has_outbound = message_has_token(message, HEADER_SUPPORTED, SLICE("outbound")) ||
				message_has_token(message, HEADER_REQUIRE, SLICE("outbound"));
	request->has_gruu = message_has_token(message, HEADER_SUPPORTED, SLICE("gruu")) ||
			    message_has_token(message, HEADER_REQUIRE, SLICE("gruu"));
	status = contacts_read(request);
	if (!status)
		status = path_read(request);
	return status || !request->removes_all ? status : all_removed_check(request);
}

// ---- answering

// RFC 5627 5.4: the address of record with the instance, without < and >.
static void gruu_write(struct builder *b, struct slice aor, const struct binding_values *values)
{
	struct slice instance = values->strings[BINDING_INSTANCE],
		     made = values->strings[BINDING_GRUU];

	if (values->upstream_until_ms) { // its registrar's to make
		builder_text(b, made.n ? ";pub-gruu=\"" : "");
		builder_slice(b, made);
		builder_text(b, made.n ? "\"" : "");
		return;
	}
	builder_text(b, ";pub-gruu=\"sip:");
	builder_slice(b, aor);
	builder_text(b, ";gr=");
	builder_slice(b, (struct slice){instance.p + 1, instance.n - 2});
	builder_char(b, '"');
}

static void binding_write(
	struct builder *b, const struct request *request, const struct binding *binding)
{
	const struct binding_values *values = &binding->values;
	struct slice instance = values->strings[BINDING_INSTANCE];

	builder_text(b, "Contact: <");
	builder_slice(b, values->strings[BINDING_CONTACT]);
	builder_text(b, ">;expires=");
	builder_unsigned(b, (values->expires_ms - request->now_ms + 999) / 1000);
	builder_text(b, ";q=");
	builder_q(b, values->q);
	if (instance.n) {
		builder_text(b, ";+sip.instance=\"");
		builder_slice(b, instance);
		builder_char(b, '"');
		if (request->has_gruu)
			gruu_write(b, request->aor, values);
	}
	if (values->reg_id) {
		builder_text(b, ";reg-id=");
		builder_unsigned(b, values->reg_id);
	}
	builder_text(b, "\r\n");
}

static bool uses_outbound(const struct request *request)
{
	for (size_t i = 0; i < request->n; i++)
		if (request->wishes[i].reg_id && request->wishes[i].expires_ms)
			return true;
	return false;
}

void request_accept(struct registrar *registrar, const struct request *request, struct slice extra)
{
	const struct binding_list *list =
		location_find(registrar->location, request->aor, request->now_ms);
	char text[RESPONSE_SIZE];
	const struct binding *binding;
	struct builder b;

	builder_init(&b, text, sizeof(text));
	response_begin(&b, request->transaction, 200, (struct slice){}, (struct slice){});
	if (list)
		TAILQ_FOREACH (binding, list, in_record)
			binding_write(&b, request, binding);
	builder_copy(&b, request->message, HEADER_PATH);
	if (uses_outbound(request)) {
		builder_text(&b, "Require: outbound\r\nFlow-Timer: ");
		builder_unsigned(&b, FLOW_TIMER_S);
		builder_text(&b, "\r\n");
	}
	builder_text(&b, "Supported: path, outbound, gruu\r\n");
	builder_slice(&b, extra);
	builder_body(&b, (struct slice){}, (struct slice){});
	if (transaction_respond(request->transaction, builder_finish(&b)))
		transaction_reply(request->transaction, 500); // more than a message holds
}

void request_refuse(struct registrar *registrar, const struct request *request, unsigned int status)
{
	char text[64];
	struct builder b;

	registrar->counters.refused++;
	log_info(&log_registrar, "refused", "aor=" SLICE_FMT " status=%u", SLICE_ARG(request->aor),
		status);
	builder_init(&b, text, sizeof(text));
	if (status == 423)
		builder_header_unsigned(&b, HEADER_MIN_EXPIRES, request->rules->expires_min_s);
	else if (status == 503)
		builder_header_unsigned(&b, HEADER_RETRY_AFTER, 60);
	transaction_reply_with(request->transaction, status,
		status == 439 ? SLICE("First Hop Lacks Outbound Support") : (struct slice){},
		builder_finish(&b));
}

unsigned int request_bind(struct registrar *registrar, const struct request *request)
{
	const struct sip_message *message = request->message;
	int error;

	if (request->removes_all)
		error = location_clear(registrar->location, request->aor, message->call_id,
			message->cseq, request->now_ms);
	else
		error = location_change(registrar->location, request->aor, request->wishes,
			request->n, request->rules->contacts, request->now_ms);
	switch (error) {
	case 0:
		return 0;
	case -EPROTO: // out of order
	case -ENOMEM:
		return 500;
	default:
		return 503;
	}
}

struct request *request_open(const struct registrar_rules *rules, struct transaction *transaction,
	struct slice user, unsigned int *status)
{
	struct request *request = calloc(1, sizeof(*request)); // too large for the stack
	const struct sip_message *message = transaction_request(transaction);
	struct uri to;

	if (!request) {
		transaction_reply(transaction, 500);
		return NULL;
	}
	request->message = message;
	request->rules = rules;
	request->transaction = transaction;
	request->now_ms = registrar_now_ms();
	*status = 403;
	if (uri_parse(message->to.uri, &to) || !to.user.n)
		return request;
	request->aor = aor_write(user.p ? user : to.user, rules->domain, request->aor_text);
	// Everybody for himself alone (10.3 step 4).
	if (request->aor.p && (!user.p || slice_equal(to.user, user)))
		*status = (unsigned int)request_read(request);
	return request;
}

void registrar_take(struct registrar *registrar, const struct registrar_rules *rules,
	struct transaction *transaction, struct slice user)
{
	unsigned int status;
	struct request *request = request_open(rules, transaction, user, &status);

	registrar->counters.registers++;
	if (!request)
		return;
	if (!status)
		status = request_bind(registrar, request);
	if (status)
		request_refuse(registrar, request, status);
	else
		request_accept(registrar, request, (struct slice){});
	free(request);
}

// ---- what becomes of bindings

static void binding_log(const char *event, struct slice aor, const struct binding *binding)
{
	const struct binding_values *values = &binding->values;
	char source[SIP_ADDRESS_TEXT_SIZE], contact[REGISTRAR_LOG_TEXT_SIZE],
		agent[REGISTRAR_LOG_TEXT_SIZE];
	struct slice uri = values->strings[BINDING_CONTACT],
		     user_agent = values->strings[BINDING_USER_AGENT];

	sip_address_format(&values->flow.remote, source);
	log_info(&log_registrar, event, "aor=" SLICE_FMT " contact=%s source=%s nat=%d agent=%s",
		SLICE_ARG(aor), log_quote(contact, sizeof(contact), uri.p, (int)uri.n), source,
		values->is_natted,
		log_quote(agent, sizeof(agent), user_agent.n ? user_agent.p : "-",
			user_agent.n ? (int)user_agent.n : 1));
}

static void on_set(void *arg, struct slice aor, const struct binding *binding, bool is_new)
{
	struct registrar *registrar = arg;

	registrar->counters.set++;
	if (is_new)
		binding_log("registered", aor, binding);
	if (registrar->settings.changed)
		registrar->settings.changed(registrar->settings.arg, aor, binding, false);
}

static void on_removed(
	void *arg, struct slice aor, const struct binding *binding, enum location_why why)
{
	static const char *const events[] = {[LOCATION_ASKED] = "unregistered",
		[LOCATION_EXPIRED] = "expired",
		[LOCATION_DROPPED] = "flow_failed"};
	struct registrar *registrar = arg;

	registrar->counters.removed += why == LOCATION_ASKED;
	registrar->counters.expired += why == LOCATION_EXPIRED;
	registrar->counters.dropped += why == LOCATION_DROPPED;
	binding_log(events[why], aor, binding);
	if (why != LOCATION_EXPIRED && registrar->settings.changed)
		registrar->settings.changed(registrar->settings.arg, aor, binding, true);
}

static const struct location_watcher watcher = {.set = on_set, .removed = on_removed};

// ---- keeping flows open

// Each second those whose turn it is, so that they do not all leave together.
static bool keep_open(void *arg, struct slice, const struct binding *binding)
{
	struct registrar *registrar = arg;
	const struct flow *flow = &binding->values.flow;
	uintptr_t turn = (uintptr_t)binding / sizeof(*binding) % registrar->keepalive_s;

	// Those of other nodes are theirs to keep.
	if (turn != registrar->turn || !binding->values.is_natted ||
		listener_is_reliable(flow->listener) || listener_is_away(flow->listener))
		return true;
	registrar->counters.keepalives++;
	stack_send(registrar->settings.stack, flow, SLICE("\r\n\r\n"));
	return true;
}

static void on_second(evutil_socket_t, short, void *arg)
{
	struct registrar *registrar = arg;

	if (!registrar->keepalive_s)
		return;
	registrar->turn = (registrar->turn + 1) % registrar->keepalive_s;
	location_each(registrar->location, keep_open, registrar);
}

void registrar_keepalive_set(struct registrar *registrar, uint32_t keepalive_s)
{
	registrar->keepalive_s = keepalive_s;
}

// ---- life

struct registrar *registrar_create(const struct registrar_settings *settings)
{
	static const struct timeval second = {.tv_sec = 1};
	struct registrar *registrar = calloc(1, sizeof(*registrar));

	if (!registrar)
		return NULL;
	registrar->settings = *settings;
	registrar->location =
		location_create(settings->base, settings->bindings_max, &watcher, registrar);
	registrar->timer = event_new(settings->base, -1, EV_PERSIST, on_second, registrar);
	if (!registrar->location || !registrar->timer) {
		registrar_destroy(registrar);
		errno = ENOMEM;
		return NULL;
	}
	event_add(registrar->timer, &second);
	return registrar;
}

void registrar_destroy(struct registrar *registrar)
{
	if (!registrar)
		return;
	if (registrar->timer)
		event_free(registrar->timer);
	location_destroy(registrar->location);
	free(registrar);
}

struct location *registrar_location(struct registrar *registrar)
{
	return registrar->location;
}

const struct registrar_counters *registrar_counters(const struct registrar *registrar)
{
	return &registrar->counters;
}

void registrar_count_forwarded(struct registrar *registrar, bool limited)
{
	registrar->counters.forwarded += !limited;
	registrar->counters.registers_limited += limited;
}
