// The server with real clients over its real socket, all in one thread: pump() is the main loop.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "log_server.h"
#include "media.h"
#include "server.h"
#include "sl_client.h"

static char socket_path[64];
static struct server *server;
static char error[256];

static struct server *open_server(void)
{
	const struct server_config config = {
		.path = socket_path,
		.sessions = path.sessions,
		.sessions_max = 100,
		.workers = path.workers,
	};

	return server_create(&config, error, sizeof(error));
}

static int setup(void **)
{
	snprintf(socket_path, sizeof(socket_path), "/tmp/sluice-test-server-%d.sock", getpid());
	path_open(1);
	server = open_server();
	return server ? 0 : -1;
}

static int teardown(void **)
{
	server_destroy(server);
	path_close();
	return 0;
}

static void pump(void)
{
	for (int i = 0; i < 20; i++)
		server_poll(server);
}

static int next(struct sl_client *client, struct sl_message *message)
{
	pump();
	return sl_client_receive(client, message);
}

// The next message is a response to `type` with this status.
static void expect(struct sl_client *client, struct sl_message *message, uint16_t type, int status)
{
	assert_int_equal(next(client, message), 0);
	assert_int_equal(message->type, type);
	assert_int_equal(message->status, status);
	assert_int_equal(message->response, type < SL_MEDIA_EVENT);
}

static struct sl_client *connect_client(unsigned int wants)
{
	struct sl_client *client = sl_client_open(socket_path, "test", wants);
	struct sl_message message;

	assert_non_null(client);
	expect(client, &message, SL_HELLO, 0);
	assert_int_equal(sl_payload_welcome(&message)->version, SL_API_VERSION);
	return client;
}

static void expect_nothing(struct sl_client *client)
{
	struct sl_message message;

	assert_int_equal(next(client, &message), -EAGAIN);
}

static void set(struct sl_client *client, unsigned int number)
{
	struct sl_session session = rig_session(number);
	struct sl_message message;

	assert_true(sl_client_session_set(client, &session, NULL) > 0);
	expect(client, &message, SL_SESSION_SET, 0);
}

static void the_welcome_describes_the_dataplane(void **)
{
	struct sl_client *client = sl_client_open(socket_path, "test", 0);
	struct sl_message message;
	const struct sl_welcome *welcome;

	expect(client, &message, SL_HELLO, 0);
	welcome = sl_payload_welcome(&message);
	assert_int_equal(welcome->n_workers, 1);
	assert_int_equal(welcome->n_transcoders, 0);
	assert_int_equal(welcome->sessions_max, 100);
	assert_int_equal(welcome->n_sessions, 0);
	assert_int_not_equal(welcome->instance, 0);
	sl_client_close(client);
}

static void the_instance_changes_at_each_start(void **)
{
	uint64_t instances[2];

	for (int i = 0; i < 2; i++) {
		struct sl_client *client = sl_client_open(socket_path, "test", 0);
		struct sl_message message;

		expect(client, &message, SL_HELLO, 0);
		instances[i] = sl_payload_welcome(&message)->instance;
		sl_client_close(client);
		server_destroy(server);
		server = open_server();
		assert_non_null(server);
	}
	assert_true(instances[0] != instances[1]);
}

static int raw_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	strcpy(address.sun_path, socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

// Sends one packet and returns the status of the answer; `closed` says whether that was the end.
static int raw_exchange(int fd, const void *packet, size_t length, bool *closed)
{
	_Alignas(8) uint8_t answer[SL_MESSAGE_MAX];
	struct sl_message message;
	ssize_t n;

	assert_int_equal(send(fd, packet, length, 0), length);
	pump();
	n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	assert_true(n > 0);
	assert_int_equal(sl_message_parse(answer, (size_t)n, &message), 0); // well-formed itself
	*closed = recv(fd, answer, sizeof(answer), MSG_DONTWAIT) == 0;
	return message.status;
}

static void nothing_is_answered_before_the_hello(void **)
{
	struct sl_header list = {.length = sizeof(list), .type = SL_SESSION_LIST, .request_id = 7};
	int fd = raw_connect();
	bool closed;

	assert_int_equal(raw_exchange(fd, &list, sizeof(list), &closed), -EPERM);
	assert_false(closed);
	close(fd);
}

static void another_version_is_refused_and_closed(void **)
{
	struct {
		struct sl_header header;
		struct sl_hello hello;
	} packet = {{.length = sizeof(packet), .type = SL_HELLO, .request_id = 1},
		{.version = SL_API_VERSION + 1}};
	int fd = raw_connect();
	bool closed;

	assert_int_equal(raw_exchange(fd, &packet, sizeof(packet), &closed), -EPROTO);
	assert_true(closed);
	close(fd);
}

static void garbage_is_refused_and_closed(void **)
{
	static const struct sl_header response = {
		.length = sizeof(response), .type = SL_STATS_RESET | SL_RESPONSE, .request_id = 3};
	static const struct sl_header event = {.length = sizeof(event), .type = SL_MEDIA_EVENT};
	static const struct {
		const void *packet;
		size_t length;
	} rows[] = {{"garbage", 7}, {"0123456789abcdef0123", 20}, {&response, sizeof(response)},
		{&event, sizeof(event)}};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		int fd = raw_connect();
		bool closed;

		assert_int_equal(
			raw_exchange(fd, rows[i].packet, rows[i].length, &closed), -EPROTO);
		assert_true(closed);
		close(fd);
	}
}

static void a_session_is_set_got_and_deleted(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_session wanted = rig_session(7);
	const struct sl_session *session;
	const struct sl_session_report *report;
	struct sl_message message;
	const void *record;
	uint16_t port;

	wanted.record_length = 6;
	assert_true(sl_client_session_set(client, &wanted, "record") > 0);
	expect(client, &message, SL_SESSION_SET, 0);
	session = sl_payload_session(&message, &record);
	assert_non_null(session);
	port = session->legs[0].local.port;
	assert_int_not_equal(port, 0);

	sl_client_session_get(client, &wanted.id);
	expect(client, &message, SL_SESSION_GET, 0);
	report = sl_payload_report(&message, &record);
	assert_int_equal(report->session.legs[0].local.port, port);
	assert_int_equal(report->session.record_length, 6);
	assert_memory_equal(record, "record", 6);

	sl_client_session_delete(client, &wanted.id);
	expect(client, &message, SL_SESSION_DELETE, 0);
	assert_non_null(sl_payload_report(&message, &record));
	sl_client_session_get(client, &wanted.id);
	expect(client, &message, SL_SESSION_GET, -ENOENT);
	sl_client_session_delete(client, &wanted.id);
	expect(client, &message, SL_SESSION_DELETE, -ENOENT);
	sl_client_close(client);
}

static void a_contradicting_session_is_refused_and_the_connection_stays(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_session wanted = rig_session(7);
	struct sl_message message;

	wanted.legs[0].dscp = 200;
	sl_client_session_set(client, &wanted, NULL);
	expect(client, &message, SL_SESSION_SET, -EINVAL);
	set(client, 8);
	sl_client_close(client);
}

static void sessions_and_records_survive_their_client(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_message message;

	set(client, 1);
	sl_client_close(client);
	client = connect_client(0);
	sl_client_session_get(client, &(struct sl_id){{1}});
	expect(client, &message, SL_SESSION_GET, 0);
	sl_client_close(client);
}

// More than any socket buffer holds: the list waits for its reader.
static void a_long_list_arrives_complete(void **)
{
	struct sl_client *client = connect_client(0);
	bool seen[32] = {};
	struct sl_message message;
	unsigned int n = 0;
	int64_t request;
	char *record = calloc(1, SL_RECORD_MAX);

	for (unsigned int i = 0; i < 32; i++) {
		struct sl_session wanted = rig_session(i);

		wanted.record_length = SL_RECORD_MAX;
		sl_client_session_set(client, &wanted, record);
		expect(client, &message, SL_SESSION_SET, 0);
	}
	free(record);
	for (int round = 0; round < 20; round++) // 20 lists at once: 5 MB
		request = sl_client_session_list(client);
	for (;;) {
		assert_int_equal(next(client, &message), 0);
		assert_int_equal(message.type, SL_SESSION_LIST);
		if (message.payload_length) {
			assert_true(message.more);
			seen[sl_payload_report(&message, NULL)->session.id.bytes[0]] = true;
			n++;
		} else if (message.request_id == request) {
			break;
		}
	}
	assert_int_equal(n, 20 * 32);
	for (unsigned int i = 0; i < 32; i++)
		assert_true(seen[i]);
	sl_client_close(client);
}

static void events_go_to_those_who_asked(void **)
{
	struct sl_client *deaf = connect_client(0);
	struct sl_client *first = connect_client(SL_CLIENT_EVENTS);
	struct sl_client *second = connect_client(SL_CLIENT_EVENTS);
	const struct sl_media_event event = {.id = {{9}}, .type = SL_EVENT_LATCHED, .leg = 1};
	struct sl_message message;

	server_event(server, &event);
	expect(first, &message, SL_MEDIA_EVENT, 0);
	assert_memory_equal(sl_payload_event(&message), &event, sizeof(event));
	expect(second, &message, SL_MEDIA_EVENT, 0);
	expect_nothing(deaf);
	sl_client_close(first);
	sl_client_close(second);
	sl_client_close(deaf);
}

static uint64_t counter(struct sl_client *client, const char *name)
{
	struct sl_message message;
	uint64_t value = UINT64_MAX;

	sl_client_stats_get(client);
	do {
		const struct sl_counter *counters;
		size_t n;

		expect(client, &message, SL_STATS_GET, 0);
		counters = sl_payload_counters(&message, &n);
		for (size_t i = 0; i < n; i++)
			if (!strcmp(counters[i].name, name))
				value = counters[i].value;
	} while (message.more);
	if (value == UINT64_MAX)
		fail_msg("no counter %s", name);
	return value;
}

static void who_does_not_read_events_is_cut_off(void **)
{
	struct sl_client *slow = connect_client(SL_CLIENT_EVENTS);
	struct sl_client *other = connect_client(0);
	const struct sl_media_event event = {.id = {{9}}, .type = SL_EVENT_LATCHED};
	struct sl_message message;
	int rc;

	for (int i = 0; i < 50000; i++) {
		server_event(server, &event);
		if (i % 100 == 0)
			pump();
	}
	pump();
	assert_int_equal(counter(other, "server.slow_clients"), 1);
	assert_int_equal(counter(other, "server.clients_now"), 1);
	while ((rc = sl_client_receive(slow, &message)) == 0)
		;
	assert_int_equal(rc, -EPIPE);
	set(other, 1);
	sl_client_close(slow);
	sl_client_close(other);
}

static void time_outs_are_repeated_after_a_hello(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_session wanted = rig_session(1);
	struct sl_message message;

	wanted.legs[1].start_timeout_ms = 50;
	sl_client_session_set(client, &wanted, NULL);
	expect(client, &message, SL_SESSION_SET, 0);
	sessions_tick(path.sessions, clock_now_ns() + 200000000);
	sl_client_close(client);
	client = connect_client(SL_CLIENT_EVENTS);
	expect(client, &message, SL_MEDIA_EVENT, 0);
	assert_int_equal(sl_payload_event(&message)->type, SL_EVENT_TIMEOUT);
	assert_int_equal(sl_payload_event(&message)->leg, 1);
	expect_nothing(client);
	sl_client_close(client);
}

static void counters_are_reset_and_gauges_are_not(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_message message;

	set(client, 1);
	push_silence("198.51.100.1", 4000, 30000, 1);
	path_turn();
	assert_int_equal(counter(client, "drop.unknown_port"), 1);
	assert_int_equal(counter(client, "worker.0.rx_packets"), 1);
	assert_int_equal(counter(client, "table.sessions_now"), 1);
	assert_int_equal(counter(client, "table.ports_used_now"), 2);
	assert_int_equal(counter(client, "port.p0.rx_packets"), 1);
	assert_int_equal(counter(client, "transcoder.0.streams_now"), 0);
	sl_client_stats_reset(client);
	expect(client, &message, SL_STATS_RESET, 0);
	assert_int_equal(counter(client, "drop.unknown_port"), 0);
	assert_int_equal(counter(client, "worker.0.rx_packets"), 0);
	assert_int_equal(counter(client, "port.p0.rx_packets"), 0);
	assert_int_equal(counter(client, "table.sessions_now"), 1);
	sl_client_close(client);
}

static const struct sl_codec *codec_of(
	struct sl_client *client, struct sl_message *message, const char *name)
{
	const struct sl_codec *list;
	size_t n;

	sl_client_codecs_get(client);
	expect(client, message, SL_CODECS_GET, 0);
	list = sl_payload_codecs(message, &n);
	assert_non_null(list);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	fail_msg("no codec %s", name);
	return NULL;
}

static void codecs_are_told_with_their_costs_and_streams(void **)
{
	struct sl_client *client = connect_client(false);
	struct sl_session session = rig_session(1);
	struct sl_message message;
	const struct sl_codec *codec;

	codec = codec_of(client, &message, "opus");
	assert_int_equal(codec->clock_hz, 48000);
	assert_int_equal(codec->channels, 2);
	assert_int_equal(codec->static_pt, SL_NO_PT);
	assert_int_equal(codec->sample_rates[4], 48000);
	assert_int_equal(codec->frames_ms[0], 10);
	assert_true(codec->encode_ns > 0 && codec->decode_ns > 0);
	assert_int_equal(codec->encoders_now + codec->decoders_now, 0);
	session.legs[0].n_formats = session.legs[1].n_formats = 1;
	session.legs[0].formats[0] = (struct sl_format){
		.name = "PCMU", .clock_hz = 8000, .pt = 0, .receive_pt = 0, .channels = 1};
	session.legs[1].formats[0] = (struct sl_format){
		.name = "G722", .clock_hz = 8000, .pt = 9, .receive_pt = 9, .channels = 1};
	sl_client_session_set(client, &session, NULL);
	expect(client, &message, SL_SESSION_SET, 0);
	codec = codec_of(client, &message, "G722");
	assert_int_equal(codec->encoders_now, 1);
	assert_int_equal(codec->decoders_now, 1);
	sl_client_session_delete(client, &session.id);
	expect(client, &message, SL_SESSION_DELETE, 0);
	sl_client_close(client);
}

static void set_formats(struct sl_leg *leg, const char *second, uint8_t pt)
{
	leg->formats[0] = (struct sl_format){.name = "PCMU", .clock_hz = 8000, .channels = 1};
	leg->formats[1] =
		(struct sl_format){.clock_hz = 8000, .pt = pt, .receive_pt = pt, .channels = 1};
	snprintf(leg->formats[1].name, sizeof(leg->formats[1].name), "%s", second);
	leg->n_formats = second[0] ? 2 : 1;
}

// PCMU on both sides passes a codec in those directions only where digits or noise need that.
static void digits_and_noise_take_a_codec_only_where_they_need_one(void **)
{
	static const struct {
		uint16_t flags[2];
		const char *second[2];
		uint32_t n_streams;
	} cases[] = {
		{{0, 0}, {"telephone-event", "telephone-event"}, 0},
		{{0, 0}, {"", "telephone-event"}, 0},
		{{SL_LEG_DTMF_INBAND, 0}, {"", "telephone-event"}, 2},
		{{SL_LEG_DTMF_INBAND, 0}, {"telephone-event", "telephone-event"}, 0},
		{{SL_LEG_DTMF_INBAND, 0}, {"", ""}, 0},
		{{SL_LEG_DTMF_REPORT, 0}, {"telephone-event", "telephone-event"}, 1},
		{{SL_LEG_DTMF_SEND, 0}, {"telephone-event", "telephone-event"}, 0},
		{{SL_LEG_DTMF_SEND, 0}, {"", "telephone-event"}, 1},
		{{SL_LEG_DTMF_REPORT, SL_LEG_DTMF_REPORT}, {"", "telephone-event"}, 2},
		{{0, 0}, {"CN", "CN"}, 0},
		{{0, 0}, {"CN", ""}, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_client *client = connect_client(false);
		struct sl_session session = rig_session((unsigned int)i + 1);
		struct sl_message message;

		for (int leg = 0; leg < 2; leg++) {
			set_formats(&session.legs[leg], cases[i].second[leg],
				cases[i].second[leg][0] == 'C' ? 13 : 101);
			session.legs[leg].flags |= cases[i].flags[leg];
		}
		sl_client_session_set(client, &session, NULL);
		expect(client, &message, SL_SESSION_SET, 0);
		assert_int_equal(
			codec_of(client, &message, "PCMU")->encoders_now, cases[i].n_streams);
		sl_client_session_delete(client, &session.id);
		expect(client, &message, SL_SESSION_DELETE, 0);
		while (codec_of(client, &message, "PCMU")->encoders_now) { // until readers passed
			path_turn();
			sessions_tick(path.sessions, clock_now_ns());
		}
		sl_client_close(client);
	}
}

static void digits_from_control_are_checked(void **)
{
	static const struct {
		uint8_t session, leg;
		char digit;
		uint16_t duration_ms;
		int status;
	} cases[] = {{1, 0, '5', 100, -EOPNOTSUPP}, {2, 0, '5', 100, -ENOENT},
		{1, 2, '5', 100, -EINVAL}, {1, 0, 'x', 100, -EINVAL}, {1, 0, '\0', 100, -EINVAL},
		{1, 1, 'D', 39, -EINVAL}, {1, 1, 'D', 5001, -EINVAL}, {1, 1, 'D', 40, 0}};
	struct sl_client *client = connect_client(false);
	struct sl_session session = rig_session(1);
	struct sl_message message;

	set_formats(&session.legs[1], "telephone-event", 101);
	sl_client_session_set(client, &session, NULL);
	expect(client, &message, SL_SESSION_SET, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sl_dtmf dtmf = {.id = rig_id(cases[i].session),
			.leg = cases[i].leg,
			.digit = cases[i].digit,
			.duration_ms = cases[i].duration_ms};

		sl_client_dtmf(client, &dtmf);
		expect(client, &message, SL_DTMF, cases[i].status);
	}
	sl_client_close(client);
}

// Types that the header names but nobody handles end the connection, not the process.
static void a_request_without_a_handler_is_refused(void **)
{
	for (uint16_t type = SL_HELLO; type <= SL_DTMF + 1; type++) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		struct {
			struct sl_header header;
			uint8_t payload[SL_DATAGRAM_MAX + 40];
		} packet = {.header = {.type = type, .request_id = 1}};
		size_t length = sizeof(packet.header);

		strcpy(address.sun_path, socket_path);
		assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		length += type == SL_INJECT    ? sizeof(struct sl_datagram)
			  : type == SL_PROFILE ? sizeof(struct sl_profile)
			  : type == SL_DTMF    ? sizeof(struct sl_dtmf)
					       : 0;
		packet.header.length = (uint32_t)length;
		assert_int_equal(send(fd, &packet, length, 0), length);
		pump();
		close(fd);
		pump();
	}
}

static void stages_are_counted_while_it_is_asked_for(void **)
{
	static const char *const stages[] = {"rx", "parse", "classify", "unprotect", "latch",
		"measure", "route", "collect", "rewrite", "protect", "encapsulate", "tx"};
	struct sl_client *client = connect_client(false);
	struct sl_message message;
	char name[64];

	set(client, 1);
	push_silence(FAR0, 4000, LOCAL0, 1);
	path_turn();
	assert_int_equal(counter(client, "worker.0.stage.rx_packets"), 0);
	sl_client_profile(client, true);
	expect(client, &message, SL_PROFILE, 0);
	push_silence(FAR0, 4000, LOCAL0, 2);
	push_silence(FAR0, 4000, LOCAL0, 3);
	path_turn();
	for (size_t i = 0; i < RTE_DIM(stages); i++) {
		snprintf(name, sizeof(name), "worker.0.stage.%s_packets", stages[i]);
		assert_int_equal(counter(client, name), 2);
		snprintf(name, sizeof(name), "worker.0.stage.%s_cycles", stages[i]);
		assert_true(counter(client, name) > 0);
	}
	assert_int_equal(counter(client, "worker.0.stage.relay_reports_packets"), 0);
	sl_client_profile(client, false);
	expect(client, &message, SL_PROFILE, 0);
	push_silence(FAR0, 4000, LOCAL0, 4);
	path_turn();
	assert_int_equal(counter(client, "worker.0.stage.rx_packets"), 2);
	sl_client_profile(client, true);
	expect(client, &message, SL_PROFILE, 0);
	push_silence(FAR0, 4000, LOCAL0, 5);
	path_turn();
	assert_int_equal(counter(client, "worker.0.stage.rx_packets"), 1);
	sl_client_profile(client, false);
	expect(client, &message, SL_PROFILE, 0);
	sl_client_close(client);
}

static void the_socket_is_ours_alone_and_goes_with_us(void **)
{
	struct stat status;

	assert_int_equal(stat(socket_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	server_destroy(server);
	server = NULL;
	assert_int_equal(stat(socket_path, &status), -1);
}

static void a_live_socket_is_an_error_and_a_stale_one_is_replaced(void **)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	FILE *file;
	int fd;

	assert_null(open_server());
	assert_non_null(strstr(error, "another process listens there already"));
	pump(); // the attempt has connected
	server_destroy(server);
	server = NULL;

	strcpy(address.sun_path, socket_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); // as a killed process leaves it
	server = open_server();
	assert_non_null(server);
	server_destroy(server);

	file = fopen(socket_path, "w");
	fclose(file);
	server = open_server();
	assert_null(server);
	assert_non_null(strstr(error, "no socket"));
	unlink(socket_path);
}

static void another_user_is_turned_away(void **)
{
	int status;
	pid_t child;

	if (geteuid() != 0)
		skip();
	chmod(socket_path, 0666); // as if the file's mode did not stop it
	child = fork();
	if (child == 0) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		char byte;

		strcpy(address.sun_path, socket_path);
		if (setuid(65534) || connect(fd, (struct sockaddr *)&address, sizeof(address)))
			_exit(1);
		_exit(recv(fd, &byte, 1, 0) == 0 ? 0 : 2); // waits for the end
	}
	for (int i = 0; i < 2000 && waitpid(child, &status, WNOHANG) == 0; i++) {
		server_poll(server);
		usleep(1000);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(the_welcome_describes_the_dataplane),
		TEST(the_instance_changes_at_each_start),
		TEST(nothing_is_answered_before_the_hello),
		TEST(another_version_is_refused_and_closed),
		TEST(garbage_is_refused_and_closed),
		TEST(a_session_is_set_got_and_deleted),
		TEST(a_contradicting_session_is_refused_and_the_connection_stays),
		TEST(sessions_and_records_survive_their_client),
		TEST(a_long_list_arrives_complete),
		TEST(events_go_to_those_who_asked),
		TEST(who_does_not_read_events_is_cut_off),
		TEST(time_outs_are_repeated_after_a_hello),
		TEST(counters_are_reset_and_gauges_are_not),
		TEST(codecs_are_told_with_their_costs_and_streams),
		TEST(a_request_without_a_handler_is_refused),
		TEST(digits_and_noise_take_a_codec_only_where_they_need_one),
		TEST(digits_from_control_are_checked),
		TEST(stages_are_counted_while_it_is_asked_for),
		TEST(the_socket_is_ours_alone_and_goes_with_us),
		TEST(a_live_socket_is_an_error_and_a_stale_one_is_replaced),
		TEST(another_user_is_turned_away),
#undef TEST
	};

	path_start();
	log_server.level = LOG_LEVEL_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
