// The engine as main sees it: set-up, streams, removal.
//
// Removal is what is subtle. A stream may be referred to by packets in its lane's ring to the
// lcore, by the lcore's lists, and by results in the ring back. So main tells the lcore by ring;
// the lcore unlinks the stream at once, and hands it back when both rings have passed the positions
// they had then (turn.c). Only then main frees it. No lock, no free on an lcore.
#include "engine.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <stdlib.h>

#include "codec_cost.h"

struct transcode_lane *engine_lane(
	const struct transcode *engine, unsigned int worker, unsigned int lcore)
{
	if (engine->config.n_transcoders == 0)
		return worker == lcore ? &engine->lanes[worker] : NULL;
	return &engine->lanes[worker * engine->n_lcores + lcore];
}

// A ring without a name, so that several engines can be.
static struct rte_ring *ring_create(unsigned int element_size, unsigned int n, int socket_id)
{
	unsigned int count = rte_align32pow2(n + 1);
	ssize_t size = rte_ring_get_memsize_elem(element_size, count);
	struct rte_ring *ring;

	if (size < 0)
		return NULL;
	ring = rte_zmalloc_socket("transcode_ring", (size_t)size, RTE_CACHE_LINE_SIZE, socket_id);
	if (ring)
		rte_ring_init(ring, "transcode", count, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return ring;
}

static int lane_init(struct transcode_lane *lane, struct transcode_lcore *lcore,
	const struct transcode_config *config)
{
	unsigned int n = config->ring_size ? config->ring_size : RING_SIZE;

	lane->lcore = lcore;
	lane->in = ring_create(sizeof(struct lane_packet), n, config->socket_id);
	lane->out = ring_create(sizeof(struct lane_result), n, config->socket_id);
	lcore->lanes[lcore->n_lanes++] = lane;
	return lane->in && lane->out ? 0 : -ENOMEM;
}

static int lcore_init(struct transcode_lcore *lcore, const struct transcode_config *config)
{
	TAILQ_INIT(&lcore->run);
	TAILQ_INIT(&lcore->holding);
	wheel_init(&lcore->wheel, rte_get_tsc_hz());
	TAILQ_INIT(&lcore->dying);
	lcore->lanes = calloc(config->n_workers, sizeof(struct transcode_lane *));
	lcore->orders = ring_create(sizeof(void *), config->streams_max, config->socket_id);
	lcore->removals = ring_create(sizeof(void *), config->streams_max, config->socket_id);
	lcore->remains = ring_create(sizeof(void *), config->streams_max, config->socket_id);
	lcore->resampled = rte_malloc_socket("transcode_resampled",
		(size_t)BATCH_MAX * CODEC_FRAME_SAMPLES_MAX * sizeof(int16_t), RTE_CACHE_LINE_SIZE,
		config->socket_id);
	if (!lcore->lanes || !lcore->orders || !lcore->removals || !lcore->remains ||
		!lcore->resampled)
		return -ENOMEM;
	lcore->scratch.pool = config->pool;
	return scratch_init(&lcore->scratch, config->socket_id);
}

static int lcores_create(struct transcode *engine)
{
	const struct transcode_config *config = &engine->config;
	unsigned int n_lanes =
		config->n_transcoders ? config->n_workers * engine->n_lcores : config->n_workers;

	engine->lcores = rte_zmalloc_socket("transcode_lcores",
		engine->n_lcores * sizeof(*engine->lcores), RTE_CACHE_LINE_SIZE, config->socket_id);
	engine->lanes = rte_zmalloc_socket("transcode_lanes", n_lanes * sizeof(*engine->lanes),
		RTE_CACHE_LINE_SIZE, config->socket_id);
	if (!engine->lcores || !engine->lanes)
		return -ENOMEM;
	for (unsigned int i = 0; i < engine->n_lcores; i++) {
		if (lcore_init(&engine->lcores[i], config))
			return -ENOMEM;
	}
	for (unsigned int w = 0; w < config->n_workers; w++) {
		for (unsigned int i = 0; i < engine->n_lcores; i++) {
			struct transcode_lane *lane = engine_lane(engine, w, i);

			if (lane && lane_init(lane, &engine->lcores[i], config))
				return -ENOMEM;
		}
	}
	return 0;
}

static int config_check(const struct transcode_config *config)
{
	if (config->n_workers == 0 || config->streams_max == 0 || !config->pool ||
		rte_pktmbuf_data_room_size(config->pool) <
			RTE_PKTMBUF_HEADROOM + RTP_HEADER_BYTES + CODEC_FRAME_BYTES_MAX)
		return -EINVAL;
	return codecs_init();
}

struct transcode *transcode_create(const struct transcode_config *config)
{
	int error = config_check(config);
	struct transcode *engine = error ? NULL : calloc(1, sizeof(*engine));

	if (!engine) {
		errno = error ? -error : ENOMEM;
		return NULL;
	}
	engine->config = *config;
	engine->n_lcores = config->n_transcoders ? config->n_transcoders : config->n_workers;
	engine->hold_tsc = rte_get_tsc_hz() * HOLD_MS / 1000;
	engine->shed_tsc = rte_get_tsc_hz() * SHED_WINDOW_MS / 1000;
	TAILQ_INIT(&engine->streams);
	error = lcores_create(engine);
	if (error) {
		transcode_destroy(engine);
		errno = -error;
		return NULL;
	}
	return engine;
}

static void lane_fini(struct transcode_lane *lane)
{
	struct lane_packet packet;
	struct lane_result result;

	while (lane->in && rte_ring_sc_dequeue_elem(lane->in, &packet, sizeof(packet)) == 0)
		rte_pktmbuf_free(packet.packet);
	while (lane->out && rte_ring_sc_dequeue_elem(lane->out, &result, sizeof(result)) == 0)
		rte_pktmbuf_free(result.packet);
	rte_free(lane->in);
	rte_free(lane->out);
}

static void lcore_fini(struct transcode_lcore *lcore)
{
	for (unsigned int i = 0; i < lcore->n_lanes; i++)
		lane_fini(lcore->lanes[i]);
	rte_free(lcore->orders);
	rte_free(lcore->removals);
	rte_free(lcore->remains);
	rte_free(lcore->resampled);
	scratch_fini(&lcore->scratch);
	free(lcore->lanes);
}

void transcode_destroy(struct transcode *engine)
{
	struct transcode_stream *stream;

	if (!engine)
		return;
	while ((stream = TAILQ_FIRST(&engine->streams))) {
		TAILQ_REMOVE(&engine->streams, stream, entry);
		stream_free(stream);
	}
	for (unsigned int i = 0; engine->lcores && i < engine->n_lcores; i++)
		lcore_fini(&engine->lcores[i]);
	rte_free(engine->lcores);
	rte_free(engine->lanes);
	free(engine);
}

// The least loaded lcore that shares a lane with the worker.
static unsigned int choose_lcore(const struct transcode *engine, unsigned int worker)
{
	unsigned int best = 0;

	if (engine->config.n_transcoders == 0)
		return worker;
	for (unsigned int i = 1; i < engine->n_lcores; i++) {
		if (engine->lcores[i].cost_ns < engine->lcores[best].cost_ns)
			best = i;
	}
	return best;
}

// Costs are of 20 ms, of which a core has 20,000,000 ns.
static uint32_t expected_permille(uint64_t cost_ns)
{
	return (uint32_t)(cost_ns / 20000);
}

// Quality goes first: what counts is what is left to do when all of it is gone. Where even that
// was expected to be less than is measured, the measurement is right.
static bool is_full(const struct transcode *engine, const struct transcode_lcore *lcore,
	const struct transcode_stream *stream)
{
	uint16_t limit = engine->config.refuse_at;
	uint8_t level = __atomic_load_n(&lcore->shed.level, __ATOMIC_RELAXED);

	if (limit == 0)
		return false;
	return expected_permille(lcore->least_ns + stream->least_ns) > limit ||
	       (level == SHED_LEVEL_MAX &&
		       __atomic_load_n(&lcore->shed.permille, __ATOMIC_RELAXED) > limit);
}

static struct transcode_stream *create(struct transcode *engine, const struct transcode_spec *spec)
{
	struct transcode_spec full = *spec;

	if (spec->complexity == CODEC_DEFAULT && engine->config.complexity)
		full.complexity = engine->config.complexity;
	return stream_create(&full, engine->config.socket_id);
}

static void place(struct transcode *engine, struct transcode_stream *stream,
	struct transcode_lane *lane, void *cookie)
{
	stream->lane = lane;
	stream->scratch = &lane->lcore->scratch;
	lane->lcore->cost_ns += stream->cost_ns;
	lane->lcore->least_ns += stream->least_ns;
	engine->codec_streams[stream->from_index].decoders++;
	engine->codec_streams[stream->to_index].encoders++;
	STAT_ADD(lane->lcore->n_streams, 1);
	atomic_store_explicit(&stream->cookie, cookie, memory_order_release);
	TAILQ_INSERT_TAIL(&engine->streams, stream, entry);
	engine->n_streams++;
}

struct transcode_stream *transcode_stream_create(struct transcode *engine,
	const struct transcode_spec *spec, unsigned int worker, void *cookie)
{
	struct transcode_stream *stream;
	struct transcode_lane *lane;

	transcode_reap(engine);
	if (worker >= engine->config.n_workers || engine->n_streams >= engine->config.streams_max) {
		errno = worker >= engine->config.n_workers ? EINVAL : ENOSPC;
		return NULL;
	}
	stream = create(engine, spec);
	if (!stream)
		return NULL;
	lane = engine_lane(engine, worker, choose_lcore(engine, worker));
	if (spec->refusable && is_full(engine, lane->lcore, stream)) {
		lane->lcore->refused++;
		stream_free(stream);
		errno = EBUSY;
		return NULL;
	}
	place(engine, stream, lane, cookie);
	return stream;
}

void transcode_stream_stop(struct transcode_stream *stream)
{
	atomic_store_explicit(&stream->cookie, NULL, memory_order_release);
}

void transcode_stream_destroy(struct transcode *engine, struct transcode_stream *stream)
{
	struct transcode_lcore *lcore = stream->lane->lcore;

	transcode_stream_stop(stream);
	lcore->cost_ns -= stream->cost_ns;
	lcore->least_ns -= stream->least_ns;
	engine->codec_streams[stream->from_index].decoders--;
	engine->codec_streams[stream->to_index].encoders--;
	STAT_ADD(lcore->n_streams, -1u);
	// Holds streams_max, and a stream is in it once: never full.
	rte_ring_sp_enqueue_elem(lcore->removals, &stream, sizeof(stream));
	transcode_reap(engine);
}

// The lcore is told where it may not look by itself: of the first digit that waits.
int transcode_stream_digit(struct transcode_stream *stream, struct transcode_digit digit)
{
	struct digits *d = stream->digits;
	uint32_t waiting;

	if (!stream->spec.takes_digits)
		return -EOPNOTSUPP;
	waiting = d->n_ordered - __atomic_load_n(&d->n_sent, __ATOMIC_ACQUIRE);
	if (waiting >= TRANSCODE_DIGITS_MAX)
		return -ENOBUFS;
	if (waiting == 0 && rte_ring_full(stream->lane->lcore->orders))
		return -ENOBUFS;
	d->queue[d->n_ordered % TRANSCODE_DIGITS_MAX] = digit;
	__atomic_store_n(&d->n_ordered, d->n_ordered + 1, __ATOMIC_RELEASE);
	rte_ring_sp_enqueue_elem(stream->lane->lcore->orders, &stream, sizeof(stream));
	return 0;
}

struct transcode_codec_streams transcode_codec_streams(
	const struct transcode *engine, unsigned int index)
{
	return engine->codec_streams[index];
}

unsigned int transcode_reap(struct transcode *engine)
{
	struct transcode_stream *stream;
	unsigned int n = 0;

	for (unsigned int i = 0; i < engine->n_lcores; i++) {
		struct rte_ring *remains = engine->lcores[i].remains;

		while (rte_ring_sc_dequeue_elem(remains, &stream, sizeof(stream)) == 0) {
			TAILQ_REMOVE(&engine->streams, stream, entry);
			stream_free(stream);
			n++;
		}
	}
	engine->n_streams -= n;
	return n;
}

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static uint64_t cycles_to_ns(uint64_t cycles)
{
	uint64_t hz = rte_get_tsc_hz();

	return cycles / hz * 1000000000 + cycles % hz * 1000000000 / hz;
}

void transcode_stream_stats(const struct transcode_stream *stream, struct transcode_stats *stats)
{
	const struct transcode_stats *s = &stream->stats;

	*stats = (struct transcode_stats){
		.packets = load(&s->packets),
		.frames = load(&s->frames),
		.events = load(&s->events),
		.concealed = load(&s->concealed),
		.late = load(&s->late),
		.discarded = load(&s->discarded),
		.depth_us = load(&s->depth_us),
		.target_us = load(&s->target_us),
		.duplicates = load(&s->duplicates),
		.bad = load(&s->bad),
		.unknown_pt = load(&s->unknown_pt),
		.dropped = load(&s->dropped),
		.busy_ns = cycles_to_ns(load(&s->busy_ns)),
	};
}

// What the streams of an lcore cost at the quality that it gives them now: encoders that have a
// complexity run at that less the level.
static uint64_t cost_now(const struct transcode *engine, const struct transcode_lcore *lcore)
{
	uint8_t level = __atomic_load_n(&lcore->shed.level, __ATOMIC_RELAXED);
	const struct transcode_stream *stream;
	uint64_t cost_ns = 0;

	if (level == 0)
		return lcore->cost_ns;
	TAILQ_FOREACH (stream, &engine->streams, entry) {
		uint8_t asked = stream->spec.complexity;
		uint32_t more_ns = stream->cost_ns - stream->least_ns;

		if (stream->lane->lcore != lcore ||
			!atomic_load_explicit(&stream->cookie, memory_order_relaxed))
			continue;
		if (asked == CODEC_DEFAULT)
			asked = CODEC_COST_COMPLEXITY;
		cost_ns += stream->least_ns;
		cost_ns += asked > level ? more_ns * (uint64_t)(asked - level) / asked : 0;
	}
	return cost_ns;
}

void transcode_lcore_stats(
	const struct transcode *engine, unsigned int index, struct transcode_lcore_stats *stats)
{
	const struct transcode_lcore *lcore = &engine->lcores[index];

	*stats = (struct transcode_lcore_stats){
		.jobs = load(&lcore->stats.jobs),
		.frames = load(&lcore->stats.frames),
		.busy_ns = cycles_to_ns(load(&lcore->stats.busy_ns)),
		.dropped = load(&lcore->stats.dropped),
		.streams_now = __atomic_load_n(&lcore->n_streams, __ATOMIC_RELAXED),
		.load_permille_now = __atomic_load_n(&lcore->shed.permille, __ATOMIC_RELAXED),
		.expected_permille_now = expected_permille(cost_now(engine, lcore)),
		.shed_level_now = __atomic_load_n(&lcore->shed.level, __ATOMIC_RELAXED),
		.refused = lcore->refused,
	};
}
