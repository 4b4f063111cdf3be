// Client transactions: our Via in front of what the TU wrote, ACK for a refusal, CANCEL.
//
// Subtle: ACK and CANCEL are made from the request as it was sent (9.1, 17.1.1.3), which is parsed
// again for them: they are rare, and keeping the headers would cost every transaction.
#include <errno.h>
#include <stdlib.h>

#include "chars.h"
#include "transaction_internal.h"

enum {
	UDP_SIZE_MAX = 1300, // of a request, where the MTU of the path is unknown (18.1.1)
	VIA_SIZE = sizeof("Via: SIP/2.0/UDP ;branch=;rport\r\n") - 1 + BRANCH_SIZE, // and sent-by
};

void client_branch_make(const struct flow *flow, char out[BRANCH_SIZE])
{
	memcpy(out, "z9hG4bK", BRANCH_COOKIE_SIZE);
	listener_token_make(flow->listener, out + BRANCH_COOKIE_SIZE);
}

size_t client_via_insert(
	const struct flow *flow, struct slice request, struct slice branch, char *out)
{
	const char *end = request.n ? memchr(request.p, '\n', request.n) : NULL;
	struct slice line = {request.p, end ? (size_t)(end + 1 - request.p) : 0};
	struct builder b;

	if (!line.n)
		return 0;
	builder_init(&b, out, request.n + VIA_ROOM);
	builder_slice(&b, line);
	builder_slice(&b, SLICE("Via: SIP/2.0/"));
	builder_slice(&b, listener_via_name(flow->listener));
	builder_char(&b, ' ');
	builder_slice(&b, listener_sent_by(flow->listener));
	builder_slice(&b, SLICE(";branch="));
	builder_slice(&b, branch);
	builder_slice(&b, SLICE(";rport\r\n"));
	builder_slice(&b, slice_skip(request, line.n));
	return builder_finish(&b).n;
}

static enum fsm_machine machine_of(enum method method)
{
	return method == METHOD_INVITE ? FSM_CLIENT_INVITE : FSM_CLIENT;
}

// The request with our Via, malloced.
static struct slice with_via(
	const struct flow *flow, struct slice request, struct slice branch, int *error)
{
	char *text = malloc(request.n + VIA_ROOM);
	size_t n = text ? client_via_insert(flow, request, branch, text) : 0;

	*error = !text ? -ENOMEM : !n ? -EBADMSG : n > MESSAGE_MAX_SIZE ? -EMSGSIZE : 0;
	if (*error) {
		free(text);
		return (struct slice){0};
	}
	return (struct slice){text, n};
}

// 18.1.1: what may not fit the path goes over TCP, where we have it on the same address. `size` is
// that without Via.
static void flow_choose(struct transaction *t, const struct flow *flow, size_t size)
{
	struct listener *tcp = NULL;

	t->flow = *flow;
	size += VIA_SIZE + listener_sent_by(flow->listener).n;
	if (size > UDP_SIZE_MAX && !listener_is_reliable(flow->listener))
		tcp = listener_find(
			t->stack->transport, TRANSPORT_TCP, listener_address(flow->listener));
	if (!tcp)
		return;
	t->too_small = flow->listener;
	t->flow.listener = tcp;
}

struct transaction *client_create(
	struct sip_stack *stack, const struct flow *flow, struct slice request, struct slice branch)
{
	struct transaction *t = calloc(1, sizeof(*t));
	struct slice rest = request, method = slice_cut(&rest, ' ');
	int error;

	if (!t)
		return NULL;
	t->stack = stack;
	flow_choose(t, flow, request.n);
	t->method = (uint8_t)method_from(method);
	if (branch.n == BRANCH_SIZE)
		memcpy(t->own_branch, branch.p, BRANCH_SIZE);
	else
		client_branch_make(flow, t->own_branch);
	t->branch = (struct slice){t->own_branch, BRANCH_SIZE};
	t->sent = with_via(&t->flow, request, t->branch, &error);
	if (error) {
		free(t);
		errno = -error;
		return NULL;
	}
	transaction_enter(t, machine_of(t->method), client_hash(stack, method, t->branch));
	transport_send(&t->flow, t->sent);
	return t;
}

// What was sent, without our Via: the second line.
static struct slice without_via(struct slice sent, struct builder *b)
{
	struct slice rest = sent, line = slice_cut(&rest, '\n');

	slice_cut(&rest, '\n');
	builder_slice(b, (struct slice){line.p, line.n + 1});
	builder_slice(b, rest);
	return builder_finish(b);
}

bool client_retreat(struct transaction *t, int error)
{
	struct flow udp = {.listener = t->too_small, .remote = t->flow.remote};
	struct slice again;
	struct builder b;

	if (!t->too_small || t->state != FSM_TRYING ||
		(error != ECONNREFUSED && error != ENOPROTOOPT))
		return false;
	builder_init(&b, t->stack->scratch, sizeof(t->stack->scratch));
	again = with_via(&udp, without_via(t->sent, &b), t->branch, &error);
	if (error)
		return false;
	slice_free(t->sent);
	t->sent = again;
	t->flow = udp;
	t->too_small = NULL;
	transaction_restart(t);
	transport_send(&t->flow, t->sent);
	return true;
}

// What is left of an INVITE that was refused and goes on in another transaction: it acknowledges
// the refusal, whenever it comes.
static struct transaction *refused_create(
	const struct transaction *t, const struct sip_message *response)
{
	struct transaction *refused = calloc(1, sizeof(*refused));

	if (!refused)
		return NULL;
	refused->stack = t->stack;
	refused->flow = t->flow;
	refused->method = t->method;
	refused->is_private = true;
	memcpy(refused->own_branch, t->own_branch, BRANCH_SIZE);
	refused->branch = (struct slice){refused->own_branch, BRANCH_SIZE};
	refused->sent = t->sent; // for client_ack(); given up by t
	transaction_enter(refused, (enum fsm_machine)t->machine, t->match.hash);
	transaction_event(refused, FSM_FINAL, response, (struct slice){0});
	return refused;
}

int client_again(struct transaction *t, struct slice request, const struct sip_message *response)
{
	struct flow flow = t->flow;
	char branch[BRANCH_SIZE];
	struct slice text, refused = t->sent;
	int error;

	if (!t->too_small)
		flow_choose(t, &flow, request.n);
	client_branch_make(&flow, branch);
	text = with_via(&t->flow, request, (struct slice){branch, BRANCH_SIZE}, &error);
	if (error)
		return error;
	hash_remove(&t->stack->transactions, &t->match);
	if (t->machine == FSM_CLIENT_INVITE && refused_create(t, response))
		refused = (struct slice){0};
	slice_free(refused);
	memcpy(t->own_branch, branch, BRANCH_SIZE);
	t->sent = text;
	t->state = FSM_TRYING;
	hash_add(&t->stack->transactions, &t->match,
		client_hash(t->stack, response->method_name, t->branch));
	transaction_restart(t);
	return transport_send(&t->flow, t->sent);
}

struct transaction *transaction_start(
	struct sip_stack *stack, const struct flow *flow, struct slice request, void *user)
{
	struct transaction *t;

	if (!request.n) {
		errno = EMSGSIZE; // the builder ran out of room
		return NULL;
	}
	t = client_create(stack, flow, request, (struct slice){0});
	if (t)
		t->user = user;
	return t;
}

int stack_send_request(
	struct sip_stack *, const struct flow *flow, struct slice request, struct slice *sent)
{
	char branch[BRANCH_SIZE];
	struct slice text;
	int error;

	client_branch_make(flow, branch);
	text = with_via(flow, request, (struct slice){branch, BRANCH_SIZE}, &error);
	if (error)
		return error;
	error = transport_send(flow, text);
	if (!error && sent)
		*sent = text;
	else
		slice_free(text);
	return error;
}

// ---- ACK and CANCEL

// What both take from the INVITE, up to To; `via` for the ACK, which is not sent by
// client_create().
static void follow_up(struct builder *b, const struct sip_message *invite, enum method method,
	bool via, struct slice to)
{
	builder_request_line(b, method_name(method), invite->uri);
	if (via)
		builder_header(b, HEADER_VIA, invite->via.value);
	builder_header_unsigned(b, HEADER_MAX_FORWARDS, 70);
	builder_copy(b, invite, HEADER_ROUTE);
	builder_copy(b, invite, HEADER_FROM);
	builder_header(b, HEADER_TO, to);
	builder_copy(b, invite, HEADER_CALL_ID);
	builder_cseq(b, invite->cseq, method_name(method));
	if (method == METHOD_ACK) { // 22.1
		builder_copy(b, invite, HEADER_AUTHORIZATION);
		builder_copy(b, invite, HEADER_PROXY_AUTHORIZATION);
	}
}

int client_sent_parse(
	const struct transaction *t, struct sip_message *message, struct sip_header *headers)
{
	struct message_error error;

	return message_parse(message, headers, (char *)t->sent.p, t->sent.n, &error);
}

void client_ack(struct transaction *t, const struct sip_message *response)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message invite;
	struct builder b;

	if (client_sent_parse(t, &invite, headers))
		return;
	builder_init(&b, t->stack->scratch, sizeof(t->stack->scratch));
	follow_up(&b, &invite, METHOD_ACK, true, response->to.value);
	builder_body(&b, (struct slice){0}, (struct slice){0});
	transport_send(&t->flow, builder_finish(&b));
}

static int cancel_send(struct transaction *t)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message invite;
	struct transaction *cancel;
	struct builder b;

	if (client_sent_parse(t, &invite, headers))
		return -EBADMSG;
	builder_init(&b, t->stack->scratch, sizeof(t->stack->scratch));
	follow_up(&b, &invite, METHOD_CANCEL, false, invite.to.value);
	builder_slice(&b, t->cancel_extra);
	builder_body(&b, (struct slice){0}, (struct slice){0});
	cancel = client_create(t->stack, &t->flow, builder_finish(&b), t->branch);
	if (!cancel)
		return -errno;
	cancel->is_private = true;
	t->cancel_sent = true;
	transaction_life_set(t, 64 * t->stack->t1_ms); // 9.1: give up waiting for the 487
	return 0;
}

void client_progress(struct transaction *t)
{
	if (t->cancel_wanted && !t->cancel_sent)
		cancel_send(t);
}

int transaction_cancel(struct transaction *t, struct slice extra)
{
	if (t->machine != FSM_CLIENT_INVITE || transaction_is_final(t) || t->cancel_wanted)
		return -EALREADY;
	if (extra.n) {
		char *copy = malloc(extra.n);

		if (!copy)
			return -ENOMEM;
		memcpy(copy, extra.p, extra.n);
		t->cancel_extra = (struct slice){copy, extra.n};
	}
	t->cancel_wanted = true;
	return t->state == FSM_PROCEEDING ? cancel_send(t) : 0;
}
