// How the media of a leg sounds, by the E-model: both what comes from its far end, as counted here,
// and what the far end gets, as its reports say. Only main computes, from counters that the packet
// path keeps anyway.
//
// A leg is judged by itself. What its codec, its network and its packets cost is in it; what the
// other leg adds is in the other's figures.
#include <stdlib.h>
#include <strings.h>

#include "emodel.h"
#include "session_state.h"

#define NS_PER_MS    1000000
#define PACKETS_MIN  50 // in an interval: fewer (silence, the begin of a call) say nothing
#define DELAY_MAX_MS 2000.0
#define PTIME_MS     20.0

// What came in a while.
struct interval {
	double received;
	double lost;
	double bursts;
};

static bool is_audio(const struct sl_format *format)
{
	return strcasecmp(format->name, "telephone-event") && strcasecmp(format->name, "CN");
}

// The format that comes in, or where that is no audio, the leg's first.
static const struct sl_format *format_of(const struct sl_leg *wanted, uint8_t pt)
{
	for (unsigned int i = 0; i < wanted->n_formats; i++)
		if (wanted->formats[i].receive_pt == pt && is_audio(&wanted->formats[i]))
			return &wanted->formats[i];
	return wanted->n_formats ? &wanted->formats[0] : NULL;
}

static struct sl_quality judge(const struct sl_format *format, struct emodel_path path)
{
	const struct emodel_codec *codec = emodel_codec_find(format->name);
	double r;

	path.delay_ms += (format->ptime_ms ? format->ptime_ms : PTIME_MS) + codec->delay_ms;
	path.delay_ms = RTE_MIN(path.delay_ms, DELAY_MAX_MS);
	path.loss = RTE_MIN(path.loss, 1.0);
	r = emodel_r(codec, &path);
	return (struct sl_quality){
		.r_tenths = (uint16_t)(r * 10 + 0.5),
		.mos_hundredths = (uint16_t)(emodel_mos(r) * 100 + 0.5),
	};
}

// Of a network alone: half of the round trip, and twice the jitter for whoever has to even it out.
static double network_ms(const struct leg *leg, double jitter_us)
{
	return leg->rx.reported.rtt_us / 2000.0 + jitter_us / 500;
}

static double jitter_us_of(const struct leg *leg)
{
	uint32_t clock_hz = leg->rx.clock_hz;

	return clock_hz ? rtp_reception_jitter(&leg->rx.reception) * 1e6 / clock_hz : 0;
}

// `buffer_ms`: of our jitter buffer; 0: the far end of another leg evens out.
static struct sl_quality judge_received(const struct leg *leg, const struct sl_leg *wanted,
	const struct interval *interval, double buffer_ms)
{
	const struct sl_format *format = format_of(wanted, leg->rx.pt);
	double expected = interval->received + interval->lost;
	struct emodel_path path = {
		.loss = interval->lost / expected,
		.burst_ratio = emodel_burst_ratio(interval->lost, interval->bursts, expected),
		.delay_ms = buffer_ms > 0 ? network_ms(leg, 0) + buffer_ms
					  : network_ms(leg, jitter_us_of(leg)),
	};

	return format ? judge(format, path) : (struct sl_quality){};
}

// What the far end gets. Reports say nothing of bursts. Where there is none (no jitter either,
// which real networks have), there is nothing to say.
static struct sl_quality judge_sent(const struct leg *leg, const struct sl_leg *wanted, double loss)
{
	const struct leg_reported *reported = &leg->rx.reported;
	const struct sl_format *format = format_of(wanted, SL_NO_PT);
	double jitter_us = reported->jitter * 1e6 / leg->config->clock_hz;

	if (!format || (!reported->jitter && !reported->lost && !reported->rtt_us))
		return (struct sl_quality){};
	return judge(format, (struct emodel_path){loss, 1, network_ms(leg, jitter_us)});
}

// No RTP, or several streams at once, say nothing of audio.
static bool is_judged(const struct leg *leg)
{
	return !leg->config->mixed;
}

static uint32_t unique_packets(const struct leg *leg)
{
	return (uint32_t)leg->rx.packets - leg->rx.reception.duplicates;
}

static uint32_t grown(uint32_t *before, uint32_t now)
{
	int32_t by = (int32_t)(now - *before);

	*before = now;
	return by > 0 ? (uint32_t)by : 0; // late packets may have made losses of before undone
}

// What came since the last look.
static struct interval take_interval(struct leg *leg)
{
	struct leg_quality *quality = leg->control.quality;
	const struct rtp_reception *reception = &leg->rx.reception;

	return (struct interval){
		.received = grown(&quality->received, unique_packets(leg)),
		.lost = grown(&quality->lost, (uint32_t)rtp_reception_lost(reception)),
		.bursts = grown(&quality->bursts, reception->bursts),
	};
}

static void tell_interval(const struct leg *leg, const struct sl_leg *wanted,
	const struct interval *interval, struct sl_media_event *event)
{
	const struct leg_reported *reported = &leg->rx.reported;

	event->loss_permille =
		(uint16_t)(1000 * interval->lost / (interval->received + interval->lost));
	event->received = leg->control.quality->now;
	event->sent = judge_sent(leg, wanted, reported->fraction_lost / 256.0);
	event->jitter_us = (uint32_t)jitter_us_of(leg);
	event->rtt_us = reported->rtt_us;
}

// NULL where there is nothing to judge (yet).
static struct leg_quality *create(const struct leg *leg)
{
	struct leg_quality *quality;

	if (leg->rx.packets < PACKETS_MIN || !is_judged(leg))
		return NULL;
	quality = calloc(1, sizeof(*quality));
	if (quality)
		quality->looked_ms = (uint32_t)(leg->control.created_ns / NS_PER_MS);
	return quality;
}

bool leg_quality_watch(struct leg *leg, uint64_t now_ns, struct sl_media_event *event)
{
	struct leg_quality *quality = leg->control.quality;
	uint32_t now_ms = (uint32_t)(now_ns / NS_PER_MS);
	struct sl_session wanted;
	struct interval interval;

	if (!quality)
		quality = leg->control.quality = create(leg);
	if (!quality || now_ms - quality->looked_ms < SL_QUALITY_MS)
		return false;
	quality->looked_ms = now_ms;
	interval = take_interval(leg);
	if (interval.received < PACKETS_MIN)
		return false;
	session_wanted(leg->control.session, &wanted);
	quality->now = judge_received(leg, &wanted.legs[leg->index], &interval, 0);
	if (!quality->worst.mos_hundredths || quality->now.r_tenths < quality->worst.r_tenths)
		quality->worst = quality->now;
	if (!(leg->config->flags & SL_LEG_QUALITY_REPORT))
		return false;
	tell_interval(leg, &wanted.legs[leg->index], &interval, event);
	return true;
}

void leg_quality_report(
	struct sl_leg_stats *stats, const struct leg *leg, const struct sl_leg *wanted)
{
	const struct leg_quality *quality = leg->control.quality;
	struct interval whole = {
		.received = unique_packets(leg),
		.lost = (double)(stats->lost + (stats->jitter_buffer_ms ? stats->late : 0)),
		.bursts = leg->rx.reception.bursts,
	};

	if (!is_judged(leg))
		return;
	stats->loss_bursts = leg->rx.reception.bursts;
	if (quality) {
		stats->received_now = quality->now;
		stats->received_worst = quality->worst;
	}
	if (whole.received >= PACKETS_MIN)
		stats->received = judge_received(leg, wanted, &whole, stats->jitter_buffer_ms);
	if (stats->tx_packets >= PACKETS_MIN)
		stats->sent = judge_sent(
			leg, wanted, (double)stats->remote_lost / (double)stats->tx_packets);
}
