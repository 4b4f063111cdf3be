// Early dialogs of b. What is behind its trunk may fork our INVITE: then each To tag is a dialog of
// its own (RFC 3261 12.1.2), with its own route set, its own CSeq and its own RSeq. Towards a the
// call stays one early dialog, whose answer holds whoever is heard behind it.
//
// The one that described last is in leg->dialog and leg->early, and is the one whose media is
// heard; the others are forks. Changing over changes b's half of the negotiation, too.
#include "call_private.h"
#include "early.h"
#include "hunt.h"
#include "message.h"

#include <errno.h>
#include <stdlib.h>

#define MESSAGE_SIZE 8192
#define FORKS_MAX    16

struct fork {
	LIST_ENTRY(fork) next;
	struct dialog dialog;
	struct early early;
};

void negotiation_leg_free(struct negotiation_leg *half)
{
	if (half)
		explicit_bzero(half, sizeof(*half)); // keys
	free(half);
}

static void negotiated_free(struct early *early)
{
	negotiation_leg_free(early->negotiated);
	early->negotiated = NULL;
}

static void fork_destroy(struct fork *fork)
{
	LIST_REMOVE(fork, next);
	dialog_fini(&fork->dialog);
	negotiated_free(&fork->early);
	free(fork);
}

void forks_drop(struct leg *leg)
{
	struct fork *fork;

	while ((fork = LIST_FIRST(&leg->forks)))
		fork_destroy(fork);
	leg->n_forks = 0;
}

void early_drop(struct leg *leg)
{
	forks_drop(leg);
	negotiated_free(&leg->early);
	leg->early = (struct early){};
	if (leg->has_dialog)
		dialog_fini(&leg->dialog);
	leg->has_dialog = false;
}

struct negotiation_leg *negotiation_leg_copy(const struct negotiation_leg *half)
{
	struct negotiation_leg *copy = malloc(sizeof(*copy));

	if (copy)
		*copy = *half;
	return copy;
}

// b's half as one fork left it, or as it was offered to all of them.
void early_half_restore(struct call *call, const struct negotiation_leg *half)
{
	struct negotiation_leg *now = &call->negotiation.legs[LEG_B];
	uint64_t version = now->version, hash = now->text_hash;

	if (!half)
		return; // an answer to the first offer may replace another
	*now = *half;
	now->version = version;
	now->text_hash = hash;
}

int fork_offer_keep(struct call *call)
{
	if (call->first_offer)
		return 0;
	call->first_offer = negotiation_leg_copy(&call->negotiation.legs[LEG_B]);
	return call->first_offer ? 0 : -ENOMEM;
}

// What the one that speaks was offered at first.
static const struct negotiation_leg *offered_half(const struct call *call)
{
	const struct negotiation_leg *half = attempt_half(call->attempt);

	return half ? half : call->first_offer;
}

// leg->dialog and the fork change places.
static int fork_select(struct leg *leg, struct fork *fork)
{
	struct call *call = leg->call;
	struct early early = fork->early;
	struct dialog dialog;

	leg->early.negotiated = negotiation_leg_copy(&call->negotiation.legs[leg->index]);
	if (!leg->early.negotiated)
		return -ENOMEM;
	early_half_restore(call, early.negotiated ? early.negotiated : offered_half(call));
	negotiated_free(&early);
	dialog_move(&dialog, &fork->dialog);
	dialog_move(&fork->dialog, &leg->dialog);
	dialog_move(&leg->dialog, &dialog);
	fork->early = leg->early;
	leg->early = early;
	return 0;
}

// Of each INVITE of ours, and each To tag.
static bool is_of_dialog(const struct dialog *dialog, const struct sip_message *response)
{
	return slice_equal(dialog->strings[DIALOG_REMOTE_TAG], response->to_tag) &&
	       slice_equal(dialog->strings[DIALOG_CALL_ID], response->call_id);
}

static struct fork *fork_find(struct leg *leg, const struct sip_message *response)
{
	struct fork *fork;

	LIST_FOREACH (fork, &leg->forks, next)
		if (is_of_dialog(&fork->dialog, response))
			return fork;
	return NULL;
}

// Where there are too many, the newest gives way to one that has answered.
static struct fork *fork_create(
	struct leg *leg, const struct dialog_request *request, const struct sip_message *response)
{
	struct fork *fork;

	if (leg->n_forks == FORKS_MAX) {
		errno = EMFILE;
		if (response->status < 200)
			return NULL;
		fork_destroy(LIST_FIRST(&leg->forks));
		leg->n_forks--;
	}
	fork = calloc(1, sizeof(*fork));
	if (!fork || dialog_init_uac(&fork->dialog, request, response)) {
		free(fork);
		return NULL;
	}
	if (dialog_table_add(leg->call->calls->dialogs, &fork->dialog)) {
		dialog_fini(&fork->dialog);
		free(fork);
		return NULL;
	}
	fork->dialog.user = leg;
	dialog_flow_update(&fork->dialog);
	fork->early.number = ++leg->n_early;
	LIST_INSERT_HEAD(&leg->forks, fork, next);
	leg->n_forks++;
	return fork;
}

int early_find(struct leg *leg, const struct dialog_request *request,
	const struct sip_message *response, struct early_dialog *out)
{
	struct fork *fork = NULL;
	int err;

	if (leg->has_dialog && !is_of_dialog(&leg->dialog, response)) {
		fork = fork_find(leg, response);
		if (!fork)
			fork = fork_create(leg, request, response);
		if (!fork)
			return -ENOMEM;
	} else if (!leg->has_dialog) {
		err = leg_dialog_uac(leg, request, response);
		if (err)
			return err;
		leg->early.number = ++leg->n_early;
		early_half_restore(leg->call, attempt_half(leg->call->attempt));
	}
	*out = fork ? (struct early_dialog){&fork->dialog, &fork->early, fork}
		    : (struct early_dialog){&leg->dialog, &leg->early, NULL};
	return 0;
}

int early_select(struct leg *leg, struct early_dialog *early)
{
	int err = early->fork ? fork_select(leg, early->fork) : 0;

	if (!err)
		*early = (struct early_dialog){&leg->dialog, &leg->early, NULL};
	return err;
}

int early_of_dialog(struct leg *leg, const struct dialog *dialog, struct early_dialog *out)
{
	struct fork *fork;

	if (dialog == &leg->dialog) {
		*out = (struct early_dialog){&leg->dialog, &leg->early, NULL};
		return 0;
	}
	LIST_FOREACH (fork, &leg->forks, next)
		if (dialog == &fork->dialog) {
			*out = (struct early_dialog){&fork->dialog, &fork->early, fork};
			return 0;
		}
	return -ENOENT;
}

bool early_of_number(struct leg *leg, unsigned int number, struct early_dialog *out)
{
	struct fork *fork;

	if (!number)
		return false;
	if (leg->early.number == number)
		return !early_of_dialog(leg, &leg->dialog, out);
	LIST_FOREACH (fork, &leg->forks, next)
		if (fork->early.number == number)
			return !early_of_dialog(leg, &fork->dialog, out);
	return false;
}

int early_rseq_take(struct early *early, const struct sip_message *response, bool *reliable)
{
	uint32_t rseq;

	*reliable = false;
	if (response->status >= 200 ||
		!message_has_token(response, HEADER_REQUIRE, SLICE("100rel")))
		return 0;
	if (slice_to_u32(message_value(response, HEADER_RSEQ), UINT32_MAX, &rseq) || !rseq)
		return -EBADMSG;
	if (early->has_rseq && rseq != early->rseq + 1)
		return -EALREADY;
	early->has_rseq = true;
	early->rseq = rseq;
	early->prack_due = true;
	*reliable = true;
	return 0;
}

struct slice early_prack_write(
	const struct early_dialog *early, struct builder *b, const char *description)
{
	struct dialog *dialog = early->dialog;

	dialog_request_begin(dialog, METHOD_PRACK, b);
	builder_slice(b, SLICE("RAck: "));
	builder_unsigned(b, early->early->rseq);
	builder_char(b, ' ');
	builder_unsigned(b, dialog->invite_cseq);
	builder_slice(b, SLICE(" INVITE\r\n"));
	builder_body(b, SLICE("application/sdp"), slice_of(description));
	early->early->prack_due = false;
	return builder_finish(b);
}

void early_prack(struct leg *leg, const struct early_dialog *early)
{
	char buffer[MESSAGE_SIZE];
	struct builder b;

	if (!early->early->prack_due)
		return;
	builder_init(&b, buffer, sizeof(buffer));
	// Nobody waits for its response: b repeats what it still wants acknowledged, and gives up.
	if (!transaction_start(leg->call->calls->stack, &early->dialog->flow,
		    early_prack_write(early, &b, NULL), NULL))
		log_warn(&log_call, "prack_failed", "call=%s error=%d", leg->call->id_text, errno);
}
