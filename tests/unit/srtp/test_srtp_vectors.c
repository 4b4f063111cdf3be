// Known answers: RFC 3711 B.2 and B.3, RFC 6188 7.1 and 7.2, RFC 7714 16 and 17. Those of packets
// are given with session keys, so they enter below the key derivation; the contexts are otherwise
// real.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mb.h"
#include "srtp_context.h"
#include "srtp_engine.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct srtp_engine *engine;

static unsigned int hex(const char *text, uint8_t *out)
{
	unsigned int n = 0;

	for (; *text; text += 2)
		assert_int_equal(sscanf(text, "%2hhx", &out[n++]), 1);
	return n;
}

static void assert_hex(const uint8_t *bytes, const char *expected)
{
	uint8_t wanted[256];

	assert_memory_equal(bytes, wanted, hex(expected, wanted));
}

// The keystream for SSRC, ROC and sequence number 0 is what encrypting zeros yields.
static void keystream_is_that_of_the_rfc(void **)
{
	static const struct {
		const char *key, *first, *last;
	} cases[] = {
		// RFC 3711 B.2
		{"2b7e151628aed2a6abf7158809cf4f3c",
			"e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab"
			"41e95b3bb0a2e8dd477901e4fca894c0",
			"ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae"
			"6a2cc3787889374fbeb4c81b17ba6c44"},
		// RFC 6188 7.1
		{"57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
			"92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac"
			"63c4868b7096d88421b563b8c94c9a31",
			"cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d"
			"6eb246913062a16891433e97dd01a57f"},
	};
	const unsigned int bytes = 0xff02 * 16;
	uint8_t *stream = malloc(bytes);
	uint8_t key[32], iv[16];

	assert_non_null(stream);
	hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000", iv);
	for (size_t i = 0; i < LENGTH(cases); i++) {
		unsigned int key_bytes = hex(cases[i].key, key);

		mb_keystream(engine->state, key, key_bytes, iv, stream, bytes);
		assert_hex(stream, cases[i].first);
		assert_hex(stream + bytes - 48, cases[i].last);
	}
	free(stream);
}

static void session_keys_are_those_of_the_rfc(void **)
{
	static const struct {
		enum srtp_suite suite;
		const char *key, *salt, *cipher, *auth, *session_salt;
	} cases[] = {
		// RFC 3711 B.3
		{SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, "e1f97a0d3e018be0d64fa32c06de4139",
			"0ec675ad498afeebb6960b3aabe6", "c61e7a93744f39ee10734afe3ff7a087",
			"cebe321f6ff7716b6fd4ab49af256a156d38baa4", "30cbbc08863d8c85d49db34a9ae1"},
		// RFC 6188 7.2
		{SRTP_SUITE_AES_256_CM_HMAC_SHA1_80,
			"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
			"3b04803de51ee7c96423ab5b78d2",
			"5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
			"fd9c32d39ed5fbb5a9dc96b30818454d1313dc05", "fa31791685ca444a9e07c6c64e93"},
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct srtp_keying keying = {.suite = cases[i].suite};
		struct srtp_session_keys keys;

		hex(cases[i].key, keying.key);
		hex(cases[i].salt, keying.salt);
		srtp_kdf(&keying, false, mb_keystream, engine->state, &keys);
		assert_hex(keys.cipher, cases[i].cipher);
		assert_hex(keys.auth, cases[i].auth);
		assert_hex(keys.salt, cases[i].session_salt);
	}
}

// The key derivation of B.3 yields 94 bytes for the auth key: all of them.
static void key_derivation_goes_on_past_a_block(void **)
{
	uint8_t key[16], iv[16] = {0}, out[94];

	hex("e1f97a0d3e018be0d64fa32c06de4139", key);
	hex("0ec675ad498afeebb6960b3aabe6", iv);
	iv[7] ^= 1;
	mb_keystream(engine->state, key, sizeof(key), iv, out, sizeof(out));
	assert_hex(out, "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce"
			"e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25"
			"6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2");
}

#define GCM_RTP                                              \
	"8040f17b8041f8d35501a0b247616c6c696120657374206f6d" \
	"6e69732064697669736120696e207061727465732074726573"
#define GCM_RTCP                                                 \
	"81c8000d4d6172734e5450314e545032525450200000042a0000e9" \
	"304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"

static const struct gcm_case {
	const char *name;
	bool rtcp;
	bool plain; // without the E bit
	const char *clear;
	const char *protected[2]; // by size of the key: 128, 256
} gcm_cases[] = {
	{"RFC 7714 16.1, 16.2", false, false, GCM_RTP,
		{"8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a"
		 "51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
			"8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b5"
			"0b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"}},
	{"RFC 7714 17.1, 17.2", true, false, GCM_RTCP,
		{"81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda"
		 "4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
			"81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c111"
			"0555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"}},
	{"RFC 7714 17.3", true, true, GCM_RTCP,
		{"81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeef"
		 "deadbeefdeadbeefdeadbeef841dd9683dd78ec92ae58790125f62b3000005d4",
			NULL}},
};

static struct srtp_context *gcm_context(
	enum srtp_suite suite, enum srtp_direction direction, bool plain)
{
	const struct srtp_keying keying = {
		.suite = suite, .direction = direction, .plain_srtcp = plain};
	const struct srtp_indices indices = {.ssrc = 0x4d617273, .rtcp_next = 0x5d4};
	struct srtp_context *context = srtp_context_create(engine, &keying);
	struct srtp_session_keys keys = {.salt = "Quid pro quo"};

	assert_non_null(context);
	for (unsigned int i = 0; i < sizeof(keys.cipher); i++)
		keys.cipher[i] = i;
	mb_keys_expand(engine->state, suite, context->keys, &keys, &keys);
	assert_int_equal(srtp_context_import(context, &indices, 1), 0);
	return context;
}

static void check_gcm(const struct gcm_case *example, enum srtp_suite suite)
{
	const char *expected = example->protected[mb_is_256(suite)];
	struct srtp_context *sender = gcm_context(suite, SRTP_SEND, example->plain);
	struct srtp_context *receiver = gcm_context(suite, SRTP_RECEIVE, false);
	uint8_t packet[256], wanted[256];
	struct srtp_job job = {
		.context = sender,
		.packet = packet,
		.room = sizeof(packet),
		.rtcp = example->rtcp,
	};

	job.length = hex(example->clear, packet);
	srtp_protect_burst(engine, &job, 1);
	assert_int_equal(job.status, SRTP_STATUS_OK);
	assert_int_equal(job.out_length, hex(expected, wanted));
	assert_memory_equal(packet, wanted, job.out_length);

	job.context = receiver;
	job.length = job.out_length;
	srtp_unprotect_burst(engine, &job, 1);
	assert_int_equal(job.status, SRTP_STATUS_OK);
	assert_int_equal(job.out_length, hex(example->clear, wanted));
	assert_memory_equal(packet, wanted, job.out_length);
	srtp_context_destroy(sender);
	srtp_context_destroy(receiver);
}

static void gcm_packets_are_those_of_the_rfc(void **)
{
	for (size_t i = 0; i < LENGTH(gcm_cases); i++) {
		print_message("%s\n", gcm_cases[i].name);
		check_gcm(&gcm_cases[i], SRTP_SUITE_AEAD_AES_128_GCM);
		if (gcm_cases[i].protected[1])
			check_gcm(&gcm_cases[i], SRTP_SUITE_AEAD_AES_256_GCM);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keystream_is_that_of_the_rfc),
		cmocka_unit_test(session_keys_are_those_of_the_rfc),
		cmocka_unit_test(key_derivation_goes_on_past_a_block),
		cmocka_unit_test(gcm_packets_are_those_of_the_rfc),
	};
	int failed;

	engine = srtp_engine_create("ipsec-mb", argc > 1 ? argv[1] : NULL);
	if (!engine && errno == ENOTSUP)
		return 77; // meson: skipped, not with this CPU
	if (!engine) {
		perror("ipsec-mb");
		return EXIT_FAILURE;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	srtp_engine_destroy(engine);
	return failed;
}
