// The E-model against what ITU-T G.107 and G.113 print.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "emodel.h"

static double rate(const char *codec, double loss, double burst_ratio, double delay_ms)
{
	const struct emodel_path path = {loss, burst_ratio, delay_ms};

	return emodel_r(emodel_codec_find(codec), &path);
}

static void assert_near(double value, double expected, double tolerance)
{
	if (fabs(value - expected) > tolerance)
		fail_msg("%f is not %f", value, expected);
}

// G.107 7.7: "R = 93.2" with the defaults of Table 2.
static void defaults_have_the_rating_that_the_recommendation_states(void **)
{
	assert_near(rate("PCMU", 0, 1, 0), 93.2, 0.05);
	assert_near(emodel_mos(rate("PCMA", 0, 1, 0)), 4.41, 0.005);
}

// G.107 Annex B, Table B.1 (rounded up there).
static void opinion_scores_are_those_of_the_table(void **)
{
	static const double rows[][2] = {
		{0, 1}, {50, 2.58}, {60, 3.10}, {70, 3.60}, {80, 4.03}, {90, 4.34}, {100, 4.5}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_near(emodel_mos(rows[i][0]), rows[i][1], 0.007);
	assert_near(emodel_mos(-5), 1, 0);
	assert_near(emodel_mos(3), 1, 0); // the polynomial dips below
	assert_near(emodel_mos(120), 4.5, 0);
}

// Ie of G.113 Table I.1 and Ie,eff of G.107 7.5 with Bpl of G.113 Table I.4, in points of R.
static void codecs_and_loss_cost_what_the_tables_say(void **)
{
	static const struct {
		const char *codec;
		double loss, ie_eff;
	} rows[] = {
		{"PCMU", 0.01, 95 * 1 / 26.1},
		{"pcma", 0.05, 95 * 5 / 30.1},
		{"G729", 0, 11},
		{"G729", 0.01, 15.2},
		{"G729", 0.02, 19},
		{"AMR", 0, 5},
		{"AMR", 0.02, 20},
		{"GSM", 0, 20},
		{"G723", 0, 15},
		{"G723", 0.02, 15 + 80 * 2 / 18.1},
		{"G726-40", 0, 2},
		{"G726-32", 0, 7},
		{"aal2-g726-24", 0, 25},
		{"G726-16", 0, 50},
		{"G728", 0, 7},
		{"opus", 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_near(rate("PCMU", 0, 1, 0) - rate(rows[i].codec, rows[i].loss, 1, 0),
			rows[i].ie_eff, 1e-9);
}

// G.107 7.5: with a burst ratio of 2, ppl / 2 in place of ppl in the denominator.
static void bursts_cost_more_than_random_losses(void **)
{
	assert_near(rate("PCMU", 0, 1, 0) - rate("G729", 0.04, 2, 0), 11 + 84 * 4 / 21.0, 1e-9);
	assert_true(rate("PCMU", 0.04, 2, 0) < rate("PCMU", 0.04, 1, 0));
}

static void a_burst_ratio_is_length_by_what_chance_has(void **)
{
	assert_near(emodel_burst_ratio(10, 10, 1000), 1, 0.011); // 0.99: as random
	assert_near(emodel_burst_ratio(100, 25, 1000), 3.6, 1e-9);
	assert_near(emodel_burst_ratio(0, 0, 1000), 1, 0);
	assert_near(emodel_burst_ratio(5, 0, 1000), 1, 0);
	assert_near(emodel_burst_ratio(10, 1, 10), 1, 0); // nothing came
}

// Sums of G.107 7.4 by hand, with Ro = 94.769: talker echo, listener echo, delay.
static void delay_costs_echo_first_and_then_itself(void **)
{
	double none = rate("PCMU", 0, 1, 0);

	assert_near(none - rate("PCMU", 0, 1, 150), 2.82 + 0.84 + 0.16 - 0.15, 0.03);
	assert_true(rate("PCMU", 0, 1, 400) < 70 && rate("PCMU", 0, 1, 400) > 60);
	for (double ms = 0; ms < 1000; ms += 10)
		assert_true(rate("PCMU", 0, 1, ms + 10) < rate("PCMU", 0, 1, ms));
}

static void whatever_comes_in_the_result_is_a_rating(void **)
{
	static const double losses[] = {0, 0.5, 1}, ratios[] = {1, 1000}, delays[] = {0, 1e6};

	for (int i = 0; i < 12; i++) {
		double r = rate("no such codec", losses[i % 3], ratios[i / 3 % 2], delays[i / 6]);

		assert_true(r >= 0 && r <= 100);
	}
	assert_near(rate("PCMU", 1, 1, 1e6), 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_have_the_rating_that_the_recommendation_states),
		cmocka_unit_test(opinion_scores_are_those_of_the_table),
		cmocka_unit_test(codecs_and_loss_cost_what_the_tables_say),
		cmocka_unit_test(bursts_cost_more_than_random_losses),
		cmocka_unit_test(a_burst_ratio_is_length_by_what_chance_has),
		cmocka_unit_test(delay_costs_echo_first_and_then_itself),
		cmocka_unit_test(whatever_comes_in_the_result_is_a_rating),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
