// One turn of a transcode lcore, and the worker's two ends of the rings.
//
// A turn takes what the workers sent, lets each stream say what it has to do next, and runs that in
// batches of one codec. A stream gives one job at a time and goes to the end of the line, so a
// backlog of one delays the others by one packet only; with a frame to be encoded it goes to the
// head, since the buffer that the frame is in is lent to it (scratch.h).
#include <rte_cycles.h>
#include <rte_prefetch.h>

#include "engine.h"

static void run_insert(struct transcode_lcore *lcore, struct transcode_stream *stream)
{
	if (stream->queued)
		return;
	stream->queued = true;
	if (stream_has_frame(stream))
		TAILQ_INSERT_HEAD(&lcore->run, stream, run_entry);
	else
		TAILQ_INSERT_TAIL(&lcore->run, stream, run_entry);
}

static void hold_update(struct transcode_lcore *lcore, struct transcode_stream *stream)
{
	bool hold = !stream->playout && stream->window.n_held && !stream->queued &&
		    !reorder_ready(&stream->window);

	if (hold == stream->holding)
		return;
	stream->holding = hold;
	if (hold)
		TAILQ_INSERT_TAIL(&lcore->holding, stream, hold_entry);
	else
		TAILQ_REMOVE(&lcore->holding, stream, hold_entry);
}

static void timer_update(struct transcode_lcore *lcore, struct transcode_stream *stream)
{
	wheel_set(&lcore->wheel, &stream->timer, stream_due(stream));
}

static void take_packet(struct transcode_lcore *lcore, const struct lane_packet *p, uint64_t tsc)
{
	if (p->stream->dead) {
		rte_pktmbuf_free(p->packet);
		return;
	}
	stream_put(p->stream, p->packet, p->now_ns, tsc);
	timer_update(lcore, p->stream);
	if (stream_ready(p->stream))
		run_insert(lcore, p->stream);
	hold_update(lcore, p->stream);
}

static unsigned int take_packets(struct transcode_lcore *lcore, uint64_t tsc)
{
	struct lane_packet packets[TAKE_MAX];
	unsigned int total = 0;

	for (unsigned int i = 0; i < lcore->n_lanes; i++) {
		struct transcode_lane *lane = lcore->lanes[i];
		unsigned int n = rte_ring_sc_dequeue_burst_elem(
			lane->in, packets, sizeof(packets[0]), TAKE_MAX, NULL);

		for (unsigned int k = 0; k < n; k++)
			rte_prefetch0(rte_pktmbuf_mtod(packets[k].packet, void *));
		for (unsigned int k = 0; k < n; k++)
			take_packet(lcore, &packets[k], tsc);
		lane->taken += n;
		total += n;
	}
	return total;
}

static void expire_holds(struct transcode_lcore *lcore, uint64_t tsc, uint64_t hold_tsc)
{
	struct transcode_stream *stream;

	while ((stream = TAILQ_FIRST(&lcore->holding)) &&
		tsc - reorder_waits_since(&stream->window) >= hold_tsc) {
		stream->give_up = true;
		run_insert(lcore, stream);
		hold_update(lcore, stream);
	}
}

// Where no packets drive the output, time does.
static void run_timers(struct transcode_lcore *lcore, uint64_t tsc)
{
	struct wheel_timer *timer;

	while ((timer = wheel_take(&lcore->wheel, tsc))) {
		struct transcode_stream *stream =
			container_of(timer, struct transcode_stream, timer);

		stream_tick(stream, tsc);
		timer_update(lcore, stream);
		if (stream_ready(stream))
			run_insert(lcore, stream);
		hold_update(lcore, stream);
	}
}

// Put the next job of a stream into the batch of its codec. Returns false where it has none.
static bool add_job(struct transcode_lcore *lcore, struct transcode_stream *stream)
{
	struct decode_batch *decode = &lcore->decode[stream->from_index];
	struct encode_batch *encode = &lcore->encode[stream->to_index];
	enum stream_job kind = stream_next_job(stream, &decode->jobs[decode->n],
		&encode->jobs[encode->n], &encode->outputs[encode->n]);

	switch (kind) {
	case STREAM_JOB_DECODE:
	case STREAM_JOB_CONCEAL:
		decode->kinds[decode->n] = kind;
		decode->streams[decode->n++] = stream;
		return true;
	case STREAM_JOB_ENCODE:
		encode->jobs[encode->n].lower = lcore->shed.level;
		encode->streams[encode->n++] = stream;
		return true;
	case STREAM_JOB_NONE:
		break;
	}
	return false;
}

static void release(struct transcode_lcore *lcore, struct transcode_stream *stream)
{
	timer_update(lcore, stream);
	if (stream_ready(stream))
		run_insert(lcore, stream);
	hold_update(lcore, stream);
}

// Take streams off the line and collect a job of each, at most n_max.
static unsigned int gather(struct transcode_lcore *lcore, unsigned int n_max)
{
	struct transcode_stream *stream;
	unsigned int n = 0;

	while (n < n_max && (stream = TAILQ_FIRST(&lcore->run))) {
		TAILQ_REMOVE(&lcore->run, stream, run_entry);
		stream->queued = false;
		if (add_job(lcore, stream))
			n++;
		else
			release(lcore, stream);
	}
	return n;
}

// What n jobs cost together is shared out evenly.
static void charge(struct transcode_lcore *lcore, struct transcode_stream **streams, unsigned int n,
	uint64_t begun)
{
	uint64_t cycles = rte_rdtsc() - begun, each = cycles / n;

	for (unsigned int i = 0; i < n; i++)
		STAT_ADD(streams[i]->stats.busy_ns, each);
	STAT_ADD(lcore->stats.busy_ns, cycles);
	STAT_ADD(lcore->stats.jobs, n);
}

static void run_decode(struct transcode_lcore *lcore, unsigned int index)
{
	struct decode_batch *batch = &lcore->decode[index];
	uint64_t begun = rte_rdtsc();

	codecs[index]->decode(batch->jobs, batch->n);
	charge(lcore, batch->streams, batch->n, begun);
	for (unsigned int i = 0; i < batch->n; i++) {
		stream_finish_decode(batch->streams[i], &batch->jobs[i], batch->kinds[i]);
		release(lcore, batch->streams[i]);
	}
	batch->n = 0;
}

static void run_encode(struct transcode_lcore *lcore, unsigned int index)
{
	struct encode_batch *batch = &lcore->encode[index];
	uint64_t begun = rte_rdtsc();

	for (unsigned int i = 0; i < batch->n; i++)
		stream_resample(batch->streams[i], &batch->jobs[i],
			lcore->resampled + (size_t)i * CODEC_FRAME_SAMPLES_MAX);
	codecs[index]->encode(batch->jobs, batch->n);
	charge(lcore, batch->streams, batch->n, begun);
	for (unsigned int i = 0; i < batch->n; i++) {
		stream_finish_encode(batch->streams[i], &batch->jobs[i], batch->outputs[i]);
		release(lcore, batch->streams[i]);
	}
	batch->n = 0;
}

static unsigned int run_jobs(struct transcode_lcore *lcore, unsigned int jobs_max)
{
	unsigned int done = 0, n;

	while ((n = gather(lcore, RTE_MIN(jobs_max - done, (unsigned int)BATCH_MAX)))) {
		for (unsigned int i = 0; codecs[i]; i++) {
			if (lcore->decode[i].n)
				run_decode(lcore, i);
			if (lcore->encode[i].n)
				run_encode(lcore, i);
		}
		done += n;
	}
	return done;
}

// Unlink a stream at once, and note where the rings stand: behind these positions there is nothing
// of it.
static void begin_removal(struct transcode_lcore *lcore, struct transcode_stream *stream)
{
	struct transcode_lane *lane = stream->lane;

	if (stream->queued)
		TAILQ_REMOVE(&lcore->run, stream, run_entry);
	if (stream->holding)
		TAILQ_REMOVE(&lcore->holding, stream, hold_entry);
	stream->queued = stream->holding = false;
	stream->dead = true;
	stream_forget_frames(stream);
	timer_update(lcore, stream);
	stream->taken_until = lane->taken + rte_ring_count(lane->in);
	stream->given_until = lane->given;
	TAILQ_INSERT_TAIL(&lcore->dying, stream, dying_entry);
}

static void take_removals(struct transcode_lcore *lcore)
{
	struct transcode_stream *stream;

	while (rte_ring_sc_dequeue_elem(lcore->removals, &stream, sizeof(stream)) == 0)
		begin_removal(lcore, stream);
}

// After removals, and all of them: a stream that is named here is not freed before this turn ends.
static void take_orders(struct transcode_lcore *lcore, uint64_t tsc)
{
	struct transcode_stream *stream;

	while (rte_ring_sc_dequeue_elem(lcore->orders, &stream, sizeof(stream)) == 0) {
		if (stream->dead)
			continue;
		stream_send_digits(stream, tsc);
		timer_update(lcore, stream);
	}
}

static void finish_removals(struct transcode_lcore *lcore)
{
	struct transcode_stream *stream, *next;

	for (stream = TAILQ_FIRST(&lcore->dying); stream; stream = next) {
		struct transcode_lane *lane = stream->lane;

		next = TAILQ_NEXT(stream, dying_entry);
		if (lane->taken < stream->taken_until ||
			__atomic_load_n(&lane->collected, __ATOMIC_ACQUIRE) < stream->given_until)
			continue;
		TAILQ_REMOVE(&lcore->dying, stream, dying_entry);
		rte_ring_sp_enqueue_elem(lcore->remains, &stream, sizeof(stream));
	}
}

// Turns with nothing to do are free time.
static void account(
	struct transcode *engine, struct transcode_lcore *lcore, uint64_t cycles, uint64_t tsc)
{
	shed_spend(&lcore->shed, cycles, tsc + cycles, engine->shed_tsc, engine->config.shed_at);
}

unsigned int transcode_turn_at(
	struct transcode *engine, unsigned int index, unsigned int jobs_max, uint64_t tsc)
{
	struct transcode_lcore *lcore = &engine->lcores[index];
	unsigned int n;

	take_removals(lcore);
	take_orders(lcore, tsc);
	n = take_packets(lcore, tsc);
	expire_holds(lcore, tsc, engine->hold_tsc);
	run_timers(lcore, tsc);
	n += run_jobs(lcore, jobs_max);
	finish_removals(lcore);
	return n;
}

unsigned int transcode_turn(struct transcode *engine, unsigned int index, unsigned int jobs_max)
{
	struct transcode_lcore *lcore = &engine->lcores[index];
	uint64_t tsc = rte_rdtsc();
	unsigned int n = transcode_turn_at(engine, index, jobs_max, tsc);

	account(engine, lcore, n ? rte_rdtsc() - tsc : 0, tsc);
	return n;
}

void lane_give(
	struct transcode_lane *lane, struct transcode_stream *stream, struct rte_mbuf *packet)
{
	struct lane_result result = {.packet = packet, .stream = stream};

	if (rte_ring_sp_enqueue_elem(lane->out, &result, sizeof(result))) {
		STAT_ADD(stream->stats.dropped, 1);
		STAT_ADD(lane->lcore->stats.dropped, 1);
		rte_pktmbuf_free(packet);
		return;
	}
	lane->given++;
	STAT_ADD(lane->lcore->stats.frames, 1);
}

bool transcode_submit(struct transcode *, unsigned int, struct transcode_stream *stream,
	struct rte_mbuf *packet, uint64_t now_ns)
{
	struct lane_packet p = {.packet = packet, .stream = stream, .now_ns = now_ns};

	return rte_ring_sp_enqueue_elem(stream->lane->in, &p, sizeof(p)) == 0;
}

// Take up to n results of one lane. Cookies are read before the count of collected results says
// that this worker is done with their streams.
static unsigned int collect_lane(
	struct transcode_lane *lane, struct rte_mbuf **packets, void **cookies, unsigned int n)
{
	struct lane_result results[BATCH_MAX];

	n = rte_ring_sc_dequeue_burst_elem(
		lane->out, results, sizeof(results[0]), RTE_MIN(n, (unsigned int)BATCH_MAX), NULL);
	for (unsigned int i = 0; i < n; i++) {
		packets[i] = results[i].packet;
		cookies[i] = atomic_load_explicit(&results[i].stream->cookie, memory_order_acquire);
	}
	if (n)
		__atomic_store_n(&lane->collected, lane->collected + n, __ATOMIC_RELEASE);
	return n;
}

unsigned int transcode_collect(struct transcode *engine, unsigned int worker,
	struct rte_mbuf **packets, void **cookies, unsigned int n)
{
	unsigned int total = 0;

	for (unsigned int i = 0; i < engine->n_lcores && total < n; i++) {
		struct transcode_lane *lane = engine_lane(engine, worker, i);

		if (lane)
			total += collect_lane(lane, packets + total, cookies + total, n - total);
	}
	return total;
}
