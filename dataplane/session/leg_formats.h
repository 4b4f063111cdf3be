// Which payload type is which format of a leg, and its clock. Most legs of a gateway have one of a
// few dozen combinations, so a combination is there once for each worker, and counted: it stays in
// the cache when legs do not, and a leg pays a pointer.
#pragma once

#include <stdint.h>

#include "sl_api.h"
#include "slab.h"

#define LEG_NO_FORMAT  0xff
#define LEG_ITS_FORMAT 0xfe // of another leg of the bundle

// main: writes before it is published, workers: ro
struct leg_formats {
	struct sl_format wanted[SL_FORMATS_MAX]; // main; zero where there is none
	uint32_t clocks_hz[SL_FORMATS_MAX];
	uint8_t format_of[128];	  // payload type to index of format, LEG_NO_FORMAT: refuse
	struct leg_formats *next; // main: in its bucket
	struct leg_formats **bucket;
	uint32_t n_configs; // main: that have it
};

#define LEG_FORMATS_BUCKETS 1024

// main only
struct leg_formats_table {
	struct slab memory;
	struct leg_formats *buckets[LEG_FORMATS_BUCKETS];
};

void leg_formats_init(struct leg_formats_table *table, int socket_id);
void leg_formats_fini(struct leg_formats_table *table); // all have been released

// The table's own of `wanted`, held by one configuration more. NULL: no memory.
struct leg_formats *leg_formats_take(
	struct leg_formats_table *table, const struct leg_formats *wanted);
struct leg_formats *leg_formats_hold(struct leg_formats *formats);
void leg_formats_release(struct leg_formats *formats); // no worker sees it. NULL is none
