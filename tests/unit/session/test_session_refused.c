// Who gets codecs from transcoders that are full, and who is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <rte_mbuf.h>

#include "session_rig.h"
#include "transcode.h"

// Of a core, in thousandths: more than one session of PCMU and Opus costs, by the codecs' own
// figures, and less than two.
#define ROOM 2

static struct rig rig;
static struct rte_mempool *pool;
static struct transcode *engine;

static int setup(void **)
{
	static unsigned int n_pools;
	struct transcode_config config = {
		.n_workers = 1, .n_transcoders = 1, .streams_max = 16, .refuse_at = ROOM};
	char name[32];

	snprintf(name, sizeof(name), "refused%u", n_pools++);
	pool = rte_pktmbuf_pool_create(name, 15, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	config.pool = pool;
	engine = transcode_create(&config);
	assert_non_null(engine);
	rig_open(&rig, 1, 64, 10, engine);
	return 0;
}

static int teardown(void **)
{
	rig_close(&rig);
	transcode_destroy(engine);
	rte_mempool_free(pool);
	return 0;
}

static struct sl_session transcoded(unsigned int number)
{
	struct sl_session session = rig_session(number);

	session.legs[1].formats[0] = (struct sl_format){.name = "opus",
		.clock_hz = 48000,
		.channels = 2,
		.pt = 96,
		.receive_pt = 96,
		.complexity = 0xff};
	return session;
}

static int set(struct sl_session *session)
{
	const char *why = NULL;
	int rc = session_set(rig.sessions, session, NULL, session, &why);

	if (rc)
		assert_non_null(why);
	if (rc == -EBUSY)
		assert_string_equal(why, "the transcoders are full");
	return rc;
}

static uint64_t refused(void)
{
	struct transcode_lcore_stats stats;

	transcode_lcore_stats(engine, 0, &stats);
	return stats.refused;
}

static uint32_t ports_used(void)
{
	struct sessions_counts counts;

	sessions_count(rig.sessions, &counts);
	return counts.ports_used;
}

static void fill(void)
{
	struct sl_session session = transcoded(1);

	assert_int_equal(set(&session), 0);
	assert_int_equal(refused(), 0);
}

static void new_call_that_needs_codecs_is_refused_and_takes_nothing(void **)
{
	struct sl_session session = transcoded(2);
	uint32_t before;

	fill();
	before = ports_used();
	assert_int_equal(set(&session), -EBUSY);
	assert_int_equal(refused(), 1);
	assert_int_equal(ports_used(), before);
	assert_null(session_find(rig.sessions, &session.id));
}

static void relayed_call_is_not_refused(void **)
{
	struct sl_session session = rig_session(2);

	fill();
	assert_int_equal(set(&session), 0);
	assert_int_equal(refused(), 0);
}

static void call_that_needs_codecs_for_digits_only_is_relayed_without(void **)
{
	struct sl_session session = transcoded(2);

	fill();
	session.legs[0].formats[0] = session.legs[1].formats[0];
	session.legs[0].flags |= SL_LEG_DTMF_INBAND | SL_LEG_DTMF_REPORT;
	assert_int_equal(set(&session), 0);
	assert_int_equal(refused(), 1);
	assert_non_null(session_find(rig.sessions, &session.id));
}

static void call_that_is_up_gets_codecs_all_the_same(void **)
{
	struct sl_session session = rig_session(2);

	fill();
	assert_int_equal(set(&session), 0);
	session.legs[1].formats[0] = transcoded(2).legs[1].formats[0];
	assert_int_equal(set(&session), 0);
	assert_int_equal(refused(), 0);
}

// Its ports are there, its media is not: what is refused then leaves it as it was.
static void call_without_media_yet_is_refused_and_stays(void **)
{
	struct sl_session session = transcoded(2), again;

	fill();
	session.legs[0].source = session.legs[1].source = SL_NO_LEG;
	assert_int_equal(set(&session), 0);
	again = session;
	again.legs[0].source = 1;
	again.legs[1].source = 0;
	assert_int_equal(set(&again), -EBUSY);
	assert_non_null(session_find(rig.sessions, &session.id));
	assert_int_equal(set(&session), 0);
}

static void session_with_ports_of_before_a_restart_comes_back(void **)
{
	struct sl_session session = transcoded(2);

	fill();
	session.legs[0].local.port = 20020;
	session.legs[1].local.port = 20022;
	assert_int_equal(set(&session), 0);
	assert_int_equal(refused(), 0);
}

#define REFUSED_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		REFUSED_TEST(new_call_that_needs_codecs_is_refused_and_takes_nothing),
		REFUSED_TEST(relayed_call_is_not_refused),
		REFUSED_TEST(call_that_needs_codecs_for_digits_only_is_relayed_without),
		REFUSED_TEST(call_that_is_up_gets_codecs_all_the_same),
		REFUSED_TEST(call_without_media_yet_is_refused_and_stays),
		REFUSED_TEST(session_with_ports_of_before_a_restart_comes_back),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
