// RTCP. Between two legs that are relayed to each other it is passed on, with SSRCs, timestamps and
// sequence numbers of one side put in terms of the other (rtcp_relay_translate()), or as it is
// where both keep SSRCs. What came to a bundle is for each leg that it speaks of. Everywhere else
// (a codec between, several legs of one source) such numbers would be wrong: there RTCP ends, is
// accounted for, and each far end gets reports of our own (RFC 3550 6: SR or RR, SDES with a random
// CNAME), sent when packets of the leg show that it is alive.
#include <errno.h>
#include <rte_random.h>
#include <time.h>

#include "clock.h"
#include "headers.h"
#include "reports.h"
#include "source.h"
#include "stages.h"

#define NTP_UNIX_OFFSET	   2208988800ULL // seconds from 1900 to 1970
#define INTERVAL_LEAST_NS  2050000000ULL // RFC 3550 6.3.1: 5 s, times 0.5 to 1.5, over 1.21828
#define INTERVAL_SPREAD_NS 4100000000ULL
#define REPORT_ROOM	   512

// The first that is valid makes the leg latch for RTCP on a port of its own.
static bool rtcp_source_is_allowed(
	const struct worker *worker, const struct burst *burst, unsigned int i)
{
	const struct leg_config *config = burst->configs[i];
	struct leg *leg = burst->legs[i];
	bool on_odd_port = burst->on_odd_port[i];
	enum source source =
		source_judge(leg, config, &burst->from[i], on_odd_port, worker->now_ns);

	if (source != SOURCE_STRANGE || !source_is_of_rtcp(config, on_odd_port))
		return source == SOURCE_KNOWN;
	leg_latch_set(&leg->latch_rtcp, config->epoch, &burst->from[i]);
	return true;
}

// One direction of a relay: the stream as its far source sends it, and as we send it on.
struct stream_map {
	uint32_t source_ssrc;
	uint32_t sent_ssrc;
	uint32_t timestamp_offset;
	uint16_t sequence_offset;
	uint16_t sequence_last; // sent ...
	uint16_t sequence_span; // ... and for how many before it the offset holds
	bool known;
};

// What `leg` is sent, which comes from `source`.
static struct stream_map map_of(
	const struct leg *leg, const struct leg_config *config, const struct leg *source)
{
	const struct rtp_continuity *continuity = &leg->tx.continuity;
	uint16_t began = (uint16_t)(continuity->last_sequence - leg->tx.source_sequence);

	if (config->flags & SL_LEG_TRANSPARENT_SSRC)
		return (struct stream_map){
			.source_ssrc = source->rx.reception.ssrc,
			.sent_ssrc = source->rx.reception.ssrc,
			.sequence_last = source->rx.reception.max_sequence,
			.sequence_span = INT16_MAX,
			.known = source->rx.reception.started,
		};
	return (struct stream_map){
		.source_ssrc = continuity->source_ssrc,
		.sent_ssrc = config->ssrc,
		.timestamp_offset = continuity->timestamp_offset,
		.sequence_offset = continuity->sequence_offset,
		.sequence_last = continuity->last_sequence,
		.sequence_span = (uint32_t)leg->tx.packets - leg->tx.source_packets > INT16_MAX
					 ? INT16_MAX
					 : began,
		.known = continuity->started,
	};
}

// How RTCP of `from` reads to `to`: it goes with the media of `from`, and reports about the media
// of `to`.
static struct rtcp_relay relay_between(const struct leg *from, const struct leg_config *from_config,
	const struct leg *to, const struct leg_config *to_config, char cname[LEG_CNAME_BYTES])
{
	struct stream_map same_way = map_of(to, to_config, from);
	struct stream_map other_way = map_of(from, from_config, to);

	return (struct rtcp_relay){
		.source_ssrc = same_way.source_ssrc,
		.sender_ssrc = same_way.sent_ssrc,
		.timestamp_offset = same_way.timestamp_offset,
		.media_ssrc = other_way.sent_ssrc,
		.media_source = other_way.source_ssrc,
		.sequence_offset = other_way.sequence_offset,
		.sequence_last = other_way.sequence_last,
		.sequence_span = other_way.sequence_span,
		.reduced_size = to_config->flags & SL_LEG_RTCP_REDUCED,
		.media_known = other_way.known,
		// Elsewhere our stream goes on under its SSRC, and says so itself when it ends.
		.pass_bye = to_config->flags & SL_LEG_TRANSPARENT_SSRC,
		.cname = leg_cname(to, cname),
	};
}

void report_send(struct worker *worker, struct leg *leg, const struct leg_config *config,
	struct rte_mbuf *mbuf)
{
	struct reports *reports = &worker->reports;
	struct leg *carrier = config->carried ? config->shared->carrier : leg;
	struct leg_endpoint local, to;
	enum drop_reason reason;
	const struct next_hop *hop;
	struct header_path path;

	config = config->carried ? leg_config(carrier) : config;
	if (unlikely(!worker_passes(worker, config->shard))) {
		drop(worker, mbuf, DROP_shard_inactive);
		return;
	}
	local = config->local;
	hop = leg_rtcp_destination(carrier, config, &to, &reason);
	path = (struct header_path){&local, &to, 0, carrier->flow_label, config->dscp};

	if (!(config->flags & SL_LEG_RTCP_MUX)) {
		local.port = rte_cpu_to_be_16(rte_be_to_cpu_16(local.port) + 1);
		path.flow_label ^= 1; // a flow of its own
	}
	if (!hop) {
		drop(worker, mbuf, reason);
		return;
	}
	path.hop_word = next_hop_word(hop);
	if (!header_make(&reports->headers[reports->n], worker->shared->config.ports, &path)) {
		drop(worker, mbuf, DROP_no_next_hop);
		return;
	}
	reports->mbufs[reports->n] = mbuf;
	reports->legs[reports->n] = leg;
	reports->carriers[reports->n] = carrier;
	reports->configs[reports->n++] = config;
	reports->n_secure += config->secure;
}

// Between two legs that keep SSRCs, all that RTCP speaks of is the same on both sides: it passes as
// it is, whatever feedback it may be (NACK, PLI, REMB, transport-wide congestion control); but who
// sends it is told by a name of ours. Returns its length, or -ENOSPC; 0: nothing is to be sent, or
// the far end has not agreed on reduced-size RTCP.
static int copy_report(struct rte_mbuf *mbuf, const struct leg *to,
	const struct leg_config *to_config, const uint8_t *datagram, uint16_t length)
{
	uint8_t *out = rte_pktmbuf_mtod(mbuf, uint8_t *);
	char cname[LEG_CNAME_BYTES];
	size_t room = rte_pktmbuf_tailroom(mbuf), n = 0;
	struct rtcp_packet packet = {};

	if (rtcp_parse(datagram, length, to_config->flags & SL_LEG_RTCP_REDUCED))
		return 0;
	while (rtcp_next(datagram, length, &packet)) {
		uint32_t ssrc = rtcp_sender_ssrc(&packet);
		int bytes = packet.length;

		if (packet.pt == RTCP_SDES) {
			bytes = ssrc ? rtcp_sdes_build(
					       out + n, room - n, ssrc, leg_cname(to, cname))
				     : 0;
		} else if (packet.length > room - n) {
			bytes = -ENOSPC;
		} else { // its padding, if it has some, is not copied
			memcpy(out + n, packet.data, packet.length);
			rtcp_header_write(out + n, packet.pt, packet.count, packet.length);
		}
		if (bytes < 0)
			return bytes;
		n += (size_t)bytes;
	}
	return (int)n;
}

// In a bundle a datagram may speak of other legs, too, of which that far end knows nothing.
static bool passes_as_it_is(const struct leg_config *from, const struct leg_config *to)
{
	return from->flags & to->flags & SL_LEG_TRANSPARENT_SSRC &&
	       !(from->bundled | from->carried | to->bundled | to->carried);
}

// For the round trip: a compound begins with the sender report, if it has one.
static void note_sender_report(struct leg *leg, const uint8_t *compound, uint64_t now_ns)
{
	if (compound[1] != RTCP_SR)
		return;
	leg->tx.sr_time = get_be32(compound + 10);
	leg->tx.sr_ns = now_ns;
}

static void relay(struct worker *worker, struct leg *from, const struct leg_config *config,
	const uint8_t *datagram, uint16_t length)
{
	struct leg *to = config->feeds[0]->to;
	const struct leg_config *to_config = leg_config(to);
	char cname[LEG_CNAME_BYTES];
	struct rtcp_relay relay = relay_between(from, config, to, to_config, cname);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(worker->shared->config.pool);
	int n;

	if (!mbuf) {
		worker->counters.drops[DROP_no_buffer]++;
		return;
	}
	if (passes_as_it_is(config, to_config))
		n = copy_report(mbuf, to, to_config, datagram, length);
	else
		n = rtcp_relay_translate(&relay, datagram, length,
			rte_pktmbuf_mtod(mbuf, uint8_t *), rte_pktmbuf_tailroom(mbuf));
	if (n <= 0) {
		drop(worker, mbuf, DROP_rtcp_unrelayed);
		return;
	}
	rte_pktmbuf_append(mbuf, (uint16_t)n);
	note_sender_report(to, rte_pktmbuf_mtod(mbuf, uint8_t *), worker->now_ns);
	report_send(worker, to, to_config, mbuf);
}

static void take_report(struct worker *worker, struct leg *leg, const struct leg_config *config,
	const uint8_t *datagram, uint16_t length)
{
	leg->rx.rtcp++;
	reports_note(worker, leg, config, datagram, length);
	if (config->relays_rtcp)
		relay(worker, leg, config, datagram, length);
	else
		worker->counters.drops[DROP_rtcp_unrelayed]++;
}

// Whether RTCP of a bundle is from the stream that came to this leg, or about what it is sent.
static bool concerns(const struct leg *leg, const struct leg_config *config,
	const uint8_t *datagram, uint16_t length)
{
	const struct rtp_reception *reception = &leg->rx.reception;
	uint32_t sent = config->ssrc;

	if (config->source_leg)
		sent = map_of(leg, config, config->source_leg).sent_ssrc;
	return rtcp_concerns(datagram, length, reception->started ? reception->ssrc : sent, sent);
}

// A compound may speak of several legs: each takes what is its own (rtcp_relay_translate() leaves
// out the rest).
static void take_bundled(struct worker *worker, const struct leg_config *transport,
	const uint8_t *datagram, uint16_t length)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SL_LEGS_MAX; i++) {
		struct leg *leg = transport->shared->bundle->legs[i];
		const struct leg_config *config = leg ? leg_config(leg) : NULL;

		if (!leg || !concerns(leg, config, datagram, length))
			continue;
		worker->counters.copied += n++ > 0;
		take_report(worker, leg, config, datagram, length);
	}
	if (n == 0)
		worker->counters.drops[DROP_rtcp_unrelayed]++;
}

void relay_reports(struct worker *worker)
{
	struct burst *burst = &worker->rtcp;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];
		const struct leg_config *config = burst->configs[i];

		if (rtcp_parse(burst->payloads[i], burst->lengths[i],
			    config->flags & SL_LEG_RTCP_REDUCED)) {
			leg_drop(worker, leg, burst->mbufs[i], DROP_bad_rtcp);
			continue;
		}
		if (!rtcp_source_is_allowed(worker, burst, i)) {
			leg_drop_source(worker, leg, burst->mbufs[i]);
			continue;
		}
		if (unlikely(config->bundled))
			take_bundled(worker, config, burst->payloads[i], burst->lengths[i]);
		else
			take_report(worker, leg, config, burst->payloads[i], burst->lengths[i]);
		rte_pktmbuf_free(burst->mbufs[i]);
	}
	burst->n = 0;
}

uint64_t ntp_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now); // vDSO, and once in seconds per leg
	return (now.tv_sec + NTP_UNIX_OFFSET) << 32 | ((uint64_t)now.tv_nsec << 32) / 1000000000;
}

// The RTP timestamp of this moment goes on from the last packet's by the time since.
static struct rtcp_sender sender_info(
	const struct leg *leg, const struct leg_config *config, uint64_t now_ns)
{
	const struct rtp_continuity *continuity = &leg->tx.continuity;

	return (struct rtcp_sender){
		.ntp = ntp_now(),
		.timestamp = continuity->last_timestamp +
			     clock_rtp_ticks(now_ns - continuity->last_sent_ns, config->clock_hz),
		.packets = (uint32_t)leg->tx.packets,
		.bytes = (uint32_t)leg->tx.octets,
	};
}

static struct rtcp_block reception_block(struct leg *leg, uint64_t now_ns)
{
	struct rtcp_block block;

	rtcp_block_from_reception(&block, &leg->rx.reception);
	block.last_sr = 0;
	block.delay_last_sr = 0;
	if (leg->rx.sr_ns) {
		block.last_sr = leg->rx.sr_time;
		block.delay_last_sr = (uint32_t)(((now_ns - leg->rx.sr_ns) << 16) / 1000000000);
	}
	return block;
}

// Returns the bytes of a compound, or a negative errno.
static int build_report(struct leg *leg, const struct leg_config *config, uint64_t now_ns,
	uint8_t *out, size_t room)
{
	struct rtcp_sender sender = sender_info(leg, config, now_ns);
	bool receives = leg->rx.reception.started;
	bool sends = (uint32_t)leg->tx.packets != leg->tx.packets_reported;
	char cname[LEG_CNAME_BYTES];
	struct rtcp_block block;
	int report, sdes, xr;

	if (receives)
		block = reception_block(leg, now_ns);
	report = rtcp_report_build(
		out, room, config->ssrc, sends ? &sender : NULL, &block, receives);
	if (report < 0)
		return report;
	sdes = rtcp_sdes_build(
		out + report, room - (size_t)report, config->ssrc, leg_cname(leg, cname));
	if (sdes < 0)
		return sdes;
	note_sender_report(leg, out, now_ns);
	xr = reports_build_xr(leg, config->ssrc, sends, now_ns, out + report + sdes,
		room - (size_t)(report + sdes));
	return xr < 0 ? xr : report + sdes + xr;
}

static void send_report(struct worker *worker, struct leg *leg)
{
	const struct leg_config *config = leg_config(leg);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(worker->shared->config.pool);
	int n;

	leg->tx.report_ns = worker->now_ns + INTERVAL_LEAST_NS +
			    ((rte_rand() & UINT32_MAX) * INTERVAL_SPREAD_NS >> 32);
	worker->counters.reports++;
	if (!mbuf) {
		worker->counters.drops[DROP_no_buffer]++;
		return;
	}
	n = build_report(
		leg, config, worker->now_ns, rte_pktmbuf_mtod(mbuf, uint8_t *), REPORT_ROOM);
	leg->tx.packets_reported = (uint32_t)leg->tx.packets;
	if (n < 0) {
		drop(worker, mbuf, DROP_bad_rtcp);
		return;
	}
	rte_pktmbuf_append(mbuf, (uint16_t)n);
	report_send(worker, leg, config, mbuf);
}

void send_reports(struct worker *worker)
{
	for (unsigned int i = 0; i < worker->n_due; i++)
		send_report(worker, worker->due[i]);
	worker->n_due = 0;
}
