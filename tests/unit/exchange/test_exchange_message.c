// Messages between nodes as bytes, what is taken twice, and the marks of tokens.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exchange_message.h"
#include "store_keys.h"
#include "token.h"

static struct store_keys *keys_make(const char *lines)
{
	char path[] = "/tmp/sluice-exchange-XXXXXX", error[256];
	int fd = mkstemp(path);
	struct store_keys *keys;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
	close(fd);
	keys = store_keys_load(path, error, sizeof(error));
	unlink(path);
	assert_non_null(keys);
	return keys;
}

#define KEY_1 "1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define KEY_2 "2 ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

static uint8_t datagram[EXCHANGE_DATAGRAM_MAX], text[EXCHANGE_DATAGRAM_MAX];

static struct exchange_message example(const char *local, const char *remote, struct slice sip)
{
	struct exchange_message message = {.kind = EXCHANGE_FAILED,
		.protocol = TRANSPORT_WSS,
		.if_known = true,
		.mark = 63,
		.error = ECONNREFUSED,
		.boot = 1700000000000,
		.counter = 1ull << 40,
		.from = "n1",
		.to = "n2",
		.sip = sip};

	assert_int_equal(sip_address_parse(slice_of(local), 5061, &message.local), 0);
	assert_int_equal(sip_address_parse(slice_of(remote), 40000, &message.remote), 0);
	return message;
}

static void check_comes_back(const struct exchange_message *sent)
{
	struct store_keys *keys = keys_make(KEY_1);
	struct exchange_message got;
	int n = exchange_seal(sent, keys, datagram);

	assert_true(n > 0 && (size_t)n <= sent->sip.n + EXCHANGE_OVERHEAD);
	assert_int_equal(exchange_open(&got, keys, datagram, (size_t)n, text), 0);
	assert_int_equal(got.kind, sent->kind);
	assert_int_equal(got.protocol, sent->protocol);
	assert_int_equal(got.if_known, sent->if_known);
	assert_int_equal(got.mark, sent->mark);
	assert_int_equal(got.error, sent->error);
	assert_int_equal(got.boot, sent->boot);
	assert_int_equal(got.counter, sent->counter);
	assert_string_equal(got.from, sent->from);
	assert_string_equal(got.to, sent->to);
	assert_true(sip_address_equal(&got.local, &sent->local));
	assert_true(sip_address_equal(&got.remote, &sent->remote));
	assert_true(slice_equal(got.sip, sent->sip));
	store_keys_destroy(keys);
}

static void a_message_comes_back_as_it_was(void **)
{
	struct exchange_message v4 =
		example("192.0.2.1", "198.51.100.7", SLICE("BYE sip:x SIP/2.0\r\n"));
	struct exchange_message v6 = example("2001:db8::1", "2001:db8::2", SLICE("x"));

	check_comes_back(&v4);
	check_comes_back(&v6);
}

static void the_longest_fits_and_a_longer_one_is_refused(void **)
{
	struct store_keys *keys = keys_make(KEY_1);
	struct exchange_message message;
	char *sip = calloc(1, EXCHANGE_SIP_MAX + 1);

	memset(sip, 'x', EXCHANGE_SIP_MAX + 1);
	message = example("2001:db8::1", "2001:db8::2", (struct slice){sip, EXCHANGE_SIP_MAX});
	memset(message.from, 'f', EXCHANGE_NAME_MAX);
	memset(message.to, 't', EXCHANGE_NAME_MAX);
	check_comes_back(&message);
	message.sip.n++;
	assert_int_equal(exchange_seal(&message, keys, datagram), -EMSGSIZE);
	free(sip);
	store_keys_destroy(keys);
}

static void what_was_changed_cut_or_sealed_by_others_is_refused(void **)
{
	struct exchange_message sent = example("192.0.2.1", "198.51.100.7", SLICE("OPTIONS")), got;
	struct store_keys *keys = keys_make(KEY_1), *others = keys_make(KEY_2);
	int n = exchange_seal(&sent, keys, datagram);

	for (int i = 0; i < n; i++) {
		datagram[i] ^= 1;
		assert_true(exchange_open(&got, keys, datagram, (size_t)n, text) < 0);
		datagram[i] ^= 1;
	}
	for (int i = 0; i < n; i++)
		assert_int_equal(exchange_open(&got, keys, datagram, (size_t)i, text), -EBADMSG);
	assert_int_equal(exchange_open(&got, others, datagram, (size_t)n, text), -ENOKEY);
	datagram[2] = 2;
	assert_int_equal(exchange_open(&got, keys, datagram, (size_t)n, text), -ENOTSUP);
	store_keys_destroy(keys);
	store_keys_destroy(others);
}

static void each_is_taken_once_in_any_order(void **)
{
	struct exchange_window window = {};
	static const struct {
		uint64_t boot, counter;
		int result;
	} rows[] = {{5, 10, 0}, {5, 10, -EALREADY}, {5, 9, 0}, {5, 9, -EALREADY}, {5, 12, 0},
		{5, 11, 0}, {5, 11, -EALREADY}, {5, 12 + EXCHANGE_WINDOW - 1, 0},
		{5, 12, -EALREADY}, {5, 11, -ESTALE}, {5, 13, 0}, {5, 5000000, 0},
		{5, 5000000, -EALREADY}, {5, 4999999, 0}, {4, 6000000, -ESTALE}, {6, 1, 0},
		{6, 1, -EALREADY}, {6, 2, 0}, {5, 5000001, -ESTALE}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(exchange_window_take(&window, rows[i].boot, rows[i].counter),
			rows[i].result);
}

static struct token_keys token_keys_make(void)
{
	struct token_keys keys = {.n = 1};

	token_random(keys.keys, sizeof(keys.keys));
	return keys;
}

static void a_mark_is_read_by_who_has_the_key(void **)
{
	struct token_keys keys = token_keys_make(), others = token_keys_make(), both = others;
	unsigned int n_taken = 0;
	char token[TOKEN_SIZE];

	both.keys[both.n++] = keys.keys[0];
	for (unsigned int mark = 0; mark < TOKEN_MARKS; mark++) {
		struct slice slice = {token, TOKEN_SIZE};

		token_make_marked(token, &keys, mark);
		assert_int_equal(token_mark_read(&keys, slice), mark);
		assert_int_equal(token_mark_read(&both, slice), mark);
		n_taken += token_mark_read(&others, slice) >= 0;
		slice.n--;
		assert_int_equal(token_mark_read(&keys, slice), -1);
		for (int i = 0; i < TOKEN_SIZE; i++) {
			char old = token[i];

			token[i] = old == 'a' ? 'b' : 'a';
			n_taken += token_mark_read(&keys, (struct slice){token, TOKEN_SIZE}) >= 0;
			token[i] = 'A';
			n_taken += i >= 10 &&
				   token_mark_read(&keys, (struct slice){token, TOKEN_SIZE}) >= 0;
			token[i] = old;
		}
	}
	assert_int_equal(n_taken, 0); // by chance: once in 10,000 runs
}

static void what_is_none_is_no_mark(void **)
{
	struct token_keys keys = token_keys_make();

	assert_int_equal(token_mark_read(&keys, (struct slice){}), -1);
	assert_int_equal(token_mark_read(&keys, SLICE("0123456789012345")), -1);
	assert_int_equal(token_mark_read(&keys, SLICE("................")), -1);
	assert_int_equal(token_mark_read(&keys, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_comes_back_as_it_was),
		cmocka_unit_test(the_longest_fits_and_a_longer_one_is_refused),
		cmocka_unit_test(what_was_changed_cut_or_sealed_by_others_is_refused),
		cmocka_unit_test(each_is_taken_once_in_any_order),
		cmocka_unit_test(a_mark_is_read_by_who_has_the_key),
		cmocka_unit_test(what_is_none_is_no_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
