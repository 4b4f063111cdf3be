// What golden cases (tests/golden/sdp) do not show: the record on bad input, and limits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "negotiate.h"

static const struct sdp_encoding pcmu = {"PCMU", 8000, 1}, pcma = {"PCMA", 8000, 1},
				 opus = {"opus", 48000, 2};
static const struct sdp_encoding *const transcoders[] = {&pcmu, &pcma, &opus, NULL};
static const struct sdp_policy phones = {
	.codecs = {{"PCMU", 8000, 1}, {"opus", 48000, 2}}, .n_codecs = 2, .dtmf = SDP_DTMF_EVENTS};
static const struct sdp_policy agents = {
	.codecs = {{"opus", 48000, 2}}, .n_codecs = 1, .dtmf = SDP_DTMF_EVENTS};
static const struct negotiation_local local = {{{192, 0, 2, 1}, 4}, 10000};
static struct sdp sdp;

static void init(struct negotiation *n)
{
	negotiation_init(n,
		&(struct negotiation_settings){
			.policies = {&phones, &agents}, .transcoders = transcoders, .ids = {1, 2}});
}

static const struct sdp *parse(const char *text)
{
	assert_int_equal(sdp_parse(&sdp, text, strlen(text), NULL), 0);
	return &sdp;
}

static void establish(struct negotiation *n)
{
	init(n);
	assert_int_equal(negotiation_take_offer(n, 0,
				 parse("v=0\nc=IN IP4 192.0.2.9\nm=audio 4000 RTP/AVP 0 101\n"
				       "a=rtpmap:101 telephone-event/8000\n")),
		0);
	assert_int_equal(
		negotiation_take_answer(n, 1,
			parse("v=0\nc=IN IP6 2001:db8::1\nm=audio 4000 RTP/AVP 96\n"
			      "a=rtpmap:96 opus/48000/2\na=fmtp:96 maxplaybackrate=16000\n")),
		0);
}

static void record_brings_back_what_was_agreed(void **)
{
	struct negotiation n, again;
	uint8_t record[NEGOTIATION_RECORD_MAX];
	struct media_summary media, media_again;
	int length;

	establish(&n);
	length = negotiation_save(&n, record, sizeof(record));
	assert_in_range(length, 1, 1000);
	init(&again);
	assert_int_equal(negotiation_load(&again, record, (size_t)length), 0);
	negotiation_media(&n, &media);
	negotiation_media(&again, &media_again);
	assert_memory_equal(&media, &media_again, sizeof(media));
}

// The process may have died between a description and its record.
static void loaded_record_counts_as_older_than_what_was_sent(void **)
{
	static const char offer[] = "v=0\nc=IN IP4 192.0.2.9\nm=audio 4000 RTP/AVP 0 101\n"
				    "a=rtpmap:101 telephone-event/8000\n";
	struct negotiation n;
	uint8_t record[NEGOTIATION_RECORD_MAX];
	uint64_t version;
	int length;

	establish(&n);
	assert_true(negotiation_is_refresh(&n, 0, parse(offer)));
	version = n.legs[0].version;
	length = negotiation_save(&n, record, sizeof(record));
	assert_int_equal(negotiation_load(&n, record, (size_t)length), 0);
	assert_int_equal(n.legs[0].version, version + 2);
	assert_false(negotiation_is_refresh(&n, 0, parse(offer)));
	assert_int_equal(negotiation_take_offer(&n, 0, parse(offer)), 0);
	assert_int_equal(negotiation_take_answer(&n, 1,
				 parse("v=0\nc=IN IP6 2001:db8::1\nm=audio 4000 RTP/AVP 96\n"
				       "a=rtpmap:96 opus/48000/2\n")),
		0);
	assert_true(negotiation_is_refresh(&n, 0, parse(offer)));
}

static void cut_or_longer_record_is_refused(void **)
{
	struct negotiation n, again;
	uint8_t record[NEGOTIATION_RECORD_MAX];
	int length;

	establish(&n);
	length = negotiation_save(&n, record, sizeof(record));
	init(&again);
	for (int cut = 0; cut < length; cut++) {
		assert_int_equal(negotiation_load(&again, record, (size_t)cut), -EBADMSG);
		assert_int_equal(negotiation_save(&n, record, (size_t)cut), -ENOBUFS);
	}
	assert_int_equal(negotiation_save(&n, record, sizeof(record)), length);
	record[length] = 0;
	assert_int_equal(negotiation_load(&again, record, (size_t)length + 1), -EBADMSG);
	assert_int_equal(again.legs[0].state, NEGOTIATION_IDLE);
}

static void damaged_record_never_leads_out_of_bounds(void **)
{
	struct negotiation n, again;
	uint8_t record[NEGOTIATION_RECORD_MAX];
	struct media_summary media;
	char text[NEGOTIATION_TEXT_MAX];
	int length;

	establish(&n);
	length = negotiation_save(&n, record, sizeof(record));
	for (int i = 0; i < length; i++)
		for (unsigned int value = 0; value < 256; value++) {
			uint8_t saved = record[i];

			record[i] = (uint8_t)value;
			init(&again);
			if (!negotiation_load(&again, record, (size_t)length)) {
				negotiation_media(&again, &media);
				negotiation_write(&again, 0, &local, text, sizeof(text));
				negotiation_write(&again, 1, &local, text, sizeof(text));
			}
			record[i] = saved;
		}
	assert_int_equal(negotiation_load(&again, record, (size_t)length), 0);
}

static void refused_description_changes_nothing(void **)
{
	struct negotiation n, before;

	establish(&n);
	before = n;
	assert_int_equal(negotiation_take_offer(&n, 0,
				 parse("v=0\nc=IN IP4 192.0.2.9\nm=audio 4000 RTP/AVP 18\n")),
		-EOPNOTSUPP);
	assert_memory_equal(&n, &before, sizeof(n));
	assert_int_equal(negotiation_take_answer(&n, 1, parse("v=0\n")), -EPROTO);
	assert_memory_equal(&n, &before, sizeof(n));
}

static void parameters_that_are_too_long_drop_their_format_only(void **)
{
	struct negotiation n;
	char text[1024], longest[SDP_FMTP_MAX + 1];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	snprintf(text, sizeof(text),
		"v=0\nc=IN IP4 192.0.2.9\nm=audio 4000 RTP/AVP 96 0\na=rtpmap:96 opus/48000/2\n"
		"a=fmtp:96 %s\n",
		longest);
	init(&n);
	assert_int_equal(negotiation_take_offer(&n, 0, parse(text)), 0);
	assert_int_equal(n.legs[0].n_remote, 1);
	assert_string_equal(n.legs[0].remote_formats[0].format.encoding.name, "PCMU");
}

static int saved_length(const struct negotiation *n)
{
	uint8_t record[NEGOTIATION_RECORD_MAX];

	return negotiation_save(n, record, sizeof(record));
}

static void forget(struct negotiation_leg *leg)
{
	*leg = (struct negotiation_leg){};
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		leg->relays[i].line = NEGOTIATION_NO_LINE;
}

#define TAIL_BYTES  (NEGOTIATION_RELAYS_MAX + 2 * 2 * NEGOTIATION_RELAYS_MAX) // no lines are relayed
#define FLAGS_AT    4							      // in a leg
#define FLAGS_AUDIO 48							      // of version 3

// Version 1 ended each leg before the three bytes that say: which family, no key, no key.
static size_t make_version_1(const struct negotiation *n, uint8_t *old)
{
	uint8_t record[NEGOTIATION_RECORD_MAX];
	struct negotiation part = *n;
	size_t length, first;

	length = (size_t)negotiation_save(n, record, sizeof(record)) - TAIL_BYTES;
	forget(&part.legs[0]);
	first = length + TAIL_BYTES - (size_t)saved_length(&part); // it is longer by that
	forget(&part.legs[1]);
	first += ((size_t)saved_length(&part) - 1 - TAIL_BYTES) / 2;
	record[1 + FLAGS_AT] &= (uint8_t)~FLAGS_AUDIO;
	record[1 + first + FLAGS_AT] &= (uint8_t)~FLAGS_AUDIO;
	old[0] = 1;
	memcpy(old + 1, record + 1, first - 3);
	memcpy(old + 1 + first - 3, record + 1 + first, length - 1 - first - 3);
	return length - 6;
}

static void record_of_version_1_is_read(void **)
{
	struct negotiation n, again;
	uint8_t old[NEGOTIATION_RECORD_MAX];
	struct media_summary media, media_again;
	size_t length;

	establish(&n);
	length = make_version_1(&n, old);
	init(&again);
	assert_int_equal(negotiation_load(&again, old, length), 0);
	negotiation_media(&n, &media);
	negotiation_media(&again, &media_again);
	assert_memory_equal(&media, &media_again, sizeof(media));
	assert_int_equal(again.legs[0].family, 4);
	assert_int_equal(again.legs[1].family, 6);
	assert_int_equal(negotiation_load(&again, old, length - 1), -EBADMSG);
	old[0] = 4;
	assert_int_equal(negotiation_load(&again, old, length), -EBADMSG);
}

static void counting_bytes(void *out, size_t length)
{
	static uint8_t next;

	memset(out, ++next, length);
}

static bool has_bytes(const void *where, size_t size, uint8_t byte)
{
	uint8_t run[14];

	memset(run, byte, sizeof(run));
	return memmem(where, size, run, sizeof(run));
}

static void establish_secure(struct negotiation *n, const struct sdp_policy *policy)
{
	negotiation_init(n, &(struct negotiation_settings){.policies = {policy, &agents},
				    .transcoders = transcoders,
				    .random = counting_bytes,
				    .ids = {1, 2}});
	assert_int_equal(negotiation_take_offer(n, 0,
				 parse("v=0\nc=IN IP4 192.0.2.9\nm=audio 4000 RTP/SAVP 0\n"
				       "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
				       "inline:oaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGh\n")),
		0);
	assert_int_equal(negotiation_take_answer(n, 1,
				 parse("v=0\nc=IN IP4 192.0.2.8\nm=audio 4000 RTP/AVP 96\n"
				       "a=rtpmap:96 opus/48000/2\n")),
		0);
}

static const struct sdp_policy secure_phones = {
	.codecs = {{"PCMU", 8000, 1}},
	.n_codecs = 1,
	.srtp = SDP_SRTP_REQUIRED,
	.suites = {SDP_SUITE_AEAD_AES_256_GCM, SDP_SUITE_AES_CM_128_HMAC_SHA1_80},
	.n_suites = 2,
};

static void wiped_negotiation_has_no_key_left(void **)
{
	struct negotiation n;

	establish_secure(&n, &secure_phones);
	assert_true(has_bytes(&n, sizeof(n), 0xa1));
	assert_true(has_bytes(&n, sizeof(n), n.legs[0].keys.ours.key[0]));
	negotiation_wipe(&n);
	assert_false(has_bytes(&n, sizeof(n), 0xa1));
	for (uint8_t byte = 1; byte < 0x80; byte++)
		assert_false(has_bytes(&n, sizeof(n), byte));
}

static void record_with_one_key_for_both_ways_is_refused(void **)
{
	struct negotiation n, again;
	uint8_t record[NEGOTIATION_RECORD_MAX];
	int length;

	establish_secure(&n, &secure_phones);
	n.legs[0].keys.theirs = n.legs[0].keys.ours;
	length = negotiation_save(&n, record, sizeof(record));
	init(&again);
	assert_int_equal(negotiation_load(&again, record, (size_t)length), -EBADMSG);
}

static void another_far_end_is_offered_other_keys(void **)
{
	struct negotiation n;
	struct sdp_crypto before[2];

	negotiation_init(&n, &(struct negotiation_settings){.policies = {&phones, &secure_phones},
				     .transcoders = transcoders,
				     .random = counting_bytes,
				     .ids = {1, 2}});
	assert_int_equal(negotiation_make_offer(&n, 1), 0);
	assert_int_equal(n.legs[1].keys.n_offered, 2);
	memcpy(before, n.legs[1].keys.offered, sizeof(before));
	negotiation_renew_offer(&n, 1);
	assert_int_equal(n.legs[1].keys.n_offered, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(n.legs[1].keys.offered[i].suite, before[i].suite);
		assert_false(sdp_crypto_same_key(&n.legs[1].keys.offered[i], &before[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_brings_back_what_was_agreed),
		cmocka_unit_test(record_of_version_1_is_read),
		cmocka_unit_test(record_with_one_key_for_both_ways_is_refused),
		cmocka_unit_test(wiped_negotiation_has_no_key_left),
		cmocka_unit_test(another_far_end_is_offered_other_keys),
		cmocka_unit_test(loaded_record_counts_as_older_than_what_was_sent),
		cmocka_unit_test(cut_or_longer_record_is_refused),
		cmocka_unit_test(damaged_record_never_leads_out_of_bounds),
		cmocka_unit_test(refused_description_changes_nothing),
		cmocka_unit_test(parameters_that_are_too_long_drop_their_format_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
