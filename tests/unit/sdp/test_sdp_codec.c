#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "sdp_codec.h"
#include "sdp_write.h"

static void codec_names_of_configuration_are_read_and_written(void **)
{
	static const struct {
		const char *text, *written;
		struct sdp_encoding encoding;
	} cases[] = {
		{"PCMU", "PCMU", {"PCMU", 8000, 1}},
		{"pcma", "PCMA", {"PCMA", 8000, 1}},
		{"opus", "opus", {"opus", 48000, 2}},
		{"OPUS/48000/2", "OPUS", {"OPUS", 48000, 2}},
		{"speex/16000", "speex/16000", {"speex", 16000, 1}},
		{"L16/8000/2", "L16/8000/2", {"L16", 8000, 2}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sdp_encoding encoding;
		char text[40];

		assert_int_equal(sdp_encoding_parse(cases[i].text, &encoding), 0);
		assert_string_equal(encoding.name, cases[i].encoding.name);
		assert_true(sdp_encoding_equal(&encoding, &cases[i].encoding));
		assert_string_equal(
			sdp_encoding_text(&encoding, text, sizeof(text)), cases[i].written);
	}
}

static void what_is_no_codec_is_refused(void **)
{
	static const char *const texts[] = {"", "nosuch", "telephone-event", "CN", "/8000", "x/",
		"x/0", "x/8000/", "x/8000/0", "x/8000/256", "x/8000x", "x/-8000", "x/4294967296",
		"a b/8000", "a;b/8000", "namethatistoolong/8000", "x/ 8000"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sdp_encoding encoding = {.name = "unchanged"};

		assert_int_equal(sdp_encoding_parse(texts[i], &encoding), -EINVAL);
		assert_string_equal(encoding.name, "unchanged");
	}
}

static void parameters_are_found_by_name(void **)
{
	static const char fmtp[] = "mode-set=0,2; Octet-Align = 1 ;stereo;=x;cbr=";
	struct sdp_slice value;

	value = sdp_fmtp_value(fmtp, "mode-set");
	assert_true(sdp_slice_equal(value, "0,2"));
	value = sdp_fmtp_value(fmtp, "octet-align");
	assert_true(sdp_slice_equal(value, "1"));
	assert_int_equal(sdp_fmtp_value(fmtp, "stereo").length, 0);
	assert_int_equal(sdp_fmtp_value(fmtp, "mode").length, 0);
	assert_int_equal(sdp_fmtp_value(fmtp, "cbr").length, 0);
	assert_int_equal(sdp_fmtp_value("", "cbr").length, 0);
}

static const struct sdp_codec *codec(const char *name)
{
	struct sdp_encoding encoding;

	assert_int_equal(sdp_encoding_parse(name, &encoding), 0);
	return sdp_codec_find(&encoding);
}

static void opus_parameters_are_honoured(void **)
{
	struct sdp_fmtp params = {};

	codec("opus")->read("maxplaybackrate=16000; maxaveragebitrate=24000;useinbandfec=1;"
			    "usedtx=0;cbr=1;minptime=40",
		&params);
	assert_int_equal(params.playback_hz, 16000);
	assert_int_equal(params.bitrate_max, 24000);
	assert_true(params.fec);
	assert_false(params.dtx);
	assert_true(params.cbr);
	assert_int_equal(params.ptime_min_ms, 40);
}

static void opus_bitrate_beyond_its_range_is_ignored(void **)
{
	static const char *const texts[] = {"maxaveragebitrate=5999", "maxaveragebitrate=510001",
		"maxaveragebitrate=99999999999", "maxaveragebitrate=-1", ""};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sdp_fmtp params = {};

		codec("opus")->read(texts[i], &params);
		assert_int_equal(params.bitrate_max, 0);
	}
}

static void opus_to_a_narrow_side_says_so(void **)
{
	char out[SDP_FMTP_MAX];

	codec("opus")->write(out, sizeof(out), &(struct sdp_fmtp_context){.audio_hz = 8000});
	assert_string_equal(out, "maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1");
	codec("opus")->write(out, sizeof(out), &(struct sdp_fmtp_context){.audio_hz = 48000});
	assert_string_equal(out, "useinbandfec=1");
	codec("opus")->write(
		out, sizeof(out), &(struct sdp_fmtp_context){.audio_hz = 16000, .dtx = true});
	assert_string_equal(
		out, "maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1;usedtx=1");
}

static void amr_parameters_are_honoured(void **)
{
	struct sdp_fmtp params = {};

	codec("AMR")->read("octet-align=1; mode-set=0,2, 4 ,7;mode-change-period=2;"
			   "mode-change-neighbor=1",
		&params);
	assert_true(params.octet_align);
	assert_int_equal(params.mode_set, 0x95);
	assert_int_equal(params.mode_change_period, 2);
	assert_true(params.mode_change_neighbor);
	assert_true(params.dtx);
	codec("AMR-WB")->read("", &params);
	assert_false(params.octet_align);
	assert_int_equal(params.mode_set, 0);
	assert_int_equal(params.mode_change_period, 1);
	assert_false(params.mode_change_neighbor);
}

static void amr_is_transcoded_only_in_layouts_that_we_have(void **)
{
	static const struct {
		const char *name, *fmtp;
		bool yes;
	} cases[] = {
		{"AMR", "", true},
		{"AMR", "octet-align=0", true},
		{"AMR", "octet-align=1", true},
		{"AMR", "octet-align=2", false},
		{"AMR", "octet-align=1;crc=1", false},
		{"AMR", "octet-align=1;crc=0", true},
		{"AMR", "octet-align=1;robust-sorting=1", false},
		{"AMR", "octet-align=1;interleaving=0", false}, // its value is a number of frames
		{"AMR", "mode-set=7", true},
		{"AMR", "mode-set=8", false},
		{"AMR-WB", "mode-set=8", true},
		{"AMR-WB", "mode-set=9", false},
		{"AMR", "mode-set=0,,2", false},
		{"AMR", "mode-set=all", false},
		{"AMR", "mode-change-period=2", true},
		{"AMR", "mode-change-period=3", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(codec(cases[i].name)->transcodable(cases[i].fmtp), cases[i].yes);
}

static void mode_sets_that_differ_do_not_mix(void **)
{
	const struct sdp_codec *amr = codec("AMR");

	assert_true(amr->compatible("mode-set=0,7", "mode-set=7,0"));
	assert_true(amr->compatible("mode-set=0,7", ""));
	assert_false(amr->compatible("mode-set=0,7", "mode-set=0,4,7"));
}

static void annex_b_of_g729_is_there_unless_somebody_says_no(void **)
{
	static const struct {
		const char *offered, *answer;
	} cases[] = {{NULL, "annexb=yes"}, {"", "annexb=yes"}, {"annexb=yes", "annexb=yes"},
		{"annexb=NO", "annexb=no"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sdp_fmtp_context context = {.offered = cases[i].offered};
		struct sdp_fmtp params = {};
		char out[SDP_FMTP_MAX];

		codec("G729")->write(out, sizeof(out), &context);
		assert_string_equal(out, cases[i].answer);
		codec("G729")->read(cases[i].offered ? cases[i].offered : "", &params);
		assert_int_equal(params.dtx, i < 3);
	}
}

static void layouts_of_a_codec_are_told_apart(void **)
{
	const struct sdp_codec *amr = codec("AMR"), *ilbc = codec("iLBC");

	assert_true(amr->compatible("mode-set=7", "octet-align=0"));
	assert_false(amr->compatible("octet-align=1", ""));
	assert_false(amr->compatible("crc=1", ""));
	assert_true(ilbc->compatible("", "mode=30"));
	assert_false(ilbc->compatible("mode=20", ""));
}

static void static_types_are_those_of_rfc_3551(void **)
{
	assert_string_equal(sdp_codec_static(0)->encoding.name, "PCMU");
	assert_string_equal(sdp_codec_static(8)->encoding.name, "PCMA");
	assert_string_equal(sdp_codec_static(9)->encoding.name, "G722");
	assert_int_equal(sdp_codec_static(9)->encoding.clock_hz, 8000);
	assert_string_equal(sdp_codec_static(18)->encoding.name, "G729");
	assert_null(sdp_codec_static(1));
	assert_null(sdp_codec_static(96));
	assert_null(sdp_codec_static(SDP_NO_PT));
}

static void description_that_does_not_fit_is_an_error(void **)
{
	static const struct sdp_write_format format = {
		.name = "PCMU", .clock_hz = 8000, .channels = 1};
	struct sdp_write_media media = {.type = "audio",
		.proto = "RTP/AVP",
		.formats = &format,
		.n_formats = 1,
		.direction = SDP_SENDRECV,
		.port = 4000};
	struct sdp_description description = {
		.address = {{192, 0, 2, 1}, 4}, .media = &media, .n_media = 1};
	char out[256], small[256];
	int length = sdp_write(&description, out, sizeof(out));

	assert_int_equal(length, strlen(out));
	for (size_t size = 1; size <= (size_t)length; size++)
		assert_int_equal(sdp_write(&description, small, size), -ENOBUFS);
	assert_int_equal(sdp_write(&description, small, (size_t)length + 1), length);
	assert_string_equal(small, out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codec_names_of_configuration_are_read_and_written),
		cmocka_unit_test(what_is_no_codec_is_refused),
		cmocka_unit_test(parameters_are_found_by_name),
		cmocka_unit_test(opus_parameters_are_honoured),
		cmocka_unit_test(opus_bitrate_beyond_its_range_is_ignored),
		cmocka_unit_test(opus_to_a_narrow_side_says_so),
		cmocka_unit_test(amr_parameters_are_honoured),
		cmocka_unit_test(amr_is_transcoded_only_in_layouts_that_we_have),
		cmocka_unit_test(mode_sets_that_differ_do_not_mix),
		cmocka_unit_test(annex_b_of_g729_is_there_unless_somebody_says_no),
		cmocka_unit_test(layouts_of_a_codec_are_told_apart),
		cmocka_unit_test(static_types_are_those_of_rfc_3551),
		cmocka_unit_test(description_that_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
