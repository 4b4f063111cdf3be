#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sdp.h"

static struct sdp sdp;

static int parse(const char *text)
{
	return sdp_parse(&sdp, text, strlen(text), NULL);
}

static void assert_slice(struct sdp_slice slice, const char *text)
{
	assert_int_equal(slice.length, strlen(text));
	assert_memory_equal(slice.data, text, slice.length);
}

static void whole_description_is_read(void **)
{
	const struct sdp_format *format;

	assert_int_equal(parse("v=0\r\n"
			       "o=alice 123456789012 7 IN IP4 host.example\r\n"
			       "s=a call\r\n"
			       "c=IN IP4 192.0.2.1\r\n"
			       "b=AS:80\r\n"
			       "t=0 0\r\n"
			       "a=sendonly\r\n"
			       "m=audio 49170/2 RTP/AVP 0 96 18\r\n"
			       "b=RS:600\r\n"
			       "a=rtpmap:96 opus/48000/2\r\n"
			       "a=fmtp:96 useinbandfec=1; stereo=0\r\n"
			       "a=ptime:20\r\n"
			       "a=maxptime:60\r\n"
			       "a=rtcp:53020 IN IP6 2001:db8::1\r\n"
			       "a=rtcp-mux\r\n"
			       "m=video 0 RTP/AVPF 31\r\n"
			       "c=IN IP6 2001:db8::2\r\n"
			       "a=inactive\r\n"),
		0);
	assert_slice(sdp.origin.user, "alice");
	assert_slice(sdp.origin.host, "host.example");
	assert_int_equal(sdp.origin.session_id, 123456789012);
	assert_int_equal(sdp.origin.version, 7);
	assert_slice(sdp.name, "a call");
	assert_int_equal(sdp.bandwidth.as, 80);
	assert_int_equal(sdp.n_media, 2);

	assert_slice(sdp.media[0].type, "audio");
	assert_int_equal(sdp.media[0].port, 49170);
	assert_slice(sdp.media[0].proto, "RTP/AVP");
	assert_int_equal(sdp.media[0].direction, SDP_SENDONLY);
	assert_slice(sdp.media[0].connection.host, "192.0.2.1");
	assert_int_equal(sdp.media[0].ptime_ms, 20);
	assert_int_equal(sdp.media[0].maxptime_ms, 60);
	assert_int_equal(sdp.media[0].rtcp_port, 53020);
	assert_int_equal(sdp.media[0].rtcp_address.family, 6);
	assert_true(sdp.media[0].rtcp_mux);
	assert_int_equal(sdp.media[0].bandwidth.rs, 600);
	assert_int_equal(sdp.media[0].bandwidth.as, -1);
	assert_int_equal(sdp.media[0].n_formats, 3);

	format = &sdp.formats[sdp.media[0].first_format];
	assert_slice(format[0].name, "PCMU");
	assert_int_equal(format[0].clock_hz, 8000);
	assert_slice(format[1].name, "opus");
	assert_int_equal(format[1].pt, 96);
	assert_int_equal(format[1].clock_hz, 48000);
	assert_int_equal(format[1].channels, 2);
	assert_slice(format[1].fmtp, "useinbandfec=1; stereo=0");
	assert_slice(format[2].name, "G729");

	assert_int_equal(sdp.media[1].direction, SDP_INACTIVE);
	assert_int_equal(sdp.media[1].connection.address.family, 6);
	assert_slice(sdp.formats[sdp.media[1].first_format].token, "31");
}

static void session_level_values_may_come_after_media(void **)
{
	assert_int_equal(parse("v=0\nm=audio 4000 RTP/AVP 0\n"), 0);
	assert_int_equal(sdp.media[0].connection.host.length, 0);
	assert_int_equal(sdp.media[0].direction, SDP_SENDRECV);
}

static void attributes_are_found_by_section_and_kind(void **)
{
	const struct sdp_attribute *attribute;

	assert_int_equal(parse("v=0\n"
			       "a=fingerprint:sha-256 AB:CD\n"
			       "a=x-session\n"
			       "m=audio 4000 RTP/SAVP 0\n"
			       "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:aaaa\n"
			       "a=x-first:1\n"
			       "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:bbbb\n"
			       "a=x-second\n"
			       "m=audio 4002 RTP/AVP 0\n"
			       "a=setup:actpass\n"),
		0);
	attribute = sdp_attribute_next(&sdp, NULL, SDP_A_FINGERPRINT, NULL);
	assert_non_null(attribute);
	assert_slice(attribute->value, "sha-256 AB:CD");
	assert_null(sdp_attribute_next(&sdp, &sdp.media[0], SDP_A_FINGERPRINT, NULL));

	attribute = sdp_attribute_next(&sdp, &sdp.media[0], SDP_A_CRYPTO, NULL);
	assert_slice(attribute->value, "1 AES_CM_128_HMAC_SHA1_80 inline:aaaa");
	attribute = sdp_attribute_next(&sdp, &sdp.media[0], SDP_A_CRYPTO, attribute);
	assert_slice(attribute->value, "2 AES_CM_128_HMAC_SHA1_32 inline:bbbb");
	assert_null(sdp_attribute_next(&sdp, &sdp.media[0], SDP_A_CRYPTO, attribute));

	attribute = sdp_attribute_next(&sdp, &sdp.media[0], SDP_A_OTHER, NULL);
	assert_slice(attribute->name, "x-first");
	assert_slice(attribute->value, "1");
	attribute = sdp_attribute_next(&sdp, &sdp.media[0], SDP_A_OTHER, attribute);
	assert_slice(attribute->name, "x-second");
	assert_int_equal(attribute->value.length, 0);
	assert_non_null(sdp_attribute_next(&sdp, &sdp.media[1], SDP_A_SETUP, NULL));
}

static void malformed_text_is_refused_with_its_line(void **)
{
	static const struct {
		const char *text;
		int rc;
		unsigned int line;
	} cases[] = {
		{"", -EBADMSG, 0},
		{"\r\n\r\n", -EBADMSG, 2},
		{"o=- 1 1 IN IP4 192.0.2.1\n", -EBADMSG, 1},
		{"v=0\n=\n", -EBADMSG, 2},
		{"v=0\nab\n", -EBADMSG, 2},
		{"v=0\nA=x\n", -EBADMSG, 2},
		{"v=0\nm=audio\n", -EBADMSG, 2},
		{"v=0\nm=audio 1\n", -EBADMSG, 2},
		{"v=0\nm=audio -1 RTP/AVP 0\n", -EBADMSG, 2},
		{"v=0\nm=audio 1x RTP/AVP 0\n", -EBADMSG, 2},
		{"v=0\nm=audio 65536 RTP/AVP 0\n", -EBADMSG, 2},
	};
	unsigned int line;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			sdp_parse(&sdp, cases[i].text, strlen(cases[i].text), &line), cases[i].rc);
		assert_int_equal(line, cases[i].line);
	}
	assert_int_equal(sdp_parse(&sdp, "v=0\na=x\0y\n", 10, NULL), -EBADMSG);
}

static void bare_carriage_return_is_refused(void **)
{
	// A peer that takes it for a line end would see a line that we did not.
	assert_int_equal(parse("v=0\na=x:1\ra=inactive\n"), -EBADMSG);
	assert_int_equal(parse("v=0\r\r\n"), 0);
}

static void limits_hold(void **)
{
	static char text[SDP_LENGTH_MAX + 2];
	size_t length = (size_t)sprintf(text, "v=0\n");

	for (int i = 0; i < SDP_ATTRIBUTES_MAX; i++)
		length += (size_t)sprintf(text + length, "a=x\n");
	assert_int_equal(sdp_parse(&sdp, text, length, NULL), 0);
	assert_int_equal(sdp.n_attributes, SDP_ATTRIBUTES_MAX);
	length += (size_t)sprintf(text + length, "a=x\n");
	assert_int_equal(sdp_parse(&sdp, text, length, NULL), -E2BIG);

	length = (size_t)sprintf(text, "v=0\nm=audio 1 RTP/AVP");
	for (int i = 0; i < SDP_FORMATS_MAX; i++)
		length += (size_t)sprintf(text + length, " 0");
	assert_int_equal(sdp_parse(&sdp, text, length, NULL), 0);
	length += (size_t)sprintf(text + length, " 0");
	assert_int_equal(sdp_parse(&sdp, text, length, NULL), -E2BIG);

	length = (size_t)sprintf(text, "v=0\ns=");
	memset(text + length, 'x', sizeof(text) - length);
	assert_int_equal(sdp_parse(&sdp, text, SDP_LENGTH_MAX, NULL), 0);
	assert_int_equal(sdp_parse(&sdp, text, SDP_LENGTH_MAX + 1, NULL), -E2BIG);
}

static void numbers_that_overflow_are_not_taken(void **)
{
	assert_int_equal(parse("v=0\no=- 99999999999999999999 18446744073709551615 IN IP4 x\n"
			       "m=audio 1 RTP/AVP 96 128 0x0\n"
			       "a=rtpmap:96 x/99999999999\na=ptime:99999\na=rtcp:99999\n"),
		0);
	assert_int_equal(sdp.origin.session_id, 0);
	assert_int_equal(sdp.origin.version, UINT64_MAX);
	assert_int_equal(sdp.formats[0].name.length, 0);
	assert_int_equal(sdp.formats[1].pt, SDP_NO_PT);
	assert_int_equal(sdp.formats[2].pt, SDP_NO_PT);
	assert_int_equal(sdp.media[0].ptime_ms, 0);
	assert_int_equal(sdp.media[0].rtcp_port, 0);
}

static void addresses_are_read_and_written(void **)
{
	struct sdp_address v4 = sdp_address_parse("192.0.2.1", 9);
	struct sdp_address v6 = sdp_address_parse("2001:db8::1", 11);
	struct sdp_address any4 = sdp_address_parse("0.0.0.0", 7);
	struct sdp_address any6 = sdp_address_parse("::", 2);
	struct sdp_address none = sdp_address_parse("host.example", 12);
	char text[46];

	assert_string_equal(sdp_address_text(&v4, text, sizeof(text)), "192.0.2.1");
	assert_string_equal(sdp_address_text(&v6, text, sizeof(text)), "2001:db8::1");
	assert_string_equal(sdp_address_text(&none, text, sizeof(text)), "");
	assert_int_equal(none.family, 0);
	assert_true(sdp_address_is_any(&any4));
	assert_true(sdp_address_is_any(&any6));
	assert_false(sdp_address_is_any(&v4));
	assert_false(sdp_address_is_any(&none));
	assert_true(sdp_address_equal(&v4, &v4));
	assert_false(sdp_address_equal(&v4, &v6));
	assert_false(sdp_address_equal(&v4, &any4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_description_is_read),
		cmocka_unit_test(session_level_values_may_come_after_media),
		cmocka_unit_test(attributes_are_found_by_section_and_kind),
		cmocka_unit_test(malformed_text_is_refused_with_its_line),
		cmocka_unit_test(bare_carriage_return_is_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(numbers_that_overflow_are_not_taken),
		cmocka_unit_test(addresses_are_read_and_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
