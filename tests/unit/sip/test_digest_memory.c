// A proof that was taken is used again, with the next count; what was not proved is not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest_memory.h"
#include "message.h"

static const struct digest_keys keys = {.user = "u", .password = "p", .realm = "r"};

static void learn(struct digest_memory *memory, unsigned int status, const char *lines)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct message_error error;
	struct sip_message message;
	char text[4096];
	int n = snprintf(text, sizeof(text),
		"SIP/2.0 %u No\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@h>;tag=1\r\n"
		"To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n%s\r\n",
		status, lines);

	assert_int_equal(message_parse(&message, headers, text, (size_t)n, &error), 0);
	digest_memory_learn(memory, &keys, &message);
}

static const char *written(struct digest_memory *memory, const struct digest_keys *with)
{
	static char text[2048];
	struct builder b;

	memset(text, 0, sizeof(text));
	builder_init(&b, text, sizeof(text) - 1);
	digest_memory_write(memory, with, SLICE("INVITE"), SLICE("sip:b@h"), &b);
	return text;
}

static void count_grows(void **)
{
	struct digest_memory memory = {0};

	learn(&memory, 407,
		"Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n");
	assert_string_equal(written(&memory, &keys), ""); // it may be a wrong password
	digest_memory_proved(&memory);
	assert_ptr_equal(strstr(written(&memory, &keys), "Proxy-Authorization: Digest "),
		written(&memory, &keys));
	assert_non_null(strstr(written(&memory, &keys), "nc=00000004"));
	assert_non_null(strstr(written(&memory, &keys), "nonce=\"n\""));
	learn(&memory, 407,
		"Proxy-Authenticate: Digest realm=\"r\", nonce=\"m\", qop=\"auth\"\r\n");
	assert_string_equal(written(&memory, &keys), "");
	digest_memory_proved(&memory);
	assert_non_null(strstr(written(&memory, &keys), "nc=00000002"));
}

static void strongest_that_fits_is_remembered(void **)
{
	struct digest_memory memory = {0};

	learn(&memory, 401,
		"WWW-Authenticate: Digest realm=\"r\", nonce=\"md5\"\r\n"
		"WWW-Authenticate: Digest realm=\"r\", nonce=\"sha\", algorithm=SHA-256\r\n"
		"WWW-Authenticate: Digest realm=\"r\", nonce=\"odd\", algorithm=SHA-1024\r\n"
		"WWW-Authenticate: Digest realm=\"other\", nonce=\"x\", algorithm=SHA-512-256\r\n");
	digest_memory_proved(&memory);
	assert_non_null(strstr(written(&memory, &keys), "Authorization: Digest "));
	assert_non_null(strstr(written(&memory, &keys), "nonce=\"sha\""));
}

static void nothing_to_prove(void **)
{
	static const struct digest_keys others = {.user = "u", .password = "p", .realm = "s"},
					none = {0};
	struct digest_memory memory = {0};
	char large[2000];

	digest_memory_proved(&memory);
	assert_string_equal(written(&memory, &keys), "");
	snprintf(large, sizeof(large), "WWW-Authenticate: Digest realm=\"r\", nonce=\"%0900d\"\r\n",
		1);
	learn(&memory, 401, large);
	digest_memory_proved(&memory);
	assert_string_equal(written(&memory, &keys), "");
	learn(&memory, 401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n");
	digest_memory_proved(&memory);
	assert_string_equal(written(&memory, &others), ""); // another configuration
	assert_string_equal(written(&memory, &none), "");
	assert_string_not_equal(written(&memory, &keys), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(count_grows),
		cmocka_unit_test(strongest_that_fits_is_remembered),
		cmocka_unit_test(nothing_to_prove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
