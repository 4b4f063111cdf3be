// Counters of the pipeline by name: each worker's own, the sums of all, and why packets were
// dropped.
#include <stdio.h>

#include "worker.h"

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
#define FIELD(name) {#name, offsetof(struct worker_counters, name)},
	WORKER_COUNTERS(FIELD)
#undef FIELD
};

static const char *const drop_names[] = {
#define NAME(name, text) "drop." #name,
	DROP_REASONS(NAME)
#undef NAME
};

static const char *const stage_names[] = {
#define NAME(stage, packets) #stage,
	STAGES(NAME)
#undef NAME
};

static uint64_t read_counter(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_worker(const struct worker *worker, counter_fn add, void *context)
{
	for (size_t i = 0; i < RTE_DIM(fields); i++) {
		const char *base = (const char *)&worker->counters;
		char name[64];

		snprintf(name, sizeof(name), "worker.%u.%s", worker->index, fields[i].name);
		add(context, name, read_counter((const uint64_t *)(base + fields[i].offset)));
	}
}

static void add_profile(const struct worker *worker, counter_fn add, void *context)
{
	for (size_t i = 0; i < STAGES_N; i++) {
		char name[64];

		snprintf(name, sizeof(name), "worker.%u.stage.%s_cycles", worker->index,
			stage_names[i]);
		add(context, name, read_counter(&worker->profile.cycles[i]));
		snprintf(name, sizeof(name), "worker.%u.stage.%s_packets", worker->index,
			stage_names[i]);
		add(context, name, read_counter(&worker->profile.packets[i]));
	}
}

void workers_counters(const struct worker_shared *shared, counter_fn add, void *context)
{
	for (unsigned int i = 0; i < shared->config.n_workers; i++)
		add_worker(shared->workers[i], add, context);
	for (unsigned int i = 0; i < shared->config.n_workers; i++)
		add_profile(shared->workers[i], add, context);
	add(context, "workers.byes_lost", shared->byes_lost);
	for (size_t reason = 0; reason < DROP_REASONS_N; reason++) {
		uint64_t sum = 0;

		for (unsigned int i = 0; i < shared->config.n_workers; i++)
			sum += read_counter(&shared->workers[i]->counters.drops[reason]);
		add(context, drop_names[reason], sum);
	}
}
