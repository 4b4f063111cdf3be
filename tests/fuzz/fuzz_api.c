// Whatever arrives on the API socket: parsed as a message, all parts of its payload taken out as a
// client would, and handled by the server with real sessions behind it.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log_server.h"
#include "pipeline_rig.h"
#include "requests.h"
#include "sl_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned int sink; // what was read was read for something

static unsigned int touch(const void *bytes, size_t length)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += ((const uint8_t *)bytes)[i];
	return sum;
}

static void look_into(const struct sl_message *message)
{
	const struct sl_session_report *report;
	const struct sl_session *session;
	const struct sl_datagram *datagram;
	const struct sl_counter *counters;
	const struct sl_shard *shards;
	const struct sl_mark *marks;
	const void *record;
	size_t n;

	sink += touch(message->payload, message->payload_length);
	session = sl_payload_session(message, &record);
	if (session)
		sink += touch(record, session->record_length) +
			touch(session->legs, session->n_legs * sizeof(*session->legs));
	report = sl_payload_report(message, &record);
	if (report)
		sink += touch(record, report->session.record_length);
	counters = sl_payload_counters(message, &n);
	for (size_t i = 0; counters && i < n; i++)
		sink += (unsigned int)strlen(counters[i].name);
	sl_payload_welcome(message);
	sl_payload_event(message);
	sl_payload_shard_event(message);
	shards = sl_payload_shards(message, &n);
	for (size_t i = 0; shards && i < n; i++)
		sink += (unsigned int)strlen(shards[i].name);
	marks = sl_payload_marks(message, &n);
	if (marks)
		sink += touch(marks, n * sizeof(*marks));
	datagram = sl_payload_datagram(message);
	if (datagram)
		sink += touch(datagram->bytes, datagram->length);
}

static struct request_context *start(void)
{
	static struct server_counters counters;
	static struct server_config config = {.sessions_max = 100};
	static struct request_context context = {.config = &config};

	if (context.stats)
		return &context;
	path_start();
	path_open(1);
	atexit(path_close); // the leak checker does not see into DPDK's memory
	config.sessions = path.sessions;
	config.workers = path.workers;
	log_server.level = LOG_LEVEL_ERROR;
	context.stats = stats_create(&counters);
	context.injector = injector_create(path.hops, path.sessions, path.workers);
	if (!context.stats || !context.injector)
		abort();
	return &context;
}

static void delete_sessions(void)
{
	struct session *session;
	uint32_t cursor = 0;

	while ((session = sessions_next(path.sessions, &cursor)))
		session_delete(path.sessions, session);
	sessions_tick(path.sessions, clock_now_ns());
	path_turn();
}

// Twice: a replace of the session by itself must be as good as its creation. Every answer must be
// well-formed.
static void serve(const void *packet, size_t size)
{
	struct request_context *context = start();
	static _Alignas(8) uint8_t answer[SL_MESSAGE_MAX + 1];
	struct connection *connection;
	struct sl_message message;
	int fds[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds))
		abort();
	connection = connection_create(fds[0]);
	if (!connection)
		abort();
	connection->greeted = true;
	for (int i = 0; i < 2; i++)
		request_handle(context, connection, packet, size);
	while ((n = recv(fds[1], answer, sizeof(answer), MSG_DONTWAIT)) > 0)
		if (sl_message_parse(answer, (size_t)n, &message) || !message.response)
			abort();
	connection_destroy(connection);
	close(fds[1]);
	delete_sessions();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_message message;
	void *packet = aligned_alloc(16, (size + 16) & ~(size_t)15);

	if (!packet)
		abort();
	memcpy(packet, data, size);
	if (sl_message_parse(packet, size, &message) == 0)
		look_into(&message);
	serve(packet, size);
	free(packet);
	return 0;
}
