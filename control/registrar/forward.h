// Users whose registrar is elsewhere, behind a trunk: their REGISTERs go there with a Contact or
// Path (RFC 3327) of ours, their proofs and its challenges pass unharmed, and what it has accepted
// is bound here too, so that its calls find the flow to the phone.
//
// Users behind NAT register often, to keep the way open, and the registrar would hear of each:
// they are given a short time, it is asked for a long one, and what comes in between is answered
// here, as long as it comes by the same flow and changes nothing but time. Who forges that wins
// nothing: the binding goes on leading where it led.
//
// Subtle: nothing is kept of a REGISTER that the registrar has not accepted. What identifies us
// there (Call-ID, CSeq, user part of the Contact) is made from the phone's request alone, so that
// the second one, with the proof, follows the first, and is the same again after a restart.
#pragma once

#include "builder.h"
#include "registrar.h"

// In struct registrar_rules.
struct registrar_upstream {
	uint32_t expires_s;	// that the registrar is asked for, at least
	uint32_t nat_expires_s; // that users behind NAT are granted, at most
	bool path;		// Contact as the phone has it, and our Path; else our Contact
	struct slice key;	// of what we are called there
};

// Where the REGISTER is sent from.
struct forward_from {
	struct slice sent_by;	   // "192.0.2.1:5060"
	const char *uri_transport; // ";transport=tcp", or ""
};

// Whether the REGISTER must go to the registrar; else it is answered.
bool forward_needed(struct registrar *registrar, const struct registrar_rules *rules,
	struct transaction *transaction);
// The REGISTER for it, as transaction_start() wants it; an absent slice where it does not fit, or
// there is no memory.
struct slice forward_write(const struct registrar_rules *rules,
	const struct transaction *transaction, const struct forward_from *from, struct builder *b);
// The registrar's final response: bind, and answer. 4xx and 6xx pass as they are, but for those
// that speak of our own request (500).
void forward_answered(struct registrar *registrar, const struct registrar_rules *rules,
	struct transaction *transaction, const struct sip_message *response);
// No answer came from anywhere: what is bound there for a while is prolonged here, all else is
// `status` (503 or 504) with Retry-After.
void forward_failed(struct registrar *registrar, const struct registrar_rules *rules,
	struct transaction *transaction, unsigned int status);

// Whether a user part looks like that of our Contact or Path there.
bool forward_is_token(struct slice user);
// The binding of an address of record that a request came by the flow of; NULL: there is none.
const struct binding *forward_binding_of_flow(
	struct registrar *registrar, struct slice aor, const struct flow *flow);
