// Which source may send to a leg: the one rule (RFC 7362). police() asks before anything is spent
// on a packet; latch() and relay_reports() ask again when it has proven to be what it should be,
// since a packet before it may have latched the leg meanwhile.
#pragma once

#include "leg.h"

enum source {
	SOURCE_WRONG,	// not the far end
	SOURCE_STRANGE, // it may be, and has to prove it
	SOURCE_KNOWN,	// the signalled address, or where the leg has latched to
};

// Any but the known source of RTP.
enum source source_judge_other(const struct leg *leg, const struct leg_config *config,
	const struct leg_endpoint *from, bool on_odd_port, uint64_t now_ns);

// Whether a packet is RTCP on a port of its own, which has a source of its own.
static inline bool source_is_of_rtcp(const struct leg_config *config, bool on_odd_port)
{
	return unlikely(on_odd_port) && !(config->flags & SL_LEG_RTCP_MUX);
}

// May the leg latch without proof?
static inline bool source_window_is_open(const struct leg_config *config, uint64_t now_ns)
{
	return config->may_latch && now_ns <= config->latch_until_ns;
}

static inline enum source source_judge(const struct leg *leg, const struct leg_config *config,
	const struct leg_endpoint *from, bool on_odd_port, uint64_t now_ns)
{
	const struct leg_endpoint *known =
		leg_latch_holds(&leg->latch, config) ? &leg->latch.from : &config->remote;

	if (likely(leg_endpoint_equal(from, known) && !source_is_of_rtcp(config, on_odd_port)))
		return SOURCE_KNOWN;
	return source_judge_other(leg, config, from, on_odd_port, now_ns);
}
