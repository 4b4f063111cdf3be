// Requests in a call that are between the two far ends: INFO (RFC 6086) and MESSAGE (RFC 3428). The
// body goes through as it is, and the final answer comes back.
#include <errno.h>
#include <stdlib.h>

#include "plan.h"
#include "relay.h"

static int relay_start(struct relay *relay, struct leg *to, const struct sip_message *request)
{
	const struct passage passage = {.message = request,
		.from = relay->from,
		.to = relay->to,
		.host = listener_sent_by(to->dialog.flow.listener)};
	size_t size = REQUEST_HEAD_SIZE + request->body.n;
	char *buffer = malloc(size);
	struct builder b;
	int err;

	if (!buffer)
		return -ENOMEM;
	builder_init(&b, buffer, size);
	dialog_request_begin(&to->dialog, request->method, &b);
	pass_headers(&b, &passage);
	body_copy(&b, request);
	err = relay_send(relay, &to->dialog.flow, builder_finish(&b));
	free(buffer);
	return err;
}

static void answered(struct relay *relay, const struct sip_message *response, unsigned int status)
{
	struct calls *calls = relay->calls;
	struct leg *gone = response && status == 481 ? leg_of_message(calls, response) : NULL;
	struct call_event event = {
		.type = EVENT_FAIL, .leg = gone, .status = 481, .why = "dialog_gone"};

	if (response)
		relay_answer(relay, response, (struct slice){});
	else
		relay_refuse(relay, status);
	relay_end(relay);
	if (gone) // the far end has no such call (RFC 3261 12.2.1.2)
		call_event(gone->call, &event);
}

static void gone(struct relay *relay)
{
	free(relay);
}

static const struct relay_ops ops = {.answered = answered, .gone = gone};

static void count(struct calls *calls, enum method method)
{
	if (method == METHOD_INFO)
		calls->counters.infos_relayed++;
	else
		calls->counters.requests_relayed++;
}

void leg_request_relay(struct leg *leg, struct transaction *transaction)
{
	const struct sip_message *request = transaction_request(transaction);
	struct leg *other = leg_other(leg);
	struct call *call = leg->call;
	struct relay *relay;

	if (!other->has_dialog || other->state == LEG_OVER) {
		transaction_reply(transaction, 480); // nobody there yet, or any more
		return;
	}
	if (request->method != METHOD_INFO && !request_may_pass(other->trunk, request->method)) {
		transaction_reply_with(
			transaction, 405, (struct slice){}, SLICE("Allow: " LEG_ALLOW "\r\n"));
		return;
	}
	relay = calloc(1, sizeof(*relay));
	if (!relay) {
		transaction_reply(transaction, 500);
		return;
	}
	relay_begin(relay, call->calls, &ops, transaction);
	relay->from = leg->trunk;
	relay->to = other->trunk;
	relay->plans[0] = plan_hold(call_plan_of(call, leg->trunk));
	relay->plans[1] = plan_hold(call_plan_of(call, other->trunk));
	if (relay_start(relay, other, request)) {
		transaction_reply(transaction, 500);
		relay_end(relay);
		return;
	}
	count(call->calls, request->method);
	log_info(&log_call, "relayed", "call=%s leg=%s method=" SLICE_FMT, call->id_text,
		leg_name(leg), SLICE_ARG(request->method_name));
}
