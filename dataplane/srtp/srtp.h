// SRTP and SRTCP (RFC 3711, 6188, 7714) over bursts of packets of many sessions.
//
//   a worker:  srtp_engine_create()                              once a thread
//   set-up:    srtp_context_create(), srtp_context_take_over()   a direction of a leg, a new key
//   a packet:  srtp_protect_burst(), srtp_unprotect_burst()      no lock, allocation or system call
//   failover:  srtp_context_export(), srtp_context_import()
//
// A context is one master key in one direction, with the index and replay state of each SSRC under
// it. It belongs to one thread at a time; create and destroy may happen on another.
//
// What is subtle: a key, an SSRC and an index are never used twice for sending. A relayed packet
// brings its own sequence number, so a sender keeps a window of indices that it used, as a receiver
// does: a late packet goes out under its own index, a repeated one does not go out again. A source
// that begins again further back under the same SSRC is late until it is where it was: whoever
// rewrites streams gives it another SSRC, or moves its sequence numbers on.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRTP_KEY_MAX	 32
#define SRTP_SALT_MAX	 14
#define SRTP_MKI_MAX	 128  // RFC 4568 9.2
#define SRTP_PACKET_MAX	 9216 // longer ones are malformed
#define SRTP_WINDOW	 128  // indices behind the highest that still may come
#define SRTP_SSRCS	 8    // of a context, unless asked for otherwise
#define SRTP_SSRCS_MAX	 64
#define SRTP_MORE_BYTES	 448 // that a context takes when its second SSRC comes
#define SRTP_TRAILER_MAX (16 + 4 + SRTP_MKI_MAX)

// Names are those of SDP (RFC 4568, 6188, 7714): enumerator, name, key, salt, tag of SRTP and of
// SRTCP in bytes.
#define SRTP_SUITES(X)                                                        \
	X(AES_CM_128_HMAC_SHA1_80, "AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10) \
	X(AES_CM_128_HMAC_SHA1_32, "AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10)  \
	X(AES_256_CM_HMAC_SHA1_80, "AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10) \
	X(AES_256_CM_HMAC_SHA1_32, "AES_256_CM_HMAC_SHA1_32", 32, 14, 4, 10)  \
	X(AEAD_AES_128_GCM, "AEAD_AES_128_GCM", 16, 12, 16, 16)               \
	X(AEAD_AES_256_GCM, "AEAD_AES_256_GCM", 32, 12, 16, 16)

#define SRTP_SUITE_ENUMERATOR(id, ...) SRTP_SUITE_##id,
enum srtp_suite { SRTP_SUITES(SRTP_SUITE_ENUMERATOR) N_SRTP_SUITES };

struct srtp_suite_info {
	const char *name;
	uint8_t key_bytes;
	uint8_t salt_bytes;
	uint8_t rtp_tag_bytes;
	uint8_t rtcp_tag_bytes;
};

extern const struct srtp_suite_info srtp_suite_infos[N_SRTP_SUITES];

static inline bool srtp_suite_is_gcm(enum srtp_suite suite)
{
	return suite >= SRTP_SUITE_AEAD_AES_128_GCM;
}

// What became of a packet. Only OK has changed it into something to send on; after any other the
// bytes of the packet are undefined.
#define SRTP_STATUSES(X)                                                              \
	X(OK, "ok")                                                                   \
	X(MALFORMED, "malformed") /* no RTP or RTCP, or too short for its trailer */  \
	X(ROOM, "room")		  /* no room behind the packet for the trailer */     \
	X(AUTH, "auth")		  /* the tag is wrong */                              \
	X(REPLAY, "replay")	  /* this index was received, or sent, before */      \
	X(LATE, "late")		  /* so far back that nobody knows whether it was */  \
	X(SSRC, "ssrc")		  /* more SSRCs than the context has room for */      \
	X(MKI, "mki")		  /* no such master key */                            \
	X(LIMIT, "limit")	  /* the key is at the end of its life: 2^48, 2^31 */ \
	X(FAILED, "failed")	  /* the cipher library refused */

#define SRTP_STATUS_ENUMERATOR(id, ...) SRTP_STATUS_##id,
enum srtp_status { SRTP_STATUSES(SRTP_STATUS_ENUMERATOR) N_SRTP_STATUSES };

extern const char *const srtp_status_names[N_SRTP_STATUSES];

// ---- engine: the cipher library and its scratch memory, one for each thread ----

struct srtp_engine;

// `backend` is "ipsec-mb", "libsrtp2" or NULL for the first of these that works here; `arch` is for
// ipsec-mb: "sse", "avx", "avx2", "avx512", NULL for what the CPU has, or "fastest" to try them all
// for some milliseconds. Returns NULL with errno: ENOENT (no such backend or arch), ENOTSUP (this
// CPU cannot), ENOMEM.
struct srtp_engine *srtp_engine_create(const char *backend, const char *arch);
void srtp_engine_destroy(struct srtp_engine *engine);

// Which it became: "ipsec-mb avx512".
const char *srtp_engine_name(const struct srtp_engine *engine);

// For a thread that must not allocate: where a context that is not made for several SSRCs gets
// SRTP_MORE_BYTES from, zeroed, of the same kind as its own memory, when the second comes. NULL, or
// NULL from it: no room for a second one (SRTP_STATUS_SSRC); the next packet tries again.
void srtp_engine_set_spares(
	struct srtp_engine *engine, void *(*take_spare)(void *spares), void *spares);

// Packets by status since the start. Any thread may read.
uint64_t srtp_engine_count(const struct srtp_engine *engine, enum srtp_status status);

// ---- context ----

enum srtp_direction { SRTP_RECEIVE, SRTP_SEND };

// Where contexts come from. `take` gives so many bytes, a multiple of 64, zeroed and at a cache
// line, or NULL. It is called in set-up and, by threads without spares, when a second SSRC comes;
// `give` in srtp_context_destroy().
struct srtp_memory {
	void *(*take)(void *context, size_t bytes);
	void (*give)(void *memory);
	void *context;
};

struct srtp_keying {
	enum srtp_suite suite;
	enum srtp_direction direction;
	uint8_t key[SRTP_KEY_MAX]; // master key and salt; the suite tells how much of them counts
	uint8_t salt[SRTP_SALT_MAX];
	uint8_t mki[SRTP_MKI_MAX];
	uint8_t mki_bytes; // 0: no MKI in the packets
	uint8_t max_ssrcs; // with room for them from the beginning. 0: SRTP_SSRCS, but the room
			   // is taken when a second one comes
	bool plain_srtcp;  // send SRTCP authenticated, not encrypted; received is what its E bit
			   // says
	const struct srtp_memory *memory; // outlives the context; NULL: libc's
};

struct srtp_context;

// Derive the session keys (RFC 3711 4.3, rate 0). `engine` is that of the calling thread; the
// context works with every engine of the same backend. NULL with errno: EINVAL, ENOMEM. The caller
// wipes its keying.
struct srtp_context *srtp_context_create(
	struct srtp_engine *engine, const struct srtp_keying *keying);

// Wipe and free, with all that it took over. NULL is no context.
void srtp_context_destroy(struct srtp_context *context);

// A few bytes of a context that are for who made it, and nobody looks at here. Zero at first.
struct srtp_owner {
	uint8_t adopted;
	uint16_t n_holders;
} __attribute__((packed));

struct srtp_owner *srtp_context_owner(struct srtp_context *context);

// What a context of a suite takes, without MKI and with one SSRC.
size_t srtp_context_least_bytes(enum srtp_suite suite);

// Whether a context is of this keying: suite, direction, master key and salt, MKI, plain SRTCP.
// Returns 1, 0 or -ENOMEM.
int srtp_context_is_of(struct srtp_engine *engine, const struct srtp_context *context,
	const struct srtp_keying *keying);

// Memory in bytes of this context and its keys (of libsrtp2: without what that allocates itself).
size_t srtp_context_bytes(const struct srtp_context *context);

// Rekey: `context` takes the place, and the ownership, of `old`; both of one direction. From now on
// only `context` is passed with jobs, by the thread that owns them.
//  - Sending changes keys at once. Indices go on (RFC 3711 3.3.1), unless `restart`: with the key
//  of
//    a new crypto context the ROC starts at 0 (RFC 4568 7.1.4).
//  - Receiving goes on with the old key until the new one has authenticated a packet, and for
//    SRTP_WINDOW packets more. A peer may continue its ROC or start at 0: the tag tells.
//
// `engine` is that of the calling thread. False: no memory for what `old` knows; nothing has
// changed.
bool srtp_context_take_over(struct srtp_engine *engine, struct srtp_context *context,
	struct srtp_context *old, bool restart);

// The context that was taken over, to be destroyed (by another thread, if need be), once it is of
// no more use, or at once where `now`. NULL: none, or not yet.
struct srtp_context *srtp_context_detach_old(struct srtp_context *context, bool now);

// Where one SSRC stands. The lowest indices that may be sent, or will be accepted, next: one above
// the highest so far; 0 where there was none.
struct srtp_indices {
	uint64_t rtp_next;  // ROC << 16 | sequence; up to 2^48
	uint32_t rtcp_next; // up to 2^31
	uint32_t ssrc;
};

// Write up to `max`; returns how many SSRCs there are. Any thread may call it: then the values may
// be some packets old.
unsigned int srtp_context_export(
	const struct srtp_context *context, struct srtp_indices *indices, unsigned int max);

// Continue above `indices`: everything below counts as used. Never lowers anything. A receiver
// takes the ROC for a guess that may be old: until a packet of the SSRC has authenticated, one more
// and one less than it are tried, too. Returns 0, -EINVAL (beyond 2^48 or 2^31) or -ENOSPC (more
// SSRCs than the context has room for); on an error those before it are set.
int srtp_context_import(
	struct srtp_context *context, const struct srtp_indices *indices, unsigned int n);

// ---- packets ----

struct srtp_job {
	struct srtp_context *context;
	uint8_t *packet;     // changed in place
	uint16_t length;     // in: bytes at `packet`
	uint16_t room;	     // in: bytes that may be written at `packet`; of protect only
	uint16_t out_length; // out: bytes at `packet` now, 0 where status is not OK
	bool rtcp;	     // in: what it is, RTP or RTCP
	uint8_t status;	     // out: enum srtp_status
};

// Any number of jobs, any mix of contexts and suites. The results are those of one by one, as long
// as within a burst no SSRC moves on by 2^15 sequence numbers. RTP lengths are checked against
// CSRCs and extension; RTCP is one (compound) packet.
void srtp_protect_burst(struct srtp_engine *engine, struct srtp_job *jobs, unsigned int n);
void srtp_unprotect_burst(struct srtp_engine *engine, struct srtp_job *jobs, unsigned int n);
