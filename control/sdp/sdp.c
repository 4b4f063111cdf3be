// Reads a session description in one pass over its lines. The subtle thing: what the session
// section says (c=, direction) applies to media sections that do not say it themselves, and may
// stand after them in sloppy descriptions, so it is filled in at the end.
#include "sdp.h"

#include <errno.h>
#include <string.h>

#include "sdp_codec.h"
#include "sdp_slice.h"

#define DIRECTION_UNSET ((enum sdp_direction)4)

static const struct {
	const char *name;
	enum sdp_attribute_id id;
} attribute_names[] = {
	{"rtpmap", SDP_A_RTPMAP},
	{"fmtp", SDP_A_FMTP},
	{"ptime", SDP_A_PTIME},
	{"maxptime", SDP_A_MAXPTIME},
	{"sendrecv", SDP_A_SENDRECV},
	{"sendonly", SDP_A_SENDONLY},
	{"recvonly", SDP_A_RECVONLY},
	{"inactive", SDP_A_INACTIVE},
	{"rtcp", SDP_A_RTCP},
	{"rtcp-mux", SDP_A_RTCP_MUX},
	{"rtcp-rsize", SDP_A_RTCP_RSIZE},
	{"crypto", SDP_A_CRYPTO},
	{"fingerprint", SDP_A_FINGERPRINT},
	{"setup", SDP_A_SETUP},
	{"tls-id", SDP_A_TLS_ID},
	{"ice-ufrag", SDP_A_ICE_UFRAG},
	{"ice-pwd", SDP_A_ICE_PWD},
	{"ice-lite", SDP_A_ICE_LITE},
	{"ice-options", SDP_A_ICE_OPTIONS},
	{"candidate", SDP_A_CANDIDATE},
	{"mid", SDP_A_MID},
	{"group", SDP_A_GROUP},
	{"ssrc", SDP_A_SSRC},
};

struct parser {
	struct sdp *sdp;
	struct sdp_media *media; // the section we are in, NULL: the session's
	enum sdp_direction session_direction;
};

// "IN IP4 192.0.2.1/127": *connection is left alone where it is of another kind.
static void parse_connection(struct sdp_slice value, struct sdp_connection *connection)
{
	struct sdp_slice net = sdp_slice_take_word(&value);
	struct sdp_slice type = sdp_slice_take_word(&value);

	if (!sdp_slice_equal_nocase(net, "IN") ||
		(!sdp_slice_equal_nocase(type, "IP4") && !sdp_slice_equal_nocase(type, "IP6")))
		return;
	connection->host = sdp_slice_take(&value, '/');
	connection->address = sdp_address_parse(connection->host.data, connection->host.length);
}

static int parse_origin(struct parser *parser, struct sdp_slice value)
{
	struct sdp_origin *origin = &parser->sdp->origin;
	struct sdp_slice id, version;

	origin->user = sdp_slice_take_word(&value);
	id = sdp_slice_take_word(&value);
	version = sdp_slice_take_word(&value);
	sdp_slice_take_word(&value); // IN
	sdp_slice_take_word(&value); // IP4
	origin->host = sdp_slice_take_word(&value);
	if (!sdp_slice_number(id, 0, UINT64_MAX, &origin->session_id))
		origin->session_id = 0;
	if (!sdp_slice_number(version, 0, UINT64_MAX, &origin->version))
		origin->version = 0;
	return 0;
}

static void parse_bandwidth(struct sdp_slice value, struct sdp_bandwidth *bandwidth)
{
	struct sdp_slice type = sdp_slice_take(&value, ':');
	uint64_t number;

	if (!sdp_slice_number(sdp_slice_trim(value), ' ', INT64_MAX, &number))
		return;
	if (sdp_slice_equal(type, "AS"))
		bandwidth->as = (int64_t)number;
	else if (sdp_slice_equal(type, "TIAS"))
		bandwidth->tias = (int64_t)number;
	else if (sdp_slice_equal(type, "RS"))
		bandwidth->rs = (int64_t)number;
	else if (sdp_slice_equal(type, "RR"))
		bandwidth->rr = (int64_t)number;
}

// Payload types 35 to 71 are dynamic in RFC 3551's sense too; those without a=rtpmap have no name.
static void format_from_token(struct sdp_format *format, struct sdp_slice token, bool rtp)
{
	const struct sdp_codec *codec;
	uint64_t pt;

	*format = (struct sdp_format){.token = token, .pt = SDP_NO_PT};
	if (!rtp || !sdp_slice_number(token, 0, 127, &pt))
		return;
	format->pt = (uint8_t)pt;
	codec = sdp_codec_static(format->pt);
	if (!codec)
		return;
	format->name =
		(struct sdp_slice){codec->encoding.name, (uint32_t)strlen(codec->encoding.name)};
	format->clock_hz = codec->encoding.clock_hz;
	format->channels = codec->encoding.channels;
}

// m=<type> <port>[/<n>] <proto> <format> ...
static int parse_media(struct parser *parser, struct sdp_slice value)
{
	struct sdp *sdp = parser->sdp;
	struct sdp_media *media;
	struct sdp_slice port;
	uint64_t number;
	bool rtp;

	if (sdp->n_media == SDP_MEDIA_MAX)
		return -E2BIG;
	media = &sdp->media[sdp->n_media];
	*media = (struct sdp_media){
		.first_format = sdp->n_formats,
		.attributes = {.first = sdp->n_attributes},
		.bandwidth = {-1, -1, -1, -1},
		.direction = DIRECTION_UNSET,
	};
	media->type = sdp_slice_take_word(&value);
	port = sdp_slice_take_word(&value);
	media->proto = sdp_slice_take_word(&value);
	if (!media->type.length || !media->proto.length ||
		!sdp_slice_number(port, '/', UINT16_MAX, &number))
		return -EBADMSG;
	media->port = (uint16_t)number;
	rtp = memmem(media->proto.data, media->proto.length, "RTP/", 4) != NULL;
	while (value.length) {
		if (sdp->n_formats == SDP_FORMATS_MAX)
			return -E2BIG;
		format_from_token(
			&sdp->formats[sdp->n_formats++], sdp_slice_take_word(&value), rtp);
		media->n_formats++;
	}
	sdp->n_media++;
	parser->media = media;
	return 0;
}

// The format that "a=rtpmap:96 ..." is about; takes the payload type off *value.
static struct sdp_format *format_of(struct parser *parser, struct sdp_slice *value)
{
	struct sdp_slice token = sdp_slice_take_word(value);
	uint64_t pt;

	if (!parser->media || !sdp_slice_number(token, 0, 127, &pt))
		return NULL;
	for (uint16_t i = 0; i < parser->media->n_formats; i++) {
		struct sdp_format *format = &parser->sdp->formats[parser->media->first_format + i];

		if (format->pt == pt)
			return format;
	}
	return NULL;
}

// <pt> <name>/<clock>[/<channels>]; one that is malformed leaves the format as it was.
static void parse_rtpmap(struct parser *parser, struct sdp_slice value)
{
	struct sdp_format *format = format_of(parser, &value);
	struct sdp_slice name = sdp_slice_take(&value, '/');
	struct sdp_slice clock = sdp_slice_take(&value, '/');
	uint64_t clock_hz, channels = 1;

	if (!format || !name.length || !sdp_slice_number(clock, ' ', UINT32_MAX, &clock_hz))
		return;
	if (value.length && !sdp_slice_number(value, ' ', UINT8_MAX, &channels))
		return;
	format->name = name;
	format->clock_hz = (uint32_t)clock_hz;
	format->channels = (uint8_t)channels;
}

static void parse_fmtp(struct parser *parser, struct sdp_slice value)
{
	struct sdp_format *format = format_of(parser, &value);

	if (format)
		format->fmtp = sdp_slice_trim(value);
}

// a=rtcp:<port> [IN IP4 <address>] (RFC 3605)
static void parse_rtcp(struct sdp_media *media, struct sdp_slice value)
{
	struct sdp_slice port = sdp_slice_take_word(&value);
	struct sdp_connection connection = {};
	uint64_t number;

	if (!sdp_slice_number(port, 0, UINT16_MAX, &number))
		return;
	media->rtcp_port = (uint16_t)number;
	parse_connection(value, &connection);
	media->rtcp_address = connection.address;
}

// Packet times may be written as "20.0"; the whole milliseconds count.
static uint16_t parse_ptime(struct sdp_slice value)
{
	uint64_t number;

	return sdp_slice_number(value, '.', 1000, &number) ? (uint16_t)number : 0;
}

static void set_direction(struct parser *parser, enum sdp_direction direction)
{
	if (parser->media)
		parser->media->direction = direction;
	else
		parser->session_direction = direction;
}

static void apply_attribute(struct parser *parser, const struct sdp_attribute *attribute)
{
	struct sdp_media *media = parser->media;

	switch (attribute->id) {
	case SDP_A_SENDRECV:
		set_direction(parser, SDP_SENDRECV);
		return;
	case SDP_A_SENDONLY:
		set_direction(parser, SDP_SENDONLY);
		return;
	case SDP_A_RECVONLY:
		set_direction(parser, SDP_RECVONLY);
		return;
	case SDP_A_INACTIVE:
		set_direction(parser, SDP_INACTIVE);
		return;
	case SDP_A_RTPMAP:
		parse_rtpmap(parser, attribute->value);
		return;
	case SDP_A_FMTP:
		parse_fmtp(parser, attribute->value);
		return;
	default:
		break;
	}
	if (!media)
		return;
	if (attribute->id == SDP_A_PTIME)
		media->ptime_ms = parse_ptime(attribute->value);
	else if (attribute->id == SDP_A_MAXPTIME)
		media->maxptime_ms = parse_ptime(attribute->value);
	else if (attribute->id == SDP_A_RTCP)
		parse_rtcp(media, attribute->value);
	else if (attribute->id == SDP_A_RTCP_MUX)
		media->rtcp_mux = true;
	else if (attribute->id == SDP_A_RTCP_RSIZE)
		media->rtcp_rsize = true;
}

static enum sdp_attribute_id attribute_id(struct sdp_slice name)
{
	for (size_t i = 0; i < sizeof(attribute_names) / sizeof(attribute_names[0]); i++)
		if (sdp_slice_equal(name, attribute_names[i].name))
			return attribute_names[i].id;
	return SDP_A_OTHER;
}

static int parse_attribute(struct parser *parser, struct sdp_slice value)
{
	struct sdp *sdp = parser->sdp;
	struct sdp_range *range = parser->media ? &parser->media->attributes : &sdp->attributes;
	struct sdp_attribute *attribute;

	if (sdp->n_attributes == SDP_ATTRIBUTES_MAX)
		return -E2BIG;
	attribute = &sdp->attributes_all[sdp->n_attributes++];
	range->n++;
	attribute->name = sdp_slice_trim(sdp_slice_take(&value, ':'));
	attribute->value = sdp_slice_trim(value);
	attribute->id = attribute_id(attribute->name);
	apply_attribute(parser, attribute);
	return 0;
}

static int parse_line(struct parser *parser, char type, struct sdp_slice value)
{
	struct sdp_media *media = parser->media;

	switch (type) {
	case 'v':
		return sdp_slice_equal(sdp_slice_trim(value), "0") ? 0 : -EBADMSG;
	case 'o':
		return parse_origin(parser, value);
	case 's':
		parser->sdp->name = value;
		return 0;
	case 'c':
		parse_connection(value, media ? &media->connection : &parser->sdp->connection);
		return 0;
	case 'b':
		parse_bandwidth(value, media ? &media->bandwidth : &parser->sdp->bandwidth);
		return 0;
	case 'm':
		return parse_media(parser, value);
	case 'a':
		return parse_attribute(parser, value);
	default: // i= u= e= p= t= r= z= k=, and what is not known (RFC 8866 section 5)
		return type >= 'a' && type <= 'z' ? 0 : -EBADMSG;
	}
}

// Cut the next line off the front of *rest, without its line end.
static struct sdp_slice take_line(struct sdp_slice *rest)
{
	const char *end = memchr(rest->data, '\n', rest->length);
	struct sdp_slice line = {rest->data, end ? (uint32_t)(end - rest->data) : rest->length};
	uint32_t used = line.length + (end ? 1 : 0);

	rest->data += used;
	rest->length -= used;
	while (line.length && line.data[line.length - 1] == '\r')
		line.length--;
	return line;
}

static void inherit_from_session(struct parser *parser)
{
	struct sdp *sdp = parser->sdp;

	for (uint16_t i = 0; i < sdp->n_media; i++) {
		struct sdp_media *media = &sdp->media[i];

		if (!media->connection.host.length)
			media->connection = sdp->connection;
		if (media->bandwidth.rs < 0)
			media->bandwidth.rs = sdp->bandwidth.rs;
		if (media->bandwidth.rr < 0)
			media->bandwidth.rr = sdp->bandwidth.rr;
		if (media->direction == DIRECTION_UNSET)
			media->direction = parser->session_direction;
	}
}

static void clear(struct sdp *sdp)
{
	sdp->origin = (struct sdp_origin){};
	sdp->name = (struct sdp_slice){};
	sdp->connection = (struct sdp_connection){};
	sdp->bandwidth = (struct sdp_bandwidth){-1, -1, -1, -1};
	sdp->attributes = (struct sdp_range){};
	sdp->n_media = sdp->n_formats = sdp->n_attributes = 0;
}

static int parse_lines(struct parser *parser, struct sdp_slice rest, unsigned int *n_lines)
{
	bool started = false;

	while (rest.length) {
		struct sdp_slice line = take_line(&rest);
		int rc;

		++*n_lines;
		if (!sdp_slice_trim(line).length)
			continue;
		if (memchr(line.data, '\r', line.length)) // a line end to some: smuggling
			return -EBADMSG;
		if (line.length < 2 || line.data[1] != '=' || (!started && line.data[0] != 'v'))
			return -EBADMSG;
		started = true;
		rc = parse_line(
			parser, line.data[0], (struct sdp_slice){line.data + 2, line.length - 2});
		if (rc)
			return rc;
	}
	return started ? 0 : -EBADMSG;
}

int sdp_parse(struct sdp *sdp, const char *text, size_t length, unsigned int *error_line)
{
	struct parser parser = {.sdp = sdp, .session_direction = SDP_SENDRECV};
	unsigned int n_lines = 0;
	int rc = 0;

	clear(sdp);
	if (length > SDP_LENGTH_MAX)
		rc = -E2BIG;
	else if (length == 0 || memchr(text, '\0', length))
		rc = -EBADMSG;
	if (!rc)
		rc = parse_lines(&parser, (struct sdp_slice){text, (uint32_t)length}, &n_lines);
	if (error_line)
		*error_line = n_lines;
	if (rc)
		return rc;
	inherit_from_session(&parser);
	return 0;
}

const struct sdp_attribute *sdp_attribute_next(const struct sdp *sdp, const struct sdp_media *media,
	enum sdp_attribute_id id, const struct sdp_attribute *previous)
{
	const struct sdp_range *range = media ? &media->attributes : &sdp->attributes;
	const struct sdp_attribute *end = sdp->attributes_all + range->first + range->n;
	const struct sdp_attribute *at =
		previous ? previous + 1 : sdp->attributes_all + range->first;

	while (at < end && at->id != id)
		at++;
	return at < end ? at : NULL;
}
