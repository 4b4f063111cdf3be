// From what the descriptions agreed on to what the dataplane is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "call_digits.h"
#include "call_fixture.h"
#include "description.h"
#include "sdp.h"

static struct call_fixture fixture;

static int setup(void **)
{
	call_fixture_init(&fixture, NULL);
	return 0;
}

static int teardown(void **)
{
	call_fixture_fini(&fixture);
	return 0;
}

static const struct sdp *parse(const char *text)
{
	static struct sdp sdp;

	assert_int_equal(sdp_parse(&sdp, text, strlen(text), NULL), 0);
	return &sdp;
}

// A call whose caller has PCMU and whose callee answers with opus.
static struct call *opus_call(const char *answer)
{
	struct call *call = call_fixture_call(&fixture);

	fixture.trunk_list[0].media.dtmf = SDP_DTMF_EVENTS;
	fixture.trunk_list[1].media.dtmf = SDP_DTMF_EVENTS;
	fixture.trunk_list[1].media.codecs[0] = (struct sdp_encoding){"opus", 48000, 2};
	description_init(call);
	assert_int_equal(negotiation_take_offer(&call->negotiation, LEG_A,
				 parse("v=0\nc=IN IP4 127.0.0.2\nm=audio 4000 RTP/AVP 0 101\n"
				       "a=rtpmap:101 telephone-event/8000\n")),
		0);
	assert_int_equal(negotiation_take_answer(&call->negotiation, LEG_B, parse(answer)), 0);
	memcpy(&call->session.id, &call->id, sizeof(call->session.id));
	media_session_open(calls_media(fixture.calls), &call->session);
	description_apply(call);
	return call;
}

static void far_end_with_numbers_of_its_own_is_sent_those_and_heard_with_ours(void **)
{
	struct call *call = opus_call("v=0\nc=IN IP4 127.0.0.3\nm=audio 6000 RTP/AVP 120 121\n"
				      "a=rtpmap:120 opus/48000/2\n"
				      "a=rtpmap:121 telephone-event/48000\n");
	const struct sl_leg *leg = &call->session.legs[LEG_B];

	assert_int_equal(leg->n_formats, 4);
	assert_string_equal(leg->formats[0].name, "opus");
	assert_int_equal(leg->formats[0].pt, 120);
	assert_int_equal(leg->formats[0].receive_pt, 96);
	assert_string_equal(leg->formats[1].name, "telephone-event");
	assert_int_equal(leg->formats[1].pt, 121);
	assert_int_equal(leg->formats[1].receive_pt, 97);
	assert_string_equal(leg->formats[2].name, "opus");
	assert_int_equal(leg->formats[2].receive_pt, 120); // in case it sends what it answered
	assert_string_equal(leg->formats[3].name, "telephone-event");
	assert_int_equal(leg->formats[3].receive_pt, 121);
}

static void numbers_that_were_swapped_are_taken_as_we_offered_them(void **)
{
	struct call *call = opus_call("v=0\nc=IN IP4 127.0.0.3\nm=audio 6000 RTP/AVP 97 96\n"
				      "a=rtpmap:97 opus/48000/2\n"
				      "a=rtpmap:96 telephone-event/48000\n");
	const struct sl_leg *leg = &call->session.legs[LEG_B];

	assert_int_equal(leg->n_formats, 2);
	assert_int_equal(leg->formats[0].pt, 97);
	assert_int_equal(leg->formats[0].receive_pt, 96);
	assert_int_equal(leg->formats[1].pt, 96);
	assert_int_equal(leg->formats[1].receive_pt, 97);
}

static uint32_t bitrate_for(const char *answer)
{
	uint32_t bitrate;

	setup(NULL);
	bitrate = opus_call(answer)->session.legs[LEG_B].formats[0].bitrate;
	teardown(NULL);
	return bitrate;
}

static void bitrate_is_that_of_the_far_end_only_where_it_is_low(void **)
{
#define ANSWER "v=0\nc=IN IP4 127.0.0.3\nm=audio 6000 RTP/AVP 96\na=rtpmap:96 opus/48000/2\n"
	assert_int_equal(bitrate_for(ANSWER), 0);
	assert_int_equal(bitrate_for(ANSWER "a=fmtp:96 maxaveragebitrate=16000\n"), 16000);
	assert_int_equal(bitrate_for(ANSWER "a=fmtp:96 maxaveragebitrate=510000\n"), 0);
	assert_int_equal(bitrate_for(ANSWER "a=fmtp:96 maxaveragebitrate=4294967295\n"), 0);
}

static void secure_far_ends(void)
{
	for (int i = 0; i < LEGS; i++) {
		struct sdp_policy *policy = &fixture.trunk_list[i].media;

		policy->srtp = SDP_SRTP_REQUIRED;
		policy->suites[0] =
			i == LEG_A ? SDP_SUITE_AES_CM_128_HMAC_SHA1_80 : SDP_SUITE_AEAD_AES_128_GCM;
		policy->n_suites = 1;
	}
}

static struct call *secure_call(void)
{
	struct call *call = call_fixture_call(&fixture);

	secure_far_ends();
	description_init(call);
	assert_int_equal(negotiation_take_offer(&call->negotiation, LEG_A,
				 parse("v=0\nc=IN IP4 127.0.0.2\nm=audio 4000 RTP/SAVP 0\n"
				       "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
				       "inline:oaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGh|9:2\n")),
		0);
	assert_int_equal(negotiation_take_answer(&call->negotiation, LEG_B,
				 parse("v=0\nc=IN IP4 127.0.0.3\nm=audio 6000 RTP/SAVP 0\n"
				       "a=crypto:1 AEAD_AES_128_GCM "
				       "inline:sbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsQ==\n")),
		0);
	memcpy(&call->session.id, &call->id, sizeof(call->session.id));
	media_session_open(calls_media(fixture.calls), &call->session);
	description_apply(call);
	return call;
}

static void keys_of_each_leg_reach_its_side_of_the_session(void **)
{
	struct call *call = secure_call();
	const struct sl_leg *a = &call->session.legs[LEG_A], *b = &call->session.legs[LEG_B];
	uint8_t a_key[16], b_key[16];

	memset(a_key, 0xa1, sizeof(a_key));
	memset(b_key, 0xb1, sizeof(b_key));
	assert_int_equal(a->srtp_receive.suite, SL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(a->srtp_send.suite, SL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(b->srtp_receive.suite, SL_SRTP_AEAD_AES_128_GCM);
	assert_int_equal(b->srtp_send.suite, SL_SRTP_AEAD_AES_128_GCM);
	assert_memory_equal(a->srtp_receive.key, a_key, sizeof(a_key));
	assert_memory_equal(b->srtp_receive.key, b_key, sizeof(b_key));
	assert_memory_not_equal(a->srtp_send.key, b->srtp_send.key, sizeof(a_key));
	assert_int_equal(a->srtp_receive.mki_bytes, 2);
	assert_int_equal(a->srtp_receive.mki[1], 9);
	assert_int_equal(a->srtp_send.mki_bytes, 0);
	assert_int_equal(a->srtp_send.flags, SL_SRTP_RESTART);
	assert_string_equal(description_suite(call, LEG_B), "AEAD_AES_128_GCM");
}

static void flags_of_legs_follow_from_how_both_have_digits(void **)
{
	enum { NONE = MEDIA_DIGITS_NONE, EVENTS, INBAND, INFO, MODES };
	static const uint16_t tones = SL_LEG_DTMF_INBAND,
			      both = SL_LEG_DTMF_REPORT | SL_LEG_DTMF_SEND;
	// [the leg's][the other leg's]
	const uint16_t flags[MODES][MODES] = {
		[NONE] = {0, 0, 0, 0},
		[EVENTS] = {0, 0, 0, both},
		[INBAND] = {0, tones, 0, tones | both},
		[INFO] = {0, 0, 0, 0},
	};
	struct call *call = call_fixture_call(&fixture);

	for (uint8_t a = NONE; a < MODES; a++)
		for (uint8_t b = NONE; b < MODES; b++) {
			call->legs[LEG_A].digits.mode = a;
			call->legs[LEG_B].digits.mode = b;
			assert_int_equal(digits_flags(call, LEG_A), flags[a][b]);
			assert_int_equal(digits_flags(call, LEG_B), flags[b][a]);
		}
	call->legs[LEG_A].digits.by_info = true;
	call->legs[LEG_A].digits.mode = INBAND;
	call->legs[LEG_B].digits.mode = EVENTS;
	assert_int_equal(digits_flags(call, LEG_A), 0);
	assert_int_equal(digits_flags(call, LEG_B), both);
	call->legs[LEG_A].digits.mode = EVENTS; // agreed on later: they count
	assert_int_equal(digits_flags(call, LEG_A), 0);
}

static void index_of_the_far_end_stays_with_its_key(void **)
{
	struct call *call = secure_call();
	struct sl_srtp_indices heard = {.rtp_next = 70000, .rtcp_next = 5, .ssrc = 9};
	struct sl_srtp *srtp = &call->session.legs[LEG_A].srtp_receive;

	srtp->resume = heard;
	description_apply(call);
	assert_memory_equal(&srtp->resume, &heard, sizeof(heard));
	call->negotiation.legs[LEG_A].keys.theirs.key[0] ^= 1;
	description_apply(call);
	assert_int_equal(srtp->resume.rtp_next, 0);
}

static void keys_come_back_with_the_record_and_not_with_the_session(void **)
{
	struct call *call = secure_call();
	struct sl_leg before[LEGS];

	memcpy(before, call->session.legs, sizeof(before));
	for (int i = 0; i < LEGS; i++) { // as the dataplane lists them
		memset(call->session.legs[i].srtp_receive.key, 0, SL_SRTP_KEY_MAX);
		memset(call->session.legs[i].srtp_receive.salt, 0, SL_SRTP_SALT_MAX);
		memset(call->session.legs[i].srtp_send.key, 0, SL_SRTP_KEY_MAX);
		memset(call->session.legs[i].srtp_send.salt, 0, SL_SRTP_SALT_MAX);
	}
	description_keys_restore(call);
	assert_memory_equal(call->session.legs, before, sizeof(before));
}

static void call_that_is_wiped_has_no_key_left(void **)
{
	struct call *call = secure_call();
	struct sl_srtp none = {};

	description_wipe(call);
	for (int i = 0; i < LEGS; i++) {
		assert_memory_equal(&call->session.legs[i].srtp_receive, &none, sizeof(none));
		assert_memory_equal(&call->session.legs[i].srtp_send, &none, sizeof(none));
		assert_int_equal(call->negotiation.legs[i].keys.ours.suite, SDP_SUITE_NONE);
	}
}

// The caller has PCMU, the callee's trunk this codec.
static int offer_to(struct call *call, const char *name)
{
	assert_int_equal(sdp_encoding_parse(name, &fixture.trunk_list[1].media.codecs[0]), 0);
	description_init(call);
	return negotiation_take_offer(&call->negotiation, LEG_A,
		parse("v=0\nc=IN IP4 127.0.0.2\nm=audio 4000 RTP/AVP 0\n"));
}

static void only_codecs_that_the_dataplane_has_are_transcoded(void **)
{
	struct call *call = call_fixture_call(&fixture);
	struct sl_codec codecs[] = {{.name = "PCMU", .clock_hz = 8000, .channels = 1},
		{.name = "G729", .clock_hz = 8000, .channels = 1}};

	assert_int_equal(offer_to(call, "G729"), -EOPNOTSUPP); // a plug-in that may not be there
	assert_int_equal(offer_to(call, "AMR"), 0);
	description_codecs(codecs, 2);
	assert_int_equal(offer_to(call, "G729"), 0);
	assert_int_equal(offer_to(call, "AMR"), -EOPNOTSUPP);
	codecs[1] = (struct sl_codec){.name = "AMR", .clock_hz = 8000, .channels = 1};
	description_codecs(codecs, 2);
	assert_int_equal(offer_to(call, "G729"), -EOPNOTSUPP);
	assert_int_equal(offer_to(call, "AMR"), 0);
}

static void parameters_of_amr_reach_the_dataplane(void **)
{
	struct call *call = call_fixture_call(&fixture);
	const struct sl_format *format = &call->session.legs[LEG_B].formats[0];

	assert_int_equal(sdp_encoding_parse("AMR", &fixture.trunk_list[1].media.codecs[0]), 0);
	fixture.trunk_list[1].media.dtx = true;
	description_init(call);
	assert_int_equal(negotiation_take_offer(&call->negotiation, LEG_A,
				 parse("v=0\nc=IN IP4 127.0.0.2\nm=audio 4000 RTP/AVP 0\n")),
		0);
	assert_int_equal(negotiation_take_answer(&call->negotiation, LEG_B,
				 parse("v=0\nc=IN IP4 127.0.0.3\nm=audio 6000 RTP/AVP 96\n"
				       "a=rtpmap:96 AMR/8000\n"
				       "a=fmtp:96 octet-align=1;mode-set=0,7;mode-change-period=2;"
				       "mode-change-neighbor=1\n")),
		0);
	memcpy(&call->session.id, &call->id, sizeof(call->session.id));
	media_session_open(calls_media(fixture.calls), &call->session);
	description_apply(call);
	assert_string_equal(format->name, "AMR");
	assert_int_equal(format->mode_set, 0x81);
	assert_int_equal(format->mode_change_period, 2);
	assert_int_equal(format->flags,
		SL_FORMAT_OCTET_ALIGN | SL_FORMAT_MODE_CHANGE_NEIGHBOR | SL_FORMAT_DTX);
	assert_int_equal(call->session.legs[LEG_A].formats[0].flags, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			far_end_with_numbers_of_its_own_is_sent_those_and_heard_with_ours, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			numbers_that_were_swapped_are_taken_as_we_offered_them, setup, teardown),
		cmocka_unit_test_setup_teardown(
			keys_of_each_leg_reach_its_side_of_the_session, setup, teardown),
		cmocka_unit_test_setup_teardown(
			flags_of_legs_follow_from_how_both_have_digits, setup, teardown),
		cmocka_unit_test_setup_teardown(
			index_of_the_far_end_stays_with_its_key, setup, teardown),
		cmocka_unit_test_setup_teardown(
			keys_come_back_with_the_record_and_not_with_the_session, setup, teardown),
		cmocka_unit_test_setup_teardown(
			call_that_is_wiped_has_no_key_left, setup, teardown),
		cmocka_unit_test(bitrate_is_that_of_the_far_end_only_where_it_is_low),
		cmocka_unit_test_setup_teardown(
			parameters_of_amr_reach_the_dataplane, setup, teardown),
		cmocka_unit_test_setup_teardown(
			only_codecs_that_the_dataplane_has_are_transcoded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
