// What a transcoded direction costs in memory beyond its codecs' own state, and that the buffers
// which lcores lend to streams are enough and come back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_malloc.h>

#include "engine.h"
#include "rig.h"

#define N_STREAMS     100
#define FRAME	      160
#define FRAMES	      3 // of a packet
#define PACKETS	      5
#define DIRECTION_MAX 1120 // bytes, with the allocator's 128 and what it rounds up

static struct rig rig;
static struct transcode_stream *streams[N_STREAMS];

static size_t taken(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.heap_allocsz_bytes;
}

static void open_streams(const struct transcode_spec *spec)
{
	const struct transcode_config config = {.n_workers = 1, .streams_max = N_STREAMS};

	rig_init(&rig, &config);
	for (unsigned int i = 0; i < N_STREAMS; i++) {
		streams[i] = transcode_stream_create(rig.engine, spec, 0, &streams[i]);
		assert_non_null(streams[i]);
	}
}

static size_t direction_bytes(const char *from, const char *to)
{
	struct transcode_spec spec = rig_spec(from, to);
	size_t before, bytes;

	open_streams(&spec);
	before = taken();
	for (unsigned int i = 0; i < N_STREAMS; i++) {
		transcode_stream_stop(streams[i]);
		transcode_stream_destroy(rig.engine, streams[i]);
	}
	transcode_turn(rig.engine, 0, 1);
	assert_int_equal(transcode_reap(rig.engine), N_STREAMS);
	bytes = (before - taken()) / N_STREAMS - spec.from->decoder_size() -
		spec.to->encoder_size();
	rig_fini(&rig);
	return bytes;
}

static void a_direction_costs_little_beyond_its_codecs(void **)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"PCMU", "PCMA"},
		{"PCMU", "opus"},
		{"opus", "PCMU"},
		{"PCMA", "G722"},
		{"G722", "PCMA"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t bytes = direction_bytes(rows[i].from, rows[i].to);

		print_message("%s to %s: %zu bytes\n", rows[i].from, rows[i].to, bytes);
		assert_in_range(bytes, 256, DIRECTION_MAX);
	}
}

static void submit(unsigned int stream, unsigned int packet)
{
	const struct rtp_view view = {.ssrc = 1 + stream,
		.pt = 8,
		.sequence = (uint16_t)packet,
		.timestamp = packet * FRAME * FRAMES};
	uint8_t payload[FRAME * FRAMES];

	memset(payload, 0xd5, sizeof(payload));
	assert_true(transcode_submit(rig.engine, 0, streams[stream],
		rig_mbuf(&rig, &view, payload, sizeof(payload)), rig.now_ns));
}

static const struct scratch *scratch(void)
{
	return &rig.engine->lcores[0].scratch;
}

// Turns of so many jobs, until there is nothing to do. Returns the frames that came out.
static unsigned int run(unsigned int jobs_max)
{
	struct rte_mbuf *packets[64];
	unsigned int total = 0, n, work;
	void *cookies[64];

	do {
		work = transcode_turn(rig.engine, 0, jobs_max);
		n = transcode_collect(rig.engine, 0, packets, cookies, 64);
		rte_pktmbuf_free_bulk(packets, n);
		total += n;
	} while (work || n);
	return total;
}

// Packets of three frames each on many streams at once: more wait for the encoder than there are
// buffers to lend.
static void buffers_are_enough_however_few_jobs_a_turn_has(void **)
{
	static const unsigned int jobs_max[] = {1, 2, 7, 31, 32, 33, 1000};
	struct transcode_spec spec = rig_spec("PCMA", "PCMU");

	open_streams(&spec);
	for (unsigned int i = 0; i < sizeof(jobs_max) / sizeof(jobs_max[0]); i++) {
		unsigned int frames = 0;

		for (unsigned int packet = 0; packet < PACKETS; packet++) {
			for (unsigned int s = 0; s < N_STREAMS; s++)
				submit(s, i * PACKETS + packet);
			frames += run(jobs_max[i]);
		}
		assert_int_equal(frames, PACKETS * N_STREAMS * FRAMES);
		assert_int_equal(scratch()->n_free, SCRATCH_BUFFERS);
	}
	rig_fini(&rig);
}

static void a_stream_that_ends_gives_its_buffer_back(void **)
{
	struct transcode_spec spec = rig_spec("PCMA", "PCMU");

	open_streams(&spec);
	for (unsigned int s = 0; s < N_STREAMS; s++)
		submit(s, 0);
	transcode_turn(rig.engine, 0, 20);
	assert_int_equal(scratch()->n_free, SCRATCH_BUFFERS - 20);
	for (unsigned int s = 0; s < N_STREAMS; s++) {
		transcode_stream_stop(streams[s]);
		transcode_stream_destroy(rig.engine, streams[s]);
	}
	run(20);
	assert_int_equal(scratch()->n_free, SCRATCH_BUFFERS);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_direction_costs_little_beyond_its_codecs),
		cmocka_unit_test(buffers_are_enough_however_few_jobs_a_turn_has),
		cmocka_unit_test(a_stream_that_ends_gives_its_buffer_back),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
