// Does the wanted state make sense by itself? What depends on the rest of the dataplane (addresses,
// free ports, codecs) is found out by the plan.
#include <errno.h>
#include <string.h>

#include "session_state.h"

#define KNOWN_FLAGS                                                                               \
	(SL_LEG_RECEIVE | SL_LEG_SEND | SL_LEG_TRANSPARENT_SSRC | SL_LEG_HELD | SL_LEG_RTCP_MUX | \
		SL_LEG_RTCP_REDUCED | SL_LEG_PUNT | SL_LEG_OPAQUE | SL_LEG_DTMF_INBAND |          \
		SL_LEG_DTMF_REPORT | SL_LEG_QUALITY_REPORT | SL_LEG_DTMF_SEND | SL_LEG_NO_RTCP)

#define KNOWN_FORMAT_FLAGS                                                                        \
	(SL_FORMAT_DTX | SL_FORMAT_OCTET_ALIGN | SL_FORMAT_MODE_CHANGE_NEIGHBOR | SL_FORMAT_CBR | \
		SL_FORMAT_VBR)

#define KNOWN_SRTP_FLAGS (SL_SRTP_PLAIN_RTCP | SL_SRTP_RESTART)

static bool is_zero(const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *)bytes)[i])
			return false;
	return true;
}

// The name of the first rule that does not hold, or NULL.
#define RULE(holds, text)            \
	do {                         \
		if (!(holds))        \
			return text; \
	} while (0)

static bool is_none(const struct sl_address *address)
{
	return address->family == SL_UNSPEC;
}

// A unicast address to send to.
static bool is_destination(const struct sl_address *address)
{
	struct leg_endpoint endpoint = leg_endpoint_of(address);

	if (address->family == SL_IPV4 && !is_zero(address->bytes + 4, 12))
		return false;
	if (address->family != SL_IPV4 && address->family != SL_IPV6)
		return false;
	return address->port != 0 &&
	       (address->family == SL_IPV4 ? leg_ipv4_is_answerable(leg_endpoint_ipv4_of(&endpoint))
					   : leg_ipv6_is_answerable(&endpoint));
}

// 64..95 look like RTCP with the marker bit (RFC 5761 4).
static bool is_payload_type(uint8_t pt)
{
	return pt < 64 || (pt >= 96 && pt < 128);
}

static const char *check_format(const struct sl_format *format)
{
	RULE(memchr(format->name, '\0', sizeof(format->name)), "format: name does not end");
	RULE(format->name[0], "format: no name");
	RULE(is_payload_type(format->pt), "format: pt must be 0..63 or 96..127");
	RULE(is_payload_type(format->receive_pt), "format: receive_pt must be 0..63 or 96..127");
	RULE(format->clock_hz >= 1000 && format->clock_hz <= 384000, "format: clock_hz");
	RULE(format->channels > 0, "format: channels is 0");
	RULE(format->ptime_ms <= 120, "format: ptime_ms above 120");
	RULE(format->fec <= 1, "format: fec is neither 0 nor 1");
	RULE((format->flags & ~KNOWN_FORMAT_FLAGS) == 0, "format: unknown flag");
	RULE(format->mode_set < 1 << 9, "format: mode_set beyond mode 8");
	RULE(format->reserved == 0, "format: reserved is not 0");
	return NULL;
}

static const char *check_formats(const struct sl_leg *leg)
{
	RULE(leg->n_formats <= SL_FORMATS_MAX, "leg: too many formats");
	for (unsigned int i = 0; i < leg->n_formats; i++) {
		const char *why = check_format(&leg->formats[i]);

		RULE(!why, why);
		for (unsigned int j = 0; j < i; j++)
			RULE(leg->formats[j].receive_pt != leg->formats[i].receive_pt,
				"leg: two formats of one receive_pt");
	}
	return NULL;
}

// The same key twice on the way out, or out and in, could cipher two packets alike.
static bool is_same_key(const struct sl_srtp *a, const struct sl_srtp *b)
{
	return a->suite != SL_SRTP_NONE && b->suite != SL_SRTP_NONE &&
	       !memcmp(a->key, b->key, sizeof(a->key));
}

static const char *check_key(const struct sl_srtp *srtp)
{
	const struct srtp_suite_info *info;

	if (srtp->suite == SL_SRTP_NONE) {
		RULE(is_zero(srtp, sizeof(*srtp)), "srtp: a key but no suite");
		return NULL;
	}
	RULE(srtp->suite <= N_SRTP_SUITES, "srtp: unknown suite");
	info = &srtp_suite_infos[srtp->suite - 1];
	RULE(!is_zero(srtp->key, info->key_bytes), "srtp: no key");
	RULE(is_zero(srtp->key + info->key_bytes, sizeof(srtp->key) - info->key_bytes),
		"srtp: the key is longer than the suite's");
	RULE(is_zero(srtp->salt + info->salt_bytes, sizeof(srtp->salt) - info->salt_bytes),
		"srtp: the salt is longer than the suite's");
	RULE(srtp->mki_bytes <= sizeof(srtp->mki), "srtp: the MKI is too long");
	RULE(is_zero(srtp->mki + srtp->mki_bytes, sizeof(srtp->mki) - srtp->mki_bytes),
		"srtp: the MKI is longer than it says");
	RULE((srtp->flags & ~KNOWN_SRTP_FLAGS) == 0, "srtp: unknown flag");
	RULE(srtp->resume.rtp_next <= UINT64_C(1) << 48 && srtp->resume.rtcp_next <= UINT32_C(1)
											     << 31,
		"srtp: an index beyond the last");
	RULE(srtp->reserved == 0 && is_zero(srtp->reserved2, sizeof(srtp->reserved2)),
		"srtp: reserved is not 0");
	return NULL;
}

static const char *check_keys(const struct sl_leg *leg)
{
	const char *why = check_key(&leg->srtp_receive);

	RULE(!why, why);
	why = check_key(&leg->srtp_send);
	RULE(!why, why);
	RULE((leg->srtp_receive.suite == SL_SRTP_NONE) == (leg->srtp_send.suite == SL_SRTP_NONE),
		"leg: SRTP one way only");
	RULE(!is_same_key(&leg->srtp_receive, &leg->srtp_send), "leg: one SRTP key both ways");
	return NULL;
}

// Flags that say something about RTP or RTCP.
#define RTP_FLAGS (SL_LEG_TRANSPARENT_SSRC | SL_LEG_RTCP_MUX | SL_LEG_RTCP_REDUCED)

// What is not RTP has none of its properties. Nor is it told from STUN: UDPTL begins with a
// sequence number, which may be anything.
static const char *check_opaque(const struct sl_leg *leg)
{
	if (!(leg->flags & SL_LEG_OPAQUE))
		return NULL;
	RULE(leg->n_formats == 0, "leg: opaque, with formats");
	RULE(leg->srtp_send.suite == SL_SRTP_NONE, "leg: opaque, with SRTP");
	RULE((leg->flags & RTP_FLAGS) == 0, "leg: opaque, with flags of RTP");
	RULE(!(leg->flags & SL_LEG_PUNT), "leg: opaque, but punts");
	return NULL;
}

static const char *check_source(const struct sl_session *wanted, const struct sl_leg *leg)
{
	if (leg->source == SL_NO_LEG)
		return NULL;
	RULE(leg->source < wanted->n_legs, "leg: source is none of the legs");
	RULE((leg->flags & SL_LEG_OPAQUE) == (wanted->legs[leg->source].flags & SL_LEG_OPAQUE),
		"leg: opaque, or its source is, but not both");
	if (leg->flags & SL_LEG_OPAQUE)
		return NULL;
	RULE(leg->n_formats > 0, "leg: a source but no format to send");
	RULE(wanted->legs[leg->source].n_formats > 0, "leg: its source has no formats");
	return NULL;
}

#define TRANSPORT_FLAGS (SL_LEG_RTCP_MUX | SL_LEG_RTCP_REDUCED | SL_LEG_PUNT | SL_LEG_OPAQUE)

// What a leg that shares a transport leaves to it.
static const char *check_member(const struct sl_session *wanted, const struct sl_leg *leg)
{
	const struct sl_leg *transport;

	RULE(leg->transport < wanted->n_legs, "leg: transport is none of the legs");
	transport = &wanted->legs[leg->transport];
	RULE(transport->transport == SL_NO_LEG, "leg: its transport has none of its own");
	RULE(transport->flags & SL_LEG_RTCP_MUX, "leg: a shared transport without RTCP_MUX");
	RULE(!(transport->flags & SL_LEG_OPAQUE), "leg: a shared transport that is opaque");
	RULE(transport->mid_extension == leg->mid_extension,
		"leg: mid_extension is not that of its transport");
	RULE(is_zero(&leg->local, sizeof(leg->local)) &&
			is_zero(&leg->remote, sizeof(leg->remote)) &&
			is_zero(&leg->remote_rtcp, sizeof(leg->remote_rtcp)),
		"leg: shares a transport, with an address");
	RULE(is_zero(&leg->srtp_receive, sizeof(leg->srtp_receive)) &&
			is_zero(&leg->srtp_send, sizeof(leg->srtp_send)),
		"leg: shares a transport, with keys");
	RULE((leg->flags & TRANSPORT_FLAGS) == 0, "leg: shares a transport, with flags of one");
	RULE(leg->source_rule == 0 && leg->latch_window_ms == 0 && leg->packets_per_second == 0 &&
			leg->bytes_per_second == 0 && leg->dscp == 0,
		"leg: shares a transport, with properties of one");
	return NULL;
}

static bool is_same_ssrc(const struct sl_leg *a, const struct sl_leg *b)
{
	for (unsigned int i = 0; i < SL_SSRCS_MAX; i++)
		for (unsigned int j = 0; j < SL_SSRCS_MAX; j++)
			if (a->ssrcs[i] && a->ssrcs[i] == b->ssrcs[j])
				return true;
	return false;
}

// Two legs of one transport have to be told apart.
static const char *check_siblings(const struct sl_session *wanted, unsigned int i, unsigned int j)
{
	const struct sl_leg *a = &wanted->legs[i], *b = &wanted->legs[j];
	unsigned int a_transport = a->transport == SL_NO_LEG ? i : a->transport;
	unsigned int b_transport = b->transport == SL_NO_LEG ? j : b->transport;

	if (a_transport != b_transport)
		return NULL;
	RULE(!a->mid[0] || strcmp(a->mid, b->mid), "two legs of one transport and MID");
	RULE(!is_same_ssrc(a, b), "two legs of one transport and SSRC");
	RULE(!a->ssrc || a->ssrc != b->ssrc, "two legs of one transport send one SSRC");
	return NULL;
}

#define JITTER_MIN_MS 10
#define JITTER_MAX_MS 500

static const char *check_jitter(const struct sl_leg *leg)
{
	RULE(leg->jitter_buffer <= SL_JITTER_ADAPTIVE, "leg: unknown jitter_buffer");
	RULE(is_zero(leg->jitter_reserved, sizeof(leg->jitter_reserved)),
		"leg: jitter_reserved is not 0");
	RULE(leg->jitter_buffer == SL_JITTER_NONE
			? leg->jitter_ms == 0
			: leg->jitter_ms >= JITTER_MIN_MS && leg->jitter_ms <= JITTER_MAX_MS,
		"leg: jitter_ms");
	RULE(leg->jitter_buffer == SL_JITTER_ADAPTIVE ? leg->jitter_max_ms >= leg->jitter_ms &&
								leg->jitter_max_ms <= JITTER_MAX_MS
						      : leg->jitter_max_ms == 0,
		"leg: jitter_max_ms");
	return NULL;
}

static const char *check_leg(const struct sl_session *wanted, const struct sl_leg *leg)
{
	const char *why;

	RULE(memchr(leg->mid, '\0', sizeof(leg->mid)), "leg: mid does not end");
	RULE(leg->mid_extension <= RTP_EXTENSION_ID_MAX, "leg: mid_extension above 14");
	if (leg->transport != SL_NO_LEG) {
		why = check_member(wanted, leg);
		RULE(!why, why);
	}
	RULE(leg->transport != SL_NO_LEG || leg->local.family != SL_UNSPEC,
		"leg: no local address");
	RULE(leg->local.port % 2 == 0, "leg: local port is odd");
	RULE(is_none(&leg->remote) ? leg->remote.port == 0 : is_destination(&leg->remote),
		"leg: remote is no address to send to");
	RULE(is_none(&leg->remote_rtcp) ? leg->remote_rtcp.port == 0
					: is_destination(&leg->remote_rtcp),
		"leg: remote_rtcp is no address to send to");
	RULE((is_none(&leg->remote) || leg->remote.family == leg->local.family) &&
			(is_none(&leg->remote_rtcp) ||
				leg->remote_rtcp.family == leg->local.family),
		"leg: local and remote of two families");
	RULE((leg->flags & ~KNOWN_FLAGS) == 0, "leg: unknown flag");
	RULE(leg->source_rule <= SL_SOURCE_LATCH, "leg: unknown source_rule");
	RULE(leg->dscp < 64 || leg->dscp == SL_DSCP_REALM, "leg: dscp above 63");
	why = check_jitter(leg);
	RULE(!why, why);
	why = check_formats(leg);
	RULE(!why, why);
	why = check_keys(leg);
	RULE(!why, why);
	why = check_opaque(leg);
	RULE(!why, why);
	return check_source(wanted, leg);
}

static bool is_same_local(const struct sl_address *a, const struct sl_address *b)
{
	return a->port != 0 && a->port == b->port && a->family == b->family &&
	       !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

// To send with. Two far ends may well send to us with one.
static bool shares_key(const struct sl_leg *a, const struct sl_leg *b)
{
	return is_same_key(&a->srtp_send, &b->srtp_send) ||
	       is_same_key(&a->srtp_send, &b->srtp_receive) ||
	       is_same_key(&a->srtp_receive, &b->srtp_send);
}

static const char *check_session(const struct sl_session *wanted)
{
	RULE(wanted->n_legs <= SL_LEGS_MAX, "too many legs");
	RULE(wanted->record_length <= SL_RECORD_MAX, "the record is too long");
	RULE(is_zero(wanted->reserved, sizeof(wanted->reserved)), "reserved is not 0");
	for (unsigned int i = 0; i < wanted->n_legs; i++) {
		const char *why = check_leg(wanted, &wanted->legs[i]);

		RULE(!why, why);
		for (unsigned int j = 0; j < i; j++)
			RULE(!is_same_local(&wanted->legs[i].local, &wanted->legs[j].local),
				"two legs of one local port");
		for (unsigned int j = 0; j < i && !why; j++)
			why = check_siblings(wanted, i, j);
		RULE(!why, why);
		for (unsigned int j = 0; j < i; j++)
			RULE(!shares_key(&wanted->legs[i], &wanted->legs[j]),
				"two legs of one SRTP key");
	}
	return NULL;
}

int session_check(const struct sl_session *wanted, const char **why)
{
	const char *wrong = check_session(wanted);

	if (!wrong)
		return 0;
	*why = wrong;
	return -EINVAL;
}
