// The admin socket with real calls behind it and, for the commands that ask the dataplane, a server
// that speaks its API with fixed answers: a dataplane needs cores and hugepages of its own. The
// real one is behind the smoke tests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin.h"
#include "call.h"
#include "guard.h"
#include "media.h"
#include "sl_client.h"

#define SESSION_ID "0123456789ABCDEFGHJKMNPQRS"

static struct event_base *base;
static struct guard *guard;
static struct calls *calls;
static struct admin *admin;
static char folder[] = "/tmp/sluice-admin-XXXXXX", admin_path[64], dataplane_path[64];
static struct evconnlistener *dataplane;
static struct event *dataplane_event;
static LOG_MODULE(log_test, "test");
static struct log_module *const log_modules[] = {&log_test, NULL};
static struct realm realm = {.name = "wan"};
static struct trunk_peer peer;
static struct trunk trunk_list[] = {{.name = "carrier",
	.realm = &realm,
	.peers = &peer,
	.n_peers = 1,
	.media = {.codecs = {{"PCMU", 8000, 1}, {"opus", 48000, 2}}, .n_codecs = 2},
	.limits = {{.calls = 7}}}};
static struct sockaddr_in http_address;
static struct trunks trunks = {trunk_list, 1};
static struct routes routes;

static void send_answer(int fd, const struct sl_header *request, uint16_t flags, int status,
	const void *payload, size_t length)
{
	static uint8_t packet[SL_MESSAGE_MAX];
	struct sl_header header = {
		.length = (uint32_t)(sizeof(header) + length),
		.type = request->type | SL_RESPONSE,
		.flags = flags,
		.request_id = request->request_id,
		.status = status,
	};

	memcpy(packet, &header, sizeof(header));
	memcpy(packet + sizeof(header), payload ? payload : "", length);
	assert_int_equal(send(fd, packet, header.length, 0), header.length);
}

static void send_counters(int fd, const struct sl_header *request)
{
	static const struct sl_counter first[] = {{"port.wan.rx_packets", 17},
		{"drop.unknown_port", 3}, {"worker.0.stage.rx_cycles", 100},
		{"worker.0.stage.rx_packets", 4}, {"worker.0.stage.tx_cycles", 100}},
				       last[] = {{"drop.malformed", 0},
					       {"worker.1.stage.rx_cycles", 200},
					       {"worker.1.stage.rx_packets", 6}};

	send_answer(fd, request, SL_MORE, 0, first, sizeof(first));
	send_answer(fd, request, 0, 0, last, sizeof(last));
}

static void send_report(int fd, const struct sl_header *request, const struct sl_id *id)
{
	static struct sl_session_report report;

	report = (struct sl_session_report){
		.session = {.id = *id, .n_legs = 2},
		.worker = 1,
		.age_ms = 61000,
		.stats = {{.rx_packets = 50,
			.lost = 2,
			.jitter_us = 1500,
			.received_now = {905, 435}}},
	};
	report.session.legs[0].remote = (struct sl_address){{192, 0, 2, 9}, 4000, SL_IPV4, 0};
	report.session.legs[0].n_formats = 1;
	report.session.legs[0].formats[0] =
		(struct sl_format){.name = "PCMU", .clock_hz = 8000, .channels = 1};
	send_answer(fd, request, 0, 0, &report, sizeof(report));
}

static bool profiled; // what SL_PROFILE said

static void answer(int fd, const struct sl_header *request, const uint8_t *payload)
{
	struct sl_welcome welcome = {.version = SL_API_VERSION, .n_workers = 1, .instance = 1};
	static const struct sl_codec g722 = {.name = "G722",
		.clock_hz = 8000,
		.channels = 1,
		.static_pt = 9,
		.sample_rates = {8000, 16000},
		.frames_ms = {10, 20},
		.encode_ns = 500,
		.decode_ns = 250,
		.encoders_now = 3};
	struct sl_id id;

	switch (request->type) {
	case SL_HELLO:
		send_answer(fd, request, 0, 0, &welcome, sizeof(welcome));
		break;
	case SL_SESSION_LIST:
		send_answer(fd, request, 0, 0, NULL, 0);
		break;
	case SL_CODECS_GET:
		send_answer(fd, request, 0, 0, &g722, sizeof(g722));
		break;
	case SL_STATS_GET:
		send_counters(fd, request);
		break;
	case SL_PROFILE:
		profiled = payload[0];
		send_answer(fd, request, 0, 0, NULL, 0);
		break;
	case SL_SESSION_GET:
		memcpy(&id, payload, sizeof(id));
		if (id.bytes[15] & 1)
			send_report(fd, request, &id);
		else
			send_answer(fd, request, 0, -ENOENT, NULL, 0);
		break;
	default:
		fail_msg("unexpected request %u", request->type);
	}
}

static void on_dataplane_readable(evutil_socket_t fd, short, void *)
{
	static uint8_t packet[SL_MESSAGE_MAX];
	ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	struct sl_header request;

	if (n <= 0) {
		event_del(dataplane_event);
		close(fd);
		return;
	}
	memcpy(&request, packet, sizeof(request));
	answer(fd, &request, packet + sizeof(request));
}

static void on_dataplane_accept(
	struct evconnlistener *, evutil_socket_t fd, struct sockaddr *, int, void *)
{
	dataplane_event = event_new(base, fd, EV_READ | EV_PERSIST, on_dataplane_readable, NULL);
	event_add(dataplane_event, NULL);
}

static void dataplane_start(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, dataplane_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	dataplane =
		evconnlistener_new(base, on_dataplane_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 1, fd);
	assert_non_null(dataplane);
}

// A port that is free now, on loopback.
static void http_address_choose(void)
{
	socklen_t length = sizeof(http_address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	http_address.sin_family = AF_INET;
	http_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&http_address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&http_address, &length), 0);
	close(fd);
}

static int set_up(void **)
{
	char error[256];
	struct calls_settings calls_settings;
	struct admin_settings admin_settings;

	if (!mkdtemp(folder))
		return -1;
	snprintf(admin_path, sizeof(admin_path), "%s/admin", folder);
	snprintf(dataplane_path, sizeof(dataplane_path), "%s/dataplane", folder);
	address_parse("192.0.2.1", 5060, &peer.address);
	http_address_choose();
	base = event_base_new();
	guard = guard_create();
	calls_settings = (struct calls_settings){
		.base = base,
		.guard = guard,
		.realms = &realm,
		.n_realms = 1,
		.trunks = &trunks,
		.routes = &routes,
		.dataplane = dataplane_path,
		.no_answer_s = 10,
	};
	calls = calls_create(&calls_settings, error, sizeof(error));
	admin_settings = (struct admin_settings){
		.base = base,
		.path = admin_path,
		.node = "gw1",
		.http = (const struct sockaddr *)&http_address,
		.calls = calls,
		.guard = guard,
		.log_modules = log_modules,
	};
	admin = admin_create(&admin_settings, error, sizeof(error));
	return admin ? 0 : -1;
}

static int tear_down(void **)
{
	admin_destroy(admin);
	calls_destroy(calls);
	if (dataplane) {
		evconnlistener_free(dataplane);
		event_free(dataplane_event);
		unlink(dataplane_path);
	}
	guard_destroy(guard);
	event_base_free(base);
	return rmdir(folder); // admin has removed its socket
}

static int reach(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, admin_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

// Run the loop until a line or the end has come, for two seconds at most. Returns its length.
static size_t receive_line(int fd, char *line, size_t size)
{
	size_t length = 0;

	for (int turns = 0; turns < 2000 && length < size; turns++) {
		ssize_t n;

		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(fd, line + length, 1, MSG_DONTWAIT);
		if (n == 0)
			return 0;
		if (n == 1 && line[length++] == '\n')
			return length;
		if (n == 1)
			turns = 0;
		else
			usleep(1000);
	}
	fail_msg("no answer");
	return 0;
}

static json_t *receive(int fd)
{
	static char line[65536];
	size_t length = receive_line(fd, line, sizeof(line));
	json_t *answer = json_loadb(line, length, 0, NULL);

	assert_non_null(answer);
	return answer;
}

static json_t *ask(const char *request)
{
	int fd = reach();
	json_t *answer;

	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	assert_int_equal(send(fd, "\n", 1, 0), 1);
	answer = receive(fd);
	close(fd);
	return answer;
}

static void assert_refused(const char *request, const char *why)
{
	json_t *answer = ask(request);

	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_string_equal(json_string_value(json_object_get(answer, "error")), why);
	json_decref(answer);
}

static json_t *result_of(json_t *answer)
{
	assert_true(json_is_true(json_object_get(answer, "ok")));
	return json_object_get(answer, "result");
}

static void socket_is_for_us_only(void **)
{
	struct stat status;

	assert_int_equal(stat(admin_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void second_process_is_refused(void **)
{
	struct admin_settings settings = {.base = base, .path = admin_path};
	char error[256];

	assert_null(admin_create(&settings, error, sizeof(error)));
	assert_int_equal(errno, EADDRINUSE);
	assert_non_null(strstr(error, "another sluice-control"));
}

static void stale_socket_is_replaced(void **)
{
	char path[80], error[256];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct admin_settings settings = {.base = base, .path = path};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct admin *second;

	snprintf(path, sizeof(path), "%s/stale", folder);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	second = admin_create(&settings, error, sizeof(error));
	assert_non_null(second);
	admin_destroy(second);
	assert_int_equal(access(path, F_OK), -1);
}

static void codecs_are_as_the_dataplane_tells_them(void **)
{
	json_t *answer = ask("{\"command\":\"codecs\"}"), *list = result_of(answer), *want;

	want = json_pack("[{s:s, s:i, s:i, s:[i,i], s:[i,i], s:i, s:i, s:i, s:i, s:i, s:i}]",
		"name", "G722", "clock_hz", 8000, "channels", 1, "sample_rates", 8000, 16000,
		"frames_ms", 10, 20, "encode_ns", 500, "decode_ns", 250, "encode_streams_per_core",
		40000, "decode_streams_per_core", 80000, "encoders", 3, "decoders", 0);
	assert_true(json_equal(list, want));
	json_decref(want);
	json_decref(answer);
}

static void what_is_no_request_is_refused(void **)
{
	assert_refused("", "expected a JSON object on one line");
	assert_refused("[1]", "expected a JSON object on one line");
	assert_refused("{\"command\":", "expected a JSON object on one line");
	assert_refused("{}", "there is no command ''");
	assert_refused("{\"command\":5}", "there is no command ''");
	assert_refused("{\"command\":\"reboot\"}", "there is no command 'reboot'");
	assert_refused("{\"command\":\"call\"}", "there is no call ");
	assert_refused("{\"command\":\"hangup\",\"id\":\"x\"}", "there is no call x");
	assert_refused("{\"command\":\"session\",\"id\":\"x\"}",
		"expected the id of a session, 26 characters, not 'x'");
	assert_refused("{\"command\":\"log\",\"module\":\"test\",\"level\":\"loud\"}",
		"expected error, warn, info or debug, not 'loud'");
	assert_refused("{\"command\":\"log\",\"module\":\"nosuch\",\"level\":\"info\"}",
		"there is no module 'nosuch' that logs");
}

static void error_stays_within_its_bounds(void **)
{
	char request[2048];
	json_t *answer;
	size_t length = (size_t)sprintf(request, "{\"command\":\"x");

	// Two bytes each, so that the cut falls into one of them.
	for (int i = 0; i < 400; i++)
		length += (size_t)sprintf(request + length, "\xc3\xa4");
	sprintf(request + length, "\"}");
	answer = ask(request);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_int_equal(json_string_length(json_object_get(answer, "error")), 510);
	json_decref(answer);
}

static void endless_line_closes_the_connection(void **)
{
	char block[8192], line[16];
	int fd = reach();

	memset(block, 'x', sizeof(block));
	assert_int_equal(send(fd, block, sizeof(block), 0), sizeof(block));
	assert_int_equal(receive_line(fd, line, sizeof(line)), 0);
	close(fd);
}

static void requests_of_a_connection_are_answered_in_order(void **)
{
	static const char requests[] = "{\"command\":\"calls\"}\n{\"command\":\"nosuch\"}\n"
				       "{\"command\":\"trunks\"}\n";
	int fd = reach();
	json_t *answer;

	assert_int_equal(send(fd, requests, strlen(requests), 0), strlen(requests));
	answer = receive(fd);
	assert_int_equal(json_array_size(result_of(answer)), 0);
	json_decref(answer);
	answer = receive(fd);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	json_decref(answer);
	answer = receive(fd);
	assert_int_equal(json_array_size(result_of(answer)), 1);
	json_decref(answer);
	close(fd);
}

static void connections_are_limited(void **)
{
	int fds[20];
	char line[16];
	unsigned int closed = 0;

	for (size_t i = 0; i < 20; i++) {
		fds[i] = reach();
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	for (size_t i = 0; i < 20; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		closed += recv(fds[i], line, 1, MSG_DONTWAIT) == 0;
	}
	assert_int_equal(closed, 4);
	for (size_t i = 0; i < 20; i++)
		close(fds[i]);
	for (int i = 0; i < 40; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	json_decref(ask("{\"command\":\"calls\"}"));
}

static void status_tells_that_the_dataplane_is_away(void **)
{
	json_t *answer = ask("{\"command\":\"status\"}"), *result = result_of(answer);

	assert_string_equal(json_string_value(json_object_get(result, "node")), "gw1");
	assert_true(json_is_false(json_object_get(json_object_get(result, "dataplane"), "up")));
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(result, "calls"), "active")), 0);
	json_decref(answer);
	assert_refused("{\"command\":\"drops\"}", "the dataplane is not there");
	assert_refused("{\"command\":\"sessions\"}", "the dataplane is not there");
	assert_refused("{\"command\":\"session\",\"id\":\"" SESSION_ID "\"}",
		"the dataplane is not there");
}

static void trunks_are_described(void **)
{
	json_t *answer = ask("{\"command\":\"trunks\"}");
	char *text = json_dumps(result_of(answer), JSON_COMPACT);

	assert_string_equal(text,
		"[{\"trunk\":\"carrier\",\"realm\":\"wan\",\"peers\":[{"
		"\"address\":\"192.0.2.1:5060\",\"transport\":\"udp\",\"state\":\"up\","
		"\"seconds_left\":0,\"priority\":0,\"weight\":0,\"options_status\":0,\"tried\":0,"
		"\"failed\":0}],"
		"\"codecs\":[\"PCMU\",\"opus\"],\"calls\":0,\"calls_max\":7,\"calls_per_s_max\":0,"
		"\"started\":0,\"refused\":0,"
		"\"in\":{\"calls\":0,\"calls_max\":0,\"calls_per_s_max\":0,\"started\":0,\"refused\":0},"
		"\"out\":{\"calls\":0,\"calls_max\":0,\"calls_per_s_max\":0,\"started\":0,\"refused\":0}"
		"}]");
	free(text);
	json_decref(answer);
}

static void log_level_is_set(void **)
{
	json_decref(ask("{\"command\":\"log\",\"module\":\"test\",\"level\":\"debug\"}"));
	assert_int_equal(log_test.level, LOG_LEVEL_DEBUG);
	json_decref(ask("{\"command\":\"log\",\"module\":\"*\",\"level\":\"warn\"}"));
	assert_int_equal(log_test.level, LOG_LEVEL_WARN);
}

static void wait_for_dataplane(void)
{
	dataplane_start();
	for (int i = 0; i < 5000 && !media_is_up(calls_media(calls)); i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
	assert_true(media_is_up(calls_media(calls)));
}

static void counters_come_from_both_processes(void **)
{
	json_t *answer, *result;

	wait_for_dataplane();
	answer = ask("{\"command\":\"counters\"}");
	result = result_of(answer);
	assert_int_equal(json_integer_value(json_object_get(result, "sip.requests")), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "guard.refused")), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "port.wan.rx_packets")), 17);
	assert_true(json_is_integer(json_object_get(result, "call.invites")));
	json_decref(answer);

	answer = ask("{\"command\":\"drops\"}");
	result = result_of(answer);
	assert_int_equal(json_object_size(result), 2);
	assert_int_equal(json_integer_value(json_object_get(result, "drop.unknown_port")), 3);
	json_decref(answer);

	answer = ask("{\"command\":\"ports\"}");
	assert_int_equal(json_object_size(result_of(answer)), 1);
	json_decref(answer);
}

static void stages_are_summed_over_workers(void **)
{
	json_t *answer = ask("{\"command\":\"profile\"}"), *rx, *tx;

	assert_int_equal(json_array_size(result_of(answer)), 2);
	rx = json_array_get(result_of(answer), 0);
	tx = json_array_get(result_of(answer), 1);
	assert_string_equal(json_string_value(json_object_get(rx, "stage")), "rx");
	assert_int_equal(json_integer_value(json_object_get(rx, "packets")), 10);
	assert_int_equal(json_integer_value(json_object_get(rx, "cycles")), 300);
	assert_true(json_real_value(json_object_get(rx, "cycles_per_packet")) == 30.0);
	assert_true(json_real_value(json_object_get(rx, "share")) == 0.75);
	assert_true(json_real_value(json_object_get(tx, "cycles_per_packet")) == 0.0);
	json_decref(answer);
	assert_false(profiled);
	json_decref(ask("{\"command\":\"profile\",\"set\":\"on\"}"));
	assert_true(profiled);
	json_decref(ask("{\"command\":\"profile\",\"set\":\"off\"}"));
	assert_false(profiled);
	assert_refused(
		"{\"command\":\"profile\",\"set\":\"maybe\"}", "expected on or off, not 'maybe'");
}

static void session_is_described(void **)
{
	json_t *answer = ask("{\"command\":\"session\",\"id\":\"" SESSION_ID "\"}");
	json_t *result = result_of(answer),
	       *leg = json_array_get(json_object_get(result, "legs"), 0), *quality;

	assert_string_equal(json_string_value(json_object_get(result, "session")), SESSION_ID);
	assert_int_equal(json_array_size(json_object_get(result, "legs")), 2);
	assert_string_equal(json_string_value(json_object_get(leg, "remote")), "192.0.2.9:4000");
	assert_int_equal(json_integer_value(json_object_get(leg, "rx_packets")), 50);
	assert_int_equal(json_integer_value(json_object_get(leg, "jitter_us")), 1500);
	quality = json_object_get(leg, "quality_now");
	assert_float_equal(json_real_value(json_object_get(quality, "mos")), 4.35, 0.001);
	assert_float_equal(json_real_value(json_object_get(quality, "r")), 90.5, 0.001);
	assert_null(json_object_get(leg, "quality_sent"));
	json_decref(answer);
	assert_refused("{\"command\":\"session\",\"id\":\"00000000000000000000000000\"}",
		"the dataplane has no such session");
}

static void answer_for_a_closed_connection_goes_nowhere(void **)
{
	static const char request[] = "{\"command\":\"counters\"}\n";
	int fd = reach();

	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	event_base_loop(base, EVLOOP_NONBLOCK);
	close(fd);
	json_decref(ask("{\"command\":\"status\"}"));
	json_decref(ask("{\"command\":\"counters\"}"));
}

static int http_send(const char *request)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&http_address, sizeof(http_address)), 0);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	return fd;
}

// The whole answer to a request after which the connection closes; valid until the next one.
static const char *http_receive(int fd)
{
	static char answer[65536];
	size_t length = 0;

	for (int turns = 0; turns < 2000; turns++) {
		ssize_t n;

		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(fd, answer + length, sizeof(answer) - 1 - length, MSG_DONTWAIT);
		if (n == 0)
			break;
		length += n > 0 ? (size_t)n : 0;
		usleep(n > 0 ? 0 : 1000);
	}
	close(fd);
	answer[length] = '\0';
	return answer;
}

static const char *http_get(const char *path)
{
	char request[256];

	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
	return http_receive(http_send(request));
}

static void assert_answer(const char *answer, const char *status, const char *body)
{
	assert_non_null(strstr(answer, status));
	assert_non_null(strstr(answer, body));
}

static void http_without_dataplane_is_alive_and_not_ready(void **)
{
	const char *answer = http_get("/metrics");

	assert_answer(answer, " 200 ", "\nsluice_dataplane_up 0\n");
	assert_answer(
		answer, "text/plain; version=0.0.4", "\nsluice_trunk_calls{trunk=\"carrier\"} 0\n");
	assert_null(strstr(answer, "sluice_port"));
	assert_answer(http_get("/ready"), " 503 ", "no dataplane\n");
	assert_answer(http_get("/live"), " 200 ", "live\n");
	assert_answer(http_get("/status"), " 200 ", "\"node\":\"gw1\"");
}

static void http_metrics_come_from_both_processes(void **)
{
	const char *answer = http_get("/metrics?x=y");

	assert_answer(answer, " 200 ", "\nsluice_dataplane_up 1\n");
	assert_answer(answer, "", "\nsluice_port_rx_packets_total{port=\"wan\"} 17\n");
	assert_answer(answer, "", "\nsluice_drops_total{reason=\"unknown_port\"} 3\n");
	assert_answer(answer, "", "\nsluice_call_invites_total 0\n");
	assert_answer(http_get("/ready"), " 200 ", "ready\n");
}

static void http_refuses_what_it_does_not_know(void **)
{
	char request[20000] = "GET /metrics HTTP/1.0\r\nX: ";

	assert_answer(http_get("/"), " 404 ", "/metrics");
	assert_answer(http_get("/metrics/x"), " 404 ", "/metrics");
	assert_answer(http_receive(http_send("POST /metrics HTTP/1.0\r\n\r\n")), " 501 ", "");
	assert_answer(http_receive(http_send("DELETE /ready HTTP/1.0\r\n\r\n")), " 501 ", "");
	memset(request + strlen(request), 'x', 15000);
	strcat(request, "\r\n\r\n");
	assert_null(strstr(http_receive(http_send(request)), " 200 "));
	assert_answer(http_receive(http_send("\r\n\xff\xfe\r\n\r\n")), " 400 ", "");
}

static void http_request_may_go_before_its_answer(void **)
{
	for (int i = 0; i < 40; i++) {
		int fd = http_send("GET /metrics HTTP/1.1\r\nHost: gw\r\n\r\n");

		event_base_loop(base, EVLOOP_NONBLOCK);
		close(fd);
	}
	assert_answer(http_get("/metrics"), " 200 ", "\nsluice_dataplane_up 1\n");
}

static void http_port_in_use_is_an_error(void **)
{
	char path[80], error[256];
	struct admin_settings settings = {
		.base = base, .path = path, .http = (const struct sockaddr *)&http_address};

	snprintf(path, sizeof(path), "%s/third", folder);
	assert_null(admin_create(&settings, error, sizeof(error)));
	assert_non_null(strstr(error, "cannot listen for HTTP on 127.0.0.1:"));
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(socket_is_for_us_only),
		cmocka_unit_test(second_process_is_refused),
		cmocka_unit_test(stale_socket_is_replaced),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(error_stays_within_its_bounds),
		cmocka_unit_test(endless_line_closes_the_connection),
		cmocka_unit_test(requests_of_a_connection_are_answered_in_order),
		cmocka_unit_test(connections_are_limited),
		cmocka_unit_test(status_tells_that_the_dataplane_is_away),
		cmocka_unit_test(trunks_are_described),
		cmocka_unit_test(log_level_is_set),
		cmocka_unit_test(http_port_in_use_is_an_error),
		cmocka_unit_test(http_without_dataplane_is_alive_and_not_ready),
		cmocka_unit_test(counters_come_from_both_processes),
		cmocka_unit_test(http_metrics_come_from_both_processes),
		cmocka_unit_test(http_refuses_what_it_does_not_know),
		cmocka_unit_test(http_request_may_go_before_its_answer),
		cmocka_unit_test(codecs_are_as_the_dataplane_tells_them),
		cmocka_unit_test(stages_are_summed_over_workers),
		cmocka_unit_test(session_is_described),
		cmocka_unit_test(answer_for_a_closed_connection_goes_nowhere),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
