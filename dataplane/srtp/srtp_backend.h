// Between the state of RFC 3711, which is ours, and the libraries that do the ciphers. An operation
// is one packet whose index is settled and whose lengths are proven; the backend encrypts and
// tags it, or checks and decrypts it, and knows nothing of windows.
//
//              header_bytes   body_bytes
//   SRTP       header       | payload       | MKI | tag            CM
//   SRTP       header       | payload | tag | MKI                  GCM
//   SRTCP      8 bytes      | rest          | E, index | MKI | tag CM
//   SRTCP      8 bytes      | rest    | tag | E, index | MKI       GCM
#pragma once

#include "srtp.h"
#include "srtp_index.h"

struct srtp_op {
	void *keys;
	uint8_t *packet;
	const uint8_t *mki;
	uint64_t index;
	uint32_t ssrc;
	uint16_t header_bytes;
	uint16_t body_bytes;
	uint8_t mki_bytes;
	uint8_t suite;
	bool rtcp;
	bool encrypted; // false: SRTCP without the E bit
	uint8_t status; // out: OK, AUTH (the packet is as it was), REPLAY or FAILED
};

struct srtp_backend {
	const char *name;
	// What a thread needs; NULL with errno.
	void *(*open)(const char *arch);
	void (*close)(void *state);
	const char *(*arch)(const void *state);

	// Keys live in memory of the caller: zeroed, and 24 bytes into a cache line (88). What is
	// left there after keys_fini() the caller wipes. Returns 0 or a negative errno, with
	// nothing to be undone.
	int (*keys_init)(void *state, void *keys, const struct srtp_keying *keying);
	void (*keys_fini)(void *keys);
	size_t (*keys_bytes)(enum srtp_suite suite);
	// Whether both come from one master key and salt.
	bool (*keys_same)(const void *a, const void *b, enum srtp_suite suite);
	// Bring in what an operation of `body_bytes` on SRTP will touch. May be NULL.
	void (*keys_prefetch)(const void *keys, enum srtp_suite suite, unsigned int body_bytes);

	// How many operations at once are good, up to SRTP_CHUNK.
	unsigned int chunk;
	void (*protect)(void *state, struct srtp_op *ops, unsigned int n);
	void (*unprotect)(void *state, struct srtp_op *ops, unsigned int n);
};

#define SRTP_CHUNK 64

// In order of preference, ends with NULL.
extern const struct srtp_backend srtp_backend_mb_vaes;
extern const struct srtp_backend srtp_backend_mb;
extern const struct srtp_backend srtp_backend_libsrtp;
extern const struct srtp_backend *const srtp_backends[];

static inline unsigned int srtp_tag_bytes(enum srtp_suite suite, bool rtcp)
{
	const struct srtp_suite_info *info = &srtp_suite_infos[suite];

	return rtcp ? info->rtcp_tag_bytes : info->rtp_tag_bytes;
}
