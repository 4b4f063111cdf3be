// What messages say of a subscription. See subscription.h.
#include <errno.h>

#include "chars.h"
#include "subscription.h"

struct slice event_package(const struct sip_message *message)
{
	const struct sip_header *header = message_header(message, HEADER_EVENT);
	struct slice rest, package;

	if (!header || message_header_next(message, header))
		return (struct slice){};
	rest = header->value;
	package = slice_trim(slice_cut(&rest, ';'));
	return chars_are(package, CHAR_TOKEN) ? package : (struct slice){};
}

bool event_is_allowed(const struct trunk *trunk, struct slice package)
{
	const struct trunk_subscriptions *rules = &trunk->signalling.subscriptions;

	// Names of packages are case-sensitive (RFC 6665 8.2.1).
	for (size_t i = 0; i < rules->n_events; i++)
		if (slice_equal(package, slice_of(rules->events[i])))
			return true;
	return !rules->n_events;
}

uint32_t expires_read(const struct sip_message *message, uint32_t otherwise, uint32_t most)
{
	uint32_t seconds;

	switch (slice_to_u32(message_value(message, HEADER_EXPIRES), UINT32_MAX, &seconds)) {
	case 0:
		break;
	case -ERANGE:
		seconds = most;
		break;
	default:
		seconds = otherwise;
	}
	return seconds < most ? seconds : most;
}

static void param_put(struct builder *b, struct slice params, struct slice name)
{
	struct slice value;

	if (!params_find(params, name, &value) || !chars_are(value, CHAR_TOKEN))
		return;
	builder_char(b, ';');
	builder_slice(b, name);
	builder_char(b, '=');
	builder_slice(b, value);
}

bool subscription_state_write(struct builder *b, const struct sip_message *notify, uint32_t most)
{
	struct slice params = message_value(notify, HEADER_SUBSCRIPTION_STATE), value;
	struct slice state = slice_trim(slice_cut(&params, ';'));
	uint32_t seconds;

	if (params.p)
		params = (struct slice){params.p - 1, params.n + 1};
	if (!chars_are(state, CHAR_TOKEN))
		state = SLICE("active");
	builder_slice(b, SLICE("Subscription-State: "));
	builder_slice(b, state);
	param_put(b, params, SLICE("reason"));
	if (params_find(params, SLICE("expires"), &value) &&
		!slice_to_u32(value, UINT32_MAX, &seconds)) {
		builder_text(b, ";expires=");
		builder_unsigned(b, seconds < most ? seconds : most);
	}
	param_put(b, params, SLICE("retry-after"));
	builder_text(b, "\r\n");
	return slice_equal_nocase(state, SLICE("terminated"));
}

void eventlist_copy(struct builder *b, const struct sip_message *from)
{
	static const struct slice eventlist = SLICE("eventlist");

	if (message_has_token(from, HEADER_SUPPORTED, eventlist))
		builder_header(b, HEADER_SUPPORTED, eventlist);
	if (message_has_token(from, HEADER_REQUIRE, eventlist))
		builder_header(b, HEADER_REQUIRE, eventlist);
}
