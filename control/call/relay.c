// See relay.h.
#include <errno.h>
#include <stdlib.h>

#include "plan.h"
#include "relay.h"

void relay_begin(struct relay *relay, struct calls *calls, const struct relay_ops *ops,
	struct transaction *theirs)
{
	relay->owner.kind = OWNER_RELAY;
	relay->ops = ops;
	relay->calls = calls;
	relay->theirs = theirs;
	transaction_user_set(theirs, relay);
}

int relay_send(struct relay *relay, const struct flow *flow, struct slice request)
{
	relay->ours = transaction_start(relay->calls->stack, flow, request, relay);
	return relay->ours ? 0 : -errno;
}

void relay_give_up(struct relay *relay)
{
	if (relay->ours)
		transaction_user_set(relay->ours, NULL);
	relay->ours = NULL;
}

static void gone(struct relay *relay)
{
	plan_drop(relay->plans[0]);
	plan_drop(relay->plans[1]);
	relay->ops->gone(relay);
}

void relay_end(struct relay *relay)
{
	relay_give_up(relay);
	if (relay->theirs)
		transaction_user_set(relay->theirs, NULL);
	relay->theirs = NULL;
	gone(relay);
}

void relay_response(struct owner *owner, const struct sip_message *response)
{
	struct relay *relay = (struct relay *)owner;

	if (response->status < 200) {
		if (relay->ops->progress)
			relay->ops->progress(relay);
		return;
	}
	relay_give_up(relay);
	relay->ops->answered(relay, response, response->status);
}

void relay_failed(struct owner *owner, struct transaction *transaction, unsigned int status)
{
	struct relay *relay = (struct relay *)owner;

	if (transaction == relay->theirs)
		return; // it closes soon, or goes on
	relay_give_up(relay);
	relay->ops->answered(relay, NULL, status);
}

void relay_closed(struct owner *owner, struct transaction *transaction)
{
	struct relay *relay = (struct relay *)owner;

	if (transaction == relay->theirs)
		relay->theirs = NULL;
	if (transaction == relay->ours)
		relay->ours = NULL;
	if (!relay->theirs && !relay->ours)
		gone(relay);
}

const struct trunk *relay_trunk(const struct owner *owner)
{
	return ((const struct relay *)owner)->to;
}

// What it says of the request is true of theirs as well, whose body, event and time it was.
static bool is_told_as_it_is(unsigned int status)
{
	static const unsigned int statuses[] = {406, 412, 415, 423, 469, 489};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i] == status)
			return true;
	return false;
}

static void response_headers_copy(
	struct builder *b, const struct sip_message *from, unsigned int status)
{
	static const struct {
		unsigned int status;
		enum header_id id;
	} copied[] = {{415, HEADER_ACCEPT}, {415, HEADER_ACCEPT_ENCODING}, {406, HEADER_ACCEPT},
		{423, HEADER_MIN_EXPIRES}, {489, HEADER_ALLOW_EVENTS}};

	builder_copy(b, from, HEADER_RETRY_AFTER);
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		if (copied[i].status == status)
			builder_copy(b, from, copied[i].id);
}

void relay_answer(struct relay *relay, const struct sip_message *response, struct slice extra)
{
	size_t size = REQUEST_HEAD_SIZE + response->body.n;
	struct passage passage = {.message = response, .from = relay->to, .to = relay->from};
	unsigned int status = response->status;
	struct builder b;
	char *buffer;

	if (!relay->theirs)
		return;
	buffer = malloc(size);
	if (status >= 300 && !is_told_as_it_is(status))
		status = status_pass_on(status);
	passage.host = listener_sent_by(transaction_flow(relay->theirs)->listener);
	builder_init(&b, buffer, buffer ? size : 0);
	response_begin(&b, relay->theirs, status, (struct slice){}, (struct slice){});
	response_headers_copy(&b, response, status);
	builder_slice(&b, extra);
	pass_headers(&b, &passage);
	if (response->method == METHOD_INFO) // alone has answers with a body (RFC 6086 4.2.2)
		body_copy(&b, response);
	else
		builder_body(&b, (struct slice){}, (struct slice){});
	if (!builder_finish(&b).n || transaction_respond(relay->theirs, builder_finish(&b)))
		transaction_reply(relay->theirs, 500);
	free(buffer);
}

void relay_refuse(struct relay *relay, unsigned int status)
{
	// A 408 would come too late (RFC 4320 4.1), and is not sent.
	if (relay->theirs && status == 405)
		transaction_reply_with(
			relay->theirs, status, (struct slice){}, SLICE("Allow: " LEG_ALLOW "\r\n"));
	else if (relay->theirs)
		transaction_reply(relay->theirs, status);
}
