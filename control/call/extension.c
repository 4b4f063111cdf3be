// SIP extensions: what we say that we can on a trunk, and what a far end says that it can.
#include "bodies.h"
#include "call_private.h"
#include "hunt.h"
#include "offer.h"
#include "relay.h"

static bool wants(const struct sip_message *message, struct slice option)
{
	return message_has_token(message, HEADER_SUPPORTED, option) ||
	       message_has_token(message, HEADER_REQUIRE, option);
}

void extensions_learn(struct leg *leg, const struct sip_message *message)
{
	if (message_header(message, HEADER_ALLOW))
		leg->peer.update = message_has_token(message, HEADER_ALLOW, SLICE("UPDATE"));
}

struct slice allow_write(const struct trunk *trunk, char out[ALLOW_SIZE])
{
	static const enum method methods[] = {METHOD_MESSAGE, METHOD_PUBLISH, METHOD_SUBSCRIBE};
	struct builder b;

	builder_init(&b, out, ALLOW_SIZE);
	builder_text(&b, LEG_ALLOW);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (!request_may_pass(trunk, methods[i]))
			continue;
		builder_text(&b, ", ");
		builder_slice(&b, method_name(methods[i]));
	}
	return builder_finish(&b);
}

unsigned int extensions_check(struct leg *leg, const struct sip_message *invite)
{
	uint8_t policy = leg->trunk->signalling.rel100;

	leg->peer.rel100 = wants(invite, SLICE("100rel"));
	leg->peer.needs_100rel = message_has_token(invite, HEADER_REQUIRE, SLICE("100rel"));
	if (policy == TRUNK_100REL_NEVER && leg->peer.needs_100rel)
		return 420;
	if (policy == TRUNK_100REL_REQUIRED) {
		leg->peer.needs_100rel = true;
		return leg->peer.rel100 ? 0 : 421;
	}
	if (policy == TRUNK_100REL_NEVER)
		leg->peer.rel100 = false;
	return 0;
}

void extensions_refused(const struct leg *leg, unsigned int status, struct builder *b)
{
	char accept[ACCEPT_SIZE];

	switch (status) {
	case 420:
		builder_header(b, HEADER_UNSUPPORTED, SLICE("100rel"));
		break;
	case 421:
		builder_header(b, HEADER_REQUIRE, SLICE("100rel"));
		break;
	case 415:
		builder_header(b, HEADER_ACCEPT, accept_write(leg->trunk, accept));
		builder_header(b, HEADER_ACCEPT_ENCODING, SLICE("identity"));
		break;
	case 422:
		builder_header_unsigned(
			b, HEADER_MIN_SE, leg->trunk->signalling.session_timer.min_s);
		break;
	default:
		if (status >= 300 && status < 400)
			redirect_write(leg, b);
		break;
	}
}

void extensions_write(struct builder *b, const struct leg *leg, enum extensions what)
{
	const struct trunk_signalling *policy = &leg->trunk->signalling;
	char allowed[ALLOW_SIZE];
	bool reliable = what == EXTENSIONS_FIRST && policy->rel100 != TRUNK_100REL_NEVER;

	builder_header(b, HEADER_ALLOW, allow_write(leg->trunk, allowed));
	builder_header(b, HEADER_SUPPORTED, reliable ? SLICE("100rel, timer") : SLICE("timer"));
	if (what == EXTENSIONS_RESPONSE)
		return;
	refresh_ask(leg, b);
	if (reliable && policy->rel100 == TRUNK_100REL_REQUIRED)
		builder_header(b, HEADER_REQUIRE, SLICE("100rel"));
	if (what == EXTENSIONS_FIRST && policy->early_media == TRUNK_EARLY_MEDIA_AUTHORIZED)
		builder_header(b, HEADER_P_EARLY_MEDIA, SLICE("supported"));
}
