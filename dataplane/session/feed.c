// The rule, per format of the source, in this order: the format that the far end is sent anyway is
// relayed; G.711 is converted between its laws in the worker; what the codecs can is transcoded;
// what the far end lists as well is relayed; the rest is dropped. Telephone events go where the
// audio goes, because a receiver must see one source. What is opaque has no formats: it is relayed.
#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define NONE SL_NO_PT

static bool is_named(const struct sl_format *format, const char *name)
{
	return !strcasecmp(format->name, name);
}

static bool is_event(const struct sl_format *format)
{
	return is_named(format, "telephone-event");
}

static bool is_noise(const struct sl_format *format)
{
	return is_named(format, "CN");
}

static bool is_audio(const struct sl_format *format)
{
	return !is_event(format) && !is_noise(format);
}

// AMR: where both have a mode set, what one sends the other may not take.
static bool is_same_modes(const struct sl_format *a, const struct sl_format *b)
{
	return a->mode_set == b->mode_set || !a->mode_set || !b->mode_set;
}

// The same bytes mean the same to both. (AMR has two payload layouts.)
static bool is_same(const struct sl_format *a, const struct sl_format *b)
{
	return a->clock_hz == b->clock_hz && a->channels == b->channels &&
	       !strcasecmp(a->name, b->name) &&
	       ((a->flags ^ b->flags) & SL_FORMAT_OCTET_ALIGN) == 0 && is_same_modes(a, b);
}

static const struct sl_format *find_same(const struct sl_leg *leg, const struct sl_format *format)
{
	for (unsigned int i = 0; i < leg->n_formats; i++)
		if (is_same(&leg->formats[i], format))
			return &leg->formats[i];
	return NULL;
}

const struct sl_format *feed_find_event(const struct sl_leg *leg, uint32_t clock_hz)
{
	const struct sl_format *first = NULL;

	for (unsigned int i = 0; i < leg->n_formats; i++) {
		if (!is_event(&leg->formats[i]))
			continue;
		if (leg->formats[i].clock_hz == clock_hz)
			return &leg->formats[i];
		if (!first)
			first = &leg->formats[i];
	}
	return first;
}

// The comfort noise of a leg that goes with audio of this clock (RFC 3389 4), or NULL.
static const struct sl_format *find_noise(const struct sl_leg *leg, uint32_t clock_hz)
{
	for (unsigned int i = 0; i < leg->n_formats; i++)
		if (is_noise(&leg->formats[i]) && leg->formats[i].clock_hz == clock_hz)
			return &leg->formats[i];
	return NULL;
}

static bool is_g711(const struct sl_format *format, const char *name)
{
	return is_named(format, name) && format->clock_hz == 8000 && format->channels <= 1;
}

static enum feed_verb g711_verb(const struct sl_format *from, const struct sl_format *to)
{
	if (is_g711(from, "PCMU") && is_g711(to, "PCMA"))
		return FEED_ULAW_TO_ALAW;
	if (is_g711(from, "PCMA") && is_g711(to, "PCMU"))
		return FEED_ALAW_TO_ULAW;
	return FEED_DROP;
}

static struct codec_options options_of(const struct sl_format *format)
{
	return (struct codec_options){
		.mode_set = format->mode_set,
		.mode_change_period = format->mode_change_period,
		.mode_change_neighbor = format->flags & SL_FORMAT_MODE_CHANGE_NEIGHBOR,
		.octet_align = format->flags & SL_FORMAT_OCTET_ALIGN,
		.dtx = format->flags & SL_FORMAT_DTX,
		.cbr = format->flags & SL_FORMAT_CBR,
		.vbr = format->flags & SL_FORMAT_VBR,
	};
}

// One end has DTMF in the audio only, the other has events.
static bool detects_tones(const struct sl_leg *audio, const struct sl_leg *events)
{
	return audio->flags & SL_LEG_DTMF_INBAND && !feed_find_event(audio, 0) &&
	       feed_find_event(events, 0);
}

// Control wants to know of its digits, which are in the audio.
static bool reports_tones(const struct sl_leg *audio)
{
	return audio->flags & SL_LEG_DTMF_INBAND && audio->flags & SL_LEG_DTMF_REPORT &&
	       !feed_find_event(audio, 0);
}

// Digits are known, and comfort noise is heard by who does not take it, only where media passes a
// codec, even if both ends have the same.
static bool needs_stream(const struct sl_leg *from, const struct sl_leg *to)
{
	bool noise_ends = find_noise(from, from->formats[0].clock_hz) &&
			  !find_noise(to, to->formats[0].clock_hz);

	bool tones_come = to->flags & SL_LEG_DTMF_SEND && !feed_find_event(to, 0);

	return noise_ends || tones_come || from->flags & SL_LEG_DTMF_REPORT ||
	       detects_tones(from, to) || detects_tones(to, from);
}

static struct transcode_spec stream_spec(
	const struct sl_leg *from, const struct sl_format *format, const struct sl_leg *to)
{
	const struct sl_format *out = &to->formats[0];
	const struct sl_format *event_in = feed_find_event(from, format->clock_hz);
	const struct sl_format *event_out = feed_find_event(to, out->clock_hz);

	const struct sl_format *noise_in = find_noise(from, format->clock_hz);
	const struct sl_format *noise_out = find_noise(to, out->clock_hz);
	const struct codec *codec = codec_find(out->name, out->clock_hz, out->channels);
	bool has_dtx = codec && codec->has_dtx;

	return (struct transcode_spec){
		.from = codec_find(format->name, format->clock_hz, format->channels),
		.to = codec,
		.jitter = from->jitter_buffer,
		.jitter_ms = from->jitter_ms,
		.jitter_max_ms = from->jitter_max_ms,
		.hears_noise = noise_in,
		.cn_from_pt = noise_in ? noise_in->receive_pt : NONE,
		.sends_noise = noise_out && out->flags & SL_FORMAT_DTX && !has_dtx,
		.cn_to_pt = noise_out ? noise_out->pt : NONE,
		.from_pt = format->receive_pt,
		.to_pt = out->pt,
		.to_ptime_ms = out->ptime_ms,
		.complexity = out->complexity,
		.fec = out->fec,
		.bitrate = out->bitrate,
		.playback_hz = out->playback_hz,
		.dtmf_from_pt = event_in ? event_in->receive_pt : NONE,
		.dtmf_to_pt = event_out ? event_out->pt : NONE,
		.dtmf_from_hz = event_in ? event_in->clock_hz : 0,
		.dtmf_to_hz = event_out ? event_out->clock_hz : 0,
		.detect_tones = detects_tones(from, to) || reports_tones(from),
		.generate_tones = detects_tones(to, from),
		.report_digits = from->flags & SL_LEG_DTMF_REPORT,
		.takes_digits = to->flags & SL_LEG_DTMF_SEND && !event_out,
		.from_options = options_of(format),
		.to_options = options_of(out),
	};
}

// What the far end of a leg asks for outlives the streams that pass it on.
static struct transcode_feedback *feedback_of(struct leg *leg, bool is_needed)
{
	struct leg_codecs *coded = leg->control.codecs;

	if (is_needed && !coded->feedback)
		coded->feedback = transcode_feedback_create();
	return is_needed ? coded->feedback : NULL;
}

// Returns 0 or -ENOMEM.
static int require_codecs(struct leg *leg)
{
	if (!leg->control.codecs)
		leg->control.codecs = calloc(1, sizeof(*leg->control.codecs));
	return leg->control.codecs ? 0 : -ENOMEM;
}

void leg_codecs_destroy(struct leg_codecs *coded)
{
	if (coded)
		transcode_feedback_release(coded->feedback);
	free(coded);
}

static bool can_transcode(const struct transcode_spec *spec)
{
	return spec->from && spec->to && transcode_supported(spec) == 0;
}

// Returns 0 or a negative errno of the transcoder.
static int open_stream(struct feed *feed, unsigned int i, struct transcode_spec *spec,
	struct leg *from, struct transcode *engine)
{
	if (!feed->streams)
		feed->streams = calloc(feed->n_formats, sizeof(struct transcode_stream *));
	if (!feed->streams || require_codecs(from) || require_codecs(feed->to))
		return -ENOMEM;
	spec->from_feedback = feedback_of(from, spec->from->has_requests || spec->report_digits);
	spec->to_feedback = feedback_of(feed->to, spec->to->has_requests);
	feed->streams[i] = transcode_stream_create(engine, spec, feed->to->worker, feed->to);
	if (!feed->streams[i])
		return -errno;
	feed->routes[i].verb = FEED_TRANSCODE;
	feed->routes[i].pt = spec->from_pt;
	feed->transcodes = true;
	return 0;
}

// Returns 0 or a negative errno of the transcoder.
static int route_audio(struct feed *feed, unsigned int i, const struct feed_end *source,
	const struct sl_leg *to, struct transcode *engine)
{
	const struct sl_leg *from = source->wanted;
	const struct sl_format *format = &from->formats[i];
	const struct sl_format *out = &to->formats[0];
	const struct sl_format *same = find_same(to, format);
	struct transcode_spec spec = stream_spec(from, format, to);
	enum feed_verb g711 = g711_verb(format, out);

	spec.refusable = source->refusable;
	for (unsigned int j = 0; j < i; j++)
		if (is_same(&from->formats[j],
			    format)) { // under another number: one stream for both
			feed->routes[i] = feed->routes[j];
			if (feed->streams)
				feed->streams[i] = feed->streams[j];
			return 0;
		}
	feed->routes[i].pt = out->pt;
	if (needs_stream(from, to) && engine && can_transcode(&spec)) {
		int rc = open_stream(feed, i, &spec, source->leg, engine);

		// Better heard without digits and comfort noise than not at all.
		if (rc != -EBUSY || (same != out && g711 == FEED_DROP))
			return rc;
	}
	if (same == out) {
		feed->routes[i].verb = FEED_RELAY;
	} else if (g711 != FEED_DROP) {
		feed->routes[i].verb = (uint8_t)g711;
	} else if (engine && can_transcode(&spec)) {
		return open_stream(feed, i, &spec, source->leg, engine);
	} else if (same) {
		feed->routes[i].verb = FEED_RELAY;
		feed->routes[i].pt = same->pt;
	}
	return 0;
}

// Index of the first audio format, or 0 where there is none.
static unsigned int primary_of(const struct sl_leg *leg)
{
	for (unsigned int i = 0; i < leg->n_formats; i++)
		if (is_audio(&leg->formats[i]))
			return i;
	return 0;
}

// Telephone events and comfort noise: with the audio, or not at all.
static void route_companion(
	struct feed *feed, unsigned int i, const struct sl_leg *from, const struct sl_leg *to)
{
	const struct sl_format *format = &from->formats[i];
	const struct sl_format *same = find_same(to, format);
	unsigned int primary = primary_of(from);

	if (feed->routes[primary].verb == FEED_TRANSCODE && is_noise(format)) {
		if (format != find_noise(from, from->formats[primary].clock_hz))
			return;
		feed->routes[i].verb = FEED_TRANSCODE;
		feed->routes[i].pt = format->receive_pt;
		feed->streams[i] = feed->streams[primary];
	} else if (feed->routes[primary].verb == FEED_TRANSCODE) {
		const struct sl_format *event =
			feed_find_event(from, from->formats[primary].clock_hz);

		if (!is_event(format) || !is_same(format, event) ||
			(!feed_find_event(to, 0) && !needs_stream(from, to)))
			return;
		feed->routes[i].verb = FEED_TRANSCODE;
		feed->routes[i].pt = event->receive_pt;
		feed->streams[i] = feed->streams[primary];
	} else if (same) {
		feed->routes[i].verb = FEED_RELAY;
		feed->routes[i].pt = same->pt;
	}
}

// Returns 0 or a negative errno.
static int route_formats(struct feed *feed, const struct feed_end *source, const struct sl_leg *to,
	struct transcode *engine)
{
	const struct sl_leg *from = source->wanted;
	int rc = 0;

	for (unsigned int i = 0; i < from->n_formats && rc == 0; i++)
		if (is_audio(&from->formats[i]))
			rc = route_audio(feed, i, source, to, engine);
	for (unsigned int i = 0; i < from->n_formats && rc == 0; i++)
		if (!is_audio(&from->formats[i]))
			route_companion(feed, i, from, to);
	if (rc == 0 && feed->routes[primary_of(from)].verb == FEED_DROP)
		rc = -EOPNOTSUPP;
	return rc;
}

struct feed *feed_create(const struct feed_end *source, const struct feed_end *sink,
	struct transcode *engine, struct slab *feeds)
{
	const struct sl_leg *from = source->wanted, *to = sink->wanted;
	struct feed *feed = slab_take(feeds);
	int rc = 0;

	if (!feed) {
		errno = ENOMEM;
		return NULL;
	}
	feed->to = sink->leg;
	feed->n_formats = from->n_formats;
	if (from->flags & SL_LEG_OPAQUE)
		feed->routes[0].verb = FEED_RELAY;
	else
		rc = route_formats(feed, source, to, engine);
	if (rc == 0)
		return feed;
	feed_stop(feed);
	feed_destroy(feed, engine);
	errno = -rc;
	return NULL;
}

// A stream that events share with their audio is looked at once.
static bool is_first_use(const struct feed *feed, unsigned int i)
{
	for (unsigned int j = 0; feed->streams && j < i; j++)
		if (feed->streams[j] == feed->streams[i])
			return false;
	return feed->streams && feed->streams[i];
}

void feed_stop(struct feed *feed)
{
	for (unsigned int i = 0; i < feed->n_formats; i++)
		if (is_first_use(feed, i))
			transcode_stream_stop(feed->streams[i]);
}

void feed_destroy(struct feed *feed, struct transcode *engine)
{
	for (unsigned int i = 0; i < feed->n_formats; i++)
		if (is_first_use(feed, i))
			transcode_stream_destroy(engine, feed->streams[i]);
	free(feed->streams);
	slab_return(feed);
}

// SL_JITTER_* and TRANSCODE_JITTER_* are the same.
static_assert((int)SL_JITTER_NONE == (int)TRANSCODE_JITTER_NONE &&
		      (int)SL_JITTER_FIXED == (int)TRANSCODE_JITTER_FIXED &&
		      (int)SL_JITTER_ADAPTIVE == (int)TRANSCODE_JITTER_ADAPTIVE,
	"the contract and the engine count alike");

// The depth is that of the format with the deepest buffer: of the others, nothing comes.
void feed_jitter_stats(const struct feed *feed, struct sl_leg_stats *stats)
{
	for (unsigned int i = 0; i < feed->n_formats; i++) {
		struct transcode_stats s;

		if (!is_first_use(feed, i))
			continue;
		transcode_stream_stats(feed->streams[i], &s);
		stats->late += s.late;
		stats->discarded += s.discarded;
		stats->jitter_buffer_ms =
			(uint16_t)RTE_MAX(stats->jitter_buffer_ms, s.depth_us / 1000);
		stats->jitter_target_ms =
			(uint16_t)RTE_MAX(stats->jitter_target_ms, s.target_us / 1000);
	}
}

void feed_stats_add(
	const struct feed *feed, uint64_t *frames, uint64_t *concealed, uint64_t *busy_ns)
{
	for (unsigned int i = 0; i < feed->n_formats; i++) {
		struct transcode_stats stats;

		if (!is_first_use(feed, i))
			continue;
		transcode_stream_stats(feed->streams[i], &stats);
		*frames += stats.frames;
		*concealed += stats.concealed;
		*busy_ns += stats.busy_ns;
	}
}

// To the format that has been heard most: of the others, nothing comes.
int feed_digit(const struct feed *feed, struct transcode_digit digit)
{
	struct transcode_stream *best = NULL;
	uint64_t most = 0;

	for (unsigned int i = 0; i < feed->n_formats; i++) {
		struct transcode_stats stats;

		if (!is_first_use(feed, i))
			continue;
		transcode_stream_stats(feed->streams[i], &stats);
		if (!best || stats.packets > most)
			best = feed->streams[i];
		most = RTE_MAX(most, stats.packets);
	}
	return best ? transcode_stream_digit(best, digit) : -EOPNOTSUPP;
}
