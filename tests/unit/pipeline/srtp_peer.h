// A far end that speaks SRTP, made of libsrtp2: the judge of what the pipeline does, and of no code
// with it.
#pragma once

#include <srtp2/srtp.h>

#include "sl_api.h"

// A key of a suite, made of a seed.
struct sl_srtp peer_key(enum sl_srtp_suite suite, uint8_t seed);
// Give a leg keys in both directions.
void peer_keys(struct sl_leg *leg, enum sl_srtp_suite suite, uint8_t seed);

// Our receive key is what the far end sends with, and the reverse. Destroy with srtp_dealloc().
srtp_t peer_sender(const struct sl_srtp *receive);
srtp_t peer_receiver(const struct sl_srtp *send);

// Either of them, of one SSRC only, whose ROC is that.
srtp_t peer_at(const struct sl_srtp *key, uint32_t ssrc, uint32_t roc);

// In place; returns the new length. The test fails where libsrtp2 does not want to.
unsigned int peer_protect(srtp_t peer, uint8_t *packet, unsigned int length);
unsigned int peer_protect_rtcp(srtp_t peer, uint8_t *packet, unsigned int length);
// 0 where the packet is refused.
unsigned int peer_unprotect(srtp_t peer, uint8_t *packet, unsigned int length);
unsigned int peer_unprotect_rtcp(srtp_t peer, uint8_t *packet, unsigned int length);
