// Counters as Prometheus text: names, labels, kinds, and what belongs together.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/buffer.h>

#include "metrics.h"

static struct metrics *metrics;
static struct evbuffer *out;

static int set_up(void **)
{
	metrics = metrics_create();
	out = evbuffer_new();
	return metrics && out ? 0 : -1;
}

static int tear_down(void **)
{
	metrics_free(metrics);
	evbuffer_free(out);
	return 0;
}

static void assert_prints(const char *wanted)
{
	assert_int_equal(metrics_print(metrics, out), 0);
	evbuffer_add(out, "", 1);
	assert_string_equal((char *)evbuffer_pullup(out, -1), wanted);
}

static void nothing_prints_nothing(void **)
{
	assert_prints("");
}

static void counters_and_gauges_are_told_apart(void **)
{
	metrics_add(metrics, "table.sessions_now", 7);
	metrics_add(metrics, "call.answered", UINT64_MAX);
	assert_prints("# HELP sluice_call_answered_total Calls that were answered.\n"
		      "# TYPE sluice_call_answered_total counter\n"
		      "sluice_call_answered_total 18446744073709551615\n"
		      "# HELP sluice_table_sessions Media sessions in the dataplane.\n"
		      "# TYPE sluice_table_sessions gauge\n"
		      "sluice_table_sessions 7\n");
}

static void samples_of_a_family_stand_together(void **)
{
	metrics_add(metrics, "worker.0.rx_packets", 1);
	metrics_add(metrics, "worker.0.tx_packets", 2);
	metrics_add(metrics, "worker.10.rx_packets", 3);
	metrics_add(metrics, "worker.2.tx_packets", 4);
	assert_prints("# TYPE sluice_worker_rx_packets_total counter\n"
		      "sluice_worker_rx_packets_total{worker=\"0\"} 1\n"
		      "sluice_worker_rx_packets_total{worker=\"10\"} 3\n"
		      "# TYPE sluice_worker_tx_packets_total counter\n"
		      "sluice_worker_tx_packets_total{worker=\"0\"} 2\n"
		      "sluice_worker_tx_packets_total{worker=\"2\"} 4\n");
}

static void variable_parts_are_labels(void **)
{
	metrics_add(metrics, "drop.wrong_source", 1);
	metrics_add(metrics, "port.eth-a.rx_bytes", 2);
	metrics_add(metrics, "transcoder.1.streams_now", 3);
	metrics_add(metrics, "worker.0.stage.relay_reports_cycles", 4);
	assert_prints("# HELP sluice_drops_total Packets dropped by the dataplane, by reason.\n"
		      "# TYPE sluice_drops_total counter\n"
		      "sluice_drops_total{reason=\"wrong_source\"} 1\n"
		      "# TYPE sluice_port_rx_bytes_total counter\n"
		      "sluice_port_rx_bytes_total{port=\"eth-a\"} 2\n"
		      "# TYPE sluice_transcoder_streams gauge\n"
		      "sluice_transcoder_streams{transcoder=\"1\"} 3\n"
		      "# TYPE sluice_worker_stage_cycles_total counter\n"
		      "sluice_worker_stage_cycles_total{worker=\"0\",stage=\"relay_reports\"} 4\n");
}

static void label_values_are_escaped(void **)
{
	metrics_add_labelled(metrics, "trunk_calls_now", "trunk", "a\"b\\c\nd", 1);
	assert_prints("# HELP sluice_trunk_calls Calls of a trunk that are not over.\n"
		      "# TYPE sluice_trunk_calls gauge\n"
		      "sluice_trunk_calls{trunk=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void odd_names_stay_names(void **)
{
	metrics_add(metrics, "worker.0", 1);
	metrics_add(metrics, "worker.", 2);
	metrics_add(metrics, "_now", 3);
	metrics_add(metrics, "worker.0.stage.x", 4);
	assert_prints("# TYPE sluice__now_total counter\n"
		      "sluice__now_total 3\n"
		      "# TYPE sluice_worker__total counter\n"
		      "sluice_worker__total 2\n"
		      "# TYPE sluice_worker_0_total counter\n"
		      "sluice_worker_0_total 1\n"
		      "# TYPE sluice_worker_stage_x_total counter\n"
		      "sluice_worker_stage_x_total{worker=\"0\"} 4\n");
}

static void long_names_and_values_are_cut(void **)
{
	char name[400];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	metrics_add(metrics, name, 1);
	metrics_add_labelled(metrics, "trunk_calls_now", "trunk", name, 2);
	assert_int_equal(metrics_print(metrics, out), 0);
	assert_in_range(evbuffer_get_length(out), 300, 700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_prints_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			counters_and_gauges_are_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			samples_of_a_family_stand_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(variable_parts_are_labels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(label_values_are_escaped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(odd_names_stay_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_names_and_values_are_cut, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
