// The list has the same order at every reading, so that a reset is an array of what to subtract.
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNTERS_MAX 4096

struct stats {
	const struct server_counters *server;
	size_t n;
	struct sl_counter counters[COUNTERS_MAX];
	uint64_t bases[COUNTERS_MAX];
};

struct stats *stats_create(const struct server_counters *server)
{
	struct stats *stats = calloc(1, sizeof(*stats));

	if (stats)
		stats->server = server;
	return stats;
}

void stats_destroy(struct stats *stats)
{
	free(stats);
}

static void add(void *context, const char *name, uint64_t value)
{
	struct stats *stats = context;
	struct sl_counter *counter = &stats->counters[stats->n];

	if (stats->n == COUNTERS_MAX)
		return;
	memset(counter->name, 0, sizeof(counter->name));
	snprintf(counter->name, sizeof(counter->name), "%.55s", name);
	counter->value = value;
	stats->n++;
}

static void add_port(struct stats *stats, const struct port *port)
{
	struct port_counters counters;
	char name[64];

	if (port_counters_get(port, &counters))
		memset(&counters, 0, sizeof(counters));
#define ADD(field)                                                          \
	snprintf(name, sizeof(name), "port.%s." #field, port->config.name); \
	add(stats, name, counters.field);
	PORT_COUNTERS(ADD)
#undef ADD
}

static void add_transcoder(
	struct stats *stats, const struct server_config *config, unsigned int index)
{
	struct transcode_lcore_stats lcore;
	char name[64];

	transcode_lcore_stats(config->workers->config.transcode, index, &lcore);
#define ADD(field)                                                    \
	snprintf(name, sizeof(name), "transcoder.%u." #field, index); \
	add(stats, name, lcore.field);
	ADD(jobs)
	ADD(frames)
	ADD(busy_ns)
	ADD(dropped)
	ADD(streams_now)
	ADD(load_permille_now)
	ADD(expected_permille_now)
	ADD(shed_level_now)
	ADD(refused)
#undef ADD
	if (!config->transcoders)
		return;
	snprintf(name, sizeof(name), "transcoder.%u.turns", index);
	add(stats, name, config->transcoders[index].turns);
	snprintf(name, sizeof(name), "transcoder.%u.busy_turns", index);
	add(stats, name, config->transcoders[index].busy_turns);
}

static void add_sessions(struct stats *stats, const struct sessions *sessions)
{
	struct sessions_counts counts;

	sessions_count(sessions, &counts);
	add(stats, "table.sessions_now", counts.sessions);
	add(stats, "table.legs_now", counts.legs);
	add(stats, "table.ports_used_now", counts.ports_used);
	add(stats, "table.ports_free_now", counts.ports_free);
	add(stats, "table.deferred_now", counts.deferred);
}

// Packet buffers that are not in the pool: with devices, in rings, on their way.
static void add_memory(struct stats *stats, const struct rte_mempool *pool)
{
	add(stats, "memory.packets_used_now", rte_mempool_in_use_count(pool));
}

static void add_server(struct stats *stats)
{
	add(stats, "server.clients_now", stats->server->clients);
	add(stats, "server.slow_clients", stats->server->slow_clients);
	add(stats, "server.refused_clients", stats->server->refused_clients);
	add(stats, "server.requests", stats->server->requests);
	add(stats, "server.punts", stats->server->punts);
	add(stats, "server.punts_dropped", stats->server->punts_dropped);
}

static void gather(struct stats *stats, const struct server_config *config)
{
	const struct workers_config *workers = &config->workers->config;

	stats->n = 0;
	workers_counters(config->workers, add, stats);
	for (unsigned int i = 0; i < workers->n_ports; i++)
		add_port(stats, &workers->ports[i]);
	if (workers->transcode) // without transcode lcores each worker has its share of the engine
		for (unsigned int i = 0;
			i < (config->n_transcoders ? config->n_transcoders : workers->n_workers);
			i++)
			add_transcoder(stats, config, i);
	add_sessions(stats, config->sessions);
	add_memory(stats, workers->pool);
	add_server(stats);
}

static bool is_gauge(const char *name)
{
	size_t length = strlen(name);

	return length > 4 && !strcmp(name + length - 4, "_now");
}

const struct sl_counter *stats_read(
	struct stats *stats, const struct server_config *config, size_t *n_counters)
{
	gather(stats, config);
	for (size_t i = 0; i < stats->n; i++)
		if (!is_gauge(stats->counters[i].name))
			stats->counters[i].value -= stats->bases[i];
	*n_counters = stats->n;
	return stats->counters;
}

void stats_reset(struct stats *stats, const struct server_config *config)
{
	gather(stats, config);
	for (size_t i = 0; i < stats->n; i++)
		stats->bases[i] = stats->counters[i].value;
}
