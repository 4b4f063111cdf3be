// Why a description was refused, in the words of SIP.
#include "negotiate_crypto.h"

// What could be had but for its transport, its address or its formats.
static bool is_wanted(const struct negotiation *n, const struct sdp_media *media)
{
	static const struct {
		const char *type;
		uint8_t relay;
	} types[] = {
		{"video", SDP_RELAY_VIDEO}, {"text", SDP_RELAY_TEXT}, {"image", SDP_RELAY_IMAGE}};

	if (!media->port)
		return false;
	if (sdp_slice_equal_nocase(media->type, "audio"))
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (sdp_slice_equal_nocase(media->type, types[i].type))
			return n->policies[0]->relays & n->policies[1]->relays & types[i].relay;
	return false;
}

static bool has_transport(const struct sdp_policy *policy, const struct sdp_media *media)
{
	bool secure;

	if (sdp_slice_equal_nocase(media->type, "image"))
		return sdp_slice_equal_nocase(media->proto, "udptl") &&
		       policy->srtp != SDP_SRTP_REQUIRED;
	if (!proto_is_rtp(media->proto, &secure))
		return false;
	return secure ? policy->srtp != SDP_SRTP_NEVER : policy->srtp != SDP_SRTP_REQUIRED;
}

enum sdp_warning negotiation_warning(const struct negotiation *n, int from, const struct sdp *sdp)
{
	const struct negotiation_leg *leg = &n->legs[from];
	enum sdp_warning warning = SDP_WARNING_MEDIA;

	// The line that came furthest says it.
	for (uint16_t i = 0; i < sdp->n_media; i++) {
		const struct sdp_media *media = &sdp->media[i];
		uint8_t family = media->connection.address.family;
		enum sdp_warning this = SDP_WARNING_FORMAT;

		if (!is_wanted(n, media))
			continue;
		if (!has_transport(n->policies[from], media))
			this = SDP_WARNING_TRANSPORT;
		else if (!family || (leg->family && family != leg->family))
			this = SDP_WARNING_ADDRESS;
		if (warning == SDP_WARNING_MEDIA || this == SDP_WARNING_FORMAT ||
			(this == SDP_WARNING_ADDRESS && warning == SDP_WARNING_TRANSPORT))
			warning = this;
	}
	return warning;
}

const char *sdp_warning_text(enum sdp_warning warning)
{
	switch (warning) {
	case SDP_WARNING_ADDRESS:
		return "Incompatible network address formats";
	case SDP_WARNING_TRANSPORT:
		return "Incompatible transport protocol";
	case SDP_WARNING_MEDIA:
		return "Media type not available";
	default:
		return "Incompatible media format";
	}
}
