// SRTP (RFC 3711, RFC 7714) for the generator, on OpenSSL: slow and plain, and on purpose none of
// the code that it measures. No ROC: a run sends fewer than 2^16 packets of a flow.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRTP_TRAILER_MAX 16

struct srtp_crypto;

// "cm128-80:HEX" or "gcm128:HEX", master key and salt. NULL: it is neither.
struct srtp_crypto *srtp_crypto_create(const char *text);

unsigned int srtp_crypto_trailer(const struct srtp_crypto *crypto);

// In place, `length` bytes of RTP with a header of 12; the trailer is added, or checked and left.
void srtp_crypto_protect(struct srtp_crypto *crypto, uint8_t *rtp, size_t length);
bool srtp_crypto_unprotect(struct srtp_crypto *crypto, uint8_t *rtp, size_t length);
