// Counters as Prometheus reads them (text exposition format 0.0.4).
//
// A counter's dotted name becomes a metric of the namespace "sluice", its variable parts labels:
//
//   worker.0.rx_packets           sluice_worker_rx_packets_total{worker="0"}
//   worker.0.stage.parse_cycles   sluice_worker_stage_cycles_total{worker="0",stage="parse"}
//   port.wan.rx_missed            sluice_port_rx_missed_total{port="wan"}
//   transcoder.1.streams_now      sluice_transcoder_streams{transcoder="1"}
//   drop.wrong_source             sluice_drops_total{reason="wrong_source"}
//   call.answered                 sluice_call_answered_total
//
// What ends with "_now" is a gauge and loses that ending; all others are counters and gain
// "_total".
#pragma once

#include <stdint.h>

struct evbuffer;
struct metrics;

// NULL: out of memory.
struct metrics *metrics_create(void);
void metrics_free(struct metrics *metrics);

// One counter, named as above. What cannot be kept for want of memory is missing from the print,
// which then fails.
void metrics_add(struct metrics *metrics, const char *name, uint64_t value);
// One sample by its family, as "trunk_calls_now", with one label.
void metrics_add_labelled(struct metrics *metrics, const char *family, const char *label,
	const char *label_value, uint64_t value);

// All of it, a family's samples together, with HELP where this project documents one and TYPE.
// Returns 0 or -ENOMEM.
int metrics_print(struct metrics *metrics, struct evbuffer *out);
