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
#include "dial.h"
#include "leg_bundle.h"
#include "leg_endpoint.h"
#include "leg_formats.h"
#include "leg_srtp.h"
#include "port.h"
#include "rtcp.h"
#include "rtp.h"
#include "sl_api.h"
#include "table.h"
#include "transcode.h"

#define LEG_CNAME_BYTES 17

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
	struct transcode_stream **streams; // n_formats, where the verb is FEED_TRANSCODE; or NULL
	struct deferred deferred;	   // main
	uint8_t n_formats;		   // main
	bool transcodes;		   // some format passes a codec: RTCP ends here
};

// Rates of a leg as police.c checks them: what a packet costs and a byte, in ticks of time. A debt
// beyond LEG_PACKET_FAR, or leg_byte_far(), is none: it lies in the past, or so long ago that the
// ticks have wrapped since.
struct leg_rates {
	uint32_t packet_cost; // 0: no limit
	uint32_t byte_cost;   // << LEG_RATE_BYTE_SHIFT
};

#define LEG_RATE_TICK_SHIFT 7 // a tick is 128 ns
#define LEG_RATE_BYTE_SHIFT 8
#define LEG_PACKET_FAR	    (2 * LEG_RATE_BURST) // the least rate has a packet cost a burst
#define LEG_RATE_BURST	    (100000000u >> LEG_RATE_TICK_SHIFT) // a tenth of a second

// As control set them, 0: never.
struct leg_timeouts {
	uint32_t start_ms;
	uint32_t media_ms;
	uint32_t hold_ms;
};

#define LEG_FEEDS 1 // that have a place in every configuration

// What every packet needs comes first: the first cache line for packets to the leg, the first two
// and the format's byte for packets from it.
struct leg_config {
	// Of `remote`, `remote_rtcp` and where it latched to, each held by this configuration.
	// NULL: not known (yet). main: sets it once more when it is, workers: ro
	const struct next_hop *hop;
	struct leg_endpoint remote;
	uint8_t shard; // of the address that it is sent from, see fence.h
	uint32_t ssrc;
	uint32_t generation; // no two configs have the same
	uint32_t clock_hz;   // of the format that is sent
	uint16_t flags;	     // SL_LEG_*
	uint16_t epoch;	     // changes with `remote`: a latch of another epoch is void. Never 0
	uint8_t n_feeds;
	uint8_t dscp;
	bool may_latch : 1;
	bool relays_rtcp : 1; // its RTCP goes to its source; else it ends here ...
	bool reports : 1;     // ... and what the far end gets is ours
	bool secure : 1;      // SRTP both ways
	bool mixed : 1;	      // several SSRCs, or no RTP: not every packet is measured
	bool bundled : 1;     // what comes may be of other legs: see `shared`
	bool carried : 1;     // what is sent leaves by shared->carrier
	bool tags : 1;	      // what is sent gets another MID: see `shared`
	uint8_t source;	      // index of the leg whose media is sent here
	struct leg_formats *formats;
	uint64_t latch_until_ns; // UINT64_MAX: no limit
	struct leg_rates rates __rte_cache_aligned;
	struct feed *feeds[LEG_FEEDS]; // the rest is in more_feeds
	struct leg_endpoint local;
	struct leg_endpoint remote_rtcp;
	bool restarts[2]; // indices, where a context takes over (SL_SRTP_RESTART)
	const struct next_hop *hop_rtcp;
	const struct next_hop *hop_latched;
	struct leg *source_leg;		      // NULL: none
	struct srtp_context *contexts[2];     // by enum srtp_direction, held; NULL: plain RTP
	struct leg_shared *shared;	      // where it is bundled, carried or tags; else NULL
	union {				      // main
		struct leg_timeouts timeouts; // while it is in force
		struct deferred deferred;     // on its way out
	};
	struct feed *more_feeds[]; // where n_feeds is above LEG_FEEDS
} __rte_cache_aligned;

static_assert(offsetof(struct leg_config, rates) == RTE_CACHE_LINE_SIZE,
	"packets to a leg need one line of its configuration");

static_assert(sizeof(struct leg_config) == 3 * RTE_CACHE_LINE_SIZE, "this is counted on");

#define LEG_CONFIG_MORE_BYTES ((SL_LEGS_MAX - LEG_FEEDS) * sizeof(struct feed *))

static inline struct feed *leg_config_feed(const struct leg_config *config, unsigned int i)
{
	return i < LEG_FEEDS ? config->feeds[i] : config->more_feeds[i - LEG_FEEDS];
}

// Where a leg latched to, and in which epoch. The worker writes it; main reads it whole with
// leg_latch_read().
struct leg_latch {
	struct leg_endpoint from;
	uint16_t epoch;
	uint32_t changes; // how often, twice; odd while it is being written
};

// What the far end's reports said last, of what we send to it.
struct leg_reported {
	uint32_t rtt_us; // 0: none yet
	uint32_t lost;
	uint32_t jitter; // in units of the clock that is sent by
	uint8_t fraction_lost;
};

// Of a far end that sends extended reports (RFC 3611): from the worker's spares, when the first one
// comes. worker: rw, main: ro
struct leg_xr {
	uint32_t receiver_time;		  // its own time (4.4), the middle of NTP's, ...
	uint32_t receiver_ssrc;		  // ... who said so ...
	uint64_t receiver_ns;		  // ... and when; 0: nothing to answer
	uint64_t sent_ns;		  // when we sent our own time ...
	uint32_t sent_time;		  // ... and that
	uint8_t voip[RTCP_XR_VOIP_BYTES]; // its VoIP metrics block, as it came
};

// Everything that came from the far end. worker: rw, main: ro
struct leg_rx {
	uint64_t packets;
	uint64_t bytes;
	uint64_t last_ns;	// when the last packet was accepted, 0: none was
	uint32_t jitter_max;	// in units of clock_hz
	uint32_t clock_hz : 24; // of the last packet's format
	uint32_t pt : 8;
	struct rtp_reception reception;
	uint64_t rtcp;
	uint64_t dropped_source;
	uint64_t dropped_other;
	uint64_t dropped_auth;
	uint64_t dropped_replay;
	uint64_t punted;
	uint64_t dropped_rate;
	uint32_t strangers_until; // their own debt, see police.c
	uint32_t sr_time;	  // the middle of the NTP time of the last sender report, ...
	uint64_t sr_ns;		  // ... and when it came
	uint64_t measured_ns;	  // of a mixed leg: when `reception` last took a packet
	struct leg_reported reported;
};

#define LEG_HEADER_BYTES      66 // Ethernet with a VLAN tag, IPv6, UDP
#define LEG_HEADER_IPV4_BYTES 46 // the same with IPv4

// A word at the end of a header, which is at no cache line's beginning.
typedef uint64_t leg_hop_word __attribute__((aligned(4)));

// All headers of packets to one destination by one next hop, but for what their length decides.
// They end where `bytes` does, so that those of an IPv4 packet and all else that it needs are on
// the second of two cache lines (see leg_tx), and it never touches the first. The sums are of
// 16-bit words as they are in memory, folded.
struct leg_header {
	uint8_t bytes[LEG_HEADER_BYTES]; // lengths and checksums are 0
	uint16_t ip_sum;		 // of IPv4's
	uint16_t udp_sum;		 // of the pseudo header, too
	uint8_t length;			 // of what is used of `bytes`
	uint8_t port : 4;		 // index into ports
	bool tx_checksum : 1;		 // the device computes the sums
	bool ipv6 : 1;
	bool to_latched : 1;   // and not to the signalled address
	uint32_t generation;   // configuration that it was made with
	leg_hop_word hop_word; // and next hop
};

// Everything that we send to it. worker: rw, main: ro
struct leg_tx {
	struct rtp_continuity continuity;
	uint64_t packets;
	uint64_t bytes;
	uint64_t octets; // of payload, for sender reports
	// A line that packets over IPv4 do not touch, up to their header.
	uint64_t rtcp;
	uint64_t report_ns;	   // when our next report is due
	uint64_t sr_ns;		   // when we sent our last sender report, or passed one on
	uint32_t sr_time;	   // the middle of the NTP time in it
	uint32_t ssrc;		   // that media was sent with, and no BYE was; 0: none
	uint32_t packets_reported; // value of `packets`, its low half, at our last report ...
	uint32_t source_packets;   // ... and when the source that it is made from now began ...
	uint16_t source_sequence;  // ... with this one
	uint16_t reserved;
	struct leg_header header;
};

static_assert(offsetof(struct leg_tx, header.bytes) + LEG_HEADER_BYTES - LEG_HEADER_IPV4_BYTES ==
			      2 * RTE_CACHE_LINE_SIZE &&
		      offsetof(struct leg_tx, header.hop_word) + sizeof(leg_hop_word) ==
			      3 * RTE_CACHE_LINE_SIZE,
	"the header of an IPv4 packet is a cache line");

#define LEG_EVENTS (SL_EVENT_RATE_EXCEEDED + 1)

// How media sounded, and where the counters stood when that was last looked at. main only
struct leg_quality {
	uint32_t looked_ms;
	uint32_t received, lost, bursts;
	struct sl_quality now, worst;
};

// Of a leg whose media passes a codec, or has. main only
struct leg_codecs {
	uint64_t transcoded; // of feeds that are gone
	uint64_t concealed;
	uint64_t transcode_ns;
	struct transcode_feedback *feedback; // of its far end; NULL: no codec of its has any
};

// main only
struct leg_control {
	struct session *session; // NULL: the leg is on its way out
	struct feed *feed;	 // what it is sent; NULL: nothing
	struct table_slot slot;
	uint32_t left_ssrc; // that it collided with (RFC 3550 8.2); 0: never
	uint64_t created_ns;
	uint64_t regime_ns;    // when the time-out in force began to run
	uint32_t latched_seen; // `changes` of the latch that was told ...
	uint32_t latched_held; // ... and whose next hop hop_latched is
	bool first_seen;
	bool timed_out;
	bool one_way;
	bool looping;
	uint64_t collided_ns;	     // when
	uint64_t one_way_ns;	     // when it was told
	uint64_t sending_ns;	     // since when it has been sent media without a long pause ...
	uint64_t sent_ns;	     // ... and when that was seen last, ...
	uint32_t tx_seen;	     // ... by the low half of tx.packets
	uint32_t rate_seen;	     // rx.dropped_rate that was told, its low half
	struct leg_codecs *codecs;   // NULL: its media has passed none
	struct leg_quality *quality; // NULL: too little has come
	union {
		uint32_t told_ms[LEG_EVENTS]; // by type of event: when, 0: never
		struct deferred deferred;     // on its way out
	};
};

// By cache lines, and which of them a packet of the plain relay touches where nothing is new:
//
//   0, 1     from the leg: who sends it, rates, counters, reception
//   2 to 4   seldom: drops, RTCP, reports, keys
//   5        to the leg: sequence and timestamps, counters
//   6        seldom, but for IPv6, and where RTCP ends here and we report ourselves
//   7        to the leg: headers
//   8 to 10  main's own notes; nothing for a packet
struct leg {
	struct leg_config *config; // main: rw, worker: ro
	struct leg_latch latch;	   // worker: rw, main: ro through leg_latch_read()
	uint16_t worker;	   // who owns it, never changes
	uint8_t index;		   // in the session. Never changes
	uint8_t dial;		   // its place among the worker's dials ...
	bool has_dial;		   // ... if it has one. main: rw, worker: ro
	uint8_t dialled;	   // worker: rw. See pipeline/dial.c
	uint32_t packets_until;	   // worker: rw. Until when what came has used up its rates ...
	uint32_t bytes_until;	   // ... in ticks (police.c)
	struct leg_rx rx;
	// worker: sets once; NULL: its far end does not speak XR.
	struct leg_xr *xr;
	// By enum srtp_direction, of a leg that has keys, or had some: in memory of its own. Set
	// once, before such a configuration.
	struct leg_srtp *srtp;
	struct leg_latch latch_rtcp; // worker: rw
	struct leg_streams *streams; // worker: rw. Of a bundle's transport
	uint32_t flow_label;	     // of what we send, never changes
	struct leg_tx tx __rte_cache_aligned;
	uint64_t punt_due_ns; // worker: rw. See punt.c
	struct sl_id session; // never changes
	uint64_t cname;	      // never changes, see leg_cname()
	struct leg_control control;
} __rte_cache_aligned;

static_assert(offsetof(struct leg, tx) == 5 * RTE_CACHE_LINE_SIZE &&
		      sizeof(struct leg) == 11 * RTE_CACHE_LINE_SIZE,
	"the lines are as said");
static_assert(offsetof(struct leg, rx.reception.base) <= 2 * RTE_CACHE_LINE_SIZE,
	"packets from a leg need two lines of it");

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
	rte_prefetch0(&leg->tx.header.hop_word);
}

static inline bool leg_latch_holds(const struct leg_latch *latch, const struct leg_config *config)
{
	return latch->epoch == config->epoch;
}

// worker
static inline void leg_latch_set(
	struct leg_latch *latch, uint16_t epoch, const struct leg_endpoint *from)
{
	__atomic_store_n(&latch->changes, latch->changes + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); // whoever sees what follows sees that it is odd
	latch->from = *from;
	latch->epoch = epoch;
	__atomic_store_n(&latch->changes, latch->changes + 1, __ATOMIC_RELEASE);
}

// main: a latch as it was at one moment, while the worker may be setting it.
static inline struct leg_latch leg_latch_read(const struct leg_latch *latch)
{
	struct leg_latch copy;
	uint32_t changes;

	do {
		changes = __atomic_load_n(&latch->changes, __ATOMIC_ACQUIRE) & ~1u;
		copy = *(const volatile struct leg_latch *)latch;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (__atomic_load_n(&latch->changes, __ATOMIC_RELAXED) != changes);
	copy.changes = changes;
	return copy;
}

// Rates a second, 0: no limit. Less than 10 packets or 1,000 bytes count as so many.
static inline struct leg_rates leg_rates_of(uint32_t packets, uint32_t bytes)
{
	const uint64_t ticks = 1000000000u >> LEG_RATE_TICK_SHIFT;
	struct leg_rates rates = {};

	if (packets)
		rates.packet_cost = (uint32_t)(ticks / RTE_MAX(packets, 10u));
	if (bytes)
		rates.byte_cost =
			(uint32_t)((ticks << LEG_RATE_BYTE_SHIFT) / RTE_MAX(bytes, 1000u));
	return rates;
}

static inline uint32_t leg_byte_far(const struct leg_rates *rates)
{
	return LEG_RATE_BURST +
	       (uint32_t)((uint64_t)UINT16_MAX * rates->byte_cost >> LEG_RATE_BYTE_SHIFT);
}

// The leg's CNAME (RFC 7022: random, one a leg), as text.
static inline const char *leg_cname(const struct leg *leg, char text[LEG_CNAME_BYTES])
{
	for (unsigned int i = 0; i < LEG_CNAME_BYTES - 1; i++)
		text[i] = "0123456789abcdef"[leg->cname >> (60 - 4 * i) & 15];
	text[LEG_CNAME_BYTES - 1] = '\0';
	return text;
}

// worker: the context for the next packet of a secure leg.
static inline struct srtp_context *leg_context(struct srtp_engine *engine, struct leg *leg,
	const struct leg_config *config, enum srtp_direction direction)
{
	struct leg_srtp *srtp = &leg->srtp[direction];
	struct srtp_context *context = config->contexts[direction];

	if (unlikely(srtp->context != context))
		return leg_srtp_adopt(engine, srtp, context, config->restarts[direction]);
	return context;
}

static inline const struct leg_config *leg_config(const struct leg *leg)
{
	return __atomic_load_n(&leg->config, __ATOMIC_ACQUIRE);
}
