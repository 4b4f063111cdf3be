// Calls as JSON, for the admin side.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "call_private.h"
#include "description.h"

const char *time_text(uint64_t realtime_ms, char out[TIME_TEXT_SIZE])
{
	time_t seconds = (time_t)(realtime_ms / 1000);
	struct tm utc;
	size_t n;

	gmtime_r(&seconds, &utc);
	n = strftime(out, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out + n, TIME_TEXT_SIZE - n, ".%03uZ", (unsigned int)(realtime_ms % 1000));
	return out;
}

static json_t *time_json(uint64_t realtime_ms)
{
	char text[TIME_TEXT_SIZE];

	return realtime_ms ? json_string(time_text(realtime_ms, text)) : json_null();
}

// The far ends write some of what is shown; it need not be UTF-8.
static json_t *text_json(const char *text, size_t length)
{
	json_t *json = json_stringn(text, length);
	char quoted[CALL_NAME_MAX * 4];

	if (json)
		return json;
	return json_string(log_quote(quoted, sizeof(quoted), text, (int)length));
}

static json_t *slice_json(struct slice text)
{
	return text.p ? text_json(text.p, text.n) : json_null();
}

static json_t *leg_summary(const struct call *call, unsigned int index)
{
	const struct leg *leg = &call->legs[index];
	json_t *json = json_object();
	char codec[40];

	json_object_set_new(json, "leg", json_string(leg_name(leg)));
	json_object_set_new(
		json, "trunk", leg->trunk ? json_string(leg->trunk->name) : json_null());
	json_object_set_new(
		json, "codec", json_string(description_codec(call, index, codec, sizeof(codec))));
	return json;
}

uint64_t call_duration_ms(const struct call *call)
{
	uint64_t end_ms = call->times.end_ms ? call->times.end_ms : now_realtime_ms();

	return call->times.answer_ms ? end_ms - call->times.answer_ms : 0;
}

static json_t *call_summary(const struct call *call)
{
	json_t *json = json_object(), *legs = json_array();

	json_object_set_new(json, "call", json_string(call->id_text));
	json_object_set_new(json, "from", text_json(call->from, strlen(call->from)));
	json_object_set_new(
		json, "to", text_json(call->target.number, strlen(call->target.number)));
	json_object_set_new(json, "emergency", json_boolean(call->emergency));
	json_object_set_new(json, "invited", time_json(call->times.invite_ms));
	json_object_set_new(json, "ringing", time_json(call->times.ringing_ms));
	json_object_set_new(json, "answered", time_json(call->times.answer_ms));
	json_object_set_new(json, "duration_ms", json_integer((json_int_t)call_duration_ms(call)));
	for (unsigned int i = 0; i < LEGS; i++)
		json_array_append_new(legs, leg_summary(call, i));
	json_object_set_new(json, "legs", legs);
	return json;
}

static json_t *address_json(const struct sl_address *address)
{
	char text[SIP_ADDRESS_TEXT_SIZE + 8], host[SIP_ADDRESS_TEXT_SIZE];
	struct sdp_address from = {.family = address->family};

	if (!address->family)
		return json_null();
	memcpy(from.bytes, address->bytes, sizeof(from.bytes));
	sdp_address_text(&from, host, sizeof(host));
	snprintf(text, sizeof(text), address->family == SL_IPV6 ? "[%s]:%u" : "%s:%u", host,
		address->port);
	return json_string(text);
}

static void media_describe(json_t *json, const struct call *call, unsigned int index)
{
	const struct sl_leg *leg = &call->session.legs[index];
	const char *suite = description_suite(call, index);

	json_object_set_new(json, "srtp", suite[0] ? json_string(suite) : json_null());
	json_object_set_new(json, "media_local", address_json(&leg->local));
	json_object_set_new(json, "media_remote", address_json(&leg->remote));
	json_object_set_new(json, "sends", json_boolean(leg->flags & SL_LEG_SEND));
	json_object_set_new(json, "receives", json_boolean(leg->flags & SL_LEG_RECEIVE));
}

static void dialog_describe(json_t *json, const struct dialog *dialog)
{
	static const struct {
		const char *name;
		enum dialog_string string;
	} shown[] = {
		{"call_id", DIALOG_CALL_ID},
		{"local_tag", DIALOG_LOCAL_TAG},
		{"remote_tag", DIALOG_REMOTE_TAG},
		{"local_uri", DIALOG_LOCAL_URI},
		{"remote_uri", DIALOG_REMOTE_URI},
		{"remote_target", DIALOG_REMOTE_TARGET},
	};
	char peer[SIP_ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		json_object_set_new(
			json, shown[i].name, slice_json(dialog->strings[shown[i].string]));
	sip_address_format(&dialog->flow.remote, peer);
	json_object_set_new(json, "peer", json_string(peer));
}

json_t *call_describe(const struct call *call)
{
	static const char *const states[] = {
		[LEG_IDLE] = "idle",
		[LEG_INVITED] = "invited",
		[LEG_CALLING] = "calling",
		[LEG_ACCEPTED] = "accepted",
		[LEG_CONFIRMED] = "confirmed",
		[LEG_OVER] = "over",
	};
	json_t *json = call_summary(call), *json_leg;
	size_t index;

	json_object_set_new(json, "state", json_string(call_state_name(call->state)));
	json_object_set_new(json, "recovered", json_boolean(call->recovered));
	json_array_foreach(json_object_get(json, "legs"), index, json_leg)
	{
		const struct leg *leg = &call->legs[index];

		json_object_set_new(json_leg, "state", json_string(states[leg->state]));
		media_describe(json_leg, call, (unsigned int)index);
		if (leg->has_dialog)
			dialog_describe(json_leg, &leg->dialog);
	}
	return json;
}

json_t *calls_list(const struct calls *calls)
{
	json_t *list = json_array(), *json;
	const struct call *call;

	TAILQ_FOREACH (call, &calls->list, in_calls) {
		if (call->state == CALL_OVER)
			continue;
		json = call_summary(call);
		json_object_set_new(json, "state", json_string(call_state_name(call->state)));
		json_array_append_new(list, json);
	}
	return list;
}
