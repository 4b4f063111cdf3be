// Provisional responses to a, reliable ones among them (RFC 3262 section 3): one at a time is
// repeated until its PRACK, the others wait. The subtle thing: what describes reliably completes
// the offer and answer of the INVITE, so nothing behind it describes again.
#include "bodies.h"
#include "call_private.h"
#include "description.h"
#include "early.h"

#include <errno.h>
#include <stdlib.h>

#include "token.h"

#define MESSAGE_SIZE (8192 + BODIES_ROOM)
#define WAITING_MAX  8 // more of them say nothing new

struct waiting {
	STAILQ_ENTRY(waiting) next;
	struct provisional provisional;
	struct sip_message *heard; // of b; NULL: nothing passes
};

struct reliable {
	struct leg *leg;
	uint32_t rseq, cseq; // cseq: of the INVITE
	bool outstanding;    // its PRACK has not come
	struct retransmit *retransmit;
	struct provisional sent;
	STAILQ_HEAD(, waiting) waiting;
	unsigned int n_waiting;
};

static void waiting_drop(struct reliable *reliable)
{
	struct waiting *waiting;

	while ((waiting = STAILQ_FIRST(&reliable->waiting))) {
		STAILQ_REMOVE_HEAD(&reliable->waiting, next);
		message_destroy(waiting->heard);
		free(waiting);
	}
	reliable->n_waiting = 0;
}

static struct reliable *reliable_get(struct leg *leg)
{
	struct reliable *reliable = leg->reliable;

	if (reliable)
		return reliable;
	reliable = calloc(1, sizeof(*reliable));
	if (!reliable)
		return NULL;
	STAILQ_INIT(&reliable->waiting);
	reliable->leg = leg;
	reliable->cseq = transaction_request(leg->invite)->cseq;
	token_random(&reliable->rseq, sizeof(reliable->rseq));
	reliable->rseq &= 0x7fffffff; // the first is between 1 and 2^31 - 1
	leg->reliable = reliable;
	return reliable;
}

static void on_no_prack(void *arg)
{
	struct reliable *reliable = arg;
	struct call_event event = {
		.type = EVENT_NO_PRACK, .leg = reliable->leg, .status = 504, .why = "no_prack"};

	reliable->retransmit = NULL;
	call_event(reliable->leg->call, &event);
}

// `rseq` 0: not reliable.
static struct slice provisional_write(
	struct leg *leg, struct builder *b, const struct provisional *provisional, uint32_t rseq)
{
	WIPED_DESCRIPTION(description);

	if (provisional->describes && description_write(leg, description))
		return (struct slice){};
	leg_response_begin(leg, b, provisional->status);
	if (rseq) {
		builder_header(b, HEADER_REQUIRE, SLICE("100rel"));
		builder_header_unsigned(b, HEADER_RSEQ, rseq);
	}
	if (provisional->early_media[0])
		builder_header(b, HEADER_P_EARLY_MEDIA, slice_of(provisional->early_media));
	leg_body_write(leg, b, description);
	return builder_finish(b);
}

static int reliable_send(struct reliable *reliable, const struct provisional *provisional)
{
	struct leg *leg = reliable->leg;
	char buffer[MESSAGE_SIZE];
	struct slice response;
	WIPED_BUILDER b = {};
	int err;

	builder_init(&b, buffer, sizeof(buffer));
	response = provisional_write(leg, &b, provisional, ++reliable->rseq);
	err = transaction_respond(leg->invite, response);
	if (err)
		return err;
	reliable->sent = *provisional;
	reliable->outstanding = true;
	reliable->retransmit = retransmit_start(leg->call->calls->stack,
		transaction_flow(leg->invite), response, on_no_prack, reliable);
	if (!reliable->retransmit)
		return -ENOMEM;
	retransmit_unbounded(reliable->retransmit);
	return 0;
}

static int reliable_wait(struct reliable *reliable, const struct provisional *provisional)
{
	const struct call *call = reliable->leg->call;
	struct waiting *waiting;

	if (reliable->n_waiting == WAITING_MAX)
		return -ENOBUFS;
	waiting = calloc(1, sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	waiting->provisional = *provisional;
	if (call->heard && call->heard_from != reliable->leg)
		waiting->heard = message_clone(call->heard);
	STAILQ_INSERT_TAIL(&reliable->waiting, waiting, next);
	reliable->n_waiting++;
	return 0;
}

static int unreliable_send(struct leg *leg, const struct provisional *provisional)
{
	char buffer[MESSAGE_SIZE];
	WIPED_BUILDER b = {};

	builder_init(&b, buffer, sizeof(buffer));
	return transaction_respond(leg->invite, provisional_write(leg, &b, provisional, 0));
}

int leg_provisional(struct leg *leg, const struct provisional *provisional)
{
	struct reliable *reliable;

	if (!provisional->reliable)
		return unreliable_send(leg, provisional);
	reliable = reliable_get(leg);
	if (!reliable)
		return -ENOMEM;
	return reliable->outstanding ? reliable_wait(reliable, provisional)
				     : reliable_send(reliable, provisional);
}

int reliable_acknowledge(
	struct leg *leg, const struct sip_message *prack, struct provisional *acknowledged)
{
	struct reliable *reliable = leg->reliable;
	struct slice method;
	uint32_t rseq, cseq;

	if (rack_parse(message_value(prack, HEADER_RACK), &rseq, &cseq, &method))
		return -EBADMSG;
	if (!reliable || !reliable->outstanding || rseq != reliable->rseq ||
		cseq != reliable->cseq || !slice_equal(method, SLICE("INVITE")))
		return -ENOENT;
	retransmit_stop(reliable->retransmit);
	reliable->retransmit = NULL;
	reliable->outstanding = false;
	leg->described |= reliable->sent.describes;
	*acknowledged = reliable->sent;
	return 0;
}

void reliable_next(struct leg *leg)
{
	struct reliable *reliable = leg->reliable;
	struct waiting *waiting = reliable ? STAILQ_FIRST(&reliable->waiting) : NULL;
	struct call *call = leg->call;
	const struct sip_message *heard = call->heard;
	const struct leg *heard_from = call->heard_from;

	if (!waiting || reliable->outstanding || !leg->invite)
		return;
	STAILQ_REMOVE_HEAD(&reliable->waiting, next);
	reliable->n_waiting--;
	waiting->provisional.describes &= !leg->described;
	call->heard = waiting->heard;
	call->heard_from = leg_other(leg);
	if (reliable_send(reliable, &waiting->provisional))
		log_warn(&log_call, "progress_lost", "call=%s leg=%s", leg->call->id_text,
			leg_name(leg));
	call->heard = heard;
	call->heard_from = heard_from;
	message_destroy(waiting->heard);
	free(waiting);
}

bool reliable_holds_answer(const struct leg *leg)
{
	return leg->reliable && leg->reliable->outstanding && leg->reliable->sent.describes;
}

void reliable_stop(struct leg *leg)
{
	if (!leg->reliable)
		return;
	waiting_drop(leg->reliable);
	retransmit_stop(leg->reliable->retransmit);
	leg->reliable->retransmit = NULL;
}

void reliable_fini(struct leg *leg)
{
	reliable_stop(leg);
	free(leg->reliable);
	leg->reliable = NULL;
}
