// R and MOS of a leg, from packets that came and reports of the far end to what control is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "clock.h"
#include "emodel.h"
#include "rtcp.h"

static const struct sl_media_event *last_event(void)
{
	const struct sl_media_event *last = NULL;

	for (unsigned int i = 0; i < path.rig.n_events; i++)
		if (path.rig.events[i].type == SL_EVENT_QUALITY)
			last = &path.rig.events[i];
	return last;
}

static unsigned int n_told(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < path.rig.n_events; i++)
		n += path.rig.events[i].type == SL_EVENT_QUALITY;
	return n;
}

// n packets of far end 0, of which the last n_lost of each 20 do not come.
static void talk(unsigned int n, unsigned int n_lost)
{
	static uint16_t sequence;

	for (unsigned int i = 0; i < n; i++) {
		sequence++;
		if (i % 20 >= 20 - n_lost)
			continue;
		push_silence(FAR0, 4000, LOCAL0, sequence);
		path_turn();
		discard_output();
	}
}

static void pass_interval(void)
{
	path_pass(SL_QUALITY_MS);
	path_pass(100); // every leg has been looked at
}

static double rate(const char *codec, double loss, double burst_ratio, double delay_ms)
{
	const struct emodel_path way = {loss, burst_ratio, delay_ms};

	return emodel_r(emodel_codec_find(codec), &way);
}

// A packet of 20 ms, and twice the jitter, which on a busy machine is anything.
static void assert_rating(
	const struct sl_quality *quality, const char *codec, double loss, double burst_ratio)
{
	double jitter_ms = report_now().stats[0].jitter_max_us / 1000.0;
	double r = quality->r_tenths / 10.0;

	assert_true(r < rate(codec, loss, burst_ratio, 20) + 0.1);
	assert_true(r > rate(codec, loss, burst_ratio, 20 + 2 * jitter_ms + 2) - 0.1);
	assert_float_equal(quality->mos_hundredths / 100.0, emodel_mos(r), 0.011);
}

static void begin(uint16_t flags)
{
	wanted.legs[0].flags |= flags;
	path_set(&wanted);
	path_pass(100);
}

static void good_media_is_good_and_nobody_is_told_who_has_not_asked(void **)
{
	begin(0);
	assert_int_equal(report_now().stats[0].received.mos_hundredths, 0);
	talk(100, 0);
	pass_interval();
	assert_rating(&report_now().stats[0].received, "PCMU", 0, 1);
	assert_int_equal(report_now().stats[0].received_now.r_tenths,
		report_now().stats[0].received_worst.r_tenths);
	assert_int_equal(report_now().stats[0].sent.mos_hundredths, 0);
	assert_int_equal(report_now().stats[1].received.mos_hundredths, 0);
	assert_int_equal(n_told(), 0);
}

static void an_interval_is_judged_by_its_own_losses_and_their_bursts(void **)
{
	struct sl_leg_stats stats;

	begin(SL_LEG_QUALITY_REPORT);
	talk(200, 0);
	pass_interval();
	assert_int_equal(n_told(), 1);
	assert_int_equal(last_event()->leg, 0);
	assert_int_equal(last_event()->loss_permille, 0);
	assert_rating(&last_event()->received, "PCMU", 0, 1);
	talk(200, 2);
	talk(1, 0);
	pass_interval();
	assert_int_equal(n_told(), 2);
	assert_int_equal(last_event()->loss_permille, 99);
	assert_rating(&last_event()->received, "PCMU", 20 / 201.0, 2 * (1 - 20 / 201.0));
	talk(200, 0);
	pass_interval();
	stats = report_now().stats[0];
	assert_int_equal(stats.loss_bursts, 10);
	assert_rating(&stats.received_now, "PCMU", 0, 1);
	assert_rating(&stats.received_worst, "PCMU", 20 / 201.0, 1.8);
	assert_rating(&stats.received, "PCMU", 20 / 601.0, 2 * (1 - 20 / 601.0));
}

static void silence_is_not_judged(void **)
{
	begin(SL_LEG_QUALITY_REPORT);
	talk(40, 0);
	pass_interval();
	pass_interval();
	assert_int_equal(n_told(), 0);
	assert_int_equal(report_now().stats[0].received.mos_hundredths, 0);
}

static void the_codec_counts(void **)
{
	snprintf(wanted.legs[0].formats[0].name, sizeof(wanted.legs[0].formats[0].name), "GSM");
	snprintf(wanted.legs[1].formats[0].name, sizeof(wanted.legs[1].formats[0].name), "GSM");
	begin(0);
	talk(100, 0);
	assert_rating(&report_now().stats[0].received, "GSM", 0, 1);
}

// Leg 1 is sent what far end 0 says, and reports a loss of a quarter, then none.
static void what_the_far_end_hears_is_judged_by_its_reports(void **)
{
	struct rtcp_block block = {
		.ssrc = 0xbbbb0000u, .lost = 25, .fraction_lost = 64, .jitter = 8};
	uint8_t datagram[64];
	int n;

	begin(0);
	talk(100, 0);
	n = rtcp_report_build(datagram, sizeof(datagram), SSRC1, NULL, &block, 1);
	push_datagram1(FAR1, 5001, LOCAL1 + 1, datagram, (unsigned int)n);
	path_turn();
	assert_rating(&report_now().stats[1].sent, "PCMU", 0.25, 1);
	assert_int_equal(report_now().stats[0].sent.mos_hundredths, 0);
	block.lost = 0x7fffff; // more than there ever was
	n = rtcp_report_build(datagram, sizeof(datagram), SSRC1, NULL, &block, 1);
	push_datagram1(FAR1, 5001, LOCAL1 + 1, datagram, (unsigned int)n);
	path_turn();
	assert_rating(&report_now().stats[1].sent, "PCMU", 1, 1);
	discard_output();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(good_media_is_good_and_nobody_is_told_who_has_not_asked),
		CALL_TEST(an_interval_is_judged_by_its_own_losses_and_their_bursts),
		CALL_TEST(silence_is_not_judged),
		CALL_TEST(the_codec_counts),
		CALL_TEST(what_the_far_end_hears_is_judged_by_its_reports),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
