// Records and the sealing of their secrets.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_keys.h"
#include "store_record.h"

#define KEY_1 "1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define KEY_2 "2\tFFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100\n"

static const struct store_place place = {"s1", "call-1"};
static char error[200];

static struct store_keys *load(const char *text, mode_t mode)
{
	char path[] = "/tmp/sluice-keys-XXXXXX";
	int fd = mkstemp(path);
	struct store_keys *keys;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	keys = store_keys_load(path, error, sizeof(error));
	unlink(path);
	return keys;
}

static int build(struct store_keys *keys, const char *secret, uint8_t *buffer, size_t size)
{
	const struct store_record_content content = {.kind = STORE_RECORD_CALL,
		.body = "body",
		.body_length = 4,
		.secret = secret,
		.secret_length = secret ? strlen(secret) : 0};

	return store_record_build(keys, &place, &content, buffer, size);
}

static void record_is_read_as_written(void **)
{
	struct store_keys *keys = load("# ours\n\n" KEY_1, 0600);
	struct store_record record;
	uint8_t data[200], secret[64];
	int length;

	assert_non_null(keys);
	length = build(keys, "media key", data, sizeof(data));
	assert_int_equal(length, STORE_RECORD_HEADER + 4 + 9 + STORE_SEAL_OVERHEAD);
	assert_int_equal(store_record_parse(data, (size_t)length, &record), 0);
	assert_int_equal(record.kind, STORE_RECORD_CALL);
	assert_int_equal(record.flags, STORE_RECORD_SEALED);
	assert_int_equal(record.key_id, 1);
	assert_int_equal(record.body_length, 4);
	assert_memory_equal(record.body, "body", 4);
	assert_in_range(
		record.written_ms / 1000, (uint64_t)time(NULL) - 2, (uint64_t)time(NULL) + 1);
	assert_int_equal(store_record_open(keys, &place, data, &record, secret, sizeof(secret)), 9);
	assert_memory_equal(secret, "media key", 9);
	assert_int_equal(store_record_open(keys, &place, data, &record, secret, 8), -ENOBUFS);
	assert_null(memmem(data, sizeof(data), "media key", 9));
	store_keys_destroy(keys);
}

static void record_without_secret_needs_no_key(void **)
{
	struct store_record record;
	uint8_t data[200], secret[8];
	int length = build(NULL, NULL, data, sizeof(data));

	assert_int_equal(length, STORE_RECORD_HEADER + 4);
	assert_int_equal(store_record_parse(data, (size_t)length, &record), 0);
	assert_int_equal(record.flags, 0);
	assert_int_equal(store_record_open(NULL, &place, data, &record, secret, 8), 0);
	assert_int_equal(build(NULL, "secret", data, sizeof(data)), -ENOKEY);
	assert_int_equal(build(NULL, NULL, data, 43), -ENOBUFS);
}

// The layout of store_record.h, by hand: nodes of other versions count on it.
static void layout_is_what_the_header_says(void **)
{
	uint8_t data[STORE_RECORD_HEADER + 4];
	static const uint8_t start[] = {'S', 'R', 1, 40, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0};

	assert_int_equal(build(NULL, NULL, data, sizeof(data)), sizeof(data));
	assert_memory_equal(data, start, sizeof(start));
	assert_memory_equal(data + 40, "body", 4);
}

static void newer_versions_are_told_apart_from_rubbish(void **)
{
	static const struct {
		size_t at;
		uint8_t value;
		int result;
	} cases[] = {
		{0, 'X', -EBADMSG},
		{2, 0, -EBADMSG},
		{2, 2, -ENOTSUP},
		{2, 255, -ENOTSUP},
		{3, 39, -EBADMSG},
		{3, 41, -EBADMSG}, // body does not fill what is left
		{4, 1, -ENOTSUP},  // a flag that must be understood
		{5, 1, -EBADMSG},  // sealed, but nothing there
		{5, 2, 0},	   // a flag that need not be
		{11, 3, -EBADMSG},
		{11, 5, -EBADMSG},
		{8, 255, -EBADMSG},
		{12, 255, -EBADMSG},
		{31, 1, -ETIME},
		{24, 1, 0},
		{39, 9, 0},
	};
	uint8_t data[STORE_RECORD_HEADER + 4];
	struct store_record record;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(build(NULL, NULL, data, sizeof(data)), sizeof(data));
		data[cases[i].at] = cases[i].value;
		assert_int_equal(store_record_parse(data, sizeof(data), &record), cases[i].result);
	}
	for (i = 0; i < sizeof(data) - 4; i++) {
		build(NULL, NULL, data, sizeof(data));
		assert_int_equal(store_record_parse(data, i, &record), -EBADMSG);
	}
}

static void any_changed_bit_is_noticed(void **)
{
	struct store_keys *keys = load(KEY_1, 0600);
	struct store_record record;
	uint8_t data[200], secret[64];
	int length = build(keys, "media key", data, sizeof(data));
	size_t i;

	assert_true(length > 0);
	for (i = 0; i < (size_t)length * 8; i++) {
		data[i / 8] ^= (uint8_t)(1 << i % 8);
		memset(secret, 0, sizeof(secret));
		if (!store_record_parse(data, (size_t)length, &record))
			assert_true(store_record_open(keys, &place, data, &record, secret,
					    sizeof(secret)) < 0);
		assert_int_equal(secret[0], 0); // nothing of the text is given out
		data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	store_keys_destroy(keys);
}

static void sealed_part_fits_no_other_record(void **)
{
	struct store_keys *keys = load(KEY_1, 0600);
	struct store_record record;
	uint8_t data[200], secret[64];
	int length = build(keys, "media key", data, sizeof(data));
	static const struct store_place others[] = {
		{"s2", "call-1"}, {"s1", "call-2"}, {"s1c", "all-1"}};
	size_t i;

	assert_int_equal(store_record_parse(data, (size_t)length, &record), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(
			store_record_open(keys, &others[i], data, &record, secret, sizeof(secret)),
			-EBADMSG);
	store_keys_destroy(keys);
}

static void keys_are_rotated_without_losing_records(void **)
{
	struct store_keys *old = load(KEY_1, 0600), *both = load(KEY_2 KEY_1, 0600),
			  *new = load(KEY_2, 0600);
	struct store_record record;
	uint8_t data[200], secret[64];
	int length = build(old, "media key", data, sizeof(data));

	assert_int_equal(store_keys_count(both), 2);
	assert_int_equal(store_record_parse(data, (size_t)length, &record), 0);
	assert_int_equal(store_record_open(both, &place, data, &record, secret, 64), 9);
	assert_int_equal(store_record_open(new, &place, data, &record, secret, 64), -ENOKEY);
	length = build(both, "media key", data, sizeof(data));
	assert_int_equal(store_record_parse(data, (size_t)length, &record), 0);
	assert_int_equal(record.key_id, 2);
	assert_int_equal(store_record_open(new, &place, data, &record, secret, 64), 9);
	assert_int_equal(store_record_open(old, &place, data, &record, secret, 64), -ENOKEY);
	store_keys_destroy(old);
	store_keys_destroy(both);
	store_keys_destroy(new);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 24);
}

// Salt and number are the first 24 bytes: no two sealings share them, also not of two processes.
static void no_nonce_comes_twice(void **)
{
	enum { N = 2000 };
	static uint8_t seen[N][24];
	struct store_keys *keys[2] = {load(KEY_1, 0600), load(KEY_1, 0600)};
	uint8_t data[200];
	size_t i;

	for (i = 0; i < N; i++) {
		assert_true(build(keys[i % 2], "k", data, sizeof(data)) > 0);
		memcpy(seen[i], data + STORE_RECORD_HEADER + 4, 24);
	}
	qsort(seen, N, 24, compare);
	for (i = 1; i < N; i++)
		assert_memory_not_equal(seen[i - 1], seen[i], 24);
	store_keys_destroy(keys[0]);
	store_keys_destroy(keys[1]);
}

static void bad_key_files_are_refused_with_the_line(void **)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", ": no key"},
		{"# nothing\n", ":1: no key"},
		{"1 0011\n", ":1: a key is 64"},
		{KEY_1 "2 zz\n", ":2: a key is 64"},
		{KEY_1 KEY_1, ":2: the number is taken"},
		{"0 00\n", ":1: expected: number"},
		{"x\n", ":1: expected: number"},
		{"4294967296 00\n", ":1: expected: number"},
		{"1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0\n",
			"more than"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(load(cases[i].text, 0600));
		assert_non_null(strstr(error, cases[i].says));
	}
	assert_null(load(KEY_1, 0640));
	assert_non_null(strstr(error, "others may read it"));
	assert_null(store_keys_load("/nonexistent", error, sizeof(error)));
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_is_read_as_written),
		cmocka_unit_test(record_without_secret_needs_no_key),
		cmocka_unit_test(layout_is_what_the_header_says),
		cmocka_unit_test(newer_versions_are_told_apart_from_rubbish),
		cmocka_unit_test(any_changed_bit_is_noticed),
		cmocka_unit_test(sealed_part_fits_no_other_record),
		cmocka_unit_test(keys_are_rotated_without_losing_records),
		cmocka_unit_test(no_nonce_comes_twice),
		cmocka_unit_test(bad_key_files_are_refused_with_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
