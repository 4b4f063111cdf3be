// Addresses of a shard, as the packet path knows them: what passes in which state, what is
// announced, and what makes us stop. The two addresses of the call belong to shard "s1".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "address_claim.h"
#include "call.h"
#include "clock.h"
#include "stages.h"

#define PAUSE_MS 2000
#define LEASE_MS 10000
#define SECOND	 1000000000ULL

static int setup(void **)
{
	static const struct path_size size = {.megabytes = "128",
		.sessions_max = 100,
		.n_udp_ports = 64,
		.n_addresses = {1, 1},
		.sharded = true};

	path_open_sized(1, &size);
	wanted = rig_session(1);
	wanted.legs[0].local.port = LOCAL0;
	wanted.legs[1].local.port = LOCAL1;
	wanted.legs[0].remote = rig_address(FAR0, 4000);
	wanted.legs[1].remote = rig_address(FAR1, 5000);
	return 0;
}

static uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static struct sl_shard now; // as the last answer said

static int set_state(enum sl_shard_state state, uint64_t epoch, int64_t valid_ms)
{
	const struct sl_shard shard = {.name = "s1",
		.epoch = epoch,
		.valid_until_ns = boot_ns() + (uint64_t)(valid_ms * 1000000),
		.pause_ms = PAUSE_MS,
		.state = (uint8_t)state};

	return shards_set(path.shards, &shard, &now);
}

static void activate(void)
{
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 1, LEASE_MS), 0);
	assert_int_equal(now.state, SL_SHARD_ACTIVE);
	path_turn();
}

// All that comes out, but for announcements.
static unsigned int n_out(void)
{
	struct frame frame;
	unsigned int n = 0;

	while (frame_pop(0, &frame) || frame_pop(1, &frame))
		n += !claim_parse(frame.bytes, frame.length, &(struct claim){});
	return n;
}

static unsigned int n_passed(uint16_t sequence)
{
	n_out();
	push_silence(FAR0, 4000, LOCAL0, sequence);
	path_turn();
	return n_out();
}

static enum sl_shard_state state_now(void)
{
	struct sl_shard list[SL_SHARDS_MAX];

	assert_int_equal(shards_list(path.shards, list), 1);
	return list[0].state;
}

static void an_address_is_inactive_at_start(void **)
{
	path_set(&wanted);
	assert_int_equal(n_passed(1), 0);
	assert_int_equal(drops(DROP_shard_inactive), 1);
	assert_int_equal(report_now().stats[0].rx_packets, 0);
}

static void sessions_set_before_work_when_it_becomes_active(void **)
{
	path_set(&wanted);
	activate();
	assert_int_equal(n_passed(1), 1);
}

static void nothing_passes_once_it_is_inactive(void **)
{
	path_set(&wanted);
	activate();
	assert_int_equal(n_passed(1), 1);
	assert_int_equal(set_state(SL_SHARD_INACTIVE, 1, 0), 0);
	assert_int_equal(n_passed(2), 0);
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 1, LEASE_MS), 0);
	assert_int_equal(n_passed(3), 1);
}

static void what_is_frozen_stands_still(void **)
{
	struct sl_mark before[SESSION_MARKS_MAX], after[SESSION_MARKS_MAX];
	struct session *session;

	path_set(&wanted);
	activate();
	assert_int_equal(n_passed(1), 1);
	assert_int_equal(set_state(SL_SHARD_FROZEN, 1, 0), 0);
	session = session_find(path.sessions, &wanted.id);
	assert_int_equal(session_marks(session, 1, before), 2);
	assert_int_equal(n_passed(2), 0);
	assert_int_equal(session_marks(session, 1, after), 2);
	assert_int_equal(before[1].sequence, after[1].sequence);
	assert_int_equal(before[1].flags, SL_MARK_STREAM);
}

static void sessions_do_not_time_out_meanwhile(void **)
{
	wanted.legs[0].start_timeout_ms = 1000;
	path_set(&wanted);
	for (unsigned int i = 0; i < 30; i++)
		path_pass(100);
	assert_int_equal(report_now().stats[0].timed_out, 0);
	activate();
	for (unsigned int i = 0; i < 15; i++) {
		path_pass(100);
		path_turn();
		set_state(SL_SHARD_ACTIVE, 1, LEASE_MS);
	}
	assert_int_equal(report_now().stats[0].timed_out, 1);
}

static void only_a_newer_epoch_is_heard(void **)
{
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 7, LEASE_MS), 0);
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 6, LEASE_MS), -ESTALE);
	assert_int_equal(state_now(), SL_SHARD_ACTIVE);
	assert_int_equal(set_state(SL_SHARD_INACTIVE, 8, 0), 0);
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 7, LEASE_MS), -ESTALE);
	assert_int_equal(state_now(), SL_SHARD_INACTIVE);
}

static void bad_requests_are_refused(void **)
{
	struct sl_shard shard = {.name = "s2", .pause_ms = 100};

	assert_int_equal(shards_set(path.shards, &shard, &now), -ENOENT);
	memset(shard.name, 'x', sizeof(shard.name));
	assert_int_equal(shards_set(path.shards, &shard, &now), -EINVAL);
	assert_int_equal(set_state(SL_SHARD_SUSPENDED, 1, LEASE_MS), -EINVAL);
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 1, -1), -ETIME);
	assert_int_equal(state_now(), SL_SHARD_INACTIVE);
}

// ---- announcements ----

// How many of the frames that came out announce this address, with our MAC.
static unsigned int n_announced(unsigned int port, const char *address, const char *mac)
{
	const struct sl_address ours = rig_address(address, 0);
	struct claim claim;
	struct frame frame;
	unsigned int n = 0;

	while (frame_pop(port, &frame))
		if (claim_parse(frame.bytes, frame.length, &claim))
			n += !memcmp(&claim.address, &ours, sizeof(ours)) &&
			     !memcmp(&claim.mac, mac, 6);
	return n;
}

static void becoming_active_is_announced_five_times(void **)
{
	static const unsigned int at_ms[] = {0, 50, 100, 200, 400};
	unsigned int passed = 0, n = 0;

	activate();
	for (unsigned int i = 0; i < 120; i++) {
		unsigned int due = 0;

		for (unsigned int j = 0; j < RTE_DIM(at_ms); j++)
			due += at_ms[j] <= passed;
		n += n_announced(1, OUR1, MAC_P1);
		assert_true(n <= due);
		path_pass(5);
		path_turn();
		passed += 6; // path_pass() is rather more than less
	}
	assert_int_equal(n, 5);
	assert_int_equal(n_announced(0, OUR0, MAC_P0), 5);
}

static void ipv6_is_advertised(void **)
{
	activate();
	assert_int_equal(n_announced(0, OUR0_V6, MAC_P0), 1);
}

static void becoming_inactive_ends_the_burst(void **)
{
	activate();
	assert_int_equal(n_announced(0, OUR0, MAC_P0), 1);
	assert_int_equal(set_state(SL_SHARD_INACTIVE, 1, 0), 0);
	for (unsigned int i = 0; i < 10; i++) {
		path_pass(50);
		path_turn();
	}
	assert_int_equal(n_announced(0, OUR0, MAC_P0), 0);
}

// ---- pauses ----

static void nothing_is_sent_after_a_pause(void **)
{
	path_set(&wanted);
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 1, 100), 0);
	assert_int_equal(n_passed(1), 1);
	push_silence(FAR0, 4000, LOCAL0, 2);
	clock_ns_q32 += (uint64_t)(((unsigned __int128)5 * SECOND << 32) / rte_rdtsc()) + 1;
	path_turn(); // before main has noticed anything
	assert_int_equal(n_out(), 0);
	assert_int_equal(drops(DROP_shard_inactive), 1);
	path_pass(0);
	assert_int_equal(state_now(), SL_SHARD_SUSPENDED);
	assert_int_equal(path.n_shard_events, 1);
	assert_int_equal(path.shard_events[0].type, SL_SHARD_PAUSED);
	assert_int_equal(n_passed(3), 0);
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 1, -1), -ETIME); // said before the pause
	assert_int_equal(n_passed(4), 0);
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 1, LEASE_MS), 0);
	assert_int_equal(n_passed(5), 1);
}

// Between the making of a packet and its transmission.
static void what_was_made_before_a_pause_is_not_sent_after_it(void **)
{
	struct worker *worker = path.workers->workers[0];
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(path.pool);

	activate();
	n_out();
	rte_pktmbuf_append(mbuf, 60);
	worker->counters.injected++; // for the balance
	worker->tx[0].mbufs[0] = mbuf;
	worker->tx[0].shards[0] = 1;
	worker->tx[0].sharded = true;
	worker->tx[0].n = 1;
	clock_ns_q32 +=
		(uint64_t)(((unsigned __int128)2 * LEASE_MS * 1000000 << 32) / rte_rdtsc()) + 1;
	tx(worker);
	assert_int_equal(n_out(), 0);
	assert_int_equal(drops(DROP_shard_inactive), 1);
}

// Neither is evidence that somebody else owns it.
static void silence_of_control_is_no_reason_to_stop(void **)
{
	path_set(&wanted);
	activate();
	for (uint16_t i = 0; i < 60; i++) {
		path_pass(300);
		assert_int_equal(n_passed((uint16_t)(1 + i)) > 0, 1);
	}
	assert_int_equal(state_now(), SL_SHARD_ACTIVE);
	assert_int_equal(path.n_shard_events, 0);
}

static void a_pause_within_the_lease_changes_nothing(void **)
{
	path_set(&wanted);
	activate();
	path_pass(LEASE_MS / 2);
	path_turn();
	assert_int_equal(state_now(), SL_SHARD_ACTIVE);
	assert_int_equal(n_passed(1), 1);
}

static void other_addresses_are_not_concerned(void **)
{
	struct sl_session session = rig_session(2);

	session.legs[0].local = rig_address(OUR7, 20000);
	session.legs[1].local = rig_address(OUR7, 20010);
	session.legs[0].remote = rig_address(FAR0, 4000);
	session.legs[1].remote = rig_address(FAR1, 5000);
	path_set(&session);
	path_pass(2 * LEASE_MS);
	{
		struct frame frame;
		uint8_t payload[172];

		frame_build(&frame, &(struct udp_packet){.to_mac = MAC_P1,
					    .from_mac = MAC_FAR7,
					    .from = FAR0,
					    .to = OUR7,
					    .from_port = 4000,
					    .to_port = 20000,
					    .vlan = 7,
					    .payload = payload,
					    .payload_bytes = build_silence(payload, 1)});
		frame_push(1, &frame);
	}
	path_turn();
	assert_int_equal(n_out(), 1);
}

// ---- conflicts ----

static const struct claim stranger = {.mac = {{2, 0, 0, 0, 9, 9}}};

static void claim_by_stranger(void)
{
	struct claim claim = stranger;

	claim.address = rig_address(OUR0, 0);
	shards_claimed(path.shards, &claim);
	path_turn();
}

static void within_the_lease_the_address_is_defended(void **)
{
	activate();
	n_announced(0, OUR0, MAC_P0);
	for (unsigned int i = 0; i < 5; i++)
		claim_by_stranger();
	assert_int_equal(n_announced(0, OUR0, MAC_P0), 1);
	assert_int_equal(state_now(), SL_SHARD_ACTIVE);
	assert_int_equal(path.n_shard_events, 1);
	assert_int_equal(path.shard_events[0].type, SL_SHARD_CONFLICT);
	assert_int_equal(path.shard_events[0].state, SL_SHARD_ACTIVE);
	assert_memory_equal(path.shard_events[0].mac, &stranger.mac, 6);
}

static void after_the_lease_the_address_is_given_up(void **)
{
	path_set(&wanted);
	assert_int_equal(set_state(SL_SHARD_ACTIVE, 1, 1), 0);
	assert_int_equal(n_passed(1), 1);
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	claim_by_stranger();
	assert_int_equal(state_now(), SL_SHARD_SUSPENDED);
	assert_int_equal(path.shard_events[0].state, SL_SHARD_SUSPENDED);
	assert_int_equal(n_passed(2), 0);
	claim_by_stranger();
	assert_int_equal(path.n_shard_events, 1);
}

static void our_own_claim_is_no_conflict(void **)
{
	struct claim claim = {.address = rig_address(OUR0, 0)};

	activate();
	memcpy(&claim.mac, MAC_P0, 6);
	shards_claimed(path.shards, &claim);
	assert_int_equal(path.n_shard_events, 0);
}

static void others_may_claim_what_we_do_not_have(void **)
{
	claim_by_stranger();
	assert_int_equal(path.n_shard_events, 0);
}

#define SHARD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, call_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARD_TEST(an_address_is_inactive_at_start),
		SHARD_TEST(sessions_set_before_work_when_it_becomes_active),
		SHARD_TEST(nothing_passes_once_it_is_inactive),
		SHARD_TEST(what_is_frozen_stands_still),
		SHARD_TEST(sessions_do_not_time_out_meanwhile),
		SHARD_TEST(only_a_newer_epoch_is_heard),
		SHARD_TEST(bad_requests_are_refused),
		SHARD_TEST(becoming_active_is_announced_five_times),
		SHARD_TEST(ipv6_is_advertised),
		SHARD_TEST(becoming_inactive_ends_the_burst),
		SHARD_TEST(nothing_is_sent_after_a_pause),
		SHARD_TEST(what_was_made_before_a_pause_is_not_sent_after_it),
		SHARD_TEST(silence_of_control_is_no_reason_to_stop),
		SHARD_TEST(a_pause_within_the_lease_changes_nothing),
		SHARD_TEST(other_addresses_are_not_concerned),
		SHARD_TEST(within_the_lease_the_address_is_defended),
		SHARD_TEST(after_the_lease_the_address_is_given_up),
		SHARD_TEST(our_own_claim_is_no_conflict),
		SHARD_TEST(others_may_claim_what_we_do_not_have),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
