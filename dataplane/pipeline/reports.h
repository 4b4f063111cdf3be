// What the files about RTCP share. worker, but for what says otherwise.
#pragma once

#include "rtcp.h"
#include "worker.h"

// The time of day as NTP has it.
uint64_t ntp_now(void);

// reported.c: take note of what a datagram (rtcp_parse() has passed it) of the far end says of the
// media that we send, and of its own.
void reports_note(struct worker *worker, struct leg *leg, const struct leg_config *config,
	const uint8_t *datagram, uint16_t length);

// Whether the far end may be answered with extended reports, and what: returns the bytes of an XR
// packet under `ssrc`, 0 where there is nothing to say, or -ENOSPC.
int reports_build_xr(
	struct leg *leg, uint32_t ssrc, bool sends, uint64_t now_ns, uint8_t *out, size_t room);

// A compound that says that `ssrc` leaves (RFC 3550 6.6). Returns its bytes or -ENOSPC. Also main,
// of a leg that no worker sees any more.
int bye_build(const struct leg *leg, uint32_t ssrc, uint8_t *out, size_t room);

// Into the queue for protect() and encapsulate(), or dropped.
void report_send(struct worker *worker, struct leg *leg, const struct leg_config *config,
	struct rte_mbuf *mbuf);

// The leg sends under another SSRC from now on: say BYE for the one before. Returns false where
// there is no room this turn.
bool bye_send(struct worker *worker, struct leg *leg, const struct leg_config *config);
