#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "sl_client.h"

static _Alignas(8) uint8_t packet[SL_MESSAGE_MAX + 64];

static size_t compose(uint16_t type, uint32_t id, int status, size_t payload_length)
{
	struct sl_header *header = (struct sl_header *)packet;

	memset(packet, 0, sizeof(packet));
	*header = (struct sl_header){.length = (uint32_t)(sizeof(*header) + payload_length),
		.type = type,
		.request_id = id,
		.status = status};
	return header->length;
}

// Who sends what, with how many bytes of payload, and whether it is well-formed.
static void payload_sizes_are_those_of_the_type(void **)
{
	static const struct {
		uint16_t type;
		uint32_t id;
		int status;
		size_t payload;
		int expected;
	} rows[] = {
		{SL_HELLO, 1, 0, sizeof(struct sl_hello), 0},
		{SL_HELLO, 1, 0, sizeof(struct sl_hello) - 1, -EPROTO},
		{SL_HELLO, 1, 0, sizeof(struct sl_hello) + 1, -EPROTO},
		{SL_HELLO, 0, 0, sizeof(struct sl_hello), -EPROTO}, // requests have an id
		{SL_HELLO, 1, -EPERM, sizeof(struct sl_hello), -EPROTO},
		{SL_HELLO | SL_RESPONSE, 1, 0, sizeof(struct sl_welcome), 0},
		{SL_HELLO | SL_RESPONSE, 1, -EPROTO, 0, 0},
		{SL_HELLO | SL_RESPONSE, 1, 0, 0, -EPROTO},
		{SL_SESSION_SET, 1, 0, sizeof(struct sl_session), 0},
		{SL_SESSION_SET, 1, 0, sizeof(struct sl_session) + SL_RECORD_MAX, 0},
		{SL_SESSION_SET, 1, 0, sizeof(struct sl_session) + SL_RECORD_MAX + 1, -EPROTO},
		{SL_SESSION_SET | SL_RESPONSE, 1, 0, sizeof(struct sl_session), 0},
		{SL_SESSION_SET | SL_RESPONSE, 1, -ENOSPC, 0, 0},
		{SL_SESSION_SET | SL_RESPONSE, 1, -ENOSPC, sizeof(struct sl_session), -EPROTO},
		{SL_SESSION_SET | SL_RESPONSE, 1, 5, 0, -EPROTO}, // errors are negative
		{SL_SESSION_GET, 1, 0, sizeof(struct sl_id), 0},
		{SL_SESSION_GET, 1, 0, 0, -EPROTO},
		{SL_SESSION_GET | SL_RESPONSE, 1, 0, sizeof(struct sl_session_report), 0},
		{SL_SESSION_DELETE, 1, 0, sizeof(struct sl_id), 0},
		{SL_SESSION_LIST, 1, 0, 0, 0},
		{SL_SESSION_LIST, 1, 0, 1, -EPROTO},
		{SL_SESSION_LIST | SL_RESPONSE, 1, 0, 0, 0},
		{SL_SESSION_LIST | SL_RESPONSE, 1, 0, sizeof(struct sl_session_report), 0},
		{SL_STATS_GET | SL_RESPONSE, 1, 0, 3 * sizeof(struct sl_counter), 0},
		{SL_STATS_GET | SL_RESPONSE, 1, 0, 3 * sizeof(struct sl_counter) + 1, -EPROTO},
		{SL_STATS_RESET, 1, 0, 0, 0},
		{SL_STATS_RESET | SL_RESPONSE, 1, 0, 0, 0},
		{SL_MEDIA_EVENT, 0, 0, sizeof(struct sl_media_event), 0},
		{SL_MEDIA_EVENT, 1, 0, sizeof(struct sl_media_event), -EPROTO},
		{SL_MEDIA_EVENT | SL_RESPONSE, 0, 0, sizeof(struct sl_media_event), -EPROTO},
		{SL_INJECT, 1, 0, sizeof(struct sl_datagram), 0},
		{SL_INJECT, 1, 0, sizeof(struct sl_datagram) - 1, -EPROTO},
		{SL_INJECT | SL_RESPONSE, 1, 0, 0, 0},
		{SL_INJECT | SL_RESPONSE, 1, -EAGAIN, 0, 0},
		{SL_INJECT | SL_RESPONSE, 1, 0, sizeof(struct sl_datagram), -EPROTO},
		{SL_PUNT, 0, 0, sizeof(struct sl_datagram), 0},
		{SL_PUNT, 0, 0, sizeof(struct sl_datagram) - 1, -EPROTO},
		{SL_PUNT, 1, 0, sizeof(struct sl_datagram), -EPROTO},
		{SL_PUNT | SL_RESPONSE, 0, 0, sizeof(struct sl_datagram), -EPROTO},
		{0, 1, 0, 0, -EPROTO},
		{SL_STATS_RESET + 1, 1, 0, 0, -EPROTO},
		{0x7fff, 1, 0, 0, -EPROTO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sl_message message;
		size_t length = compose(rows[i].type, rows[i].id, rows[i].status, rows[i].payload);

		if (sl_message_parse(packet, length, &message) != rows[i].expected)
			fail_msg("row %zu", i);
	}
}

static void length_must_be_the_packets(void **)
{
	struct sl_message message = {.type = 77};
	struct sl_header *header = (struct sl_header *)packet;
	size_t length = compose(SL_SESSION_LIST, 1, 0, 0);

	for (size_t short_length = 0; short_length < length; short_length++)
		assert_int_equal(sl_message_parse(packet, short_length, &message), -EPROTO);
	header->length++;
	assert_int_equal(sl_message_parse(packet, length, &message), -EPROTO);
	compose(SL_STATS_GET | SL_RESPONSE, 1, 0, SL_MESSAGE_MAX);
	assert_int_equal(sl_message_parse(packet, header->length, &message), -EPROTO);
	assert_int_equal(message.type, 77); // written on success only
}

static void unknown_flags_are_refused(void **)
{
	struct sl_header *header = (struct sl_header *)packet;
	struct sl_message message;
	size_t length = compose(SL_SESSION_LIST | SL_RESPONSE, 1, 0, 0);

	header->flags = SL_MORE;
	assert_int_equal(sl_message_parse(packet, length, &message), 0);
	assert_true(message.more);
	header->flags = 2;
	assert_int_equal(sl_message_parse(packet, length, &message), -EPROTO);
}

static void session_payload_must_agree_with_its_record_length(void **)
{
	struct sl_session *session = (struct sl_session *)(packet + sizeof(struct sl_header));
	struct sl_message message;
	const void *record;
	size_t length = compose(SL_SESSION_SET, 1, 0, sizeof(*session) + 5);

	session->record_length = 5;
	session->n_legs = SL_LEGS_MAX;
	assert_int_equal(sl_message_parse(packet, length, &message), 0);
	assert_ptr_equal(sl_payload_session(&message, &record), session);
	assert_ptr_equal(record, session + 1);
	session->record_length = 6;
	assert_null(sl_payload_session(&message, &record));
	session->record_length = 5;
	session->n_legs = SL_LEGS_MAX + 1;
	assert_null(sl_payload_session(&message, &record));
}

static void a_datagram_is_no_longer_than_its_bytes(void **)
{
	struct sl_datagram *datagram = (struct sl_datagram *)(packet + sizeof(struct sl_header));
	struct sl_message message;
	size_t length = compose(SL_PUNT, 0, 0, sizeof(*datagram));

	datagram->length = SL_DATAGRAM_MAX;
	assert_int_equal(sl_message_parse(packet, length, &message), 0);
	assert_ptr_equal(sl_payload_datagram(&message), datagram);
	datagram->length++;
	assert_null(sl_payload_datagram(&message));
	compose(SL_STATS_RESET, 1, 0, 0);
	assert_int_equal(sl_message_parse(packet, sizeof(struct sl_header), &message), 0);
	assert_null(sl_payload_datagram(&message));
}

static void counter_names_must_end(void **)
{
	struct sl_counter *counter = (struct sl_counter *)(packet + sizeof(struct sl_header));
	struct sl_message message;
	size_t length = compose(SL_STATS_GET | SL_RESPONSE, 1, 0, sizeof(*counter));
	size_t n = 0;

	assert_int_equal(sl_message_parse(packet, length, &message), 0);
	assert_non_null(sl_payload_counters(&message, &n));
	assert_int_equal(n, 1);
	memset(counter->name, 'x', sizeof(counter->name));
	assert_null(sl_payload_counters(&message, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payload_sizes_are_those_of_the_type),
		cmocka_unit_test(length_must_be_the_packets),
		cmocka_unit_test(unknown_flags_are_refused),
		cmocka_unit_test(session_payload_must_agree_with_its_record_length),
		cmocka_unit_test(a_datagram_is_no_longer_than_its_bytes),
		cmocka_unit_test(counter_names_must_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
