// From the first response to the answer: early dialogs of b, and reliable responses to a.
#pragma once

#include "call_private.h"

// early.c
bool early_answer_waits(const struct call *call);

// reliable.c
// Send it, or keep it until those before it are acknowledged. Returns 0 or a negative errno.
int leg_provisional(struct leg *leg, const struct provisional *provisional);
// A PRACK: what it acknowledges. Returns 0, -EBADMSG, or -ENOENT (nothing waits for it).
int reliable_acknowledge(
	struct leg *leg, const struct sip_message *prack, struct provisional *acknowledged);
void reliable_next(struct leg *leg); // of those that wait
// The description of a reliable response has not been acknowledged: the 2xx waits for that.
bool reliable_holds_answer(const struct leg *leg);
void reliable_stop(struct leg *leg); // the INVITE has its final response; a PRACK may still come
void reliable_fini(struct leg *leg);

// fork.c: b's early dialogs
// The one that a response to its INVITE belongs to, made where there is none. Returns 0 or a
// negative errno.
int early_find(struct leg *leg, const struct dialog_request *request,
	const struct sip_message *response, struct early_dialog *out);
int early_of_dialog(struct leg *leg, const struct dialog *dialog, struct early_dialog *out);
bool early_of_number(struct leg *leg, unsigned int number, struct early_dialog *out);
// Make it the leg's own, with its half of the negotiation.
int early_select(struct leg *leg, struct early_dialog *early);
// Whether a response is reliable. Returns 0, -EBADMSG, or -EALREADY: not to be taken in.
int early_rseq_take(struct early *early, const struct sip_message *response, bool *reliable);
// PRACK the last reliable response where that is due: send, or only write it.
void early_prack(struct leg *leg, const struct early_dialog *early);
struct slice early_prack_write(
	const struct early_dialog *early, struct builder *b, const char *description);
// Before an offer is made in an early dialog: the other forks still have the first one. Returns 0
// or -ENOMEM.
int fork_offer_keep(struct call *call);
void forks_drop(struct leg *leg); // all but the leg's own
void early_drop(struct leg *leg); // its own, too

// b's half of the negotiation, as one of several far ends has it: a copy of it, malloced, and its
// way back into the call (NULL: it stays as it is).
struct negotiation_leg *negotiation_leg_copy(const struct negotiation_leg *half);
void negotiation_leg_free(struct negotiation_leg *half); // NULL is fine; keys are wiped
void early_half_restore(struct call *call, const struct negotiation_leg *half);
