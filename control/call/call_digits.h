// INFO and digits, from one leg to the other.
#pragma once

#include "call_private.h"

// info_digit.c
// The digit that an INFO carries. Returns 0, -ENOENT (it carries none), -EBADMSG.
int info_digit_read(const struct sip_message *info, struct info_digit *out);
// As a body of INFO_DIGIT_TYPE. Returns `out`.
#define INFO_DIGIT_TYPE	    "application/dtmf-relay"
#define INFO_DIGIT_TEXT_MAX 32
const char *info_digit_write(const struct info_digit *digit, char out[INFO_DIGIT_TEXT_MAX]);

// info.c
// An INFO from a leg: a digit, or something that the other leg is to answer.
void info_received(struct leg *leg, struct transaction *transaction);

// digits.c
void digits_init(struct leg *leg);
void digits_fini(struct leg *leg);
// The flags of session leg `index`, once the modes of both legs are known.
uint16_t digits_flags(const struct call *call, int index);
// A digit came from the leg by INFO. Returns false where the INFO itself has to go to the other
// leg, which will know what to do with it; else it has been seen to.
bool digits_received(struct leg *leg, const struct info_digit *digit);
// The dataplane has heard a digit from the leg.
void digits_reported(struct leg *leg, const struct info_digit *digit);
// Of transactions whose owner is OWNER_DIGITS: the final status.
void digits_answered(struct owner *owner, unsigned int status);
