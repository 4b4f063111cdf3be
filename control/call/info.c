// INFO (RFC 6086, and 2976 as most still use it) of a leg: a digit, which may be turned into media,
// or what the other far end is to answer (leg_request.c).
#include <errno.h>

#include "bodies.h"
#include "call_digits.h"
#include "call_private.h"
#include "relay.h"

// ICE is between us and each far end, and so are its candidates (RFC 8840).
static bool is_about_transport(const struct sip_message *info)
{
	return slice_equal_nocase(
		       message_value_named(info, SLICE("Info-Package")), SLICE("trickle-ice")) ||
	       message_body_is(info, SLICE("application"), SLICE("trickle-ice-sdpfrag"));
}

void info_received(struct leg *leg, struct transaction *transaction)
{
	const struct sip_message *request = transaction_request(transaction);
	struct info_digit digit;
	int err = info_digit_read(request, &digit);

	if (is_about_transport(request))
		transaction_reply_with(
			transaction, 469, SLICE("Bad Info Package"), SLICE("Recv-Info: \r\n"));
	else if (bodies_are_kept_back(request, leg->trunk, leg_other(leg)->trunk))
		transaction_reply(transaction, 415);
	else if (err == -EBADMSG)
		transaction_reply_with(transaction, 400, SLICE("Bad DTMF Body"), (struct slice){});
	else if (!err && digits_received(leg, &digit))
		transaction_reply(transaction, 200);
	else
		leg_request_relay(leg, transaction);
}
