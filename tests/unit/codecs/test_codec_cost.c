// What codecs cost: figures for all of them, and sensible ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec_cost.h"

static void before_measuring_costs_are_the_codecs_own(void **)
{
	for (const struct codec **c = codecs; *c; c++) {
		assert_int_equal(codec_cost(*c).encode_ns, (*c)->encode_ns);
		assert_int_equal(codec_cost(*c).decode_ns, (*c)->decode_ns);
	}
}

// Nothing that depends on the machine: a search costs more than a table, and all cost something.
static void all_codecs_are_measured(void **)
{
	struct codec_cost opus, pcmu;

	codecs_measure(200);
	for (const struct codec **c = codecs; *c; c++) {
		struct codec_cost cost = codec_cost(*c);

		print_message("%-14s%6u Hz: encode %8.2f us, decode %8.2f us\n", (*c)->name,
			(*c)->clock_hz, cost.encode_ns / 1e3, cost.decode_ns / 1e3);
		assert_true(cost.encode_ns > 0 && cost.decode_ns > 0);
		assert_true(cost.encode_ns != (*c)->encode_ns || cost.decode_ns != (*c)->decode_ns);
	}
	opus = codec_cost(codec_find("opus", 48000, 2));
	pcmu = codec_cost(codec_find("PCMU", 8000, 1));
	assert_true(opus.encode_ns > pcmu.encode_ns);
	assert_true(opus.decode_ns > pcmu.decode_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_measuring_costs_are_the_codecs_own),
		cmocka_unit_test(all_codecs_are_measured),
	};

	return codecs_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
