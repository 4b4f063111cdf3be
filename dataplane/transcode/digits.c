// DTMF of a stream: events to events, tones to events, events to tones. See digits.h.
#include "digits.h"

#include <string.h>

#include "stream.h"

#define N_ENDS	     3	   // times the end is sent (RFC 4733 2.5.1.4)
#define TONE_MS_MAX  500   // that one event packet may add
#define DETECTED_MAX 60000 // in DIGITS_HZ: longer digits do not grow any more
#define MS_PER_S     1000
#define SENT_VOLUME  10 // -dBm0
#define PAUSE_MS     60 // behind a digit that is sent

void digits_init(struct digits *d, uint32_t sample_hz)
{
	memset(d, 0, sizeof(*d));
	dtmf_detector_init(&d->detector, sample_hz);
}

static void report(struct transcode_stream *s, uint8_t code, uint32_t duration, uint32_t hz)
{
	uint32_t ms = (uint32_t)((uint64_t)duration * MS_PER_S / hz);

	if (s->spec.report_digits && s->spec.from_feedback && code < DTMF_TONE_DIGITS)
		feedback_put_digit(s->spec.from_feedback, code, ms);
}

static void send_event(struct transcode_stream *s, const struct dtmf_output *output)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(s->scratch->pool);
	const struct rtp_view view = {
		.ssrc = s->ssrc,
		.timestamp = output->timestamp,
		.sequence = s->sequence,
		.pt = s->spec.dtmf_to_pt,
		.marker = output->marker,
	};
	uint8_t *data;

	if (!packet) {
		STAT_ADD(s->stats.dropped, 1);
		return;
	}
	data = (uint8_t *)rte_pktmbuf_append(packet, RTP_HEADER_BYTES + DTMF_BYTES);
	rtp_header_write(data, &view);
	dtmf_build(data + RTP_HEADER_BYTES, &output->event);
	s->sequence++;
	STAT_ADD(s->stats.events, 1);
	lane_give(s->lane, s, packet);
}

// What the mapper has of the present event goes out: as events, or as more of the tone.
static void put_out(struct transcode_stream *s, const struct dtmf_output *outputs, unsigned int n)
{
	struct digits *d = s->digits;
	uint32_t total, room = s->timeline.sample_hz / MS_PER_S * TONE_MS_MAX;

	if (!s->spec.generate_tones) {
		for (unsigned int k = 0; k < n && s->spec.dtmf_to_pt != TRANSCODE_NO_PT; k++)
			send_event(s, &outputs[k]);
		return;
	}
	if (n == 0 || outputs[0].event.code >= DTMF_TONE_DIGITS)
		return;
	if (outputs[0].marker) {
		dtmf_tone_start(&d->tone, outputs[0].event.code, outputs[0].event.volume,
			s->timeline.sample_hz);
		d->tone_total = 0;
	}
	// Timestamps of the mapper begin at 0 with each event: see digits_map().
	total = outputs[n - 1].timestamp + outputs[n - 1].event.duration;
	d->tone_samples += total - d->tone_total;
	d->tone_total = total;
	if (d->tone_samples > room)
		d->tone_samples = room;
}

// No packet has told the end of the event under way, and none will.
static void end_lost_event(struct transcode_stream *s)
{
	struct dtmf_output output;

	if (!dtmf_end(&s->dtmf, &output))
		return;
	for (int i = 0; i < N_ENDS; i++)
		put_out(s, &output, 1);
	report(s, s->dtmf.code, s->dtmf.duration, s->dtmf.from_hz);
}

void digits_map(struct transcode_stream *s, const struct reorder_packet *packet)
{
	struct dtmf_output outputs[DTMF_OUTPUTS_MAX];
	struct dtmf_event events[DTMF_EVENTS_MAX];
	uint32_t timestamp = packet->view.timestamp;
	const uint8_t *payload = rte_pktmbuf_mtod(packet->mbuf, const uint8_t *);
	int n_events = dtmf_parse(payload + packet->view.payload_offset, packet->view.payload_bytes,
		events, DTMF_EVENTS_MAX);

	if (n_events < 0) {
		STAT_ADD(s->stats.bad, 1);
		return;
	}
	for (int i = 0; i < n_events; i++) {
		uint32_t mapped =
			s->spec.generate_tones ? 0 : timeline_map(&s->timeline, timestamp);
		bool was_over;

		if (dtmf_is_new(&s->dtmf, timestamp, &events[i]))
			end_lost_event(s);
		was_over = s->dtmf.ended && !dtmf_is_new(&s->dtmf, timestamp, &events[i]);
		put_out(s, outputs, dtmf_map(&s->dtmf, timestamp, &events[i], mapped, outputs));
		if (s->dtmf.ended && !was_over)
			report(s, s->dtmf.code, s->dtmf.duration, s->dtmf.from_hz);
		timestamp += events[i].duration; // a further one begins where this one ends
	}
}

bool digits_begin(const struct transcode_stream *s, const struct reorder_packet *packet)
{
	const uint8_t *payload = rte_pktmbuf_mtod(packet->mbuf, const uint8_t *);
	struct dtmf_event events[DTMF_EVENTS_MAX];

	return s->spec.generate_tones &&
	       dtmf_parse(payload + packet->view.payload_offset, packet->view.payload_bytes, events,
		       DTMF_EVENTS_MAX) > 0 &&
	       dtmf_is_new(&s->dtmf, packet->view.timestamp, &events[0]);
}

bool digits_take_audio(struct transcode_stream *s, const struct reorder_packet *packet)
{
	const struct dtmf_mapper *m = &s->dtmf;
	int32_t behind;

	if (s->spec.detect_tones || !m->known || m->ended)
		return true;
	behind = rtp_timestamp_distance(m->start + m->duration, packet->view.timestamp);
	if (behind > (int32_t)(s->spec.from->clock_hz / MS_PER_S * DIGITS_LOST_END_MS))
		end_lost_event(s);
	return m->ended || !s->spec.generate_tones;
}

void digits_end(struct transcode_stream *s)
{
	if (s->spec.detect_tones)
		return;
	end_lost_event(s);
	if (s->digits)
		s->digits->tone_samples = 0;
}

void digits_append(struct transcode_stream *s)
{
	struct digits *d = s->digits;
	uint32_t n = s->frame_samples - s->pcm_fill;
	int16_t *pcm = s->pcm + s->pcm_fill;

	if (n > d->tone_samples)
		n = d->tone_samples;
	memset(pcm, 0, n * sizeof(*pcm));
	dtmf_tone_add(&d->tone, true, pcm, n);
	timeline_made(&s->timeline, n);
	d->tone_samples -= n;
	s->pcm_fill += n;
}

// Silence instead of the last samples before pcm[end], as far as they have not been sent.
static void mute_back(struct transcode_stream *s, uint32_t end, uint32_t n)
{
	uint32_t begin = end > n ? end - n : 0;

	memset(s->pcm + begin, 0, (end - begin) * sizeof(int16_t));
}

static uint32_t now(const struct transcode_stream *s)
{
	return (uint32_t)(s->digits->n_heard * DIGITS_HZ / s->timeline.sample_hz);
}

static void send_detected(struct transcode_stream *s, bool end)
{
	struct digits *d = s->digits;
	struct dtmf_output outputs[DTMF_OUTPUTS_MAX];
	const struct dtmf_event event = {
		.code = d->code, .volume = d->volume, .end = end, .duration = d->length};

	put_out(s, outputs, dtmf_map(&s->dtmf, d->start, &event, d->start_out, outputs));
}

// The detector has come to pcm[end].
static void note(struct transcode_stream *s, enum dtmf_found found, uint32_t end)
{
	struct digits *d = s->digits;
	uint32_t block = d->detector.block, behind = s->pcm_fill - end;

	switch (found) {
	case DTMF_NOTHING_NEW:
		break;
	case DTMF_SUSPECTED:
		mute_back(s, end, block);
		break;
	case DTMF_BEGUN:
		d->active = true;
		d->code = (uint8_t)d->detector.digit;
		d->volume = (uint8_t)(d->detector.level > 0 ? 0 : -d->detector.level & 63);
		d->length = 2 * DTMF_BLOCK_US / MS_PER_S * DIGITS_HZ / MS_PER_S;
		d->start = now(s) - d->length;
		d->start_out =
			s->timeline.end_out - timeline_ticks(&s->timeline.out, behind + 2 * block);
		mute_back(s, end, 2 * block);
		break;
	case DTMF_GOES_ON:
		if (d->detector.last == d->detector.digit && now(s) - d->start < DETECTED_MAX)
			d->length = (uint16_t)(now(s) - d->start);
		break;
	case DTMF_ENDED:
		d->active = false;
		d->n_ends = N_ENDS;
		mute_back(s, end, 2 * block);
		report(s, d->code, d->length, DIGITS_HZ);
		break;
	}
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t n_ordered(const struct digits *d)
{
	return __atomic_load_n(&d->n_ordered, __ATOMIC_ACQUIRE);
}

bool digits_are_sent(const struct transcode_stream *s)
{
	const struct digits *d = s->digits;

	return d && s->spec.takes_digits &&
	       (d->sent_left || d->pause_left || n_ordered(d) != d->n_sent);
}

// The next n samples of what is sent, at most: as long as it is one tone or one pause. Returns how
// many.
static uint32_t send_some(struct transcode_stream *s, int16_t *pcm, uint32_t n)
{
	struct digits *d = s->digits;
	uint32_t ms = s->timeline.sample_hz / MS_PER_S;
	const struct transcode_digit *next = &d->queue[d->n_sent % TRANSCODE_DIGITS_MAX];

	if (!d->sent_left && !d->pause_left) {
		dtmf_tone_start(&d->sent, next->code, SENT_VOLUME, s->timeline.sample_hz);
		d->sent_left = next->duration_ms * ms;
	}
	n = min_u32(n, d->sent_left ? d->sent_left : d->pause_left);
	memset(pcm, 0, n * sizeof(*pcm));
	dtmf_tone_add(&d->sent, d->sent_left, pcm, n);
	if (!d->sent_left) {
		d->pause_left -= n;
		return n;
	}
	d->sent_left -= n;
	if (d->sent_left == 0) {
		d->pause_left = PAUSE_MS * ms;
		__atomic_store_n(&d->n_sent, d->n_sent + 1, __ATOMIC_RELEASE);
	}
	return n;
}

static void send_over(struct transcode_stream *s, uint32_t at)
{
	while (at < s->pcm_fill && digits_are_sent(s))
		at += send_some(s, s->pcm + at, s->pcm_fill - at);
}

void digits_tick(struct transcode_stream *s)
{
	uint32_t at = s->pcm_fill, n = s->frame_samples - at;

	memset(s->pcm + at, 0, n * sizeof(*s->pcm));
	s->pcm_fill += n;
	timeline_expect(&s->timeline, n);
	timeline_advance(&s->timeline, n);
	send_over(s, at);
}

void digits_heard(struct transcode_stream *s, uint32_t n)
{
	struct digits *d = s->digits;
	uint32_t at = s->pcm_fill - n;

	send_over(s, at);

	if (s->spec.generate_tones)
		dtmf_tone_add(&d->tone, false, s->pcm + at, n);
	while (s->spec.detect_tones && at < s->pcm_fill) {
		enum dtmf_found found;
		uint32_t used = (uint32_t)dtmf_detector_run(
			&d->detector, s->pcm + at, s->pcm_fill - at, &found);

		d->n_heard += used;
		at += used;
		note(s, found, at);
	}
}

bool digits_take_frame(struct transcode_stream *s)
{
	struct digits *d = s->digits;

	if (d->active) {
		d->n_ends = 0; // of the one before, where this one followed at once
		send_detected(s, false);
	} else if (d->n_ends) {
		send_detected(s, true);
		d->n_ends--;
	}
	return d->active;
}
