// Offers in a dialog: by UPDATE, PRACK and re-INVITE, session timers, and what a far end can.
#pragma once

#include "call_private.h"

// offer.c
// How the leg can be offered something now, where the other leg was offered it by `by`: INVITE,
// UPDATE, PRACK, or METHOD_OTHER for not at all.
enum method offer_method(const struct leg *leg, enum method by);
int offer_send(struct leg *leg, enum method method, const char *description);
// Theirs: to be answered or refused.
void offer_take(struct leg *leg, struct transaction *transaction);
void offer_answer(struct leg *leg, const char *description);
void offer_refuse(struct leg *leg, unsigned int status);
void offer_forget(struct leg *leg);
// 200 to an UPDATE or PRACK; `description` may be NULL.
void update_answer(struct leg *leg, struct transaction *transaction, const char *description);
// 500 with Retry-After, or 491.
void refuse_for_now(struct transaction *transaction, bool its_own);

// extension.c
// What a far end's message says that it can.
void extensions_learn(struct leg *leg, const struct sip_message *message);
// Whether trunk and caller agree on 100rel: 0, 420 or 421.
unsigned int extensions_check(struct leg *leg, const struct sip_message *invite);
// The headers that a refusal of ours needs.
void extensions_refused(const struct leg *leg, unsigned int status, struct builder *b);
// Allow, what we support and require, and the session timer that we ask for: in the INVITE that
// begins a dialog, in another request, in a response.
enum extensions { EXTENSIONS_FIRST, EXTENSIONS_REQUEST, EXTENSIONS_RESPONSE };
void extensions_write(struct builder *b, const struct leg *leg, enum extensions what);

// refresh.c
void refresh_init(struct leg *leg);
void refresh_stop(struct leg *leg);
// Whether the timer that a request asks for will do: 0 or 422.
unsigned int refresh_check(struct leg *leg, const struct sip_message *request);
// What our 2xx to it says of the timer, which starts anew.
void refresh_answer(struct leg *leg, struct builder *b, const struct sip_message *request);
// What we ask for, and what the 2xx grants.
void refresh_ask(const struct leg *leg, struct builder *b);
void refresh_take(struct leg *leg, const struct sip_message *response);
// A 422: whether it says what would do and we ask for that from now on.
bool refresh_raise(struct leg *leg, const struct sip_message *response);
// A refresh of ours has failed. Returns the status that ends the call, or 0: it is tried again.
unsigned int refresh_refused(
	struct leg *leg, unsigned int status, const struct sip_message *response);
// To our UPDATE; `response` is NULL where none came.
void refresh_response(struct leg *leg, unsigned int status, const struct sip_message *response);
// For records: how long ago the session was refreshed.
uint32_t refresh_age_ms(const struct leg *leg);
void refresh_restore(struct leg *leg, uint32_t age_ms);
// Where it fires within that time it does at some moment of it.
void refresh_spread(struct leg *leg, uint32_t within_ms);
// How long to wait after a 491.
uint32_t glare_wait_ms(const struct dialog *dialog);

// modify.c
// A re-INVITE of the leg that says what was said before. Returns the state that follows.
int modify_repeat(struct leg *leg);
