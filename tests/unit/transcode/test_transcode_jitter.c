// The jitter buffer, in virtual time: a far end sends, a network delays, loses, doubles and
// reorders, and what comes out has to be even.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define FRAME	 160
#define FRAME_US 20000
#define FLIGHT	 64 // packets on their way
#define LOUD	 0x20
#define SILENCE	 0xff

typedef uint32_t delay_fn(unsigned int packet); // us

struct flying {
	uint64_t at_us;
	struct rtp_view view;
	bool is_there;
};

static struct rig rig;
static struct flying flight[FLIGHT];
static uint64_t now_us, sent_us_q16; // the far end's clock
static unsigned int n_sent;
static struct rtp_view next;
static uint8_t payload[FRAME];
static int32_t ppm;		// that the far end's clock is fast by
static uint64_t last_us;	// when output came last ...
static uint32_t last_timestamp; // ... what it was ...
static uint16_t last_sequence;
static uint64_t longest_us;	      // ... and the longest time between two
static unsigned int n_out, n_markers; // counted
static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)random_state * below >> 32);
}

static void begin(enum transcode_jitter mode, uint16_t ms, uint16_t max_ms)
{
	struct transcode_spec spec = rig_spec("PCMU", "PCMA");

	spec.jitter = (uint8_t)mode;
	spec.jitter_ms = ms;
	spec.jitter_max_ms = max_ms;
	rig_init(&rig, NULL);
	rig.virtual_time = true;
	rig_open(&rig, spec);
	memset(flight, 0, sizeof(flight));
	memset(payload, LOUD, sizeof(payload));
	now_us = rig.now_ns / 1000;
	sent_us_q16 = now_us << 16;
	next = (struct rtp_view){.ssrc = 7, .sequence = 65500, .timestamp = UINT32_MAX - 5000};
	n_sent = n_out = n_markers = 0;
	longest_us = last_us = 0;
	ppm = 0;
	random_state = 1;
}

static void fly(const struct rtp_view *view, uint32_t delay_us)
{
	unsigned int i = 0;

	while (flight[i].is_there)
		assert_true(++i < FLIGHT);
	flight[i] = (struct flying){now_us + delay_us, *view, true};
}

static void land(void)
{
	for (unsigned int i = 0; i < FLIGHT; i++) {
		struct flying *first = NULL;

		for (unsigned int j = 0; j < FLIGHT; j++)
			if (flight[j].is_there && flight[j].at_us <= now_us &&
				(!first || flight[j].at_us < first->at_us))
				first = &flight[j];
		if (!first)
			return;
		first->is_there = false;
		rig_send(&rig, rig.stream, &first->view, payload, FRAME);
	}
}

// Sequence and SSRC of the output never have a seam, and timestamps go on by frames.
static void look_at_output(void)
{
	for (unsigned int i = 0; i < rig.n_out; i++, n_out++) {
		const struct rtp_view *view = &rig.out[i].view;

		n_markers += view->marker;
		if (n_out) {
			assert_int_equal((uint16_t)(view->sequence - last_sequence), 1);
			assert_int_equal((view->timestamp - last_timestamp) % FRAME, 0);
			assert_true(view->marker || view->timestamp - last_timestamp == FRAME);
			assert_true(view->timestamp - last_timestamp < 10 * 8000);
			if (now_us - last_us > longest_us)
				longest_us = now_us - last_us;
		}
		last_sequence = view->sequence;
		last_timestamp = view->timestamp;
		last_us = now_us;
	}
	rig.n_out = 0;
}

static void pass(uint32_t us)
{
	now_us += us;
	rig.now_ns = now_us * 1000;
	land();
	rig_pump(&rig);
	look_at_output();
}

static void pass_until(uint64_t us)
{
	while (now_us < us)
		pass(us - now_us < 1000 ? (uint32_t)(us - now_us) : 1000);
}

// The far end's clock goes on by so many frames.
static void frames_go_by(unsigned int n)
{
	sent_us_q16 +=
		(uint64_t)n * (((uint64_t)FRAME_US << 16) * 1000000 / (uint32_t)(1000000 + ppm));
	pass_until(sent_us_q16 >> 16);
}

static void skip_packet(void)
{
	next.sequence++;
	next.timestamp += FRAME;
}

static void talk(unsigned int n, delay_fn *delay)
{
	for (unsigned int i = 0; i < n; i++) {
		fly(&next, delay(n_sent++));
		skip_packet();
		frames_go_by(1);
	}
}

static uint32_t no_delay(unsigned int)
{
	return 5000;
}

static uint32_t up_to_40(unsigned int)
{
	return 5000 + draw(40000);
}

static uint32_t up_to_100(unsigned int)
{
	return 5000 + draw(100000);
}

static uint32_t depth_ms(void)
{
	return (uint32_t)(rig_stats(&rig).depth_us / 1000);
}

static void a_fixed_depth_evens_out_what_is_within_it(void **)
{
	struct transcode_stats stats;

	begin(TRANSCODE_JITTER_FIXED, 60, 0);
	talk(500, up_to_40);
	stats = rig_stats(&rig);
	assert_in_range(n_out, 495, 500);
	assert_int_equal(stats.late, 0);
	assert_in_range(stats.concealed, 0, 2); // while the least delay is found out
	assert_true(longest_us <= FRAME_US + 2000);
	assert_in_range(depth_ms(), 40, 80);
	assert_in_range(n_markers, 1, 1);
	rig_fini(&rig);
}

static void what_is_beyond_a_fixed_depth_is_late_and_made_up(void **)
{
	struct transcode_stats stats;

	begin(TRANSCODE_JITTER_FIXED, 20, 0);
	talk(1000, up_to_100);
	stats = rig_stats(&rig);
	assert_true(stats.late > 100);
	assert_true(stats.concealed >= stats.late * 3 / 4); // after several no more
	assert_in_range(n_out, 960, 1005);
	assert_true(longest_us <= 8 * FRAME_US); // where it stopped and began anew
	rig_fini(&rig);
}

static void an_adaptive_one_grows_with_the_delays_and_shrinks_with_them(void **)
{
	struct transcode_stats before, after;

	begin(TRANSCODE_JITTER_ADAPTIVE, 20, 200);
	talk(500, up_to_100);
	before = rig_stats(&rig);
	talk(500, up_to_100);
	after = rig_stats(&rig);
	assert_in_range(depth_ms(), 75, 150);
	assert_true(after.concealed - before.concealed <= 25); // 5 %
	assert_true(after.late - before.late <= 15);	       // 3 %
	talk(2000, no_delay);
	assert_in_range(depth_ms(), 15, 45);
	assert_true(rig_stats(&rig).discarded >= 2);
	assert_true(rig_stats(&rig).target_us <= 30000);
	assert_true(longest_us <= FRAME_US + 2000);
	rig_fini(&rig);
}

// The network stands still, and then gives all at once.
static uint32_t one_spike(unsigned int packet)
{
	return packet >= 200 && packet < 207 ? 155000 - (packet - 200) * 20000 : 5000;
}

static void a_spike_is_waited_for_once_and_forgotten(void **)
{
	begin(TRANSCODE_JITTER_ADAPTIVE, 40, 200);
	talk(195, one_spike);
	assert_in_range(depth_ms(), 15, 65);
	talk(30, one_spike);
	assert_int_equal(rig_stats(&rig).late, 0); // it was played
	assert_in_range(rig_stats(&rig).concealed, 3, 7);
	assert_in_range(depth_ms(), 100, 200);
	talk(600, one_spike);
	assert_in_range(depth_ms(), 15, 65);
	rig_fini(&rig);
}

static void loss_reordering_and_duplicates_do_not_show(void **)
{
	struct transcode_stats stats;
	unsigned int n_lost = 0;

	begin(TRANSCODE_JITTER_FIXED, 80, 0);
	for (unsigned int i = 0; i < 1000; i++) {
		uint32_t kind = i < 50 ? 99 : draw(100);

		if (kind < 5)
			n_lost++;
		else
			fly(&next, kind < 25 ? 60000 : 5000);
		if (kind >= 90)
			fly(&next, 7000);
		skip_packet();
		frames_go_by(1);
	}
	stats = rig_stats(&rig);
	assert_true(stats.duplicates >= 60);
	assert_int_equal(stats.concealed, n_lost);
	assert_int_equal(stats.late, 0);
	assert_int_equal(n_markers, 1);
	assert_true(longest_us <= FRAME_US + 2000);
	rig_fini(&rig);
}

static void a_new_source_or_time_goes_on_where_the_old_was(void **)
{
	uint32_t begun;

	begin(TRANSCODE_JITTER_FIXED, 40, 0);
	talk(100, no_delay);
	begun = last_timestamp;
	next.ssrc = 8;
	next.sequence = 12;
	next.timestamp = 123456;
	talk(100, no_delay);
	next.timestamp += 1000000000;
	talk(100, no_delay);
	next.timestamp -= 500000;
	talk(100, no_delay);
	assert_in_range((last_timestamp - begun) / FRAME, 285, 310);
	assert_in_range(n_out, 375, 410);
	rig_fini(&rig);
}

static void silence_takes_its_time_and_no_more(void **)
{
	uint32_t begun;
	uint64_t begun_us;

	begin(TRANSCODE_JITTER_FIXED, 60, 0);
	talk(100, no_delay);
	for (unsigned int i = 0; i < 5; i++) {
		begun = last_timestamp;
		begun_us = last_us;
		next.timestamp += 100 * FRAME;
		frames_go_by(100);
		talk(50, no_delay);
		// To a frame, by our clock: what the far end left out, and its packets
		assert_in_range((last_timestamp - begun) / FRAME + 1,
			(last_us - begun_us) / FRAME_US, (last_us - begun_us) / FRAME_US + 2);
	}
	assert_true(rig_stats(&rig).concealed <= 5 * 6);
	assert_true(n_markers >= 6);
	rig_fini(&rig);
}

// At 100 ppm the clocks are 360 ms apart in the end.
static void an_hour_of(int32_t drift)
{
	struct transcode_stats stats;

	begin(TRANSCODE_JITTER_FIXED, 60, 0);
	ppm = drift;
	for (unsigned int minute = 0; minute < 60; minute++) {
		talk(3000, up_to_40);
		assert_in_range(depth_ms(), 30, 95);
	}
	stats = rig_stats(&rig);
	assert_true(longest_us <= FRAME_US + 2000);
	assert_true(stats.late <= 20);
	if (drift > 0)
		assert_in_range(stats.discarded, 15, 22);
	else
		assert_in_range(stats.concealed, 15, 42);
	assert_in_range(n_out, 180000 - 25, 180000 + 45);
	rig_fini(&rig);
}

static void a_fast_clock_is_followed_for_an_hour(void **)
{
	an_hour_of(100);
}

static void a_slow_clock_is_followed_for_an_hour(void **)
{
	an_hour_of(-100);
}

static void a_way_that_becomes_longer_for_good_is_followed(void **)
{
	begin(TRANSCODE_JITTER_FIXED, 40, 0);
	talk(100, no_delay);
	talk(200, up_to_40);
	for (unsigned int i = 0; i < 700; i++) {
		fly(&next, 205000);
		skip_packet();
		frames_go_by(1);
	}
	assert_true(rig_stats(&rig).late <= 30);
	assert_in_range(depth_ms(), 15, 90);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fixed_depth_evens_out_what_is_within_it),
		cmocka_unit_test(what_is_beyond_a_fixed_depth_is_late_and_made_up),
		cmocka_unit_test(an_adaptive_one_grows_with_the_delays_and_shrinks_with_them),
		cmocka_unit_test(a_spike_is_waited_for_once_and_forgotten),
		cmocka_unit_test(loss_reordering_and_duplicates_do_not_show),
		cmocka_unit_test(a_new_source_or_time_goes_on_where_the_old_was),
		cmocka_unit_test(silence_takes_its_time_and_no_more),
		cmocka_unit_test(a_fast_clock_is_followed_for_an_hour),
		cmocka_unit_test(a_slow_clock_is_followed_for_an_hour),
		cmocka_unit_test(a_way_that_becomes_longer_for_good_is_followed),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
