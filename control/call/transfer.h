// REFER: what it asks for, and what is done for it.
#pragma once

#include "call_private.h"

// refer.c
// What a REFER asks for. Its slices are of the request and of `text`.
struct refer {
	struct nameaddr to;
	struct uri uri;
	struct slice replaces, to_tag, from_tag; // Call-ID and tags; absent: a blind one
	bool early_only, silent;		 // silent: no NOTIFYs (RFC 4488)
	char text[512];
};
// Returns 0 or a SIP status.
unsigned int refer_read(const struct sip_message *request, struct refer *out);
void refer_accept(struct leg *leg, struct transaction *transaction, const struct refer *refer);
// Tell the transferor how it goes (sipfrag), as long as it listens.
void refer_notify(struct call *call, unsigned int status, bool final);

// refer_pass.c: a REFER for the other far end, and a NOTIFY of a leg, that may be for one.
void refer_pass(struct leg *asker, struct transaction *transaction);
void refer_notified(struct leg *leg, struct transaction *transaction);

// transfer.c
// The leg of who asks in its other call, which its REFER names. Only its own: it must be of the
// same trunk. NULL: there is none.
struct leg *transfer_other(struct leg *asker, const struct refer *refer);
int transfer_answered(struct call *call);
void transfer_progress(struct call *call, unsigned int status);
struct slice transfer_party(const struct call *call); // From of the transferee
int transfer_taken(struct call *left, const struct call_event *event);
int transfer_refused(struct call *left, const struct call_event *event);
// The transferee's half of the negotiation, for another attempt, too.
void transfer_half(struct call *to);
// Part of call_over().
// It is given up: the calls that it has to do with forget it.
void transfer_give_up(struct call *call);
void transfer_call_over(struct call *call, unsigned int status);
// A BYE of the transferor, while its transfer is under way, ends its own leg only.
bool transfer_outlives(struct call *call, struct leg *leg);
