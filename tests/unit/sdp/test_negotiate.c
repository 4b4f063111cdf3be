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
	.codecs = {{"PCMU", 8000, 1}, {"opus", 48000, 2}}, .n_codecs = 2, .telephone_event = true};
static const struct sdp_policy agents = {
	.codecs = {{"opus", 48000, 2}}, .n_codecs = 1, .telephone_event = true};
static const struct sdp_policy *const policies[2] = {&phones, &agents};
static const struct negotiation_local local = {{{192, 0, 2, 1}, 4}, 10000};
static struct sdp sdp;

static void init(struct negotiation *n)
{
	negotiation_init(n, policies, transcoders, (uint64_t[2]){1, 2});
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_brings_back_what_was_agreed),
		cmocka_unit_test(loaded_record_counts_as_older_than_what_was_sent),
		cmocka_unit_test(cut_or_longer_record_is_refused),
		cmocka_unit_test(damaged_record_never_leads_out_of_bounds),
		cmocka_unit_test(refused_description_changes_nothing),
		cmocka_unit_test(parameters_that_are_too_long_drop_their_format_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
