// The rule of source.h, where it is not the known source of RTP.
//
// A leg that may not latch has the signalled sources and no other. One that may takes any until it
// has latched or its window is closed, and where it has keys also later, as a far end behind a NAT
// that lost its mapping comes from elsewhere, and the tag of SRTP proves it; the checks of ICE come
// from addresses that no packet of media has come from yet (RFC 8445 7.3).
#include "source.h"

// RTCP latches next to the leg's RTP: same address, another port.
static enum source judge_rtcp(
	const struct leg *leg, const struct leg_config *config, const struct leg_endpoint *from)
{
	if (leg_latch_holds(&leg->latch_rtcp, config))
		return leg_endpoint_equal(from, &leg->latch_rtcp.from) ? SOURCE_KNOWN
								       : SOURCE_WRONG;
	if (config->may_latch && leg_latch_holds(&leg->latch, config))
		return leg_endpoint_same_host(from, &leg->latch.from) ? SOURCE_STRANGE
								      : SOURCE_WRONG;
	return leg_endpoint_equal(from, &config->remote_rtcp) ? SOURCE_KNOWN : SOURCE_WRONG;
}

enum source source_judge_other(const struct leg *leg, const struct leg_config *config,
	const struct leg_endpoint *from, bool on_odd_port, uint64_t now_ns)
{
	bool latched = leg_latch_holds(&leg->latch, config);

	if (source_is_of_rtcp(config, on_odd_port))
		return judge_rtcp(leg, config, from);
	if (config->may_latch && config->secure)
		return SOURCE_STRANGE;
	return !latched && source_window_is_open(config, now_ns) ? SOURCE_STRANGE : SOURCE_WRONG;
}
