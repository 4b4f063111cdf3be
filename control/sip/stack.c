// The stack: what comes from the transport finds its way to a transaction or the TU.
#include "stack.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "response.h"
#include "sip_log.h"
#include "transaction_internal.h"

LOG_MODULE(log_sip, "sip");

// ---- answers without a transaction

// The same tag for each retransmission of a request, though nothing is kept of it.
static struct slice stateless_tag(
	const struct sip_stack *stack, const struct sip_message *m, char out[TOKEN_SIZE])
{
	struct slice parts[] = {SLICE("tag"), m->via.branch, m->call_id, m->from_tag};
	uint64_t hash = siphash(&stack->key, parts, sizeof(parts) / sizeof(parts[0]));

	for (int i = 0; i < TOKEN_SIZE; i++)
		out[i] = "0123456789abcdef"[hash >> 4 * i & 15];
	return (struct slice){out, TOKEN_SIZE};
}

void stack_refuse(struct sip_stack *stack, const struct sip_message *request, unsigned int status,
	struct slice reason, struct slice extra)
{
	struct flow flow = response_flow(request);
	char tag[TOKEN_SIZE];
	struct builder b;

	builder_init(&b, stack->scratch, sizeof(stack->scratch));
	response_write(&b, request, status, reason, stateless_tag(stack, request, tag));
	builder_slice(&b, extra);
	builder_body(&b, (struct slice){0}, (struct slice){0});
	transport_send(&flow, builder_finish(&b));
}

static void answer(struct sip_stack *stack, const struct sip_message *request, unsigned int status,
	struct slice reason)
{
	stack_refuse(stack, request, status, reason, (struct slice){0});
}

// ---- requests

static bool is_elsewhere(
	const struct sip_stack *stack, const struct sip_message *message, bool is_lost)
{
	return stack->user->elsewhere && stack->user->elsewhere(stack->arg, message, is_lost);
}

// 9.2. The CANCEL has a transaction of its own, which the TU does not see.
static void cancel(struct sip_stack *stack, const struct sip_message *request)
{
	struct transaction *invite = server_match(stack, request, METHOD_INVITE), *own;

	if (!invite) {
		if (!is_elsewhere(stack, request, true))
			answer(stack, request, 481, (struct slice){0});
		return;
	}
	own = server_create(stack, message_clone(request));
	if (!own)
		return;
	own->is_private = true;
	memcpy(own->to_tag, invite->to_tag, TOKEN_SIZE);
	transaction_reply(own, 200);
	if (!transaction_is_final(invite) && stack->user->cancel)
		stack->user->cancel(stack->arg, invite, request);
}

static void ack(struct sip_stack *stack, const struct sip_message *request)
{
	struct transaction *invite = server_match(stack, request, METHOD_INVITE);

	if (invite)
		transaction_event(invite, FSM_ACK, request, (struct slice){0});
	else if (stack->user->ack)
		stack->user->ack(stack->arg, request);
}

// Takes the request over.
static void request_new(struct sip_stack *stack, struct sip_message *request)
{
	struct transaction *t;

	if (server_is_merged(stack, request)) {
		stack->counters.merged++;
		answer(stack, request, 482, (struct slice){0});
		message_destroy(request);
		return;
	}
	if (stack->transactions.n >= stack->max_transactions) {
		stack->counters.overload++;
		answer(stack, request, 503, (struct slice){0});
		message_destroy(request);
		return;
	}
	t = server_create(stack, request);
	if (!t)
		return;
	stack->user->request(stack->arg, t, t->request);
	server_trim(t);
}

// Whether it is what a transaction has had before, and done with.
static bool request_again(struct sip_stack *stack, const struct sip_message *request)
{
	struct transaction *t = server_match(stack, request, request->method);

	if (!t)
		return false;
	stack->counters.retransmissions_in++;
	transaction_event(t, FSM_REQUEST, request, (struct slice){0});
	return true;
}

void stack_begin(struct sip_stack *stack, struct sip_message *request)
{
	if (request->method != METHOD_CANCEL && !request_again(stack, request)) {
		request_new(stack, request);
		return;
	}
	if (request->method == METHOD_CANCEL && !request_again(stack, request))
		cancel(stack, request);
	message_destroy(request);
}

static void request_in(struct sip_stack *stack, const struct sip_message *request)
{
	struct sip_message *kept;

	stack->counters.requests++;
	if (request->method == METHOD_ACK) {
		ack(stack, request);
		return;
	}
	if (backlog_takes(stack, request) || request_again(stack, request))
		return;
	if (request->method == METHOD_CANCEL) {
		cancel(stack, request);
		return;
	}
	kept = message_clone(request);
	if (kept)
		request_new(stack, kept);
	else
		answer(stack, request, 503, (struct slice){0});
}

// ---- responses

// 8.1.3.3: a response with a second Via was meant for somebody else.
static bool is_ours(const struct sip_message *response)
{
	const struct sip_header *via = message_header(response, HEADER_VIA);
	const char *top_end = response->via.value.p + response->via.value.n;

	return !message_header_next(response, via) && top_end == via->value.p + via->value.n;
}

static void response_in(struct sip_stack *stack, struct sip_message *response)
{
	struct transaction *t;

	stack->counters.responses++;
	if (!is_ours(response)) {
		stack->counters.responses_unmatched++;
		return;
	}
	t = client_match(stack, response);
	if (t && t->too_small) // a dialog that it makes is for UDP, as its request was
		response->flow = (struct flow){.listener = t->too_small, .remote = t->flow.remote};
	else if (t &&
		 (listener_is_away(response->flow.listener) || listener_is_away(t->flow.listener)))
		response->flow =
			t->flow; // one way was by another node: the dialog has our request's
	if (t && client_authenticate(t, response))
		return;
	if (t) {
		transaction_event(
			t, transaction_status_event(response->status), response, (struct slice){0});
		return;
	}
	if (response->method == METHOD_INVITE && response->status / 100 == 2 &&
		stack->user->stray_2xx)
		stack->user->stray_2xx(stack->arg, response);
	else
		stack->counters.responses_unmatched++;
}

// ---- the transport's callbacks

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void malformed(struct sip_stack *stack, const struct sip_message *message,
	const struct message_error *error)
{
	log_debug(&log_sip, "malformed", "status=%u reason=\"%s\"", error->status,
		error->reason ? error->reason : "");
	if (!error->status) {
		stack->counters.malformed_dropped++;
		return;
	}
	stack->counters.malformed_answered++;
	answer(stack, message, error->status, slice_of(error->reason));
}

static void receive(void *arg, const struct flow *flow, char *data, size_t size)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_stack *stack = arg;
	struct message_error error;
	struct sip_message message;
	int result = message_parse(&message, headers, data, size, &error);

	message.flow = *flow;
	message.received_at_us = now_us();
	if (result)
		malformed(stack, &message, &error);
	else if (is_elsewhere(stack, &message, false))
		return;
	else if (message_is_request(&message))
		request_in(stack, &message);
	else
		response_in(stack, &message);
}

// On a stream. What else is wrong with it is the better reason.
static void endless(void *arg, const struct flow *flow, char *data, size_t size, const char *reason)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_stack *stack = arg;
	struct message_error error;
	struct sip_message message;

	if (!message_parse(&message, headers, data, size, &error) && message_is_request(&message) &&
		message.method != METHOD_ACK)
		error = (struct message_error){400, reason};
	message.flow = *flow;
	malformed(stack, &message, &error);
}

// The quoted message may be cut anywhere; its top Via, which we wrote, is what counts.
static void undeliverable(void *arg, const struct flow *flow, int errno_, struct slice data)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_stack *stack = arg;
	struct message_error error;
	struct sip_message message;
	struct transaction *t;
	char remote[SIP_ADDRESS_TEXT_SIZE];

	message_parse(&message, headers, (char *)data.p, data.n, &error);
	t = message_is_request(&message) ? client_match(stack, &message)
					 : server_match(stack, &message, message.method);
	log_debug(&log_sip, "undeliverable", "remote=%s error=%s transaction=%s",
		sip_address_format(&flow->remote, remote).p, strerrorname_np(errno_),
		t ? "yes" : "no");
	message.flow = *flow;
	if (t && !(transaction_is_client(t) && client_retreat(t, errno_)))
		transaction_event(t, FSM_ERROR, NULL, (struct slice){0});
	else if (!t && stack->user->failed_elsewhere)
		stack->user->failed_elsewhere(stack->arg, &message, errno_);
}

static bool may_talk(void *arg, const struct listener *listener, const struct sockaddr *source)
{
	const struct sip_stack *stack = arg;

	return !stack->user->accept || stack->user->accept(stack->arg, listener, source);
}

static void send_elsewhere(void *arg, const struct flow *flow, struct slice message)
{
	const struct sip_stack *stack = arg;

	if (stack->user->send_elsewhere)
		stack->user->send_elsewhere(stack->arg, flow, message);
}

static void trace(void *arg, const struct flow *flow, bool outgoing, struct slice data)
{
	const struct sip_stack *stack = arg;

	if (stack->user->trace)
		stack->user->trace(stack->arg, flow, outgoing, data);
}

static const struct transport_user transport_user = {
	.accept = may_talk,
	.receive = receive,
	.malformed = endless,
	.error = undeliverable,
	.send_elsewhere = send_elsewhere,
	.trace = trace,
};

// ---- life

const struct timeval *stack_timeout(
	struct sip_stack *stack, unsigned int ms, struct timeval *storage)
{
	*storage = (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	for (unsigned int i = 0; i < stack->n_timeouts; i++)
		if (stack->timeouts[i].ms == ms)
			return stack->timeouts[i].common;
	if (stack->n_timeouts < N_TIMEOUTS) {
		const struct timeval *common = event_base_init_common_timeout(stack->base, storage);

		if (common) {
			stack->timeouts[stack->n_timeouts].ms = ms;
			stack->timeouts[stack->n_timeouts++].common = common;
			return common;
		}
	}
	return storage;
}

static unsigned int or_default(unsigned int value, unsigned int default_value)
{
	return value ? value : default_value;
}

static void configure(struct sip_stack *stack, const struct stack_config *config)
{
	stack->base = config->base;
	stack->user = config->user;
	stack->arg = config->arg;
	stack->t1_ms = or_default(config->t1_ms, 500);
	stack->t2_ms = or_default(config->t2_ms, 4000);
	stack->t4_ms = or_default(config->t4_ms, 5000);
	stack->timer_d_ms = or_default(config->timer_d_ms, 32000);
	stack->trying_ms = or_default(config->trying_ms, 200);
	stack->max_transactions = or_default(config->max_transactions, 1000000);
	stack_overload_set(stack, or_default(config->wait_ms, 200), 0);
	token_random(&stack->key, sizeof(stack->key));
}

struct sip_stack *stack_create(const struct stack_config *config)
{
	struct sip_stack *stack = calloc(1, sizeof(*stack));

	if (!stack)
		return NULL;
	configure(stack, config);
	if (!hash_table_init(&stack->transactions, 1024) &&
		!hash_table_init(&stack->requests, 1024) && !backlog_init(stack))
		stack->transport = transport_create(config->base, &transport_user, stack);
	if (!stack->transport) {
		backlog_fini(stack);
		hash_table_fini(&stack->transactions);
		hash_table_fini(&stack->requests);
		free(stack);
		errno = ENOMEM;
		return NULL;
	}
	return stack;
}

void stack_destroy(struct sip_stack *stack)
{
	struct hash_node *node;

	if (!stack)
		return;
	while ((node = hash_any(&stack->transactions)))
		transaction_destroy(container_of(node, struct transaction, match));
	transport_destroy(stack->transport);
	backlog_fini(stack);
	hash_table_fini(&stack->transactions);
	hash_table_fini(&stack->requests);
	free(stack);
}

struct transport *stack_transport(struct sip_stack *stack)
{
	return stack->transport;
}

int stack_send(struct sip_stack *, const struct flow *flow, struct slice message)
{
	return transport_send(flow, message);
}

size_t stack_n_transactions(const struct sip_stack *stack)
{
	return stack->transactions.n;
}

const struct stack_counters *stack_counters(const struct sip_stack *stack)
{
	return &stack->counters;
}
