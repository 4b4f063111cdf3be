// Server transactions: the kept request, the To tag, responses.
#include <errno.h>
#include <stdlib.h>

#include "response.h"
#include "transaction_internal.h"

// 0 is no hash: the request has a To tag or is of no kind that merges.
static uint64_t merge_hash(const struct sip_stack *stack, const struct sip_message *m)
{
	struct slice cseq = {(const char *)&m->cseq, sizeof(m->cseq)};
	struct slice parts[] = {SLICE("merge"), m->method_name, m->call_id, m->from_tag, cseq};

	if (m->to_tag.p || m->method == METHOD_CANCEL || m->method == METHOD_ACK)
		return 0;
	return siphash(&stack->key, parts, sizeof(parts) / sizeof(parts[0])) | 1;
}

bool server_is_merged(const struct sip_stack *stack, const struct sip_message *request)
{
	uint64_t hash = merge_hash(stack, request);
	struct hash_node *node = hash ? hash_first(&stack->requests, hash) : NULL;

	for (; node; node = hash_next(node))
		if (container_of(node, struct transaction, merge)->status < 300)
			return true;
	return false;
}

struct transaction *server_create(struct sip_stack *stack, struct sip_message *request)
{
	struct transaction *t = request ? calloc(1, sizeof(*t)) : NULL;
	uint64_t merge;

	if (!t) {
		message_destroy(request);
		return NULL;
	}
	merge = merge_hash(stack, request);
	t->request = request;
	t->stack = stack;
	t->flow = response_flow(request);
	t->method = (uint8_t)request->method;
	t->branch = t->request->via.branch;
	listener_token_make(t->flow.listener, t->to_tag);
	if (merge)
		hash_add(&stack->requests, &t->merge, merge);
	transaction_enter(t, t->method == METHOD_INVITE ? FSM_SERVER_INVITE : FSM_SERVER,
		server_hash(stack, request, t->method));
	return t;
}

// The status of a written response, 0 where it is none.
static unsigned int status_of(struct slice response)
{
	uint32_t status;

	if (response.n < 12 || memcmp(response.p, "SIP/2.0 ", 8) != 0 ||
		slice_to_u32((struct slice){response.p + 8, 3}, 699, &status))
		return 0;
	return status;
}

// Keep the response for retransmissions of the request, then send it.
void server_send(struct transaction *t, struct slice response)
{
	char *copy;

	t->status = status_of(response);
	// A 2xx to an INVITE is the TU's to repeat.
	copy = t->machine == FSM_SERVER_INVITE && t->status / 100 == 2 ? NULL : malloc(response.n);
	if (copy)
		memcpy(copy, response.p, response.n);
	slice_free(t->sent);
	t->sent = (struct slice){copy, copy ? response.n : 0};
	transport_send(&t->flow, response);
}

void server_trim(struct transaction *t)
{
	const char *branch;

	if (t->machine != FSM_SERVER || !transaction_is_final(t) || !t->sent.n)
		return;
	branch = t->branch.n ? memmem(t->sent.p, t->sent.n, t->branch.p, t->branch.n) : "";
	if (!branch)
		return;
	t->branch.p = branch;
	message_destroy(t->request);
	t->request = NULL;
}

void server_send_100(struct transaction *t)
{
	struct builder b;

	builder_init(&b, t->stack->scratch, sizeof(t->stack->scratch));
	response_begin(&b, t, 100, (struct slice){0}, (struct slice){0});
	builder_body(&b, (struct slice){0}, (struct slice){0});
	if (builder_finish(&b).n)
		server_send(t, builder_finish(&b));
}

const struct sip_message *transaction_request(const struct transaction *t)
{
	return t->request;
}

struct slice transaction_to_tag(const struct transaction *t)
{
	if (!t->request || t->request->to_tag.p)
		return (struct slice){0};
	return (struct slice){t->to_tag, TOKEN_SIZE};
}

void response_begin(struct builder *b, const struct transaction *t, unsigned int status,
	struct slice reason, struct slice to_tag)
{
	if (t->request)
		response_write(
			b, t->request, status, reason, to_tag.n ? to_tag : transaction_to_tag(t));
	else
		b->overflow = true; // server_trim(): it has its answer
}

int transaction_respond(struct transaction *t, struct slice response)
{
	unsigned int status = status_of(response);

	if (!transaction_is_client(t) && !t->request)
		return -EALREADY;
	if (!response.n || response.n > MESSAGE_MAX_SIZE)
		return -EMSGSIZE;
	if (transaction_is_client(t) || status < 100)
		return -EINVAL;
	if (status == 408 && t->machine == FSM_SERVER)
		return 0; // RFC 4320 4.2: it would come too late and be believed by others
	if (transaction_is_final(t) && !(t->state == FSM_ACCEPTED && status / 100 == 2))
		return -EALREADY;
	transaction_event(t, transaction_status_event(status), NULL, response);
	return 0;
}

int transaction_reply_with(
	struct transaction *t, unsigned int status, struct slice reason, struct slice extra)
{
	struct builder b;

	builder_init(&b, t->stack->scratch, sizeof(t->stack->scratch));
	response_begin(&b, t, status, reason, (struct slice){0});
	builder_slice(&b, extra);
	builder_body(&b, (struct slice){0}, (struct slice){0});
	return transaction_respond(t, builder_finish(&b));
}

void transaction_forget(struct transaction *t)
{
	if (transaction_is_client(t) || !transaction_is_final(t))
		return;
	event_del(&t->repeat);
	t->state = t->machine == FSM_SERVER_INVITE ? FSM_CONFIRMED : FSM_COMPLETED;
	transaction_life_set(t, 0);
}

int transaction_reply(struct transaction *t, unsigned int status)
{
	return transaction_reply_with(t, status, (struct slice){0}, (struct slice){0});
}
