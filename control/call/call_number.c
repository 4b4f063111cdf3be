// Numbers of a call: what the caller's trunk writes becomes what routes are looked up by, and that
// what the far trunk wants to read.
#include <errno.h>
#include <stdio.h>

#include "call_private.h"
#include "hunt.h"
#include "outside.h"

// The user part, or what follows tel:.
static struct slice uri_number(struct slice text)
{
	struct uri uri;

	if (uri_parse(text, &uri))
		return (struct slice){};
	if (uri.scheme == URI_TEL)
		return (struct slice){uri.text.p + 4, uri.text.n - 4};
	return uri.user;
}

// Where what was dialled is: where a carrier calls the Contact that we registered, in another
// header (P-Called-Party-ID: RFC 7315 4.2).
static struct slice called_uri(const struct calls *calls, const struct sip_message *invite)
{
	const struct realm *realm = calls_realm(calls, invite->flow.listener);
	struct slice party = message_value_named(invite, SLICE("P-Called-Party-ID"));
	struct nameaddr name;

	if (!registrations_match(calls->registrations, realm, invite->request_uri.user))
		return invite->uri;
	return party.p && !nameaddr_parse(party, &name) ? name.uri : invite->to.uri;
}

int message_numbers_read(const struct calls *calls, const struct trunk *trunk,
	const struct sip_message *request, struct number *called, char caller[CALL_NAME_MAX])
{
	const struct number_plan *plan = &trunk->numbers;
	struct number from = {};
	int err = number_read(plan, uri_number(called_uri(calls, request)), called);

	// A caller's name that is too long is nobody's number.
	caller[0] = '\0';
	if (!number_read(plan, uri_number(request->from.uri), &from))
		snprintf(caller, CALL_NAME_MAX, "%s", from.digits);
	return err;
}

int call_numbers_read(struct call *call, const struct sip_message *invite)
{
	int err = message_numbers_read(
		call->calls, call->legs[LEG_A].trunk, invite, &call->number, call->from);

	snprintf(call->target.number, sizeof(call->target.number), "%s", call->number.digits);
	return err;
}

int number_pass(
	const struct trunk *from, const struct trunk *to, struct slice user, char *out, size_t size)
{
	struct number number = {};
	int err = number_read(&from->numbers, user, &number);

	return err ? err : number_write(&to->numbers, number.digits, out, size);
}

void number_uri_write(struct builder *b, const struct trunk *trunk, bool secure, const char *user,
	const char *params, struct slice host)
{
	bool is_number = number_is_telephone(user);

	if (trunk->numbers.tel && is_number && user[0] == '+' && params) {
		builder_text(b, "tel:");
		builder_text(b, user);
		builder_text(b, params);
		return;
	}
	builder_text(b, secure ? "sips:" : "sip:");
	if (user[0]) {
		builder_text(b, user);
		builder_text(b, params ? params : "");
		builder_char(b, '@');
	}
	builder_slice(b, host);
	if (trunk->numbers.phone_user && is_number)
		builder_text(b, ";user=phone");
}

void target_uri_write(struct builder *b, const struct called *called, struct slice host)
{
	const struct number_plan *plan = &called->trunk->numbers;
	char digits[NUMBER_SIZE + 16], params[NUMBER_PORTED_SIZE + NUMBER_CARRIER_SIZE + 16];

	if (number_write(plan, called->target, digits, sizeof(digits)))
		b->overflow = true;
	else
		number_uri_write(b, called->trunk, called->secure, digits,
			number_params(plan, called->number, params, sizeof(params)), host);
}

void called_uri_write(struct builder *b, const struct call *call, struct slice host)
{
	const struct called called = {
		call->legs[LEG_B].trunk, call->target.number, &call->number, call->is_secure};

	target_uri_write(b, &called, host);
}
