// A transcode stream on its transcode lcore: packets in, jobs, packets out. See stream.h.
#include "stream.h"

#include <string.h>

#include "resample.h"

#define STRAGGLER_NS 200000000ull // how long packets of the source before may still come

// A packet of the source that this one took over from, held up on its way.
static bool is_straggler(const struct transcode_stream *s, uint32_t ssrc, uint64_t now_ns)
{
	return ssrc == s->previous_ssrc && ssrc != s->source_ssrc &&
	       now_ns - s->source_changed_ns < STRAGGLER_NS;
}

static void change_source(struct transcode_stream *s, uint32_t ssrc, uint64_t now_ns)
{
	s->previous_ssrc = s->source_ssrc;
	s->source_ssrc = ssrc;
	s->source_changed_ns = now_ns;
	reorder_empty(&s->window);
	reorder_init(&s->window);
}

static void count_arrival(struct transcode_stream *s, enum reorder_result result)
{
	if (result == REORDER_DUPLICATE)
		STAT_ADD(s->stats.duplicates, 1);
	else if (result == REORDER_LATE || result == REORDER_STRAY)
		STAT_ADD(s->stats.late, 1);
}

void stream_put(struct transcode_stream *s, struct rte_mbuf *mbuf, uint64_t now_ns, uint64_t tsc)
{
	struct reorder_packet packet = {.mbuf = mbuf, .arrived_ns = now_ns, .put_tsc = tsc};
	uint32_t overflowed = s->window.overflowed;
	enum reorder_result result;

	STAT_ADD(s->stats.packets, 1);
	if (rtp_parse(rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->data_len, &packet.view)) {
		STAT_ADD(s->stats.bad, 1);
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (!s->started || packet.view.ssrc != s->source_ssrc) {
		if (s->started && is_straggler(s, packet.view.ssrc, now_ns)) {
			STAT_ADD(s->stats.late, 1);
			rte_pktmbuf_free(mbuf);
			return;
		}
		change_source(s, packet.view.ssrc, now_ns);
		overflowed = 0;
	}
	result = reorder_put(&s->window, &packet);
	count_arrival(s, result);
	STAT_ADD(s->stats.late, s->window.overflowed - overflowed);
	if (result == REORDER_RESTART) {
		s->restart = s->started;
		s->started = true;
		if (s->playout)
			playout_restart(s->playout);
	} else if (result != REORDER_TAKEN) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (s->playout)
		playout_arrived(s, &packet);
}

static bool window_ready(const struct transcode_stream *s)
{
	if (s->playout)
		return playout_allows(s);
	return reorder_ready(&s->window) || (s->give_up && s->window.n_held);
}

bool stream_ready(const struct transcode_stream *s)
{
	return stream_has_frame(s) || (s->digits && s->digits->tone_samples) ||
	       (s->silence && s->silence->fill) || s->conceal || s->current || window_ready(s);
}

// A new source says nothing about the old one's time, and its decoder begins anew.
static void restart_source(struct transcode_stream *s)
{
	s->restart = false;
	s->in_noise = false;
	digits_end(s);
	if (s->silence)
		silence_end(s);
	s->missing = 0;
	s->timeline.new_source = true;
	stream_start_decoder(s);
	dtmf_mapper_init(&s->dtmf, s->spec.dtmf_from_hz, s->spec.dtmf_to_hz);
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t stream_overlap(
	const struct transcode_stream *s, const struct reorder_packet *packet, bool *is_old)
{
	const struct codec *codec = s->spec.from;
	const struct codec_params params = {
		.sample_hz = s->timeline.sample_hz, .channels = 1, .options = s->spec.from_options};
	uint32_t overlap = 0;
	int length;

	*is_old = false;
	if (codec->has_redundancy && packet->view.pt == s->spec.from_pt && !s->in_noise)
		overlap = timeline_overlap(&s->timeline, packet->view.timestamp);
	if (overlap == 0)
		return 0;
	length = codec->payload_samples(
		rte_pktmbuf_mtod_offset(packet->mbuf, const uint8_t *, packet->view.payload_offset),
		packet->view.payload_bytes, &params);
	*is_old = length > 0 && overlap == (uint32_t)length;
	return length > 0 && overlap <= (uint32_t)length ? overlap : 0;
}

// What is between the last audio packet and this one: make up what was lost, up to a bound; leave
// out the rest, and what was silence. Silence that was described is made up as noise, as far as
// stream_make_noise() has not done it yet. Before samples are left out the frame begun is filled
// up.
static void plan_gap(struct transcode_stream *s, const struct reorder_packet *packet)
{
	uint32_t length = s->timeline.last_samples;
	bool is_old;
	uint32_t played = stream_overlap(s, packet, &is_old);
	uint32_t begin = packet->view.timestamp + timeline_ticks(&s->timeline.in, played);
	uint32_t gap = timeline_gap(&s->timeline, begin, packet->arrived_ns);
	uint32_t rest;

	s->played = (uint16_t)played;
	if (s->silence) {
		uint32_t filled = silence_fill(s, gap);

		gap -= filled;
		s->missing = filled ? 0 : s->missing;
	}
	s->conceal = min_u32(gap, s->in_noise ? s->timeline.sample_hz
					      : min_u32(s->missing, STREAM_CONCEAL_MAX) * length);
	s->jump = gap - s->conceal;
	s->recoverable = s->conceal && !s->jump && s->spec.from->has_fec &&
			 packet->view.pt == s->spec.from_pt;
	s->missing = 0;
	if (s->jump == 0)
		return;
	rest = (s->pcm_fill + s->conceal) % s->frame_samples;
	if (rest) {
		rest = min_u32(s->frame_samples - rest, s->jump);
		s->conceal += rest;
		s->jump -= rest;
	}
}

// Whether a packet has a place in the audio: audio has, and a tone that begins. Deals with the
// others.
static bool has_place(struct transcode_stream *s, const struct reorder_packet *packet)
{
	if (packet->view.pt == s->spec.from_pt)
		return digits_take_audio(s, packet);
	if (s->spec.hears_noise && packet->view.pt == s->spec.cn_from_pt)
		return true;
	if (packet->view.pt != s->spec.dtmf_from_pt)
		STAT_ADD(s->stats.unknown_pt, 1);
	else if (digits_begin(s, packet))
		return true;
	else
		digits_map(s, packet);
	return false;
}

// Take packets in order up to the next audio packet. Returns false where there is none.
static bool take_audio(struct transcode_stream *s)
{
	struct reorder_packet packet;
	uint32_t missing;

	while ((!s->playout || playout_allows(s)) &&
		reorder_take(&s->window, s->give_up || s->playout, &packet, &missing)) {
		if (s->playout)
			missing = playout_taken(s, &packet);
		if (s->restart)
			restart_source(s);
		else
			s->missing += missing;
		if (has_place(s, &packet)) {
			plan_gap(s, &packet);
			s->current = packet.mbuf->buf_addr;
			return true;
		}
		rte_pktmbuf_free(packet.mbuf);
	}
	s->give_up = false;
	return false;
}

// Room for what is decoded next.
static void borrow(struct transcode_stream *s)
{
	int16_t *buffer;

	if (s->pcm != s->rest)
		return;
	buffer = scratch_take(s->scratch);
	memcpy(buffer, s->rest, s->pcm_fill * sizeof(int16_t));
	s->pcm = buffer;
}

// Give it back once there is less than a frame.
static void settle(struct transcode_stream *s)
{
	if (s->pcm == s->rest || stream_has_frame(s))
		return;
	memcpy(s->rest, s->pcm, s->pcm_fill * sizeof(int16_t));
	scratch_return(s->scratch, s->pcm);
	s->pcm = s->rest;
}

void stream_forget_frames(struct transcode_stream *s)
{
	s->pcm_fill = 0;
	settle(s);
}

static enum stream_job conceal_job(struct transcode_stream *s, struct codec_decode_job *job)
{
	uint32_t length = min_u32(s->conceal, s->timeline.last_samples);
	bool recover = s->recoverable && length == s->conceal;
	const uint8_t *data = recover ? rte_pktmbuf_mtod(s->current->mbuf, const uint8_t *) : NULL;

	borrow(s);
	*job = (struct codec_decode_job){
		.state = s->decoder,
		.payload = recover ? data + s->current->view.payload_offset : NULL,
		.n_bytes = recover ? s->current->view.payload_bytes : 0,
		.fec = recover,
		.pcm = s->pcm + s->pcm_fill,
		.n_samples = (uint16_t)min_u32(length, s->pcm_room - s->pcm_fill),
	};
	return STREAM_JOB_CONCEAL;
}

static enum stream_job decode_job(struct transcode_stream *s, struct codec_decode_job *job)
{
	const uint8_t *data = rte_pktmbuf_mtod(s->current->mbuf, const uint8_t *);

	borrow(s);
	*job = (struct codec_decode_job){
		.state = s->decoder,
		.payload = data + s->current->view.payload_offset,
		.n_bytes = s->current->view.payload_bytes,
		.pcm = s->pcm + s->pcm_fill,
		.n_samples = (uint16_t)min_u32(CODEC_FRAME_SAMPLES_MAX, s->pcm_room - s->pcm_fill),
		.n_played = s->played,
	};
	return STREAM_JOB_DECODE;
}

static void frame_done(struct transcode_stream *s)
{
	s->pcm_fill -= s->frame_samples;
	if (s->pcm_fill)
		memmove(s->pcm, s->pcm + s->frame_samples, s->pcm_fill * sizeof(int16_t));
	settle(s);
}

void stream_resample(struct transcode_stream *s, struct codec_encode_job *job, int16_t *out)
{
	if (!s->resampler)
		return;
	resampler_run(s->resampler, s->pcm, s->frame_samples, out);
	job->pcm = out;
}

static enum stream_job encode_job(
	struct transcode_stream *s, struct codec_encode_job *job, struct rte_mbuf **output)
{
	if ((s->digits && digits_take_frame(s)) || (s->silence && silence_take_frame(s))) {
		s->marker = true;
		frame_done(s);
		return STREAM_JOB_NONE;
	}
	*output = rte_pktmbuf_alloc(s->scratch->pool);
	if (!*output) {
		STAT_ADD(s->stats.dropped, 1);
		frame_done(s);
		return STREAM_JOB_NONE;
	}
	*job = (struct codec_encode_job){
		.state = s->encoder,
		.pcm = s->pcm,
		.n_samples = (uint16_t)s->encode_samples,
		.request = s->spec.to_feedback ? __atomic_load_n(&s->spec.to_feedback->request,
							 __ATOMIC_RELAXED)
					       : 0,
		.payload = rte_pktmbuf_mtod_offset(*output, uint8_t *, RTP_HEADER_BYTES),
	};
	return STREAM_JOB_ENCODE;
}

enum stream_job stream_next_job(struct transcode_stream *s, struct codec_decode_job *decode,
	struct codec_encode_job *encode, struct rte_mbuf **output)
{
	if (s->silence && s->silence->fill && s->pcm_fill < s->frame_samples)
		silence_append(s);
	if (s->digits && s->digits->tone_samples && s->pcm_fill < s->frame_samples)
		digits_append(s);
	if (stream_has_frame(s))
		return encode_job(s, encode, output);
	if (!s->conceal && !s->current && !take_audio(s))
		return STREAM_JOB_NONE;
	if (s->silence && s->silence->fill)
		return STREAM_JOB_NONE; // first that
	if (s->conceal)
		return conceal_job(s, decode);
	if (s->jump) {
		timeline_advance(&s->timeline, s->jump);
		s->jump = 0;
		s->marker = true; // a talk spurt begins
	}
	if (s->silence && s->current->view.pt == s->spec.from_pt)
		silence_end(s);
	if (s->spec.hears_noise && s->current->view.pt == s->spec.cn_from_pt)
		silence_begin(s, s->current);
	else if (s->current->view.pt != s->spec.from_pt)
		digits_map(s, s->current);
	else if (s->current->view.payload_bytes)
		return decode_job(s, decode);
	timeline_carry_surplus(&s->timeline);
	rte_pktmbuf_free(s->current->mbuf); // no payload: keeps a NAT binding open
	s->current = NULL;
	return STREAM_JOB_NONE;
}

static void finish_conceal(struct transcode_stream *s, const struct codec_decode_job *job)
{
	if (job->n_decoded != job->n_samples) // a length that the codec cannot make up
		memset(job->pcm, 0, job->n_samples * sizeof(int16_t));
	s->conceal -= job->n_samples;
	s->pcm_fill += job->n_samples;
	timeline_advance(&s->timeline, job->n_samples);
	if (s->digits)
		digits_heard(s, job->n_samples);
	STAT_ADD(s->stats.concealed, !s->in_noise);
	settle(s);
}

// The next packet may be a little late without noise being made for it.
#define NOISE_PATIENCE_MS 40

void stream_pace_noise(struct transcode_stream *s, uint64_t from_tsc, uint32_t n_samples)
{
	s->noise_due_tsc = from_tsc + (uint64_t)n_samples * s->sample_tsc;
	s->noise_left = s->timeline.sample_hz * STREAM_NOISE_MAX_S;
}

static void describe_noise(struct transcode_stream *s, uint32_t n_decoded)
{
	stream_pace_noise(s, s->current->put_tsc,
		n_decoded + s->frame_samples + s->timeline.sample_hz / 1000 * NOISE_PATIENCE_MS);
}

void stream_make_noise(struct transcode_stream *s)
{
	s->conceal = s->frame_samples;
	s->recoverable = false;
	s->noise_left -= min_u32(s->noise_left, s->frame_samples);
	timeline_expect(&s->timeline, s->frame_samples);
}

// What time drives, where there is no jitter buffer: the decoder's own noise, which ends after a
// while, that of RFC 3389, and digits.
static bool is_paced(const struct transcode_stream *s)
{
	return (s->in_noise && s->noise_left) || (s->silence && s->silence->on) ||
	       digits_are_sent(s);
}

void stream_send_digits(struct transcode_stream *s, uint64_t now_tsc)
{
	uint32_t patience = s->timeline.sample_hz / 1000 * NOISE_PATIENCE_MS;

	if (s->playout && !s->playout->due && s->timeline.started)
		s->playout->due = (int64_t)now_tsc;
	else if (!s->noise_due_tsc || s->noise_due_tsc < now_tsc)
		stream_pace_noise(s, now_tsc, patience);
}

uint64_t stream_due(const struct transcode_stream *s)
{
	if (s->dead)
		return 0;
	if (s->playout)
		return (uint64_t)s->playout->due;
	return is_paced(s) ? s->noise_due_tsc : 0;
}

// A frame of noise waits while there is input to be dealt with first.
#define NOISE_AGAIN_MS 5

void stream_tick(struct transcode_stream *s, uint64_t now_tsc)
{
	uint64_t ms_tsc = s->timeline.sample_hz / 1000 * (uint64_t)s->sample_tsc;

	if (s->playout) {
		playout_tick(s, now_tsc);
		return;
	}
	if (!is_paced(s) || s->noise_due_tsc > now_tsc)
		return;
	if (s->queued || s->current) {
		s->noise_due_tsc = now_tsc + NOISE_AGAIN_MS * ms_tsc;
		return;
	}
	if (digits_are_sent(s))
		digits_tick(s);
	else if (s->silence && s->silence->on)
		silence_tick(s);
	else
		stream_make_noise(s);
	s->noise_due_tsc += (uint64_t)s->frame_samples * s->sample_tsc;
}

// What is behind the first `n_cut` of n samples. Returns how many that is.
static uint32_t cut(int16_t *pcm, uint32_t n, uint32_t n_cut)
{
	memmove(pcm, pcm + n_cut, (n - n_cut) * sizeof(*pcm));
	return n - n_cut;
}

// Noise was made in the place of the beginning of a packet that came too late. With a jitter buffer
// it is that which decides what is late.
static uint32_t take_surplus(struct transcode_stream *s, uint32_t n)
{
	uint32_t n_cut = s->playout ? 0 : min_u32(s->timeline.surplus, n);

	s->timeline.surplus = (uint16_t)(s->timeline.surplus - n_cut);
	return n_cut;
}

static void take_decoded(struct transcode_stream *s, const struct codec_decode_job *job)
{
	uint32_t n = (uint32_t)job->n_decoded, n_cut = take_surplus(s, n);

	timeline_decoded(&s->timeline, n, n_cut, s->current->arrived_ns);
	s->in_noise = job->is_noise;
	if (s->in_noise || digits_are_sent(s))
		describe_noise(s, n);
	if (n_cut)
		n = cut(job->pcm, n, n_cut);
	s->pcm_fill += n;
	if (s->playout)
		playout_decoded(s, job->pcm, n);
	if (s->digits)
		digits_heard(s, n);
}

void stream_finish_decode(
	struct transcode_stream *s, const struct codec_decode_job *job, enum stream_job kind)
{
	if (kind == STREAM_JOB_CONCEAL) {
		finish_conceal(s, job);
		return;
	}
	if (job->request && s->spec.from_feedback)
		__atomic_store_n(&s->spec.from_feedback->request, job->request, __ATOMIC_RELAXED);
	if (job->n_decoded > 0) {
		take_decoded(s, job);
	} else if (job->n_decoded == 0) {
		STAT_ADD(s->stats.duplicates, 1); // nothing new in it
	} else {
		s->missing++;
		STAT_ADD(s->stats.bad, 1);
	}
	timeline_carry_surplus(&s->timeline);
	rte_pktmbuf_free(s->current->mbuf);
	s->current = NULL;
	settle(s);
}

uint32_t stream_pcm_timestamp(const struct transcode_stream *s)
{
	return s->timeline.end_out - timeline_ticks(&s->timeline.out, s->pcm_fill);
}

// What the payload leaves out at its beginning, in ticks of the output.
static uint32_t skipped_ticks(const struct transcode_stream *s, const struct codec_encode_job *job)
{
	return job->n_skipped ? timeline_ticks(&s->timeline.out,
					job->n_skipped * s->frame_samples / s->encode_samples)
			      : 0;
}

void stream_finish_encode(
	struct transcode_stream *s, const struct codec_encode_job *job, struct rte_mbuf *output)
{
	const struct rtp_view view = {
		.ssrc = s->ssrc,
		.timestamp = stream_pcm_timestamp(s) + skipped_ticks(s, job),
		.sequence = s->sequence,
		.pt = s->spec.to_pt,
		.marker = s->marker && !job->is_noise,
	};

	frame_done(s);
	if (job->n_bytes <= 0) { // nothing to send in silence; the next packet begins a talk spurt
		s->marker = job->n_bytes == 0;
		STAT_ADD(s->stats.dropped, job->n_bytes < 0);
		rte_pktmbuf_free(output);
		return;
	}
	rtp_header_write(
		(uint8_t *)rte_pktmbuf_append(output, (uint16_t)(RTP_HEADER_BYTES + job->n_bytes)),
		&view);
	s->sequence++;
	s->marker = job->is_noise; // the talk spurt is still to come
	STAT_ADD(s->stats.frames, 1);
	lane_give(s->lane, s, output);
}
