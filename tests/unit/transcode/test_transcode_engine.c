// The engine around the streams: rings, batches, removal, several workers and lcores.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "rig.h"

static struct rig rig;

static struct rte_mbuf *frame(uint16_t i)
{
	const struct rtp_view view = {.ssrc = 1, .sequence = i, .timestamp = i * 160u};
	uint8_t payload[160];

	memset(payload, 0x80 | (i & 0x3f), sizeof(payload));
	return rig_mbuf(&rig, &view, payload, sizeof(payload));
}

static bool submit(unsigned int worker, struct transcode_stream *stream, uint16_t i)
{
	struct rte_mbuf *packet = frame(i);

	if (transcode_submit(rig.engine, worker, stream, packet, rig.now_ns))
		return true;
	rte_pktmbuf_free(packet);
	return false;
}

// Collect of one worker: how many, with the last cookie.
static unsigned int collect(unsigned int worker, void **cookie)
{
	struct rte_mbuf *packets[8];
	void *cookies[8];
	unsigned int n, total = 0;

	while ((n = transcode_collect(rig.engine, worker, packets, cookies, 8))) {
		*cookie = cookies[n - 1];
		rte_pktmbuf_free_bulk(packets, n);
		total += n;
	}
	return total;
}

static unsigned int buffers_in_use(void)
{
	return rte_mempool_in_use_count(rig.pool);
}

static void full_ring_leaves_the_packet_to_the_caller(void **)
{
	const struct transcode_config config = {
		.n_workers = 1, .n_transcoders = 1, .streams_max = 4, .ring_size = 15};
	struct transcode_stream *stream;
	unsigned int taken = 0;

	rig_init(&rig, &config);
	stream = rig_open(&rig, rig_spec("PCMU", "PCMA"));
	for (uint16_t i = 0; i < 20; i++)
		taken += submit(0, stream, i);
	assert_int_equal(taken, 15);
	assert_int_equal(buffers_in_use(), 15);
	rig_pump(&rig);
	assert_int_equal(rig.n_out, 15);
	rig_fini(&rig);
}

static void full_collect_ring_drops_and_counts(void **)
{
	const struct transcode_config config = {
		.n_workers = 1, .n_transcoders = 1, .streams_max = 4, .ring_size = 7};
	struct transcode_lcore_stats stats;
	struct transcode_stream *stream;
	void *cookie;

	rig_init(&rig, &config);
	stream = rig_open(&rig, rig_spec("PCMU", "PCMA"));
	for (uint16_t i = 0; i < 12; i++) {
		assert_true(submit(0, stream, i));
		while (transcode_turn(rig.engine, 0, 64))
			;
	}
	assert_int_equal(collect(0, &cookie), 7);
	assert_int_equal(rig_stats(&rig).dropped, 5);
	transcode_lcore_stats(rig.engine, 0, &stats);
	assert_int_equal(stats.dropped, 5);
	rig_fini(&rig);
}

static void turn_does_no_more_jobs_than_it_may(void **)
{
	struct transcode_lcore_stats before, after;
	struct transcode_stream *stream;

	rig_init(&rig, NULL);
	stream = rig_open(&rig, rig_spec("PCMU", "opus"));
	for (uint16_t i = 0; i < 10; i++)
		submit(0, stream, i);
	transcode_lcore_stats(rig.engine, 0, &before);
	for (unsigned int i = 0; i < 20; i++) {
		assert_true(transcode_turn(rig.engine, 0, 1) > 0);
		transcode_lcore_stats(rig.engine, 0, &after);
		assert_int_equal(after.jobs, before.jobs + 1);
		before = after;
	}
	assert_int_equal(transcode_turn(rig.engine, 0, 1), 0);
	rig_pump(&rig);
	assert_int_equal(rig.n_out, 10);
	rig_fini(&rig);
}

static void backlog_of_one_stream_does_not_starve_another(void **)
{
	struct transcode_stream *busy, *other;
	struct transcode_stats stats;

	rig_init(&rig, NULL);
	busy = rig_open(&rig, rig_spec("PCMU", "PCMA"));
	other = rig_open(&rig, rig_spec("PCMU", "PCMA"));
	for (uint16_t i = 0; i < 30; i++)
		submit(0, busy, i);
	submit(0, other, 0);
	transcode_turn(rig.engine, 0, 4);
	transcode_stream_stats(other, &stats);
	assert_int_equal(stats.frames, 1);
	rig_pump(&rig);
	assert_int_equal(rig.n_out, 31);
	rig_fini(&rig);
}

#define N_STREAMS 40
#define N_FRAMES  12

// All streams' outputs of an engine that runs them together, `jobs_max` at a time.
static void run_together(unsigned int jobs_max, uint8_t (*digests)[N_FRAMES][CODEC_FRAME_BYTES_MAX])
{
	static const char *const codecs_from[] = {"PCMU", "PCMA", "PCMU", "PCMU"};
	static const char *const codecs_to[] = {"opus", "opus", "PCMA", "opus"};
	struct transcode_stream *streams[N_STREAMS];

	memset(digests, 0, N_STREAMS * sizeof(*digests));
	rig_init(&rig, NULL);
	rig.jobs_max = jobs_max;
	for (unsigned int s = 0; s < N_STREAMS; s++) {
		struct transcode_spec spec = rig_spec(codecs_from[s % 4], codecs_to[s % 4]);

		spec.from_pt = 0;
		streams[s] =
			transcode_stream_create(rig.engine, &spec, 0, (void *)(uintptr_t)(s + 1));
		assert_non_null(streams[s]);
	}
	for (uint16_t i = 0; i < N_FRAMES; i++) {
		for (unsigned int s = 0; s < N_STREAMS; s++)
			assert_true(submit(0, streams[s], (uint16_t)(i + s % 3)));
		rig_pump(&rig);
	}
	assert_int_equal(rig.n_out, N_STREAMS * N_FRAMES);
	for (unsigned int i = 0, at[N_STREAMS] = {0}; i < rig.n_out; i++) {
		unsigned int s = (unsigned int)(uintptr_t)rig.out[i].cookie - 1;

		memcpy(digests[s][at[s]++], rig.out[i].payload, rig.out[i].view.payload_bytes);
	}
	rig_fini(&rig);
}

static void output_does_not_depend_on_how_streams_are_batched(void **)
{
	static uint8_t one[N_STREAMS][N_FRAMES][CODEC_FRAME_BYTES_MAX];
	static uint8_t many[N_STREAMS][N_FRAMES][CODEC_FRAME_BYTES_MAX];

	run_together(1, one);
	run_together(64, many);
	assert_memory_equal(one, many, sizeof(one));
}

static void stream_is_destroyed_while_packets_are_in_flight(void **)
{
	struct transcode_stream *stream;
	void *cookie = &rig;

	rig_init(&rig, NULL);
	stream = rig_open(&rig, rig_spec("PCMU", "PCMA"));
	for (uint16_t i = 0; i < 5; i++)
		submit(0, stream, i);
	transcode_turn(rig.engine, 0, 64); // five results wait
	submit(0, stream, 7);
	transcode_turn(rig.engine, 0, 64); // one packet waits behind a gap
	submit(0, stream, 8);
	submit(0, stream, 9); // and two were not looked at
	transcode_stream_destroy(rig.engine, stream);
	assert_int_equal(transcode_reap(rig.engine), 0);
	transcode_turn(rig.engine, 0, 64);
	assert_int_equal(transcode_reap(rig.engine), 0); // results still refer to it
	assert_int_equal(collect(0, &cookie), 5);
	assert_null(cookie);
	transcode_turn(rig.engine, 0, 64);
	assert_int_equal(transcode_reap(rig.engine), 1);
	assert_int_equal(buffers_in_use(), 0);
	rig_fini(&rig);
}

static void stopped_stream_has_no_cookie(void **)
{
	struct transcode_stream *stream;
	void *cookie = NULL;

	rig_init(&rig, NULL);
	stream = rig_open(&rig, rig_spec("PCMU", "PCMA"));
	submit(0, stream, 0);
	transcode_turn(rig.engine, 0, 64);
	assert_int_equal(collect(0, &cookie), 1);
	assert_ptr_equal(cookie, &rig);
	submit(0, stream, 1);
	transcode_turn(rig.engine, 0, 64);
	transcode_stream_stop(stream);
	assert_int_equal(collect(0, &cookie), 1);
	assert_null(cookie);
	rig_fini(&rig);
}

static void engine_is_destroyed_with_everything_in_flight(void **)
{
	struct transcode_stream *stream;

	rig_init(&rig, NULL);
	stream = rig_open(&rig, rig_spec("PCMU", "opus"));
	for (uint16_t i = 0; i < 5; i++)
		submit(0, stream, i);
	transcode_turn(rig.engine, 0, 3);
	submit(0, stream, 9);
	transcode_stream_destroy(rig.engine, stream);
	rig_open(&rig, rig_spec("opus", "PCMU"));
	rig_fini(&rig); // fails on a leaked buffer
}

static void streams_are_limited_and_come_back(void **)
{
	const struct transcode_config config = {
		.n_workers = 1, .n_transcoders = 1, .streams_max = 3};
	struct transcode_spec spec = rig_spec("PCMU", "opus");
	struct transcode_stream *streams[3];

	rig_init(&rig, &config);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 3; i++)
			streams[i] = rig_open(&rig, spec);
		assert_null(transcode_stream_create(rig.engine, &spec, 0, NULL));
		assert_int_equal(errno, ENOSPC);
		for (int i = 0; i < 3; i++)
			transcode_stream_destroy(rig.engine, streams[i]);
		transcode_turn(rig.engine, 0, 1);
	}
	rig_fini(&rig);
}

static void what_cannot_be_done_is_said(void **)
{
	struct transcode_spec spec = rig_spec("PCMU", "opus");

	rig_init(&rig, NULL);
	assert_int_equal(transcode_supported(&spec), 0);
	assert_null(transcode_stream_create(rig.engine, &spec, 1, NULL));
	assert_int_equal(errno, EINVAL);
	spec.complexity = 11;
	assert_null(transcode_stream_create(rig.engine, &spec, 0, NULL));
	assert_int_equal(errno, EINVAL);
	spec.to = NULL;
	assert_int_equal(transcode_supported(&spec), -EOPNOTSUPP);
	assert_null(transcode_stream_create(rig.engine, &spec, 0, NULL));
	assert_int_equal(errno, EOPNOTSUPP);
	rig_fini(&rig);
}

static void exhausted_pool_drops_and_recovers(void **)
{
	static struct rte_mbuf *hoard[RIG_POOL + 1];
	struct transcode_stream *stream;
	unsigned int n = 0;

	rig_init(&rig, NULL);
	stream = rig_open(&rig, rig_spec("PCMU", "PCMA"));
	for (uint16_t i = 0; i < 3; i++)
		submit(0, stream, i);
	while ((hoard[n] = rte_pktmbuf_alloc(rig.pool)))
		n++;
	while (transcode_turn(rig.engine, 0, 1)) // its inputs are freed as it goes: hoard them too
		while ((hoard[n] = rte_pktmbuf_alloc(rig.pool)))
			n++;
	assert_int_equal(rig_stats(&rig).dropped, 3);
	rte_pktmbuf_free_bulk(hoard, n);
	submit(0, stream, 3);
	rig_pump(&rig);
	assert_int_equal(rig.n_out, 1);
	rig_fini(&rig);
}

static void results_return_to_the_worker_of_the_stream(void **)
{
	const struct transcode_config config = {
		.n_workers = 3, .n_transcoders = 2, .streams_max = 12};
	struct transcode_spec spec = rig_spec("PCMU", "opus");
	struct transcode_stream *streams[12];
	struct transcode_lcore_stats stats[2];

	rig_init(&rig, &config);
	for (uintptr_t i = 0; i < 12; i++) {
		streams[i] = transcode_stream_create(
			rig.engine, &spec, (unsigned int)i % 3, (void *)(i + 1));
		assert_non_null(streams[i]);
	}
	for (unsigned int i = 0; i < 12; i++)
		submit(i % 3, streams[i], 0);
	for (unsigned int i = 0; i < 2; i++) {
		while (transcode_turn(rig.engine, i, 64))
			;
		transcode_lcore_stats(rig.engine, i, &stats[i]);
		assert_int_equal(stats[i].streams_now, 6); // shared out evenly
		assert_int_equal(stats[i].frames, 6);
	}
	for (unsigned int w = 0; w < 3; w++) {
		void *cookie = NULL;

		assert_int_equal(collect(w, &cookie), 4);
		assert_int_equal(((uintptr_t)cookie - 1) % 3, w);
	}
	rig_fini(&rig);
}

static void worker_without_transcoders_runs_its_own(void **)
{
	const struct transcode_config config = {
		.n_workers = 2, .n_transcoders = 0, .streams_max = 4};
	struct transcode_spec spec = rig_spec("PCMU", "opus");
	struct transcode_stream *stream;
	void *cookie = NULL;

	rig_init(&rig, &config);
	stream = transcode_stream_create(rig.engine, &spec, 1, &rig);
	assert_non_null(stream);
	submit(1, stream, 0);
	assert_int_equal(transcode_turn(rig.engine, 0, 1), 0);
	while (transcode_turn(rig.engine, 1, 1))
		;
	assert_int_equal(collect(0, &cookie), 0);
	assert_int_equal(collect(1, &cookie), 1);
	assert_ptr_equal(cookie, &rig);
	rig_fini(&rig);
}

static atomic_bool stop;

static void *transcode_thread(void *)
{
	while (!stop)
		transcode_turn(rig.engine, 0, 16);
	return NULL;
}

// Main creates and destroys streams while a real second thread transcodes and this one, as the
// worker, submits and collects. Nothing may leak or come out for a stream that is gone.
static void streams_come_and_go_beside_a_running_lcore(void **)
{
	pthread_t thread;
	void *cookie = NULL;

	rig_init(&rig, NULL);
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, transcode_thread, NULL), 0);
	for (unsigned int round = 0; round < 300; round++) {
		struct transcode_spec spec = rig_spec("PCMU", "PCMA");
		struct transcode_stream *stream;

		while (!(stream = transcode_stream_create(rig.engine, &spec, 0, &rig))) {
			assert_int_equal(errno, ENOSPC); // the lcore is behind
			collect(0, &cookie);
			sched_yield();
		}
		for (uint16_t i = 0; i < 20; i++) {
			submit(0, stream, (uint16_t)(i + (i % 7 == 6)));
			if (i % 5 == 0)
				collect(0, &cookie);
		}
		transcode_stream_stop(stream);
		if (collect(0, &cookie))
			assert_null(cookie);
		transcode_stream_destroy(rig.engine, stream);
	}
	stop = true;
	pthread_join(thread, NULL);
	do
		collect(0, &cookie);
	while (transcode_turn(rig.engine, 0, 16));
	transcode_reap(rig.engine);
	assert_int_equal(buffers_in_use(), 0);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_ring_leaves_the_packet_to_the_caller),
		cmocka_unit_test(full_collect_ring_drops_and_counts),
		cmocka_unit_test(turn_does_no_more_jobs_than_it_may),
		cmocka_unit_test(backlog_of_one_stream_does_not_starve_another),
		cmocka_unit_test(output_does_not_depend_on_how_streams_are_batched),
		cmocka_unit_test(stream_is_destroyed_while_packets_are_in_flight),
		cmocka_unit_test(stopped_stream_has_no_cookie),
		cmocka_unit_test(engine_is_destroyed_with_everything_in_flight),
		cmocka_unit_test(streams_are_limited_and_come_back),
		cmocka_unit_test(what_cannot_be_done_is_said),
		cmocka_unit_test(exhausted_pool_drops_and_recovers),
		cmocka_unit_test(results_return_to_the_worker_of_the_stream),
		cmocka_unit_test(worker_without_transcoders_runs_its_own),
		cmocka_unit_test(streams_come_and_go_beside_a_running_lcore),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
