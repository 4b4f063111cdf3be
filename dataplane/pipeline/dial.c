// Digits that control sends (SL_DTMF) as telephone events (RFC 4733). They are part of the leg's
// one stream, whether that is relayed or comes out of a codec: sequence numbers go on, and the
// event's timestamp is what audio of its beginning would have (2.5.1.1).
//
// While an event is under way the leg's audio is left out. What then follows is closed up: behind
// the newest packet left out sequence numbers go on, so nothing looks lost; timestamps stay those
// of the media time. What is older and still comes would get numbers that the events have had: it
// is dropped.
#include "dial.h"

#include <rte_random.h>

#include "checksum.h"
#include "clock.h"
#include "stages.h"

#define INTERVAL_MS 20	// from packet to packet of an event
#define N_ENDS	    3	// times that the end is sent (2.5.1.4)
#define PAUSE_MS    60	// from the last packet of an event to the next event
#define SETTLE_MS   500 // how long packets from before the event may still come
#define VOLUME	    10	// -dBm0
#define NS_PER_MS   1000000

enum { NOT_DIALLED, DIALLED, SETTLES }; // leg->dialled

static struct dials *dials_of(const struct worker *worker)
{
	return worker->dials;
}

static struct leg *leg_of(const struct dial *dial)
{
	return __atomic_load_n(&dial->leg, __ATOMIC_ACQUIRE);
}

static uint32_t n_put(const struct dial *dial)
{
	return __atomic_load_n(&dial->n_put, __ATOMIC_ACQUIRE);
}

static void set_busy(struct worker *worker, struct dial *dial, bool busy)
{
	worker->n_dialling += busy;
	worker->n_dialling -= dial->busy;
	__atomic_store_n(&dial->busy, busy, __ATOMIC_RELEASE);
}

// The leg is gone, or takes no events any more.
static void abandon(struct worker *worker, struct dial *dial)
{
	dial->is_sending = dial->ends = false;
	dial->due_ns = 0;
	__atomic_store_n(&dial->n_done, n_put(dial), __ATOMIC_RELEASE);
	set_busy(worker, dial, false);
}

// The timestamp of this moment. A stream that has sent nothing yet begins anywhere (RFC 3550 5.1).
static uint32_t timestamp_now(
	const struct worker *worker, struct leg *leg, const struct leg_config *config)
{
	struct rtp_continuity *c = &leg->tx.continuity;

	if (c->started)
		return c->last_timestamp +
		       clock_rtp_ticks(worker->now_ns - c->last_sent_ns, config->clock_hz);
	c->sequence_offset = (uint16_t)rte_rand();
	c->timestamp_offset = (uint32_t)rte_rand();
	return c->timestamp_offset;
}

static void begin_digit(struct worker *worker, struct dial *dial, struct leg *leg)
{
	const struct leg_config *config = leg_config(leg);
	uint32_t format = __atomic_load_n(&dial->format, __ATOMIC_RELAXED);

	if (!(config->flags & SL_LEG_SEND)) { // put on hold since
		__atomic_store_n(&dial->n_done, n_put(dial), __ATOMIC_RELEASE);
		return;
	}
	dial->is_sending = true;
	dial->n_ends = 0;
	dial->begun_ns = dial->due_ns = worker->now_ns;
	dial->out_start = timestamp_now(worker, leg, config);
	dial->newest =
		(uint16_t)(leg->tx.continuity.last_sequence - leg->tx.continuity.sequence_offset);
	dtmf_mapper_init(&dial->mapper, 1000, dial_clock_hz(format));
	leg->dialled = DIALLED;
	set_busy(worker, dial, true);
}

// The packet behind the newest of the source is the next one.
static void close_up(struct dial *dial, struct leg *leg)
{
	struct rtp_continuity *c = &leg->tx.continuity;

	c->sequence_offset = (uint16_t)(c->last_sequence - dial->newest);
	leg->tx.source_packets = (uint32_t)leg->tx.packets; // reports are about what follows
	leg->tx.source_sequence = (uint16_t)(c->last_sequence + 1);
	dial->marks = true;
	leg->dialled = SETTLES;
}

static void end_digit(const struct worker *worker, struct dial *dial)
{
	dial->is_sending = false;
	dial->ends = true; // once rewrite() has seen the last packet
	dial->due_ns = worker->now_ns + PAUSE_MS * NS_PER_MS;
	dial->settled_ns = worker->now_ns + SETTLE_MS * NS_PER_MS;
	__atomic_store_n(&dial->n_done, dial->n_done + 1, __ATOMIC_RELEASE);
}

// Before this turn's packets are looked at: what begins, and what is over.
static void look(struct worker *worker, struct dial *dial)
{
	struct leg *leg = leg_of(dial);
	bool has_digit = n_put(dial) != dial->n_done;

	if (!has_digit && !dial->busy)
		return;
	if (!leg) {
		abandon(worker, dial);
		return;
	}
	if (dial->ends)
		close_up(dial, leg);
	dial->ends = false;
	if (dial->is_sending)
		return;
	if (has_digit && worker->now_ns >= dial->due_ns)
		begin_digit(worker, dial, leg);
	else if (!has_digit && leg->dialled == SETTLES && worker->now_ns >= dial->settled_ns) {
		leg->dialled = NOT_DIALLED;
		set_busy(worker, dial, false);
	}
}

// Returns whether a packet of the leg's audio may go.
static bool may_pass(const struct worker *worker, struct leg *leg, struct rtp_view *view)
{
	struct dial *dial = &dials_of(worker)->dials[leg->dial];
	int16_t ahead = rtp_sequence_distance(dial->newest, view->sequence);
	bool is_source = view->ssrc == leg->tx.continuity.source_ssrc;

	if (leg_of(dial) != leg) {
		leg->dialled = NOT_DIALLED;
		return true;
	}
	if (leg->dialled == DIALLED) {
		if (is_source && ahead > 0 && ahead < RTP_MAX_DROPOUT)
			dial->newest = view->sequence;
		return false;
	}
	if (is_source && ahead <= 0 && ahead > -RTP_MAX_MISORDER)
		return false;
	view->marker |= dial->marks; // a talk spurt begins
	dial->marks = false;
	return true;
}

static void leave_out_audio(struct worker *worker)
{
	struct output *output = &worker->output;
	unsigned int n = 0;

	for (unsigned int i = 0; i < output->n; i++) {
		struct leg *leg = output->legs[i];

		if (leg->dialled && !may_pass(worker, leg, &output->views[i]))
			drop(worker, output->mbufs[i], DROP_digit);
		else
			output_keep(output, n++, i);
	}
	output->n = n;
}

// A packet that rewrite() makes the `ahead`th next one of the leg's stream.
static void send_event(struct worker *worker, const struct dial *dial, struct leg *leg,
	const struct dtmf_output *event, unsigned int ahead)
{
	struct output *output = &worker->output;
	const struct rtp_continuity *c = &leg->tx.continuity;
	uint16_t sequence = c->started ? c->last_sequence : c->sequence_offset;
	struct rte_mbuf *mbuf;
	uint8_t *data;

	if (output->n == OUTPUT_MAX)
		return;
	worker->counters.digits++;
	mbuf = rte_pktmbuf_alloc(worker->shared->config.pool);
	if (!mbuf) {
		worker->counters.drops[DROP_no_buffer]++;
		return;
	}
	data = (uint8_t *)rte_pktmbuf_append(mbuf, RTP_HEADER_BYTES + DTMF_BYTES);
	output->views[output->n] = (struct rtp_view){
		.ssrc = c->started ? c->source_ssrc : leg_config(leg)->ssrc,
		.timestamp = event->timestamp - c->timestamp_offset,
		.sequence = (uint16_t)(sequence + 1 + ahead - c->sequence_offset),
		.payload_offset = RTP_HEADER_BYTES,
		.payload_bytes = DTMF_BYTES,
		.pt = dial_pt(__atomic_load_n(&dial->format, __ATOMIC_RELAXED)),
		.marker = event->marker,
	};
	rtp_header_write(data, &output->views[output->n]);
	dtmf_build(data + RTP_HEADER_BYTES, &event->event);
	output->mbufs[output->n] = mbuf;
	output->sums[output->n] = SUM_UNKNOWN;
	output->legs[output->n++] = leg;
}

// What a packet says lasts until the next one is due, as with audio.
static void send_update(struct worker *worker, struct dial *dial, struct leg *leg)
{
	const struct dial_digit *digit = &dial->queue[dial->n_done % SL_DTMF_QUEUE_MAX];
	uint64_t ms = (worker->now_ns - dial->begun_ns) / NS_PER_MS + INTERVAL_MS;
	bool ends = ms >= digit->duration_ms;
	const struct dtmf_event event = {.code = digit->code,
		.volume = VOLUME,
		.end = ends,
		.duration = (uint16_t)(ends ? digit->duration_ms : ms)};
	struct dtmf_output outputs[DTMF_OUTPUTS_MAX];
	unsigned int n = dtmf_map(&dial->mapper, 0, &event, dial->out_start, outputs);

	for (unsigned int i = 0; i < n; i++)
		send_event(worker, dial, leg, &outputs[i], i);
	dial->due_ns += INTERVAL_MS * NS_PER_MS;
	if (dial->due_ns <= worker->now_ns) // there was no turn for long
		dial->due_ns = worker->now_ns + INTERVAL_MS * NS_PER_MS;
	dial->n_ends += ends;
	if (dial->n_ends == N_ENDS)
		end_digit(worker, dial);
}

static void send_due(struct worker *worker, struct dial *dial)
{
	struct leg *leg = leg_of(dial);

	if (leg && dial->is_sending && worker->now_ns >= dial->due_ns)
		send_update(worker, dial, leg);
}

static __rte_noinline void dial_digits(struct worker *worker)
{
	struct dials *dials = dials_of(worker);
	uint32_t n_used = __atomic_load_n(&dials->n_used, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n_used; i++)
		look(worker, &dials->dials[i]);
	leave_out_audio(worker);
	for (uint32_t i = 0; i < n_used; i++)
		send_due(worker, &dials->dials[i]);
}

void dial(struct worker *worker)
{
	uint32_t n = __atomic_load_n(&dials_of(worker)->n_put, __ATOMIC_ACQUIRE);

	if (likely(n == worker->n_dialled && !worker->n_dialling))
		return;
	worker->n_dialled = n;
	dial_digits(worker);
}
