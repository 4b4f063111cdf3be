// The table of codecs as session descriptions see them. A codec needs a line here only for what its
// name does not say: a static payload type, a bandwidth, or parameters with a meaning.
#include "sdp_codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sdp_amr.h"

static struct sdp_slice trim(struct sdp_slice slice)
{
	while (slice.length && slice.data[0] == ' ') {
		slice.data++;
		slice.length--;
	}
	while (slice.length && slice.data[slice.length - 1] == ' ')
		slice.length--;
	return slice;
}

struct sdp_slice sdp_fmtp_value(const char *fmtp, const char *name)
{
	while (*fmtp) {
		const char *end = strchrnul(fmtp, ';');
		const char *equals = memchr(fmtp, '=', (size_t)(end - fmtp));
		struct sdp_slice key = {fmtp, (uint32_t)((equals ? equals : end) - fmtp)};

		if (equals && sdp_slice_equal_nocase(trim(key), name))
			return trim((struct sdp_slice){equals + 1, (uint32_t)(end - equals - 1)});
		fmtp = *end ? end + 1 : end;
	}
	return (struct sdp_slice){"", 0};
}

uint32_t sdp_fmtp_number(const char *fmtp, const char *name)
{
	struct sdp_slice value = sdp_fmtp_value(fmtp, name);
	uint64_t number = 0;

	for (uint32_t i = 0; i < value.length; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return 0;
		number = number * 10 + (uint64_t)(value.data[i] - '0');
		if (number > UINT32_MAX)
			return UINT32_MAX;
	}
	return (uint32_t)number;
}

#define OPUS_MINPTIME_MAX 120

// RFC 7587 section 6.1: to a far side that carries less than the full band, say so. Losses are made
// good from FEC wherever there is some. Nothing is said of stereo: mono is what we send, and would
// rather have.
static size_t opus_write(char *out, size_t size, const struct sdp_fmtp_context *context)
{
	const char *dtx = context->dtx ? ";usedtx=1" : "";
	uint32_t audio_hz = context->audio_hz;

	if (audio_hz >= 48000)
		return (size_t)snprintf(out, size, "useinbandfec=1%s", dtx);
	return (size_t)snprintf(out, size,
		"maxplaybackrate=%u;sprop-maxcapturerate=%u;useinbandfec=1%s", audio_hz, audio_hz,
		dtx);
}

static void opus_read(const char *fmtp, struct sdp_fmtp *out)
{
	uint32_t minptime = sdp_fmtp_number(fmtp, "minptime");

	out->playback_hz = sdp_fmtp_number(fmtp, "maxplaybackrate");
	out->ptime_min_ms = minptime <= OPUS_MINPTIME_MAX ? (uint8_t)minptime : 0;
	out->bitrate_max = sdp_fmtp_number(fmtp, "maxaveragebitrate");
	if (out->bitrate_max < 6000 || out->bitrate_max > 510000) // RFC 7587 section 7.1
		out->bitrate_max = 0;
	out->fec = sdp_fmtp_number(fmtp, "useinbandfec") == 1;
	out->dtx = sdp_fmtp_number(fmtp, "usedtx") == 1;
	out->cbr = sdp_fmtp_number(fmtp, "cbr") == 1;
}

// RFC 4856 section 2.1.9, RFC 7261: Annex B (silence) unless one side says no; then the other says
// it too.
static bool g729_has_annex_b(const char *fmtp)
{
	return !sdp_slice_equal_nocase(sdp_fmtp_value(fmtp, "annexb"), "no");
}

static size_t g729_write(char *out, size_t size, const struct sdp_fmtp_context *context)
{
	bool annex_b = !context->offered || g729_has_annex_b(context->offered);

	return (size_t)snprintf(out, size, "annexb=%s", annex_b ? "yes" : "no");
}

static void g729_read(const char *fmtp, struct sdp_fmtp *out)
{
	out->dtx = g729_has_annex_b(fmtp);
}

// RFC 3952 section 5: 20 or 30 ms frames; 30 where nothing is said.
static bool ilbc_compatible(const char *fmtp, const char *other)
{
	uint32_t mode = sdp_fmtp_number(fmtp, "mode"), other_mode = sdp_fmtp_number(other, "mode");

	return (mode ? mode : 30) == (other_mode ? other_mode : 30);
}

// RFC 5574 section 4.1: the modes that the far end wants, the first of them most. What matters is
// how many bits that is; in the wider bands a mode is a quality.
static void speex_read(const char *fmtp, struct sdp_fmtp *out, bool is_narrow)
{
	static const uint16_t narrow[] = {2150, 2150, 5950, 8000, 11000, 15000, 18200, 24600, 3950};
	static const uint16_t wide[] = {
		3950, 5750, 7750, 9800, 12800, 16800, 20600, 23800, 27800, 34200, 42200};
	struct sdp_slice modes = sdp_fmtp_value(fmtp, "mode");
	struct sdp_slice vbr = sdp_fmtp_value(fmtp, "vbr");
	const char *p = modes.data, *end = modes.data + modes.length;
	unsigned int mode = 0;

	while (p < end && (*p == '"' || *p == ' '))
		p++;
	if (p < end && *p >= '0' && *p <= '9') {
		for (; p < end && *p >= '0' && *p <= '9' && mode < 100; p++)
			mode = mode * 10 + (unsigned int)(*p - '0');
		if (is_narrow && mode < sizeof(narrow) / sizeof(narrow[0]))
			out->bitrate_max = narrow[mode];
		else if (!is_narrow && mode < sizeof(wide) / sizeof(wide[0]))
			out->bitrate_max = wide[mode];
	}
	out->vbr = sdp_slice_equal_nocase(vbr, "on");
	out->dtx = sdp_slice_equal_nocase(vbr, "vad") ||
		   sdp_slice_equal_nocase(sdp_fmtp_value(fmtp, "cng"), "on");
}

static void speex_narrow_read(const char *fmtp, struct sdp_fmtp *out)
{
	speex_read(fmtp, out, true);
}

static void speex_wide_read(const char *fmtp, struct sdp_fmtp *out)
{
	speex_read(fmtp, out, false);
}

static size_t events_write(char *out, size_t size, const struct sdp_fmtp_context *)
{
	return (size_t)snprintf(out, size, "0-15"); // RFC 4733 section 2.4.1: the DTMF digits
}

#define CODEC(codec_name, hz, n_channels, pt) \
	.encoding = {.name = codec_name, .clock_hz = hz, .channels = n_channels}, .static_pt = pt
#define VOICE .voice = true, .audio_hz
#define AMR(is_transcodable)                                                                       \
	.compatible = sdp_amr_compatible, .transcodable = is_transcodable, .write = sdp_amr_write, \
	.read = sdp_amr_read

const struct sdp_codec sdp_codecs[] = {
	{CODEC("PCMU", 8000, 1, 0), VOICE = 8000},
	{CODEC("GSM", 8000, 1, 3), VOICE = 8000},
	{CODEC("G723", 8000, 1, 4), VOICE = 8000},
	{CODEC("PCMA", 8000, 1, 8), VOICE = 8000},
	{CODEC("G722", 8000, 1, 9), VOICE = 16000}, // clock of 8000: RFC 3551 section 4.5.2
	{CODEC("G726-16", 8000, 1, SDP_NO_PT), VOICE = 8000},
	{CODEC("G726-24", 8000, 1, SDP_NO_PT), VOICE = 8000},
	{CODEC("G726-32", 8000, 1, SDP_NO_PT), VOICE = 8000},
	{CODEC("G726-40", 8000, 1, SDP_NO_PT), VOICE = 8000},
	{CODEC("AAL2-G726-16", 8000, 1, SDP_NO_PT), VOICE = 8000}, // the other order of bits
	{CODEC("AAL2-G726-24", 8000, 1, SDP_NO_PT), VOICE = 8000},
	{CODEC("AAL2-G726-32", 8000, 1, SDP_NO_PT), VOICE = 8000},
	{CODEC("AAL2-G726-40", 8000, 1, SDP_NO_PT), VOICE = 8000},
	{CODEC("L16", 16000, 1, SDP_NO_PT), VOICE = 16000}, // what "L16" alone means
	{CODEC("L16", 8000, 1, SDP_NO_PT), VOICE = 8000},
	{CODEC("L16", 24000, 1, SDP_NO_PT), VOICE = 24000},
	{CODEC("L16", 48000, 1, SDP_NO_PT), VOICE = 48000},
	{CODEC("L16", 44100, 2, 10), VOICE = 44100},
	{CODEC("L16", 44100, 1, 11), VOICE = 44100},
	{CODEC("CN", 8000, 1, 13)},
	{CODEC("G728", 8000, 1, 15), VOICE = 8000},
	{CODEC("G729", 8000, 1, 18), VOICE = 8000, .write = g729_write, .read = g729_read},
	{CODEC("AMR", 8000, 1, SDP_NO_PT), VOICE = 8000, AMR(sdp_amr_transcodable)},
	{CODEC("AMR-WB", 16000, 1, SDP_NO_PT), VOICE = 16000, AMR(sdp_amr_wb_transcodable)},
	{CODEC("EVS", 16000, 1, SDP_NO_PT), VOICE = 32000},
	{CODEC("iLBC", 8000, 1, SDP_NO_PT), VOICE = 8000, .compatible = ilbc_compatible},
	{CODEC("speex", 8000, 1, SDP_NO_PT), VOICE = 8000, .read = speex_narrow_read},
	{CODEC("speex", 16000, 1, SDP_NO_PT), VOICE = 16000, .read = speex_wide_read},
	{CODEC("speex", 32000, 1, SDP_NO_PT), VOICE = 32000, .read = speex_wide_read},
	{CODEC("opus", 48000, 2, SDP_NO_PT), VOICE = 48000, .write = opus_write, .read = opus_read},
	{CODEC("telephone-event", 8000, 1, SDP_NO_PT), .write = events_write},
	{CODEC("telephone-event", 16000, 1, SDP_NO_PT), .write = events_write},
	{CODEC("telephone-event", 48000, 1, SDP_NO_PT), .write = events_write},
};
const size_t sdp_n_codecs = sizeof(sdp_codecs) / sizeof(sdp_codecs[0]);

bool sdp_encoding_equal(const struct sdp_encoding *a, const struct sdp_encoding *b)
{
	// Nearly always the first letter tells them apart.
	return a->clock_hz == b->clock_hz && a->channels == b->channels &&
	       !((a->name[0] ^ b->name[0]) & ~0x20) && !strcasecmp(a->name, b->name);
}

// Where a codec is in the table, by the length of its name, the first letter and the clock. Filled
// at the first look-up, sparse: most are found at the first look.
enum { N_SLOTS = 256 };
static uint8_t slots[N_SLOTS]; // index + 1

static unsigned int slot_of(const struct sdp_encoding *encoding)
{
	size_t n = strlen(encoding->name);
	unsigned int first = (unsigned char)encoding->name[0] | 0x20u;
	unsigned int last = n ? (unsigned char)encoding->name[n - 1] | 0x20u : 0;

	return (unsigned int)(n * 37 + first * 5 + last * 101 + encoding->clock_hz / 1000 * 11) %
	       N_SLOTS;
}

static void slots_fill(void)
{
	for (size_t i = 0; i < sdp_n_codecs; i++) {
		unsigned int slot = slot_of(&sdp_codecs[i].encoding);

		while (slots[slot])
			slot = (slot + 1) % N_SLOTS;
		slots[slot] = (uint8_t)(i + 1);
	}
}

const struct sdp_codec *sdp_codec_find(const struct sdp_encoding *encoding)
{
	static bool filled;

	if (!filled) {
		slots_fill();
		filled = true;
	}
	for (unsigned int slot = slot_of(encoding); slots[slot]; slot = (slot + 1) % N_SLOTS)
		if (sdp_encoding_equal(&sdp_codecs[slots[slot] - 1].encoding, encoding))
			return &sdp_codecs[slots[slot] - 1];
	return NULL;
}

const struct sdp_codec *sdp_codec_static(uint8_t pt)
{
	for (size_t i = 0; pt != SDP_NO_PT && i < sdp_n_codecs; i++)
		if (sdp_codecs[i].static_pt == pt)
			return &sdp_codecs[i];
	return NULL;
}

bool sdp_takes_noise(const struct sdp_encoding *encoding)
{
	static const char *const own[] = {"AMR", "G729", "G723", "EVS", "iLBC", "speex"};
	const struct sdp_codec *codec = sdp_codec_find(encoding);

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!strcasecmp(encoding->name, own[i]))
			return false;
	return codec && codec->voice && encoding->clock_hz == 8000 && encoding->channels == 1;
}

static int encoding_by_name(const char *name, struct sdp_encoding *out)
{
	for (size_t i = 0; i < sdp_n_codecs; i++)
		if (sdp_codecs[i].voice && !strcasecmp(sdp_codecs[i].encoding.name, name)) {
			*out = sdp_codecs[i].encoding;
			return 0;
		}
	return -EINVAL;
}

// RFC 8866 section 9: token
static bool is_token(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]", text[i]))
			return false;
	return length > 0;
}

int sdp_encoding_parse(const char *text, struct sdp_encoding *out)
{
	const char *slash = strchr(text, '/');
	struct sdp_encoding encoding = {.channels = 1};
	unsigned long clock_hz, channels = 1;
	char *end;

	if (!slash)
		return encoding_by_name(text, out);
	if ((size_t)(slash - text) >= sizeof(encoding.name) ||
		!is_token(text, (size_t)(slash - text)))
		return -EINVAL;
	if (slash[1] < '0' || slash[1] > '9')
		return -EINVAL;
	clock_hz = strtoul(slash + 1, &end, 10);
	if (end[0] == '/' && end[1] >= '0' && end[1] <= '9')
		channels = strtoul(end + 1, &end, 10);
	if (*end || !clock_hz || clock_hz > UINT32_MAX || !channels || channels > UINT8_MAX)
		return -EINVAL;
	memcpy(encoding.name, text, (size_t)(slash - text));
	encoding.clock_hz = (uint32_t)clock_hz;
	encoding.channels = (uint8_t)channels;
	*out = encoding;
	return 0;
}

const char *sdp_encoding_text(const struct sdp_encoding *encoding, char *out, size_t size)
{
	struct sdp_encoding named;

	if (!encoding_by_name(encoding->name, &named) && sdp_encoding_equal(&named, encoding))
		snprintf(out, size, "%s", encoding->name);
	else if (encoding->channels == 1)
		snprintf(out, size, "%s/%u", encoding->name, encoding->clock_hz);
	else
		snprintf(out, size, "%s/%u/%u", encoding->name, encoding->clock_hz,
			encoding->channels);
	return out;
}
