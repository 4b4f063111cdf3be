// The wire format, checked: every message that either end receives passes through here before
// anything looks into it. One row of `messages` ties a type to the payloads of both directions.
#include "sl_client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(sizeof(struct sl_header) == 16, "no implicit padding");
static_assert(sizeof(struct sl_address) == 20, "no implicit padding");
static_assert(sizeof(struct sl_hello) == 32, "no implicit padding");
static_assert(sizeof(struct sl_welcome) == 32, "no implicit padding");
static_assert(sizeof(struct sl_format) == 40, "no implicit padding");
static_assert(sizeof(struct sl_srtp) == 88, "no implicit padding");
static_assert(sizeof(struct sl_leg) == 136 + SL_FORMATS_MAX * 40 + 2 * 88, "no implicit padding");
static_assert(sizeof(struct sl_session) == 24 + SL_LEGS_MAX * sizeof(struct sl_leg), "no padding");
static_assert(sizeof(struct sl_leg_stats) == 312, "no implicit padding");
static_assert(sizeof(struct sl_session_report) ==
		      sizeof(struct sl_session) + 8 + SL_LEGS_MAX * sizeof(struct sl_leg_stats),
	"no implicit padding");
static_assert(sizeof(struct sl_media_event) == 60, "no implicit padding");
static_assert(sizeof(struct sl_codec) == 76, "no implicit padding");
static_assert(sizeof(struct sl_dtmf) == 24, "no implicit padding");
static_assert(sizeof(struct sl_shard) == 56, "no implicit padding");
static_assert(sizeof(struct sl_shard_event) == 72, "no implicit padding");
static_assert(sizeof(struct sl_mark) == 88, "no implicit padding");
static_assert(SL_SHARDS_MAX * sizeof(struct sl_shard) <= SL_MESSAGE_MAX - sizeof(struct sl_header),
	"all shards in one message");
static_assert(sizeof(struct sl_counter) == 64, "no implicit padding");
static_assert(sizeof(struct sl_voip_metrics) == 32, "no implicit padding");
static_assert(sizeof(struct sl_datagram) == 40 + SL_DATAGRAM_MAX, "no implicit padding");
static_assert(sizeof(struct sl_profile) == 8, "no implicit padding");
static_assert(sizeof(struct sl_header) + sizeof(struct sl_session_report) + SL_RECORD_MAX <=
		      SL_MESSAGE_MAX,
	"the largest message fits");

#define PAYLOAD_MAX (SL_MESSAGE_MAX - sizeof(struct sl_header))

// Bytes of payload: at least, at most, and a multiple of (0: any).
struct payload_size {
	size_t min;
	size_t max;
	size_t unit;
};

#define NOTHING         \
	{               \
		0, 0, 0 \
	}
#define EXACTLY(type)                         \
	{                                     \
		sizeof(type), sizeof(type), 0 \
	}
#define RECORD(type)                                          \
	{                                                     \
		sizeof(type), sizeof(type) + SL_RECORD_MAX, 0 \
	}
#define ARRAY(type)                          \
	{                                    \
		0, PAYLOAD_MAX, sizeof(type) \
	}

static const struct {
	uint16_t type;
	bool request_known;
	bool may_be_empty; // a response that closes a list
	struct payload_size request;
	struct payload_size response;
} messages[] = {
	{SL_HELLO, true, false, EXACTLY(struct sl_hello), EXACTLY(struct sl_welcome)},
	{SL_SESSION_SET, true, false, RECORD(struct sl_session), RECORD(struct sl_session)},
	{SL_SESSION_DELETE, true, false, EXACTLY(struct sl_id), RECORD(struct sl_session_report)},
	{SL_SESSION_GET, true, false, EXACTLY(struct sl_id), RECORD(struct sl_session_report)},
	{SL_SESSION_LIST, true, true, NOTHING, RECORD(struct sl_session_report)},
	{SL_STATS_GET, true, true, NOTHING, ARRAY(struct sl_counter)},
	{SL_STATS_RESET, true, true, NOTHING, NOTHING},
	{SL_INJECT, true, true, EXACTLY(struct sl_datagram), NOTHING},
	{SL_PROFILE, true, true, EXACTLY(struct sl_profile), NOTHING},
	{SL_CODECS_GET, true, true, NOTHING, ARRAY(struct sl_codec)},
	{SL_DTMF, true, true, EXACTLY(struct sl_dtmf), NOTHING},
	{SL_SHARD_SET, true, false, EXACTLY(struct sl_shard), EXACTLY(struct sl_shard)},
	{SL_SHARD_LIST, true, true, NOTHING, ARRAY(struct sl_shard)},
	{SL_MARKS_GET, true, true, EXACTLY(struct sl_shard_name), ARRAY(struct sl_mark)},
	{SL_MARKS_SET, true, true, ARRAY(struct sl_mark), NOTHING},
	{SL_MEDIA_EVENT, false, false, NOTHING, EXACTLY(struct sl_media_event)},
	{SL_PUNT, false, false, NOTHING, EXACTLY(struct sl_datagram)},
	{SL_SHARD_EVENT, false, false, NOTHING, EXACTLY(struct sl_shard_event)},
};

static bool size_fits(const struct payload_size *size, size_t length)
{
	return length >= size->min && length <= size->max &&
	       (size->unit == 0 || length % size->unit == 0);
}

static bool payload_fits(const struct sl_header *header, size_t length)
{
	uint16_t type = header->type & ~SL_RESPONSE;
	bool response = header->type & SL_RESPONSE;

	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		if (messages[i].type != type)
			continue;
		if (!messages[i].request_known) // an event: neither request nor response
			return !response && header->request_id == 0 && header->status == 0 &&
			       size_fits(&messages[i].response, length);
		if (header->request_id == 0)
			return false;
		if (!response)
			return header->status == 0 && header->flags == 0 &&
			       size_fits(&messages[i].request, length);
		if (length == 0)
			return header->status < 0 || messages[i].may_be_empty;
		return header->status == 0 && size_fits(&messages[i].response, length);
	}
	return false;
}

int sl_message_parse(const void *packet, size_t length, struct sl_message *message)
{
	const struct sl_header *header = packet;

	if (length < sizeof(*header) || length > SL_MESSAGE_MAX || header->length != length)
		return -EPROTO;
	if (header->flags & ~SL_MORE || header->status > 0)
		return -EPROTO;
	length -= sizeof(*header);
	if (!payload_fits(header, length))
		return -EPROTO;
	*message = (struct sl_message){
		.type = header->type & ~SL_RESPONSE,
		.more = header->flags & SL_MORE,
		.response = header->type & SL_RESPONSE,
		.request_id = header->request_id,
		.status = header->status,
		.payload = header + 1,
		.payload_length = length,
	};
	return 0;
}

static bool session_fits(const struct sl_session *session, size_t tail)
{
	return session->n_legs <= SL_LEGS_MAX && session->record_length == tail;
}

const struct sl_session *sl_payload_session(const struct sl_message *message, const void **record)
{
	const struct sl_session *session = message->payload;

	if (message->payload_length < sizeof(*session) ||
		!session_fits(session, message->payload_length - sizeof(*session)))
		return NULL;
	if (record)
		*record = session + 1;
	return session;
}

const struct sl_session_report *sl_payload_report(
	const struct sl_message *message, const void **record)
{
	const struct sl_session_report *report = message->payload;

	if (message->payload_length < sizeof(*report) ||
		!session_fits(&report->session, message->payload_length - sizeof(*report)))
		return NULL;
	if (record)
		*record = report + 1;
	return report;
}

const struct sl_welcome *sl_payload_welcome(const struct sl_message *message)
{
	return message->payload_length == sizeof(struct sl_welcome) ? message->payload : NULL;
}

const struct sl_media_event *sl_payload_event(const struct sl_message *message)
{
	return message->payload_length == sizeof(struct sl_media_event) ? message->payload : NULL;
}

const struct sl_datagram *sl_payload_datagram(const struct sl_message *message)
{
	const struct sl_datagram *datagram = message->payload;

	if (message->payload_length != sizeof(*datagram) ||
		datagram->length > sizeof(datagram->bytes))
		return NULL;
	return datagram;
}

const struct sl_counter *sl_payload_counters(const struct sl_message *message, size_t *n_counters)
{
	const struct sl_counter *counters = message->payload;
	size_t n = message->payload_length / sizeof(*counters);

	if (message->payload_length % sizeof(*counters))
		return NULL;
	for (size_t i = 0; i < n; i++) // names end inside their field
		if (counters[i].name[sizeof(counters[i].name) - 1] != '\0')
			return NULL;
	*n_counters = n;
	return counters;
}

const struct sl_codec *sl_payload_codecs(const struct sl_message *message, size_t *n_codecs)
{
	const struct sl_codec *codecs = message->payload;
	size_t n = message->payload_length / sizeof(*codecs);

	if (message->payload_length % sizeof(*codecs))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (codecs[i].name[sizeof(codecs[i].name) - 1] != '\0')
			return NULL;
	*n_codecs = n;
	return codecs;
}

static bool name_ends(const char *name, size_t size)
{
	return memchr(name, '\0', size) != NULL;
}

const struct sl_shard *sl_payload_shards(const struct sl_message *message, size_t *n_shards)
{
	const struct sl_shard *shards = message->payload;
	size_t n = message->payload_length / sizeof(*shards);

	if (message->payload_length % sizeof(*shards))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!name_ends(shards[i].name, sizeof(shards[i].name)))
			return NULL;
	*n_shards = n;
	return shards;
}

const struct sl_shard_event *sl_payload_shard_event(const struct sl_message *message)
{
	const struct sl_shard_event *event = message->payload;

	return message->payload_length == sizeof(*event) &&
			       name_ends(event->name, sizeof(event->name))
		       ? event
		       : NULL;
}

const struct sl_mark *sl_payload_marks(const struct sl_message *message, size_t *n_marks)
{
	if (message->payload_length % sizeof(struct sl_mark))
		return NULL;
	*n_marks = message->payload_length / sizeof(struct sl_mark);
	return message->payload;
}
