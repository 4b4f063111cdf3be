// The client against a bare socket that plays the dataplane's part, one packet at a time.
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
#include <sys/un.h>
#include <unistd.h>

#include "sl_client.h"

static char path[64];
static int listener;

static int setup(void **)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(path, sizeof(path), "/tmp/sluice-test-client-%d.sock", getpid());
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	return bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 4);
}

static int teardown(void **)
{
	close(listener);
	return unlink(path);
}

static size_t receive(int fd, void *packet)
{
	ssize_t n = recv(fd, packet, SL_MESSAGE_MAX, 0);

	assert_true(n >= (ssize_t)sizeof(struct sl_header));
	return (size_t)n;
}

static void open_sends_a_hello(void **)
{
	struct sl_client *client =
		sl_client_open(path, "a client with a name that is too long", SL_CLIENT_EVENTS);
	int fd = accept(listener, NULL, NULL);
	_Alignas(8) uint8_t packet[SL_MESSAGE_MAX];
	struct sl_message message;
	const struct sl_hello *hello;

	assert_non_null(client);
	assert_int_equal(sl_message_parse(packet, receive(fd, packet), &message), 0);
	assert_int_equal(message.type, SL_HELLO);
	assert_int_equal(message.request_id, 1);
	hello = message.payload;
	assert_int_equal(hello->version, SL_API_VERSION);
	assert_int_equal(hello->events, 1);
	assert_string_equal(hello->name, "a client with a name that i");
	close(fd);
	assert_int_equal(sl_client_receive(client, &message), -EPIPE);
	sl_client_close(client);
}

static void open_says_why_it_failed(void **)
{
	assert_null(sl_client_open("/nonexistent/socket", "test", 0));
	assert_int_equal(errno, ENOENT);
}

static void set_carries_the_record(void **)
{
	struct sl_client *client = sl_client_open(path, "test", 0);
	int fd = accept(listener, NULL, NULL);
	_Alignas(8) uint8_t packet[SL_MESSAGE_MAX];
	struct sl_session session = {.id.bytes = {1, 2, 3}, .record_length = 6, .n_legs = 0};
	struct sl_message message;
	const void *record;

	receive(fd, packet);
	assert_int_equal(sl_client_session_set(client, &session, "record"), 2);
	assert_int_equal(sl_message_parse(packet, receive(fd, packet), &message), 0);
	assert_memory_equal(sl_payload_session(&message, &record), &session, sizeof(session));
	assert_memory_equal(record, "record", 6);
	close(fd);
	sl_client_close(client);
}

static void what_the_client_wants_is_in_its_hello_and_inject_carries_the_datagram(void **)
{
	static const unsigned int wants[] = {
		0, SL_CLIENT_EVENTS, SL_CLIENT_PUNTS, SL_CLIENT_EVENTS | SL_CLIENT_PUNTS};
	const struct sl_datagram datagram = {.id.bytes = {1}, .length = 3, .bytes = "abc"};
	_Alignas(8) uint8_t packet[SL_MESSAGE_MAX];
	struct sl_message message;

	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		struct sl_client *client = sl_client_open(path, "test", wants[i]);
		int fd = accept(listener, NULL, NULL);
		const struct sl_hello *hello;

		assert_int_equal(sl_message_parse(packet, receive(fd, packet), &message), 0);
		hello = message.payload;
		assert_int_equal(hello->events, (wants[i] & SL_CLIENT_EVENTS) != 0);
		assert_int_equal(hello->punts, (wants[i] & SL_CLIENT_PUNTS) != 0);
		assert_int_equal(sl_client_inject(client, &datagram), 2);
		assert_int_equal(sl_message_parse(packet, receive(fd, packet), &message), 0);
		assert_int_equal(message.type, SL_INJECT);
		assert_memory_equal(sl_payload_datagram(&message), &datagram, sizeof(datagram));
		close(fd);
		sl_client_close(client);
	}
}

static void a_full_socket_is_eagain_and_a_closed_one_epipe(void **)
{
	struct sl_client *client = sl_client_open(path, "test", 0);
	int fd = accept(listener, NULL, NULL);
	int64_t rc = 1;

	for (int i = 0; i < 100000 && rc > 0; i++)
		rc = sl_client_session_list(client);
	assert_int_equal(rc, -EAGAIN);
	close(fd);
	rc = sl_client_session_list(client);
	assert_true(rc == -EPIPE || rc == -ECONNRESET);
	sl_client_close(client);
}

static void malformed_and_oversized_packets_are_eproto(void **)
{
	struct sl_client *client = sl_client_open(path, "test", 0);
	int fd = accept(listener, NULL, NULL);
	static uint8_t large[SL_MESSAGE_MAX + 100];
	struct sl_header header = {
		.length = sizeof(header), .type = SL_STATS_RESET | SL_RESPONSE, .request_id = 1};
	struct sl_message message;

	assert_int_equal(sl_client_receive(client, &message), -EAGAIN);
	assert_int_equal(send(fd, "garbage", 7, 0), 7);
	assert_int_equal(sl_client_receive(client, &message), -EPROTO);
	assert_int_equal(send(fd, large, sizeof(large), 0), sizeof(large));
	assert_int_equal(sl_client_receive(client, &message), -EPROTO);
	assert_int_equal(send(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(sl_client_receive(client, &message), 0);
	close(fd);
	sl_client_close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(open_sends_a_hello, setup, teardown),
		cmocka_unit_test(open_says_why_it_failed),
		cmocka_unit_test_setup_teardown(set_carries_the_record, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_the_client_wants_is_in_its_hello_and_inject_carries_the_datagram,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_full_socket_is_eagain_and_a_closed_one_epipe, setup, teardown),
		cmocka_unit_test_setup_teardown(
			malformed_and_oversized_packets_are_eproto, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
