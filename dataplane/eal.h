// DPDK's environment, from our configuration: arguments, lcores, memory, logs.
#pragma once

#include <stddef.h>

#include "dataplane_config.h"
#include "log.h"

extern struct log_module log_eal;

// lcore ids: main is 0, then the workers, then the transcoders.
#define EAL_MAIN_LCORE 0u

static inline unsigned int eal_worker_lcore(unsigned int worker)
{
	return 1 + worker;
}

static inline unsigned int eal_transcoder_lcore(
	const struct config *config, unsigned int transcoder)
{
	return 1 + config->cpus->workers_count + transcoder;
}

// Start. Returns 0 or a negative errno with one sentence in `error`. The calling thread becomes the
// main lcore.
int eal_start(const struct config *config, char *error, size_t error_size);
void eal_stop(void);
