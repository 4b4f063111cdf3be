// RTCP (RFC 3550 6, reduced-size RFC 5506, feedback RFC 4585): a strict check of a whole datagram,
// a walk over its packets, what a relay makes of it, and builders for what we send ourselves.
//
// A relay never passes bytes it does not understand: it rewrites SR, RR, BYE, generic NACK, PLI,
// FIR and the report blocks of XR (RFC 3611), puts an SDES chunk of its own in the place of the
// sender's, and leaves out everything else (APP, and what names SSRCs we cannot map, would leak one
// side to the other).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rtcp_pt {
	RTCP_SR = 200,
	RTCP_RR = 201,
	RTCP_SDES = 202,
	RTCP_BYE = 203,
	RTCP_APP = 204,
	RTCP_RTPFB = 205, // RFC 4585 6.2
	RTCP_PSFB = 206,  // RFC 4585 6.3
	RTCP_XR = 207,	  // RFC 3611
};

#define RTCP_FMT_FIR 4 // PSFB, RFC 5104 4.3.1

#define RTCP_HEADER_BYTES 8 // common header and SSRC
#define RTCP_BLOCK_BYTES  24
#define RTCP_BLOCKS_MAX	  31
#define RTCP_CNAME_MAX	  255

// Check every packet of a datagram: versions, lengths that add up, counts that fit, chunks and
// texts that end in bounds, padding only in the last (RFC 3550 A.2), blocks of XR that have the
// length of their type. A datagram that does not begin with SR or RR is taken only where
// `reduced_size` (RFC 5506) was agreed. Returns 0 or -EBADMSG.
int rtcp_parse(const uint8_t *datagram, size_t length, bool reduced_size);

// One packet of a datagram that rtcp_parse() has passed.
struct rtcp_packet {
	const uint8_t *data; // common header; NULL: before the first
	uint16_t length;     // bytes, header included, without padding
	uint8_t pt;	     // enum rtcp_pt, or another
	uint8_t count;	     // report blocks, chunks, sources or feedback message type
};

// Step to the next packet (zero `packet` to begin). Returns false behind the last.
bool rtcp_next(const uint8_t *datagram, size_t length, struct rtcp_packet *packet);

// The SSRC that a packet is from; 0 where it has none (BYE or SDES of nobody).
uint32_t rtcp_sender_ssrc(const struct rtcp_packet *packet);

// Whether a datagram says something from `source` or about `media`: as the sender of a packet, in a
// report block, as the media of feedback or of a full intra request (RFC 5104 4.3.1).
bool rtcp_concerns(const uint8_t *datagram, size_t length, uint32_t source, uint32_t media);

// A report block (RFC 3550 6.4.1), cut up.
struct rtcp_block {
	uint32_t ssrc;
	uint32_t lost; // cumulative, signed 24 bits in the low ones
	uint32_t extended_sequence;
	uint32_t jitter;
	uint32_t last_sr;	// middle 32 bits of its NTP time
	uint32_t delay_last_sr; // in 1/65536 s
	uint8_t fraction_lost;
};

void rtcp_block_read(const uint8_t *data, struct rtcp_block *block);
void rtcp_block_write(uint8_t *data, const struct rtcp_block *block);

// Sender information of an SR.
struct rtcp_sender {
	uint64_t ntp;
	uint32_t timestamp;
	uint32_t packets;
	uint32_t bytes;
};

void rtcp_sender_read(const struct rtcp_packet *sr, struct rtcp_sender *sender);

// One report block of an XR packet (RFC 3611 3) that rtcp_parse() has passed.
enum rtcp_xr_type {
	RTCP_XR_LOSS_RLE = 1,
	RTCP_XR_DUPLICATE_RLE,
	RTCP_XR_RECEIPT_TIMES,
	RTCP_XR_RECEIVER_TIME, // RRT
	RTCP_XR_DLRR,
	RTCP_XR_STATISTICS,
	RTCP_XR_VOIP,
};

#define RTCP_XR_VOIP_BYTES 36

struct rtcp_xr_block {
	const uint8_t *data; // header included; NULL: before the first
	uint32_t length;     // bytes, header included
	uint8_t type;	     // enum rtcp_xr_type, or another
};

// Step to the next block of an XR packet (zero `block` to begin). Returns false behind the last.
bool rtcp_xr_next(const struct rtcp_packet *xr, struct rtcp_xr_block *block);

// Whether the blocks fill the packet, and those of a known type have its length.
bool rtcp_xr_is_valid(const struct rtcp_packet *xr);

// What a receiver of ours said when (RFC 3611 4.4, 4.5). Times are the middle 32 bits of NTP's.
struct rtcp_xr_dlrr {
	uint32_t ssrc; // who it is for
	uint32_t last_rr;
	uint32_t delay_last_rr; // in 1/65536 s
};

// The sub-block of a DLRR block that is for `ssrc`. Returns false where there is none.
bool rtcp_xr_dlrr_find(const struct rtcp_xr_block *block, uint32_t ssrc, struct rtcp_xr_dlrr *dlrr);

// Metrics of a VoIP metrics block (RFC 3611 4.7), RTCP_XR_VOIP_BYTES long.
struct rtcp_xr_voip {
	uint32_t ssrc;
	uint8_t loss_rate, discard_rate, burst_density, gap_density;
	uint16_t burst_duration_ms, gap_duration_ms, round_trip_ms, end_system_delay_ms;
	int8_t signal_level_dbm, noise_level_dbm;
	uint8_t rerl_db, gmin;
	uint8_t r_factor, external_r_factor, mos_lq, mos_cq;
	uint8_t rx_config;
	uint16_t jitter_buffer_nominal_ms, jitter_buffer_maximum_ms, jitter_buffer_absolute_ms;
};

void rtcp_xr_voip_read(const uint8_t *data, struct rtcp_xr_voip *voip);

// How the RTCP of the leg that we receive from becomes RTCP to the leg that we send its media to.
struct rtcp_relay {
	uint32_t source_ssrc;	   // of the media that we relay; other senders' SRs become RRs
	uint32_t sender_ssrc;	   // what we send that media as
	uint32_t timestamp_offset; // of that media: out = in + offset (rtp_continuity)
	uint32_t media_ssrc;	   // what we send to the source's leg: what its reports are about
	uint32_t media_source;	   // SSRC of the far source that this is made from
	uint16_t sequence_offset;  // of that media: sent = far source's + offset
	uint16_t sequence_last;	   // the last that was sent of it ...
	uint16_t sequence_span;	   // ... and for how many before that the offset holds
	bool media_known;	   // the five above mean something: keep report blocks
	bool reduced_size;	   // what came as reduced-size RTCP may go on as such
	bool pass_bye;		   // our stream ends with the source's
	const char *cname;	   // ours, at most RTCP_CNAME_MAX bytes
};

// Translate a datagram that rtcp_parse() has passed. Writes at most `out_size` bytes to `out`, a
// compound, or where `reduced_size` allows it and the datagram is none what its packets become, and
// returns their number, 0 where nothing of it is to be passed on, -ENOSPC where it
// does not fit. `length` + RTCP_CNAME_MAX + 32 bytes of room always suffice.
int rtcp_relay_translate(const struct rtcp_relay *relay, const uint8_t *datagram, size_t length,
	uint8_t *out, size_t out_size);

// The common header of a packet of `n_bytes`, all of it.
void rtcp_header_write(uint8_t *out, uint8_t pt, unsigned int count, size_t n_bytes);

// Builders. Each writes one packet at `out` and returns its bytes, or -ENOSPC; put together they
// make a compound: SR or RR, SDES, and at the end of a stream BYE. `sender` NULL makes an RR.
int rtcp_report_build(uint8_t *out, size_t out_size, uint32_t ssrc,
	const struct rtcp_sender *sender, const struct rtcp_block *blocks, unsigned int n_blocks);
int rtcp_sdes_build(uint8_t *out, size_t out_size, uint32_t ssrc, const char *cname);
int rtcp_bye_build(uint8_t *out, size_t out_size, uint32_t ssrc);

// XR with one block: our time, for the far end to answer; or an answer to its.
int rtcp_xr_receiver_time_build(uint8_t *out, size_t out_size, uint32_t ssrc, uint64_t ntp);
int rtcp_xr_dlrr_build(
	uint8_t *out, size_t out_size, uint32_t ssrc, const struct rtcp_xr_dlrr *dlrr);

struct rtp_reception;

// The report block of a reception (A.3) and begin its next interval. The caller fills in last_sr
// and delay_last_sr.
void rtcp_block_from_reception(struct rtcp_block *block, struct rtp_reception *reception);
