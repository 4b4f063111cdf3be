// The rules of RFC 4028 for one request and its 2xx.
#include "session_expires.h"

#include <errno.h>

int session_expires_parse(struct slice value, struct session_expires *out)
{
	const char *semicolon = value.n ? memchr(value.p, ';', value.n) : NULL;
	struct slice digits = value, params = {0}, who;
	struct session_expires found = {0};

	if (semicolon) {
		digits.n = (size_t)(semicolon - value.p);
		params = (struct slice){semicolon, value.n - digits.n};
	}
	if (slice_to_u32(slice_trim(digits), UINT32_MAX, &found.interval_s) || params_check(params))
		return -EBADMSG;
	if (params_find(params, SLICE("refresher"), &who)) {
		if (slice_equal_nocase(who, SLICE("uac")))
			found.refresher = SESSION_REFRESHER_UAC;
		else if (slice_equal_nocase(who, SLICE("uas")))
			found.refresher = SESSION_REFRESHER_UAS;
	}
	*out = found;
	return 0;
}

struct session_expires message_session_expires(const struct sip_message *message)
{
	struct session_expires expires;

	if (session_expires_parse(message_value(message, HEADER_SESSION_EXPIRES), &expires) ||
		expires.interval_s < SESSION_EXPIRES_LEAST_S)
		return (struct session_expires){0};
	if (expires.interval_s > SESSION_EXPIRES_MAX_S)
		expires.interval_s = SESSION_EXPIRES_MAX_S; // to refresh sooner does no harm
	return expires;
}

uint32_t message_min_se(const struct sip_message *message)
{
	struct session_expires min; // has parameters that nobody knows, so the syntax is alike

	if (session_expires_parse(message_value(message, HEADER_MIN_SE), &min) ||
		min.interval_s < SESSION_EXPIRES_MIN_S)
		return SESSION_EXPIRES_MIN_S;
	return min.interval_s;
}

static bool has_timer(const struct sip_message *request)
{
	return message_has_token(request, HEADER_SUPPORTED, SLICE("timer")) ||
	       message_has_token(request, HEADER_REQUIRE, SLICE("timer"));
}

// May be lowered to what we want, but not below what the request allows.
static uint32_t interval_of(const struct session_timer_wishes *wishes,
	const struct sip_message *request, uint32_t asked_s)
{
	uint32_t min_s = message_min_se(request), wanted_s = wishes->expires_s;

	if (wanted_s && wanted_s < min_s)
		wanted_s = min_s;
	if (!asked_s || (wanted_s && wanted_s < asked_s))
		return wanted_s;
	return asked_s;
}

unsigned int session_expires_answer(const struct session_timer_wishes *wishes,
	const struct sip_message *request, struct session_expires *out)
{
	struct session_expires asked = message_session_expires(request);
	bool knows_timer = has_timer(request);

	if (knows_timer && message_header(request, HEADER_SESSION_EXPIRES) &&
		asked.interval_s < wishes->min_s)
		return 422;
	out->interval_s = interval_of(wishes, request, asked.interval_s);
	out->refresher = SESSION_REFRESHER_UAS; // who does not know it cannot do it
	if (knows_timer && asked.refresher)
		out->refresher = asked.refresher;
	else if (knows_timer && wishes->refresher != SESSION_REFRESHER_UAS)
		out->refresher = SESSION_REFRESHER_UAC;
	return 0;
}

void session_expires_write(struct builder *b, const struct session_expires *expires)
{
	builder_slice(b, SLICE("Session-Expires: "));
	builder_unsigned(b, expires->interval_s);
	if (expires->refresher)
		builder_slice(b, expires->refresher == SESSION_REFRESHER_UAC
					 ? SLICE(";refresher=uac")
					 : SLICE(";refresher=uas"));
	builder_slice(b, SLICE("\r\n"));
}
