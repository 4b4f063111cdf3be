// Subscriptions (RFC 6665) that pass through us: two dialogs, with the one who subscribes and with
// the one who notifies.
#pragma once

#include "call_private.h"
#include "relay.h"

struct subscription;

// Begins with a SUBSCRIBE of no dialog, before that goes anywhere. `*out` becomes NULL when it is
// dropped or accepted. Returns 0 or a SIP status.
unsigned int subscription_create(struct calls *calls, const struct trunk *from,
	struct transaction *transaction, struct subscription **out);
// It is about to go there, with these values: a NOTIFY for it may come from now on. Returns 0 or a
// negative errno.
int subscription_try(struct subscription *subscription, const struct trunk *to,
	const struct flow *flow, const struct dialog_request *values);
// Our SUBSCRIBE has its 2xx: writes what ours to theirs says. Returns 0 or a SIP status: it cannot
// be, and is to be dropped.
unsigned int subscription_accepted(struct subscription *subscription,
	const struct dialog_request *values, const struct sip_message *response, struct builder *b);
void subscription_drop(struct subscription *subscription); // NULL: nothing
// Expires, and what of option tags is between the two ends, of a SUBSCRIBE of theirs in one of
// ours.
void subscription_wish_write(
	struct builder *b, const struct trunk *from, const struct sip_message *subscribe);

// A request in one of its dialogs, `side` as struct dialog has it in `user`.
void subscription_request(struct owner *side, struct dialog *dialog,
	struct transaction *transaction, const struct sip_message *request);
// A NOTIFY of no known dialog: of a subscription that waits for its first, else 481.
void subscription_notify(
	struct calls *calls, struct transaction *transaction, const struct sip_message *notify);
const struct trunk *subscription_trunk(const struct owner *side);
// All of them: both sides are told.
void subscriptions_end(struct calls *calls);
// All of them, without a word.
void subscriptions_drop(struct calls *calls);

// subscription_state.c
// The event package that a message names; absent where it names none, or several.
struct slice event_package(const struct sip_message *message);
// Whether a trunk may subscribe to that package.
bool event_is_allowed(const struct trunk *trunk, struct slice package);
// Expires: `otherwise` where it is absent or no number; at most `most`.
uint32_t expires_read(const struct sip_message *message, uint32_t otherwise, uint32_t most);
// Subscription-State as it passes: state, reason, expires (at most `most`), retry-after, and
// nothing else. Returns whether it is "terminated".
bool subscription_state_write(struct builder *b, const struct sip_message *notify, uint32_t most);
// "eventlist" (RFC 4662) in Supported and Require is between the two ends.
void eventlist_copy(struct builder *b, const struct sip_message *from);
// Whether one of them has a side that is reached by that listener.
bool subscriptions_use(const struct calls *calls, const struct listener *listener);
