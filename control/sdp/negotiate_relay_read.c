// What a line that is relayed says: which kind it is, its formats, its transport, and the
// attributes that go across.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "negotiate_crypto.h"
#include "negotiate_relay.h"
#include "sdp_slice.h"

// Attributes of a line that mean the same behind us. All others are about the transport, which is
// ours, or unknown.
static const char *const relayed_attributes[] = {"rtpmap", "fmtp", "rtcp-fb", "content", "label",
	"framerate", "imageattr", "framesize", "quality", "lang", "sdplang", "max-recv-ssrc"};

static bool is_relayed(struct sdp_slice name)
{
	for (size_t i = 0; i < sizeof(relayed_attributes) / sizeof(relayed_attributes[0]); i++)
		if (sdp_slice_equal(name, relayed_attributes[i]))
			return true;
	return name.length > 3 && !strncasecmp(name.data, "T38", 3);
}

// Which bit of policies the line is, 0: none that we relay.
uint8_t relay_kind(const struct sdp *sdp, const struct sdp_media *media)
{
	bool secure;

	if (sdp_slice_equal_nocase(media->type, "image"))
		return sdp_slice_equal_nocase(media->proto, "udptl") && media->n_formats &&
				       sdp_slice_equal_nocase(
					       sdp->formats[media->first_format].token, "t38")
			       ? SDP_RELAY_IMAGE
			       : 0;
	if (!proto_is_rtp(media->proto, &secure))
		return 0;
	return sdp_slice_equal_nocase(media->type, "video")  ? SDP_RELAY_VIDEO
	       : sdp_slice_equal_nocase(media->type, "text") ? SDP_RELAY_TEXT
							     : 0;
}

void relay_read_formats(struct relay_leg *out, const struct sdp *sdp, const struct sdp_media *media)
{
	out->n_formats = 0;
	for (uint16_t i = 0; i < media->n_formats && out->n_formats < NEGOTIATION_FORMATS_MAX;
		i++) {
		const struct sdp_format *from = &sdp->formats[media->first_format + i];
		bool repeated = false;

		for (uint8_t j = 0; j < out->n_formats; j++)
			repeated = repeated || out->formats[j].pt == from->pt;
		// 64 to 95 would look like RTCP (RFC 5761 4).
		if (repeated || from->pt > 127 || (from->pt >= 64 && from->pt < 96))
			continue;
		out->formats[out->n_formats++] = (struct relay_format){
			.clock_hz = from->clock_hz >= 1000 && from->clock_hz <= 384000
					    ? from->clock_hz
					    : 90000,
			.pt = from->pt,
		};
	}
}

// What is left of a text of `size`, or nothing of it where it does not fit.
static bool put_text(struct negotiation_leg *leg, const char *text, size_t size)
{
	if (size > sizeof(leg->lines_text) - leg->n_lines_text)
		return false;
	memcpy(leg->lines_text + leg->n_lines_text, text, size);
	leg->n_lines_text = (uint16_t)(leg->n_lines_text + size);
	return true;
}

static bool is_clean(struct sdp_slice slice)
{
	for (uint32_t i = 0; i < slice.length; i++)
		if ((unsigned char)slice.data[i] < ' ' || slice.data[i] == 0x7f)
			return false;
	return true;
}

static bool has_pt(const struct relay_leg *leg, uint64_t pt)
{
	for (uint8_t i = 0; i < leg->n_formats; i++)
		if (leg->formats[i].pt == pt)
			return true;
	return false;
}

// "96 nack pli": of a format that is relayed, or of all.
static bool is_of_format(const struct relay_leg *leg, const struct sdp_attribute *attribute)
{
	struct sdp_slice value = attribute->value;
	struct sdp_slice word = sdp_slice_take_word(&value);
	uint64_t pt;

	if (!sdp_slice_equal(attribute->name, "rtpmap") &&
		!sdp_slice_equal(attribute->name, "fmtp") &&
		!sdp_slice_equal(attribute->name, "rtcp-fb"))
		return true;
	return sdp_slice_equal(word, "*") ||
	       (sdp_slice_number(word, 0, 127, &pt) && has_pt(leg, pt));
}

static void keep_attribute(struct negotiation_leg *leg, const struct sdp_attribute *attribute)
{
	uint16_t before = leg->n_lines_text;
	bool kept = put_text(leg, "a=", 2) &&
		    put_text(leg, attribute->name.data, attribute->name.length);

	if (kept && attribute->value.length)
		kept = put_text(leg, ":", 1) &&
		       put_text(leg, attribute->value.data, attribute->value.length);
	if (!kept || !put_text(leg, "\r\n", 2))
		leg->n_lines_text = before;
}

static void keep_bandwidth(struct negotiation_leg *leg, const char *type, int64_t value)
{
	char line[40];
	int n = snprintf(line, sizeof(line), "b=%s:%lld\r\n", type, (long long)value);

	if (value >= 0)
		put_text(leg, line, (size_t)n);
}

void relay_keep_text(struct negotiation_leg *leg, struct relay_leg *out, bool feedback,
	const struct sdp *sdp, const struct sdp_media *media)
{
	out->text = leg->n_lines_text;
	keep_bandwidth(leg, "AS", media->bandwidth.as);
	keep_bandwidth(leg, "TIAS", media->bandwidth.tias);
	keep_bandwidth(leg, "RS", media->bandwidth.rs); // RTCP is between the far ends
	keep_bandwidth(leg, "RR", media->bandwidth.rr);
	for (uint16_t i = 0; i < media->attributes.n; i++) {
		const struct sdp_attribute *attribute =
			&sdp->attributes_all[media->attributes.first + i];

		if (!is_relayed(attribute->name) || !is_clean(attribute->name) ||
			!is_clean(attribute->value) || !is_of_format(out, attribute) ||
			(!feedback && sdp_slice_equal(attribute->name, "rtcp-fb")))
			continue;
		keep_attribute(leg, attribute);
	}
	out->text_length = (uint16_t)(leg->n_lines_text - out->text);
}

void relay_read_transport(struct relay_leg *out, const struct sdp_media *media)
{
	out->remote = media->connection.address;
	out->remote_port = media->port;
	out->remote_rtcp = media->rtcp_address;
	out->remote_rtcp_port = media->rtcp_port;
	out->remote_mux = media->rtcp_mux;
	out->remote_direction = (uint8_t)media->direction;
	if (sdp_address_is_any(&out->remote))
		out->remote_direction &= SDP_SENDONLY;
}
