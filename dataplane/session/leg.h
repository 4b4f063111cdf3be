// A leg as the packet path sees it, in three parts with one writer each:
//
//   struct leg_config   what control wants. Written once by main, then published by one pointer; a
//                       replace publishes another and frees the old one after the workers passed
//   struct leg          what packets did: belongs to the leg's worker, and outlives every config
//   struct leg_control  main's own notes about it
//
// A feed is one direction between two legs: what becomes of each format of the one on its way to
// the other. It is decided when the session is set, never per packet.
#pragma once

#include <assert.h>
#include <rte_common.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deferred.h"
#include "leg_srtp.h"
#include "port.h"
#include "rtp.h"
#include "sl_api.h"
#include "table.h"
#include "transcode.h"

#define LEG_NO_FORMAT	0xff
#define LEG_CNAME_BYTES 20

struct leg;
struct session;

enum feed_verb {
	FEED_DROP, // the far end does not take this format
	FEED_RELAY,
	FEED_ULAW_TO_ALAW,
	FEED_ALAW_TO_ULAW,
	FEED_TRANSCODE,
};

struct feed {
	struct leg *to;
	struct {
		uint8_t verb;	  // enum feed_verb
		uint8_t pt;	  // of what is sent; FEED_TRANSCODE: that the stream knows it by
	} routes[SL_FORMATS_MAX]; // by format of the leg that it comes from
	struct transcode_stream *streams[SL_FORMATS_MAX]; // where the verb is FEED_TRANSCODE
	struct deferred deferred;			  // main
	uint8_t n_formats;				  // main
	bool transcodes; // some format passes a codec: RTCP ends here
};

// An IPv4 transport address in network byte order; port 0: none.
struct leg_endpoint {
	rte_be32_t ip;
	rte_be16_t port;
};

// What every packet needs comes first: the first cache line for packets to the leg, the first two
// and the format's byte for packets from it.
struct leg_config {
	// Of `remote`, `remote_rtcp` and where it latched to, each held by this configuration.
	// NULL: not known (yet). main: sets it once more when it is, workers: ro
	const struct next_hop *hop;
	struct leg_endpoint remote;
	uint32_t ssrc;
	uint32_t generation; // no two configs have the same
	uint16_t epoch;	     // changes with `remote`: a latch of another epoch is void. Never 0
	uint8_t n_feeds;
	uint8_t flags; // SL_LEG_*
	bool may_latch : 1;
	bool relays_rtcp : 1; // its RTCP goes to its source; else it ends here ...
	bool reports : 1;     // ... and what the far end gets is ours
	bool secure : 1;      // SRTP both ways
	uint8_t dscp;
	uint32_t clocks_hz[SL_FORMATS_MAX];
	struct feed *feeds[SL_LEGS_MAX] __rte_cache_aligned;
	uint8_t format_of[128];	 // payload type to index of format, LEG_NO_FORMAT: refuse
	uint64_t latch_until_ns; // UINT64_MAX: no limit
	struct leg_endpoint local;
	struct leg_endpoint remote_rtcp;
	const struct next_hop *hop_rtcp;
	const struct next_hop *hop_latched;
	struct leg *source_leg;		  // NULL: none
	struct srtp_context *contexts[2]; // of the keys, by enum srtp_direction; NULL: plain RTP
	struct leg_key *keys[2];
	uint8_t source;		  // index of the leg whose media is sent here
	struct deferred deferred; // main
} __rte_cache_aligned;

static_assert(offsetof(struct leg_config, feeds) == RTE_CACHE_LINE_SIZE,
	"packets to a leg need one line of its configuration");

// Everything that came from the far end. worker: rw, main: ro
struct leg_rx {
	uint64_t packets;
	uint64_t bytes;
	uint64_t last_ns;    // when the last packet was accepted, 0: none was
	uint32_t jitter_max; // in units of clock_hz
	uint32_t clock_hz;   // of the last packet's format
	uint8_t pt;
	struct rtp_reception reception;
	uint64_t rtcp;
	uint64_t dropped_source;
	uint64_t dropped_other;
	uint64_t dropped_auth;
	uint64_t dropped_replay;
	uint64_t sr_ntp; // of the last sender report, and when it came
	uint64_t sr_ns;
};

#define LEG_HEADER_BYTES 46 // Ethernet with a VLAN tag, IPv4, UDP

// All headers of packets to one destination by one next hop, but for what their length decides, on
// one cache line. The sums are of 16-bit words as they are in memory, folded.
struct leg_header {
	uint64_t hop_word;   // next hop that it was made with
	uint32_t generation; // and configuration
	uint16_t ip_sum;
	uint16_t udp_sum;		 // of the pseudo header, too
	uint8_t bytes[LEG_HEADER_BYTES]; // at the end of it; lengths and checksums are 0
	uint8_t length;			 // LEG_HEADER_BYTES, or without the tag
	uint8_t port : 4;		 // index into ports
	uint8_t tx_checksum : 1;	 // the device computes the sums
};

static_assert(sizeof(struct leg_header) == RTE_CACHE_LINE_SIZE, "leg_header is a cache line");

// Everything that we send to it. worker: rw, main: ro
struct leg_tx {
	struct rtp_continuity continuity;
	uint64_t packets;
	uint64_t bytes;
	uint64_t octets; // of payload, for sender reports
	struct leg_header header __rte_cache_aligned;
	uint64_t rtcp;
	uint64_t packets_reported; // value of `packets` at our last report
};

// main only
struct leg_control {
	struct session *session; // NULL: the leg is on its way out
	uint8_t index;		 // in it
	struct table_slot slot;
	uint64_t created_ns;
	uint64_t regime_ns;    // when the time-out in force began to run
	uint64_t latched_seen; // value of `latched` that was told
	bool first_seen;
	bool timed_out;
	bool had_keys;
	uint64_t transcoded; // of feeds that are gone
	uint64_t concealed;
	uint64_t transcode_ns;
	struct deferred deferred;
};

struct leg {
	struct leg_config *config; // main: rw, worker: ro
	uint64_t latched;	   // worker: rw, main: ro. See leg_latch_word()
	uint64_t latched_rtcp;	   // worker: rw
	uint64_t report_ns;	   // worker: rw. When our next RTCP report is due
	uint16_t worker;	   // who owns it, never changes
	struct leg_rx rx;
	struct leg_tx tx __rte_cache_aligned;
	struct leg_srtp srtp[2] __rte_cache_aligned; // by enum srtp_direction
	char cname[LEG_CNAME_BYTES];		     // never changes (RFC 7022: random, one a leg)
	struct leg_control control __rte_cache_aligned;
} __rte_cache_aligned;

// What the next stages look at, for packets from the leg and for packets to it.
static inline void leg_prefetch_from(const struct leg *leg)
{
	rte_prefetch0(leg);
	rte_prefetch0((const char *)leg + RTE_CACHE_LINE_SIZE);
}

static inline void leg_prefetch_to(const struct leg *leg)
{
	rte_prefetch0(leg);
	rte_prefetch0(&leg->tx);
	rte_prefetch0((const char *)&leg->tx + RTE_CACHE_LINE_SIZE);
}

// Where a leg latched to, and in which epoch: one word, so that main never sees half of it.
static inline uint64_t leg_latch_word(uint16_t epoch, struct leg_endpoint from)
{
	return (uint64_t)epoch << 48 | (uint64_t)from.port << 32 | from.ip;
}

static inline bool leg_latch_holds(uint64_t word, const struct leg_config *config)
{
	return word >> 48 == config->epoch;
}

static inline struct leg_endpoint leg_latch_endpoint(uint64_t word)
{
	return (struct leg_endpoint){.ip = (uint32_t)word, .port = (uint16_t)(word >> 32)};
}

static inline bool leg_endpoint_equal(struct leg_endpoint a, struct leg_endpoint b)
{
	return a.ip == b.ip && a.port == b.port;
}

// worker: the context for the next packet of a secure leg.
static inline struct srtp_context *leg_context(
	struct leg *leg, const struct leg_config *config, enum srtp_direction direction)
{
	return leg_srtp_context(
		&leg->srtp[direction], config->contexts[direction], config->keys[direction]);
}

static inline const struct leg_config *leg_config(const struct leg *leg)
{
	return __atomic_load_n(&leg->config, __ATOMIC_ACQUIRE);
}
