// Offers outside of INVITE: UPDATE (RFC 3311) and PRACK (RFC 3262 section 5), sent and answered. A
// leg has at most one of them under way, in leg->offer.
#include "offer.h"
#include "call_private.h"
#include "early.h"

#include <errno.h>

#include "token.h"

#define MESSAGE_SIZE 8192

static int offer_start(struct leg *leg, struct slice request)
{
	leg->offer = transaction_start(leg->call->calls->stack, &leg->dialog.flow, request, leg);
	return leg->offer ? 0 : -errno;
}

static int update_send(struct leg *leg, const char *description)
{
	char buffer[MESSAGE_SIZE];
	WIPED_BUILDER b = {};

	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(&leg->dialog, METHOD_UPDATE, &b);
	extensions_write(&b, leg, EXTENSIONS_REQUEST);
	builder_body(&b, SLICE("application/sdp"), slice_of(description));
	return offer_start(leg, builder_finish(&b));
}

static int prack_send(struct leg *leg, const char *description)
{
	const struct early_dialog early = {&leg->dialog, &leg->early, NULL};
	char buffer[MESSAGE_SIZE];
	WIPED_BUILDER b = {};

	builder_init(&b, buffer, sizeof(buffer));
	return offer_start(leg, early_prack_write(&early, &b, description));
}

// In an early dialog the first offer must have been answered reliably (RFC 3311 section 5.1).
static bool is_answered(const struct leg *leg)
{
	if (leg->dialog.state != DIALOG_EARLY)
		return true;
	return leg->index == LEG_A ? leg->described : leg->early.described;
}

enum method offer_method(const struct leg *leg, enum method by)
{
	bool early = leg->dialog.state == DIALOG_EARLY;

	if (!leg->has_dialog || leg->state == LEG_OVER || leg->offer || (leg->invite && !early))
		return METHOD_OTHER;
	if (early && leg->index == LEG_B && leg->early.prack_due && leg->early.described)
		return METHOD_PRACK;
	if ((by != METHOD_INVITE || early) && leg->peer.update && is_answered(leg))
		return METHOD_UPDATE;
	return early ? METHOD_OTHER : METHOD_INVITE;
}

int offer_send(struct leg *leg, enum method method, const char *description)
{
	switch (method) {
	case METHOD_PRACK:
		return prack_send(leg, description);
	case METHOD_UPDATE:
		return update_send(leg, description);
	default:
		return leg_reinvite(leg, description);
	}
}

void offer_take(struct leg *leg, struct transaction *transaction)
{
	leg->offer = transaction;
	transaction_user_set(transaction, leg);
}

static bool offer_is_theirs(const struct leg *leg)
{
	return leg->offer && !transaction_is_client(leg->offer);
}

void offer_forget(struct leg *leg)
{
	if (leg->offer)
		transaction_user_set(leg->offer, NULL);
	leg->offer = NULL;
}

void offer_answer(struct leg *leg, const char *description)
{
	if (!offer_is_theirs(leg))
		return; // it waits no more
	update_answer(leg, leg->offer, description);
	offer_forget(leg);
}

void update_answer(struct leg *leg, struct transaction *transaction, const char *description)
{
	char buffer[MESSAGE_SIZE];
	WIPED_BUILDER b = {};

	builder_init(&b, buffer, sizeof(buffer));
	response_begin(&b, transaction, 200, (struct slice){}, (struct slice){});
	if (transaction_method(transaction) == METHOD_UPDATE) {
		builder_header(&b, HEADER_CONTACT, leg->dialog.strings[DIALOG_CONTACT]);
		extensions_write(&b, leg, EXTENSIONS_RESPONSE);
		if (leg->dialog.state == DIALOG_CONFIRMED)
			refresh_answer(leg, &b, transaction_request(transaction));
	}
	builder_body(&b, SLICE("application/sdp"), slice_of(description));
	transaction_respond(transaction, builder_finish(&b));
}

void offer_refuse(struct leg *leg, unsigned int status)
{
	char headers[512];
	struct builder b;

	if (!offer_is_theirs(leg))
		return;
	builder_init(&b, headers, sizeof(headers));
	if (status == 488)
		warning_write(leg, &b);
	transaction_reply_with(leg->offer, status, (struct slice){}, builder_finish(&b));
	offer_forget(leg);
}

void refuse_for_now(struct transaction *transaction, bool its_own)
{
	char retry[] = "Retry-After: 0\r\n";
	uint8_t wait_s;

	// Two of its own at once: 500 and a random time of up to 10 s (RFC 3261 14.2, RFC 3311
	// 5.2). Otherwise ours is under way, and it has rules of its own for when to try again.
	token_random(&wait_s, sizeof(wait_s));
	retry[sizeof(retry) - 4] = (char)('0' + wait_s % 10);
	if (its_own)
		transaction_reply_with(transaction, 500, (struct slice){}, slice_of(retry));
	else
		transaction_reply(transaction, 491);
}
