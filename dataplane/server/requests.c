// Each request type has one function in a table. Whatever cannot be parsed is answered with -EPROTO
// and ends the connection.
#include "requests.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "codec_cost.h"
#include "log.h"
#include "log_server.h"

#define COUNTERS_PER_MESSAGE \
	((SL_MESSAGE_MAX - sizeof(struct sl_header)) / sizeof(struct sl_counter))

static_assert(CODECS_MAX * sizeof(struct sl_codec) <= SL_MESSAGE_MAX - sizeof(struct sl_header),
	"all codecs are one message");

struct request {
	struct request_context *context;
	struct connection *connection;
	const struct sl_message *message;
};

static void respond(const struct request *request, int status, const void *payload, size_t length,
	const void *tail, size_t tail_length)
{
	connection_send(request->connection, request->message->type | SL_RESPONSE,
		request->message->request_id, status, false, payload, length, tail, tail_length);
}

static void respond_status(const struct request *request, int status)
{
	respond(request, status, NULL, 0, NULL, 0);
}

static void fail_protocol(const struct request *request, const char *why)
{
	log_warn(&log_server, "protocol_error", "client=%s pid=%d why=\"%s\"",
		request->connection->name, request->connection->pid, why);
	respond_status(request, -EPROTO);
	request->connection->closing = true;
}

// The id as its call's logs spell it: a ULID (Crockford's base 32).
static const char *id_text(const struct sl_id *id, char text[27])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	unsigned __int128 value = 0;

	for (size_t i = 0; i < sizeof(id->bytes); i++)
		value = value << 8 | id->bytes[i];
	for (int i = 25; i >= 0; i--, value >>= 5)
		text[i] = digits[(unsigned int)value & 31];
	text[26] = '\0';
	return text;
}

static void tell_event(void *context, const struct sl_media_event *event)
{
	connection_send(context, SL_MEDIA_EVENT, 0, 0, false, event, sizeof(*event), NULL, 0);
}

static void handle_hello(const struct request *request)
{
	const struct sl_hello *hello = request->message->payload;
	const struct request_context *context = request->context;
	struct connection *connection = request->connection;
	struct sessions_counts counts;
	struct sl_welcome welcome = {
		.version = SL_API_VERSION,
		.n_workers = (uint16_t)context->config->workers->config.n_workers,
		.n_transcoders = (uint16_t)context->config->n_transcoders,
		.sessions_max = context->config->sessions_max,
		.instance = context->instance,
		.uptime_ms = (clock_now_ns() - context->started_ns) / 1000000,
	};

	if (hello->version != SL_API_VERSION) {
		fail_protocol(request, "another version of the API");
		return;
	}
	if (!memchr(hello->name, '\0', sizeof(hello->name)) || hello->events > 1 ||
		hello->punts > 1) {
		fail_protocol(request, "malformed hello");
		return;
	}
	log_quote(connection->name, sizeof(connection->name), hello->name, -1);
	connection->greeted = true;
	connection->events = hello->events;
	connection->punts = hello->punts;
	sessions_count(context->config->sessions, &counts);
	welcome.n_sessions = counts.sessions;
	respond(request, 0, &welcome, sizeof(welcome), NULL, 0);
	log_info(&log_server, "client_connected", "client=%s pid=%d events=%u punts=%u",
		connection->name, connection->pid, connection->events, connection->punts);
	if (connection->events)
		sessions_repeat_timeouts(context->config->sessions, tell_event, connection);
}

static void handle_set(const struct request *request)
{
	const void *record;
	const struct sl_session *wanted = sl_payload_session(request->message, &record);
	struct sl_session session = {};
	const char *why = "";
	char text[27];
	int rc;

	if (!wanted) {
		fail_protocol(request, "a session of another length than it says");
		return;
	}
	rc = session_set(request->context->config->sessions, wanted, record, &session, &why);
	if (rc) {
		log_warn(&log_server, "session_refused", "call=%s error=%s why=\"%s\"",
			id_text(&wanted->id, text), strerrorname_np(-rc), why);
		respond_status(request, rc);
		return;
	}
	log_debug(&log_server, "session_set", "call=%s legs=%u", id_text(&wanted->id, text),
		wanted->n_legs);
	session.record_length = 0; // the client knows it
	respond(request, 0, &session, sizeof(session), NULL, 0);
}

static struct session *find(const struct request *request)
{
	return session_find(request->context->config->sessions, request->message->payload);
}

static void respond_report(const struct request *request, const struct session *session)
{
	struct sl_session_report report;
	const void *record = session_report(session, &report);

	respond(request, 0, &report, sizeof(report), record, report.session.record_length);
}

static void handle_get(const struct request *request)
{
	const struct session *session = find(request);

	if (session)
		respond_report(request, session);
	else
		respond_status(request, -ENOENT);
}

static void handle_delete(const struct request *request)
{
	struct session *session = find(request);
	char text[27];

	if (!session) {
		respond_status(request, -ENOENT);
		return;
	}
	respond_report(request, session);
	session_delete(request->context->config->sessions, session);
	log_debug(&log_server, "session_deleted", "call=%s",
		id_text(request->message->payload, text));
}

static void handle_list(const struct request *request)
{
	request->connection->list_request = request->message->request_id;
	request->connection->list_cursor = 0;
	request->connection->list_shard = 0;
	request_continue_list(request->context, request->connection);
}

static void continue_sessions(struct request_context *context, struct connection *connection)
{
	while (connection->list_request && connection->n_queued == 0 && !connection->broken) {
		const struct session *session =
			sessions_next(context->config->sessions, &connection->list_cursor);
		uint32_t request_id = connection->list_request;
		struct sl_session_report report;
		const void *record;

		if (!session) {
			connection->list_request = 0;
			connection_send(connection, SL_SESSION_LIST | SL_RESPONSE, request_id, 0,
				false, NULL, 0, NULL, 0);
			return;
		}
		record = session_report(session, &report);
		connection_send(connection, SL_SESSION_LIST | SL_RESPONSE, request_id, 0, true,
			&report, sizeof(report), record, report.session.record_length);
	}
}

// As many sessions' marks as a message has room for, whatever each of them has.
static void continue_marks(struct request_context *context, struct connection *connection)
{
	static struct sl_mark marks[SL_MARKS_MAX];

	static_assert(SL_MARKS_MAX >= SESSION_MARKS_MAX, "those of a session fit");
	while (connection->list_request && connection->n_queued == 0 && !connection->broken) {
		uint32_t request_id = connection->list_request;
		const struct session *session = NULL;
		unsigned int n = 0;

		while (n + SESSION_MARKS_MAX <= SL_MARKS_MAX) {
			session =
				sessions_next(context->config->sessions, &connection->list_cursor);
			if (!session)
				break;
			n += session_marks(session, connection->list_shard, marks + n);
		}
		if (!session)
			connection->list_request = 0;
		connection_send(connection, SL_MARKS_GET | SL_RESPONSE, request_id, 0,
			session != NULL, marks, n * sizeof(marks[0]), NULL, 0);
	}
}

void request_continue_list(struct request_context *context, struct connection *connection)
{
	if (connection->list_shard)
		continue_marks(context, connection);
	else
		continue_sessions(context, connection);
}

static void handle_shard_set(const struct request *request)
{
	struct shards *shards = request->context->config->shards;
	struct sl_shard now;
	int rc = shards ? shards_set(shards, request->message->payload, &now) : -ENOENT;

	if (rc)
		respond_status(request, rc);
	else
		respond(request, 0, &now, sizeof(now), NULL, 0);
}

static void handle_shard_list(const struct request *request)
{
	struct sl_shard list[SL_SHARDS_MAX];
	size_t n = shards_list(request->context->config->shards, list);

	respond(request, 0, list, n * sizeof(list[0]), NULL, 0);
}

static void handle_marks_get(const struct request *request)
{
	const struct sl_shard_name *name = request->message->payload;
	int shard = -ENOENT;

	if (memchr(name->name, '\0', sizeof(name->name)))
		shard = shards_find(request->context->config->shards, name->name);
	if (shard < 0) {
		respond_status(request, shard);
		return;
	}
	request->connection->list_request = request->message->request_id;
	request->connection->list_cursor = 0;
	request->connection->list_shard = (unsigned int)shard;
	request_continue_list(request->context, request->connection);
}

static void handle_marks_set(const struct request *request)
{
	size_t n = 0;
	const struct sl_mark *marks = sl_payload_marks(request->message, &n);
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		int status = session_mark_set(request->context->config->sessions, &marks[i]);

		rc = rc ? rc : status;
	}
	respond_status(request, rc);
}

static void handle_stats_get(const struct request *request)
{
	size_t n_counters;
	const struct sl_counter *counters =
		stats_read(request->context->stats, request->context->config, &n_counters);

	for (size_t at = 0; at < n_counters; at += COUNTERS_PER_MESSAGE) {
		size_t n = RTE_MIN(n_counters - at, COUNTERS_PER_MESSAGE);

		connection_send(request->connection, SL_STATS_GET | SL_RESPONSE,
			request->message->request_id, 0, at + n < n_counters, counters + at,
			n * sizeof(*counters), NULL, 0);
	}
}

static void handle_codecs_get(const struct request *request)
{
	const struct transcode *engine = request->context->config->workers->config.transcode;
	struct sl_codec list[CODECS_MAX];
	size_t n = 0;

	for (; engine && codecs[n]; n++) {
		const struct codec *codec = codecs[n];
		struct codec_cost cost = codec_cost(codec);
		struct transcode_codec_streams streams =
			transcode_codec_streams(engine, (unsigned int)n);

		list[n] = (struct sl_codec){
			.clock_hz = codec->clock_hz,
			.encode_ns = cost.encode_ns,
			.decode_ns = cost.decode_ns,
			.encoders_now = streams.encoders,
			.decoders_now = streams.decoders,
			.channels = codec->channels,
			.static_pt = codec->static_pt,
		};
		snprintf(list[n].name, sizeof(list[n].name), "%s", codec->name);
		memcpy(list[n].sample_rates, codec->sample_rates, sizeof(list[n].sample_rates));
		memcpy(list[n].frames_ms, codec->frames_ms, sizeof(list[n].frames_ms));
	}
	respond(request, 0, list, n * sizeof(list[0]), NULL, 0);
}

static void handle_stats_reset(const struct request *request)
{
	stats_reset(request->context->stats, request->context->config);
	respond_status(request, 0);
}

static void handle_profile(const struct request *request)
{
	const struct sl_profile *profile = request->message->payload;

	if (profile->on > 1) {
		respond_status(request, -EINVAL);
		return;
	}
	workers_profile(request->context->config->workers, profile->on);
	respond_status(request, 0);
}

static void handle_inject(const struct request *request)
{
	const struct sl_datagram *datagram = sl_payload_datagram(request->message);

	respond_status(
		request, datagram ? injector_send(request->context->injector, datagram) : -EINVAL);
}

static void handle_dtmf(const struct request *request)
{
	const struct sl_dtmf *dtmf = request->message->payload;
	struct sessions *sessions = request->context->config->sessions;
	const struct session *session = session_find(sessions, &dtmf->id);

	respond_status(request, session ? session_dtmf(sessions, session, dtmf) : -ENOENT);
}

static void (*const handlers[])(const struct request *) = {
	[SL_HELLO] = handle_hello,
	[SL_SESSION_SET] = handle_set,
	[SL_SESSION_DELETE] = handle_delete,
	[SL_SESSION_GET] = handle_get,
	[SL_SESSION_LIST] = handle_list,
	[SL_STATS_GET] = handle_stats_get,
	[SL_STATS_RESET] = handle_stats_reset,
	[SL_INJECT] = handle_inject,
	[SL_CODECS_GET] = handle_codecs_get,
	[SL_PROFILE] = handle_profile,
	[SL_DTMF] = handle_dtmf,
	[SL_SHARD_SET] = handle_shard_set,
	[SL_SHARD_LIST] = handle_shard_list,
	[SL_MARKS_GET] = handle_marks_get,
	[SL_MARKS_SET] = handle_marks_set,
};

// The answer to what could not be parsed is well-formed whatever came: of the same type and request
// where the header names them, else to an imagined hello.
static void refuse_garbage(const struct request *request, const void *packet, size_t length)
{
	struct sl_message message = {.type = SL_HELLO, .request_id = 1};
	struct sl_header header;

	if (length >= sizeof(header)) {
		memcpy(&header, packet, sizeof(header));
		if (header.type < RTE_DIM(handlers) && handlers[header.type])
			message.type = header.type;
		if (header.request_id)
			message.request_id = header.request_id;
	}
	fail_protocol(&(struct request){request->context, request->connection, &message},
		"malformed message");
}

void request_handle(struct request_context *context, struct connection *connection,
	const void *packet, size_t length)
{
	struct sl_message message;
	struct request request = {context, connection, &message};

	if (sl_message_parse(packet, length, &message) || message.response ||
		message.type >= RTE_DIM(handlers) || !handlers[message.type]) {
		refuse_garbage(&request, packet, length);
		return;
	}
	if (!connection->greeted && message.type != SL_HELLO) {
		respond_status(&request, -EPERM);
		return;
	}
	handlers[message.type](&request);
}
