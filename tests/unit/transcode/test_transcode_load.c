// Overload: the level that follows from the load, what it does to encoders, and who is refused.
// Time, load and costs are made up: nothing here depends on how fast the machine is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "codec_cost.h"
#include "engine.h"
#include "rig.h"

#define WINDOW 1000 // ticks
#define AT     700  // thousandths

static struct rig rig;

// n windows, busy for `permille` of each in ten turns.
static void windows(struct shed *shed, unsigned int n, uint64_t permille)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t began = shed->began_tsc;

		for (uint64_t turn = 1; turn <= 10; turn++)
			shed_spend(shed, permille * WINDOW / 10000, began + turn * WINDOW / 10,
				WINDOW, AT);
	}
}

static void level_follows_the_load_with_hysteresis(void **)
{
	// In this order, from one state to the next.
	static const struct {
		unsigned int n_windows;
		uint16_t permille;
		uint8_t level;
	} rows[] = {
		{5, 0, 0},			     // idle
		{5, 690, 0},			     // just below
		{1, 700, 1},			     // at the limit: one step a window
		{3, 990, 4},			     //
		{20, 690, 4},			     // below it, but not enough to restore
		{20, 530, 4},			     //
		{SHED_CALM - 1, 520, 4},	     // well below it, not long enough
		{1, 530, 4},			     // and counted anew
		{SHED_CALM - 1, 520, 4},	     //
		{1, 520, 3},			     // long enough: one step
		{SHED_CALM, 0, 2},		     //
		{SHED_CALM - 1, 0, 2},		     //
		{1, 800, 3},			     // busy again
		{30, 1000, SHED_LEVEL_MAX},	     // no further than that
		{SHED_CALM * SHED_LEVEL_MAX, 10, 0}, //
		{SHED_CALM * 2, 10, 0},		     //
	};
	struct shed shed = {};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		windows(&shed, rows[i].n_windows, rows[i].permille);
		if (shed.level != rows[i].level)
			fail_msg("row %zu: level %u", i, shed.level);
		assert_int_equal(shed.permille, rows[i].permille);
	}
}

static void load_is_judged_once_a_window(void **)
{
	struct shed shed = {};

	for (uint64_t tsc = 1; tsc < WINDOW; tsc++)
		shed_spend(&shed, 1, tsc, WINDOW, AT);
	assert_int_equal(shed.level, 0);
	shed_spend(&shed, 1, WINDOW, WINDOW, AT);
	assert_int_equal(shed.level, 1);
	assert_int_equal(shed.permille, 1000);
}

// One turn may be longer than a window, and its work may have begun before it.
static void turn_of_many_windows_is_one_of_them(void **)
{
	struct shed shed = {};

	shed_spend(&shed, 30 * WINDOW, 20 * WINDOW, WINDOW, AT);
	assert_int_equal(shed.level, 1);
	assert_int_equal(shed.permille, 1000);
}

static void without_a_limit_nothing_is_shed(void **)
{
	struct shed shed = {};

	for (uint64_t i = 1; i < 50; i++)
		shed_spend(&shed, WINDOW, i * WINDOW, WINDOW, 0);
	assert_int_equal(shed.level, 0);
	assert_int_equal(shed.permille, 1000);
}

// A codec of made-up cost that notes what it is asked for.
static uint8_t seen_lower;
static uint8_t seen_complexity;

static size_t no_bytes(void)
{
	return 0;
}

static int init(void *, const struct codec_params *params)
{
	if (params->frame_ms)
		seen_complexity = params->complexity;
	return 0;
}

static void encode(struct codec_encode_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		seen_lower = jobs[i].lower;
		jobs[i].payload[0] = 0;
		jobs[i].n_bytes = 1;
	}
}

static void decode(struct codec_decode_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		memset(jobs[i].pcm, 0, 160 * sizeof(int16_t));
		jobs[i].n_decoded = 160;
	}
}

static int payload_samples(const uint8_t *, size_t, const struct codec_params *)
{
	return 160;
}

#define ENCODE_NS 4000000 // a fifth of a core; a tenth with all that can be given up
#define DECODE_NS 1000000 // a twentieth

static const struct codec heavy = {
	.name = "heavy",
	.clock_hz = 8000,
	.channels = 1,
	.static_pt = CODEC_DEFAULT,
	.sample_rates = {8000},
	.frames_ms = {20},
	.has_complexity = true,
	.encode_ns = ENCODE_NS,
	.decode_ns = DECODE_NS,
	.encoder_size = no_bytes,
	.decoder_size = no_bytes,
	.encoder_init = init,
	.decoder_init = init,
	.encode = encode,
	.decode = decode,
	.payload_samples = payload_samples,
};

static struct transcode_spec heavy_spec(bool refusable)
{
	struct transcode_spec spec = rig_spec("PCMU", "PCMA");

	spec.to = &heavy;
	spec.to_pt = 96;
	spec.refusable = refusable;
	return spec;
}

static void open_engine(unsigned int n_transcoders, uint16_t refuse_at)
{
	const struct transcode_config config = {.n_workers = 1,
		.n_transcoders = n_transcoders,
		.streams_max = 64,
		.complexity = 7,
		.shed_at = AT,
		.refuse_at = refuse_at};

	rig_init(&rig, &config);
}

static struct transcode_stream *try(bool refusable)
{
	struct transcode_spec spec = heavy_spec(refusable);

	errno = 0;
	return transcode_stream_create(rig.engine, &spec, 0, &rig);
}

static void send_frame(struct transcode_stream *stream, uint16_t i)
{
	uint8_t payload[160] = {};

	rig_send(&rig, stream, &(struct rtp_view){.ssrc = 1, .sequence = i, .timestamp = i * 160u},
		payload, sizeof(payload));
}

static void encoders_are_told_the_level(void **)
{
	struct transcode_stream *stream;

	open_engine(1, 0);
	stream = try(false);
	assert_int_equal(seen_complexity, 7); // the configuration's
	send_frame(stream, 0);
	assert_int_equal(seen_lower, 0);
	rig.engine->lcores[0].shed.level = 3;
	send_frame(stream, 1);
	assert_int_equal(seen_lower, 3);
	rig.engine->lcores[0].shed.level = 0;
	send_frame(stream, 2);
	assert_int_equal(seen_lower, 0);
	assert_int_equal(rig.n_out, 3);
	rig_fini(&rig);
}

// What turns take is what the level is made from.
static void turns_with_work_are_counted_as_busy(void **)
{
	struct transcode_stream *stream;

	open_engine(1, 0);
	stream = try(false);
	rig.engine->shed_tsc = UINT64_MAX; // this window never ends
	rig_pump(&rig);
	assert_int_equal(rig.engine->lcores[0].shed.busy_tsc, 0);
	send_frame(stream, 0);
	assert_true(rig.engine->lcores[0].shed.busy_tsc > 0);
	rig_fini(&rig);
}

// A stream is expected to cost a tenth of a core once its quality is given up (PCMU costs next to
// nothing), and a fifth and more as it is.
static void streams_are_refused_when_not_even_shedding_makes_room(void **)
{
	struct transcode_stream *streams[9];
	struct transcode_lcore_stats stats;
	uint32_t full;

	open_engine(1, 905);
	for (int i = 0; i < 9; i++) {
		streams[i] = try(true);
		assert_non_null(streams[i]);
	}
	for (int i = 0; i < 2; i++) {
		assert_null(try(true));
		assert_int_equal(errno, EBUSY);
	}
	transcode_lcore_stats(rig.engine, 0, &stats);
	assert_int_equal(stats.refused, 2);
	assert_int_equal(stats.streams_now, 9);
	assert_true(stats.expected_permille_now >= 9 * 200);
	rig.engine->lcores[0].shed.level = 3; // what is expected is what they cost at this quality
	full = stats.expected_permille_now;
	transcode_lcore_stats(rig.engine, 0, &stats);
	assert_in_range(stats.expected_permille_now, 9 * 100, full - 9 * 20);
	rig.engine->lcores[0].shed.level = SHED_LEVEL_MAX;
	transcode_lcore_stats(rig.engine, 0, &stats);
	assert_in_range(stats.expected_permille_now, 9 * 100, 9 * 101);
	rig.engine->lcores[0].shed.level = 0;
	transcode_stream_destroy(rig.engine, streams[4]);
	assert_non_null(try(true)); // room again
	assert_null(try(true));
	assert_non_null(try(false)); // what may not be refused is not
	rig_fini(&rig);
}

static void measured_load_refuses_once_nothing_is_left_to_shed(void **)
{
	struct shed *shed;

	open_engine(1, 900);
	shed = &rig.engine->lcores[0].shed;
	*shed = (struct shed){.permille = 950, .level = SHED_LEVEL_MAX - 1};
	assert_non_null(try(true));
	shed->level = SHED_LEVEL_MAX;
	assert_null(try(true));
	assert_int_equal(errno, EBUSY);
	shed->permille = 850;
	assert_non_null(try(true));
	rig_fini(&rig);
}

static void without_a_limit_nobody_is_refused(void **)
{
	open_engine(1, 0);
	rig.engine->lcores[0].shed = (struct shed){.permille = 1000, .level = SHED_LEVEL_MAX};
	for (int i = 0; i < 40; i++)
		assert_non_null(try(true));
	rig_fini(&rig);
}

// One heavy stream outweighs many light ones.
static void streams_are_placed_by_cost_and_not_by_number(void **)
{
	struct transcode_stream *first, *light;

	open_engine(2, 0);
	first = try(false);
	for (int i = 0; i < 10; i++) {
		light = rig_open(&rig, rig_spec("PCMU", "PCMA"));
		assert_ptr_not_equal(light->lane->lcore, first->lane->lcore);
	}
	assert_ptr_not_equal(try(false)->lane->lcore, first->lane->lcore);
	// Now the second has a little more to do.
	assert_ptr_equal(try(false)->lane->lcore, first->lane->lcore);
	rig_fini(&rig);
}

// The estimate at the configured complexity lies on the line through the two that are known.
static void cost_grows_with_the_complexity_asked_for(void **)
{
	static const struct {
		uint8_t complexity;
		uint32_t encode_ns;
	} rows[] = {{0, ENCODE_NS / 2}, {5, ENCODE_NS}, {10, ENCODE_NS / 2 * 3}};

	open_engine(1, 0);
	for (size_t i = 0; i < 3; i++) {
		struct transcode_spec spec = heavy_spec(false);
		struct transcode_stream *stream;

		spec.complexity = rows[i].complexity;
		stream = transcode_stream_create(rig.engine, &spec, 0, &rig);
		assert_int_equal(
			stream->cost_ns, rows[i].encode_ns + codec_cost(spec.from).decode_ns);
		assert_int_equal(stream->least_ns, ENCODE_NS / 2 + codec_cost(spec.from).decode_ns);
	}
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(level_follows_the_load_with_hysteresis),
		cmocka_unit_test(load_is_judged_once_a_window),
		cmocka_unit_test(turn_of_many_windows_is_one_of_them),
		cmocka_unit_test(without_a_limit_nothing_is_shed),
		cmocka_unit_test(encoders_are_told_the_level),
		cmocka_unit_test(turns_with_work_are_counted_as_busy),
		cmocka_unit_test(streams_are_refused_when_not_even_shedding_makes_room),
		cmocka_unit_test(measured_load_refuses_once_nothing_is_left_to_shed),
		cmocka_unit_test(without_a_limit_nobody_is_refused),
		cmocka_unit_test(streams_are_placed_by_cost_and_not_by_number),
		cmocka_unit_test(cost_grows_with_the_complexity_asked_for),
	};

	if (codecs_add(&heavy))
		return 1;
	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
