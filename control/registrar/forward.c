// REGISTERs to a registrar elsewhere and its answers back; see forward.h.
#include "forward.h"

#include <errno.h>
#include <stdlib.h>

#include "registrar_private.h"
#include "token.h"

enum {
	NAME_TEXT_SIZE = 2048,
	ROUTE_SIZE = 1024, // of Service-Route
	HEADERS_SIZE = 16384,
	RETRY_AFTER_S = 20, // and up to as much again, so that phones do not come back together
	Q_DEFAULT = 1000,
};

// What we are called there. `kind` keeps names of one thing apart from those of another.
static void name_make(const struct request *request, char kind, struct slice what, uint32_t number,
	char out[TOKEN_SIZE])
{
	char text[NAME_TEXT_SIZE];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	builder_char(&b, kind);
	builder_slice(&b, request->aor);
	builder_char(&b, '\n');
	builder_unsigned(&b, number);
	builder_char(&b, '\n');
	builder_slice(&b, what); // CONTACT_SIZE_MAX and the like keep it short enough
	token_derive(request->rules->upstream->key, (struct slice){b.p, b.n}, out);
}

// Contacts have one each; with Path, each flow of a user has.
static void token_make_for(
	const struct request *request, const struct binding_values *wish, char out[TOKEN_SIZE])
{
	char address[SIP_ADDRESS_TEXT_SIZE];

	if (request->rules->upstream->path)
		name_make(request, 'p', sip_address_format(&wish->flow.remote, address),
			(uint32_t)listener_protocol(wish->flow.listener), out);
	else if (wish->reg_id)
		name_make(request, 'i', wish->strings[BINDING_INSTANCE], wish->reg_id, out);
	else
		name_make(request, 'c', wish->strings[BINDING_CONTACT], 0, out);
}

bool forward_is_token(struct slice user)
{
	if (user.n != TOKEN_SIZE)
		return false;
	for (size_t i = 0; i < user.n; i++)
		if ((user.p[i] < 'a' || user.p[i] > 'z') && (user.p[i] < '2' || user.p[i] > '7'))
			return false;
	return true;
}

// ---- answering for it

static uint32_t seconds_of(const struct request *request, const struct binding_values *wish)
{
	return (uint32_t)((wish->expires_ms - request->now_ms) / 1000);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

// What the phone gets of what it wants.
static uint32_t grant_of(const struct request *request, const struct binding_values *wish)
{
	uint32_t s = seconds_of(request, wish);

	return wish->is_natted ? least(s, request->rules->upstream->nat_expires_s) : s;
}

static bool is_of_flow(const struct binding_values *values, const struct flow *flow)
{
	return values->flow.listener == flow->listener &&
	       sip_address_equal(&values->flow.remote, &flow->remote);
}

// Whether it asks for nothing but time.
static bool is_unchanged(const struct binding_values *bound, const struct binding_values *wish)
{
	static const enum binding_string same[] = {BINDING_CONTACT, BINDING_INSTANCE, BINDING_PATH};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (!slice_equal(bound->strings[same[i]], wish->strings[same[i]]))
			return false;
	return is_of_flow(bound, &wish->flow) && bound->reg_id == wish->reg_id &&
	       bound->q == wish->q;
}

// Make of each wish a renewal of what is bound, as long as that lasts at the registrar. False where
// one of them is no such, or (`spare`) there would not be as much time once more behind it.
static bool renewals_make(struct registrar *registrar, struct request *request, bool spare)
{
	if (request->removes_all || !request->n)
		return false;
	for (size_t i = 0; i < request->n; i++) {
		struct binding_values *wish = &request->wishes[i];
		const struct binding *bound = wish->expires_ms
						      ? location_match(registrar->location,
								request->aor, wish, request->now_ms)
						      : NULL;
		uint64_t until_ms = bound ? bound->values.upstream_until_ms : 0, grant_ms;

		if (!bound || !is_unchanged(&bound->values, wish) || until_ms <= request->now_ms)
			return false;
		grant_ms = grant_of(request, wish) * 1000ull;
		if (request->now_ms + grant_ms * (spare ? 2 : 1) > until_ms) {
			if (spare)
				return false;
			grant_ms = until_ms - request->now_ms;
		}
		wish->expires_ms = request->now_ms + grant_ms;
		wish->upstream_until_ms = until_ms;
		wish->strings[BINDING_TOKEN] = bound->values.strings[BINDING_TOKEN];
		wish->strings[BINDING_SERVICE_ROUTE] = bound->values.strings[BINDING_SERVICE_ROUTE];
		wish->strings[BINDING_GRUU] = bound->values.strings[BINDING_GRUU];
	}
	return true;
}

static void bind_and_answer(
	struct registrar *registrar, const struct request *request, struct slice extra)
{
	unsigned int status = request_bind(registrar, request);

	if (status)
		request_refuse(registrar, request, status);
	else
		request_accept(registrar, request, extra);
}

// What cannot be bound here need not be asked for.
static unsigned int room_check(struct registrar *registrar, const struct request *request)
{
	int error = location_check(registrar->location, request->aor, request->wishes, request->n,
		request->rules->contacts, request->now_ms);

	return !error ? 0 : error == -EPROTO ? 500 : 503;
}

bool forward_needed(struct registrar *registrar, const struct registrar_rules *rules,
	struct transaction *transaction)
{
	unsigned int status;
	struct request *request = request_open(rules, transaction, (struct slice){}, &status);
	bool needed = false;

	registrar->counters.registers++;
	if (!request)
		return false;
	if (!status)
		status = room_check(registrar, request);
	if (status) {
		request_refuse(registrar, request, status);
	} else if (renewals_make(registrar, request, true)) {
		registrar->counters.answered_here++;
		bind_and_answer(registrar, request, (struct slice){});
	} else {
		needed = true;
	}
	free(request);
	return needed;
}

// ---- there

static void named_write(struct builder *b, const struct request *request, struct slice uri)
{
	struct uri parsed;

	builder_text(b, "<sip:");
	if (!uri_parse(uri, &parsed) && parsed.user.n) {
		builder_slice(b, parsed.user);
		builder_char(b, '@');
	}
	builder_text(b, request->rules->domain);
	builder_char(b, '>');
}

// That of the phone, which its proof names, where it is of the domain.
static void request_line_write(struct builder *b, const struct request *request)
{
	const struct sip_message *message = request->message;
	struct slice domain = slice_of(request->rules->domain);

	if (slice_equal_nocase(message->request_uri.host, domain)) {
		builder_request_line(b, SLICE("REGISTER"), message->uri);
		return;
	}
	builder_text(b, "REGISTER sip:");
	builder_slice(b, domain);
	builder_text(b, " SIP/2.0\r\n");
}

static uint32_t upstream_s(const struct request *request, const struct binding_values *wish)
{
	uint32_t wanted = wish->expires_ms ? seconds_of(request, wish) : 0,
		 least_s = request->rules->upstream->expires_s;

	return wanted && wanted < least_s ? least_s : wanted;
}

static void ours_write(struct builder *b, const struct forward_from *from,
	const char token[TOKEN_SIZE], const char *params)
{
	builder_text(b, "<sip:");
	builder_slice(b, (struct slice){token, TOKEN_SIZE});
	builder_char(b, '@');
	builder_slice(b, from->sent_by);
	builder_text(b, from->uri_transport);
	builder_text(b, params);
	builder_char(b, '>');
}

static void contact_write(struct builder *b, const struct request *request,
	const struct binding_values *wish, const struct forward_from *from)
{
	struct slice instance = wish->strings[BINDING_INSTANCE];
	char token[TOKEN_SIZE];

	builder_text(b, "Contact: ");
	if (request->rules->upstream->path) {
		builder_char(b, '<');
		builder_slice(b, wish->strings[BINDING_CONTACT]);
		builder_char(b, '>');
	} else {
		token_make_for(request, wish, token);
		ours_write(b, from, token, "");
	}
	builder_text(b, ";expires=");
	builder_unsigned(b, upstream_s(request, wish));
	if (wish->q != Q_DEFAULT) {
		builder_text(b, ";q=");
		builder_q(b, wish->q);
	}
	if (instance.n) {
		builder_text(b, ";+sip.instance=\"");
		builder_slice(b, instance);
		builder_char(b, '"');
	}
	builder_text(b, "\r\n");
}

static void contacts_write(
	struct builder *b, const struct request *request, const struct forward_from *from)
{
	char token[TOKEN_SIZE];

	if (request->removes_all)
		builder_text(b, "Contact: *\r\nExpires: 0\r\n");
	for (size_t i = 0; i < request->n; i++)
		contact_write(b, request, &request->wishes[i], from);
	if (!request->n || !request->rules->upstream->path)
		return;
	token_make_for(request, &request->wishes[0], token); // all came by one flow
	builder_text(b, "Path: ");
	ours_write(b, from, token, ";lr");
	builder_text(b, "\r\n");
}

static void request_write(
	struct builder *b, const struct request *request, const struct forward_from *from)
{
	const struct sip_message *message = request->message;
	char call_id[TOKEN_SIZE], tag[TOKEN_SIZE];
	int hops = message->max_forwards;

	name_make(request, 'd', message->call_id, 0, call_id);
	token_make(tag);
	request_line_write(b, request);
	builder_header_unsigned(b, HEADER_MAX_FORWARDS, hops > 0 ? (uint64_t)hops - 1 : 69);
	builder_text(b, "From: ");
	named_write(b, request, message->from.uri);
	builder_text(b, ";tag=");
	builder_slice(b, (struct slice){tag, sizeof(tag)});
	builder_text(b, "\r\nTo: ");
	named_write(b, request, message->to.uri);
	builder_text(b, "\r\n");
	builder_header(b, HEADER_CALL_ID, (struct slice){call_id, sizeof(call_id)});
	builder_cseq(b, message->cseq, SLICE("REGISTER"));
	contacts_write(b, request, from);
	builder_header(
		b, HEADER_SUPPORTED, request->has_gruu ? SLICE("path, gruu") : SLICE("path"));
	builder_copy(b, message, HEADER_AUTHORIZATION);
	builder_copy(b, message, HEADER_PROXY_AUTHORIZATION);
	builder_copy(b, message, HEADER_USER_AGENT);
	builder_body(b, (struct slice){}, (struct slice){});
}

struct slice forward_write(const struct registrar_rules *rules,
	const struct transaction *transaction, const struct forward_from *from, struct builder *b)
{
	unsigned int status;
	struct request *request =
		request_open(rules, (struct transaction *)transaction, (struct slice){}, &status);

	if (!request)
		return (struct slice){};
	request_write(b, request, from);
	free(request);
	return builder_finish(b);
}

// ---- and back

static bool is_granted(const struct request *request, const struct binding_values *wish,
	const char token[TOKEN_SIZE], struct slice uri_text)
{
	struct slice contact = wish->strings[BINDING_CONTACT];
	struct uri uri, other;

	if (uri_parse(uri_text, &uri))
		return false;
	if (!request->rules->upstream->path)
		return slice_equal(uri.user, (struct slice){token, TOKEN_SIZE});
	return !uri_parse(contact, &other) && uri_equal(&uri, &other);
}

// What the registrar says of a contact: how long it is bound, and its GRUU. One that is not named
// has what was asked for.
static uint32_t granted_s(const struct request *request, const struct sip_message *response,
	struct binding_values *wish, const char token[TOKEN_SIZE])
{
	struct message_values it = message_values(response, HEADER_CONTACT);
	uint32_t s = upstream_s(request, wish);
	struct nameaddr name;
	struct slice value, text;

	slice_to_u32(message_value(response, HEADER_EXPIRES), INT32_MAX, &s);
	while (message_values_next(&it, &value) > 0) {
		if (nameaddr_parse(value, &name) || !is_granted(request, wish, token, name.uri))
			continue;
		if (params_find(name.params, SLICE("expires"), &text))
			slice_to_u32(text, INT32_MAX, &s);
		params_find(name.params, SLICE("pub-gruu"), &wish->strings[BINDING_GRUU]);
		break;
	}
	return s;
}

static struct slice route_read(const struct sip_message *response, char out[ROUTE_SIZE])
{
	struct message_values it = message_values(response, HEADER_SERVICE_ROUTE);
	struct nameaddr name;
	struct slice value;
	struct builder b;

	builder_init(&b, out, ROUTE_SIZE);
	while (message_values_next(&it, &value) > 0) {
		if (nameaddr_parse(value, &name))
			continue;
		if (b.n)
			builder_text(&b, ", ");
		builder_slice(&b, value);
	}
	return b.n ? builder_finish(&b) : (struct slice){};
}

static void accepted(
	struct registrar *registrar, struct request *request, const struct sip_message *response)
{
	char tokens[REQUEST_CONTACTS_MAX][TOKEN_SIZE], route[ROUTE_SIZE], extra[HEADERS_SIZE];
	struct slice service_route = route_read(response, route),
		     associated = message_value_named(response, SLICE("P-Associated-URI"));
	struct builder b;

	for (size_t i = 0; i < request->n; i++) {
		struct binding_values *wish = &request->wishes[i];
		uint32_t s;

		if (!wish->expires_ms)
			continue;
		token_make_for(request, wish, tokens[i]);
		wish->strings[BINDING_TOKEN] = (struct slice){tokens[i], TOKEN_SIZE};
		wish->strings[BINDING_SERVICE_ROUTE] = service_route;
		s = granted_s(request, response, wish, tokens[i]);
		wish->upstream_until_ms = s ? request->now_ms + s * 1000ull : 0;
		s = least(s, grant_of(request, wish));
		wish->expires_ms = s ? request->now_ms + s * 1000ull : 0;
	}
	builder_init(&b, extra, sizeof(extra));
	builder_copy(&b, response, HEADER_AUTHENTICATION_INFO);
	if (associated.p) // RFC 7315 4.1
		builder_header_named(&b, SLICE("P-Associated-URI"), associated);
	bind_and_answer(registrar, request, builder_finish(&b));
}

// What a phone is told: not what speaks of a request that it has not written.
static unsigned int status_for_phone(unsigned int status)
{
	static const uint16_t ours[] = {
		400, 405, 406, 413, 414, 415, 416, 420, 421, 481, 482, 483, 485, 488, 493, 494};

	if (status < 400)
		return 500; // another registrar is not followed
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (status == ours[i])
			return 500;
	return status;
}

static void refused(struct registrar *registrar, const struct request *request,
	const struct sip_message *response)
{
	static const enum header_id passing[] = {HEADER_WWW_AUTHENTICATE, HEADER_PROXY_AUTHENTICATE,
		HEADER_MIN_EXPIRES, HEADER_RETRY_AFTER};
	unsigned int status = status_for_phone(response->status);
	char extra[HEADERS_SIZE];
	struct builder b;

	builder_init(&b, extra, sizeof(extra));
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		builder_copy(&b, response, passing[i]);
	transaction_reply_with(request->transaction, b.overflow ? 500 : status, (struct slice){},
		b.overflow ? (struct slice){} : builder_finish(&b));
	if (status == 401 || status == 407)
		return;
	registrar->counters.upstream_refused++;
	log_info(&log_registrar, "upstream_refused", "aor=" SLICE_FMT " status=%u",
		SLICE_ARG(request->aor), response->status);
}

void forward_answered(struct registrar *registrar, const struct registrar_rules *rules,
	struct transaction *transaction, const struct sip_message *response)
{
	unsigned int status;
	struct request *request = request_open(rules, transaction, (struct slice){}, &status);

	if (!request)
		return;
	if (response->status < 300)
		accepted(registrar, request, response);
	else
		refused(registrar, request, response);
	free(request);
}

static void fail_reply(struct transaction *transaction, unsigned int status)
{
	char extra[64];
	struct builder b;
	uint16_t random;

	token_random(&random, sizeof(random));
	builder_init(&b, extra, sizeof(extra));
	builder_header_unsigned(&b, HEADER_RETRY_AFTER, RETRY_AFTER_S + random % RETRY_AFTER_S);
	transaction_reply_with(transaction, status, (struct slice){}, builder_finish(&b));
}

void forward_failed(struct registrar *registrar, const struct registrar_rules *rules,
	struct transaction *transaction, unsigned int status)
{
	unsigned int unread;
	struct request *request = request_open(rules, transaction, (struct slice){}, &unread);

	if (!request)
		return;
	registrar->counters.upstream_failed++;
	log_warn(&log_registrar, "upstream_failed", "aor=" SLICE_FMT, SLICE_ARG(request->aor));
	if (renewals_make(registrar, request, false)) {
		registrar->counters.answered_here++;
		bind_and_answer(registrar, request, (struct slice){});
	} else {
		fail_reply(transaction, status);
	}
	free(request);
}

const struct binding *forward_binding_of_flow(
	struct registrar *registrar, struct slice aor, const struct flow *flow)
{
	const struct binding_list *list =
		location_find(registrar->location, aor, registrar_now_ms());
	const struct binding *binding;

	if (list)
		TAILQ_FOREACH (binding, list, in_record)
			if (is_of_flow(&binding->values, flow))
				return binding;
	return NULL;
}
