// How each module is started from the configuration, and stopped. The table at the end has them in
// the order in which they need each other.
#include <errno.h>
#include <limits.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "codec_cost.h"
#include "codec_plugin.h"
#include "dataplane.h"
#include "eal.h"
#include "server.h"

#define MBUFS_PER_QUEUE	    6144 // in the rings of a device and on their way
#define MBUFS_PER_LCORE	    2048
#define MBUF_CACHE	    256
#define CODEC_MEASURE_US    3000 // for each codec, at start
#define STREAMS_PER_SESSION 4

LOG_MODULE(log_main, "main");

int dataplane_fail(struct dataplane *dataplane, const char *what, int error)
{
	int at = snprintf(
		dataplane->error, sizeof(dataplane->error), "%s: %s", what, strerror(error));

	if (error == ENOMEM)
		snprintf(dataplane->error + at, sizeof(dataplane->error) - (size_t)at,
			" (memory.megabytes is %u)", dataplane->config->memory->megabytes);
	return -error;
}

static int start_eal(struct dataplane *dataplane)
{
	int rc = eal_start(dataplane->config, dataplane->error, sizeof(dataplane->error));

	if (rc)
		return rc;
	for (unsigned int i = 0; i < dataplane->config->cpus->workers_count; i++)
		dataplane->socket_ids[i] = (int)rte_lcore_to_socket_id(eal_worker_lcore(i));
	clock_init();
	return 0;
}

static void stop_eal(struct dataplane *)
{
	eal_stop();
}

static int start_pool(struct dataplane *dataplane)
{
	const struct cpus_config *cpus = dataplane->config->cpus;
	unsigned int n_lcores = 1 + cpus->workers_count + cpus->transcoders_count;
	unsigned int n = dataplane->config->ports_count * cpus->workers_count * MBUFS_PER_QUEUE +
			 n_lcores * MBUFS_PER_LCORE;

	dataplane->pool = rte_pktmbuf_pool_create("packets", n, MBUF_CACHE, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, rte_lcore_to_socket_id(eal_worker_lcore(0)));
	return dataplane->pool ? 0 : dataplane_fail(dataplane, "packet buffers", rte_errno);
}

static void stop_pool(struct dataplane *dataplane)
{
	rte_mempool_free(dataplane->pool);
}

static int start_rcu(struct dataplane *dataplane)
{
	unsigned int n_workers = dataplane->config->cpus->workers_count;

	dataplane->rcu =
		rte_zmalloc("rcu", rte_rcu_qsbr_get_memsize(n_workers), RTE_CACHE_LINE_SIZE);
	if (!dataplane->rcu || rte_rcu_qsbr_init(dataplane->rcu, n_workers))
		return dataplane_fail(dataplane, "RCU", ENOMEM);
	return 0;
}

static void stop_rcu(struct dataplane *dataplane)
{
	rte_free(dataplane->rcu);
}

static int start_ports(struct dataplane *dataplane)
{
	struct port_config configs[PORTS_MAX];
	const struct ports_config config = {
		.ports = configs,
		.n_ports = config_ports(dataplane->config, configs),
		.realms = &dataplane->realms,
		.n_workers = dataplane->config->cpus->workers_count,
		.pool = dataplane->pool,
	};
	int rc;

	config_realms(dataplane->config, &dataplane->realms);
	rc = ports_open(dataplane->ports, &config, dataplane->error, sizeof(dataplane->error));
	if (rc == 0)
		dataplane->n_ports = config.n_ports;
	return rc;
}

static void stop_ports(struct dataplane *dataplane)
{
	ports_close(dataplane->ports, dataplane->n_ports);
}

static int start_next_hops(struct dataplane *dataplane)
{
	dataplane->hops =
		next_hops_create(dataplane->ports, dataplane->n_ports, &dataplane->realms);
	return dataplane->hops
		       ? 0
		       : dataplane_fail(dataplane, "routes and neighbours of the kernel", errno);
}

static void stop_next_hops(struct dataplane *dataplane)
{
	next_hops_destroy(dataplane->hops);
}

// A plug-in that is configured and does not load is a mistake to be told, not to be found out in
// calls.
static int load_plugins(struct dataplane *dataplane)
{
	for (unsigned int i = 0; i < dataplane->config->plugins_count; i++) {
		char path[PATH_MAX];
		const struct codec_plugin *plugin =
			codec_plugin_load(config_plugin(dataplane->config, i, path, sizeof(path)),
				dataplane->error, sizeof(dataplane->error));

		if (!plugin)
			return -EINVAL;
		log_info(&log_main, "plugin", "name=\"%s\" licence=%s file=%s", plugin->name,
			plugin->licence, path);
	}
	return 0;
}

static int start_transcode(struct dataplane *dataplane)
{
	const struct config *config = dataplane->config;
	struct transcode_config engine = {
		.n_workers = config->cpus->workers_count,
		.n_transcoders = config->cpus->transcoders_count,
		.streams_max = config->sessions_max * STREAMS_PER_SESSION,
		.socket_id = (int)rte_lcore_to_socket_id(eal_worker_lcore(0)),
		.complexity = (uint8_t)config->transcoding->opus_complexity,
		.shed_at = (uint16_t)(config->transcoding->shed_at * 1000 + 0.5),
		.refuse_at = (uint16_t)(config->transcoding->refuse_at * 1000 + 0.5),
		.pool = dataplane->pool,
	};

	if (load_plugins(dataplane))
		return -EINVAL;
	if (codecs_init())
		return dataplane_fail(dataplane, "codecs", ENOMEM);
	codecs_measure(CODEC_MEASURE_US);
	dataplane->transcode = transcode_create(&engine);
	return dataplane->transcode ? 0 : dataplane_fail(dataplane, "transcoding", errno);
}

static void stop_transcode(struct dataplane *dataplane)
{
	transcode_destroy(dataplane->transcode);
}

static void on_event(void *context, const struct sl_media_event *event)
{
	struct dataplane *dataplane = context;

	if (dataplane->server)
		server_event(dataplane->server, event);
}

// Memory is taken as sessions are set: say now if it will not do, should all have SRTP. (Hugepages
// that are free beyond what is configured would be taken, too, but are nobody's promise.)
static void check_memory(const struct config *config)
{
	size_t needed = sessions_memory_bytes(config->sessions_max, true), free_bytes = 0;
	struct rte_malloc_socket_stats stats;

	for (unsigned int i = 0; i < rte_socket_count(); i++)
		if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &stats) == 0)
			free_bytes += stats.heap_freesz_bytes;
	if (needed > free_bytes)
		log_warn(&log_main, "memory_short",
			"sessions_max=%u needed_mb=%zu free_mb=%zu "
			"set=\"memory.megabytes: %zu, or sessions_max: %zu\"",
			config->sessions_max, (needed >> 20) + 1, free_bytes >> 20,
			config->memory->megabytes + ((needed - free_bytes) >> 20) + 1,
			(size_t)((double)config->sessions_max * (double)free_bytes /
				 (double)needed));
}

static int start_sessions(struct dataplane *dataplane)
{
	const struct sessions_config config = {
		.realms = &dataplane->realms,
		.n_workers = dataplane->config->cpus->workers_count,
		.sessions_max = dataplane->config->sessions_max,
		.socket_ids = dataplane->socket_ids,
		.packets_per_second = dataplane->config->limits->leg_packets_per_second,
		.bytes_per_second = dataplane->config->limits->leg_bytes_per_second,
		.hops = dataplane->hops,
		.transcode = dataplane->transcode,
		.rcu = dataplane->rcu,
		.fence = dataplane->config->shards_count ? &dataplane->fence : NULL,
		.event = on_event,
		.context = dataplane,
	};

	dataplane->sessions = sessions_create(&config);
	if (!dataplane->sessions)
		return dataplane_fail(dataplane, "session table", errno);
	check_memory(dataplane->config);
	return 0;
}

static void stop_sessions(struct dataplane *dataplane)
{
	sessions_destroy(dataplane->sessions);
}

static int create_transcoders(struct dataplane *dataplane)
{
	unsigned int n = dataplane->config->cpus->transcoders_count;

	dataplane->transcoders = calloc(n + 1, sizeof(*dataplane->transcoders));
	if (!dataplane->transcoders)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		dataplane->transcoders[i] =
			(struct transcoder){.shared = dataplane->workers, .index = i};
	return 0;
}

static int launch(struct dataplane *dataplane)
{
	const struct config *config = dataplane->config;
	int rc = 0;

	for (unsigned int i = 0; i < config->cpus->transcoders_count; i++)
		rc |= rte_eal_remote_launch(transcoder_run, &dataplane->transcoders[i],
			eal_transcoder_lcore(config, i));
	for (unsigned int i = 0; i < config->cpus->workers_count; i++)
		rc |= rte_eal_remote_launch(
			worker_run, dataplane->workers->workers[i], eal_worker_lcore(i));
	return rc;
}

static int start_workers(struct dataplane *dataplane)
{
	const struct config *config = dataplane->config;
	const struct workers_config workers = {
		.ports = dataplane->ports,
		.n_ports = dataplane->n_ports,
		.n_workers = config->cpus->workers_count,
		.socket_ids = dataplane->socket_ids,
		.n_transcoders = config->cpus->transcoders_count,
		.sessions = dataplane->sessions,
		.transcode = dataplane->transcode,
		.rcu = dataplane->rcu,
		.fence = dataplane->config->shards_count ? &dataplane->fence : NULL,
		.pool = dataplane->pool,
		.punts_per_second = config->punts_per_second,
		.packets_per_second = config->limits->worker_packets_per_second,
		.idle = config->idle,
	};

	dataplane->workers = workers_create(&workers);
	if (!dataplane->workers)
		return dataplane_fail(dataplane, "workers", errno);
	if (create_transcoders(dataplane))
		return dataplane_fail(dataplane, "transcoders", ENOMEM);
	if (launch(dataplane))
		return dataplane_fail(dataplane, "lcores", EBUSY);
	if (workers_wait_running(dataplane->workers))
		return dataplane_fail(dataplane, "workers", ETIMEDOUT);
	sessions_on_farewell(dataplane->sessions, workers_farewell, dataplane->workers);
	return 0;
}

static void stop_workers(struct dataplane *dataplane)
{
	if (!dataplane->workers)
		return;
	sessions_on_farewell(dataplane->sessions, NULL, NULL);
	workers_stop(dataplane->workers);
	rte_eal_mp_wait_lcore();
	workers_destroy(dataplane->workers);
	free(dataplane->transcoders);
}

static void on_shard_event(void *context, const struct sl_shard_event *event)
{
	struct dataplane *dataplane = context;

	if (dataplane->server)
		server_shard_event(dataplane->server, event);
}

static int start_shards(struct dataplane *dataplane)
{
	const struct shards_config config = {
		.names = dataplane->shard_names,
		.n = config_shards(dataplane->config, dataplane->shard_names),
		.realms = &dataplane->realms,
		.ports = dataplane->ports,
		.n_ports = dataplane->n_ports,
		.hops = dataplane->hops,
		.fence = &dataplane->fence,
		.workers = dataplane->workers,
		.rcu = dataplane->rcu,
		.event = on_shard_event,
		.context = dataplane,
	};

	if (!config.n)
		return 0;
	dataplane->shards = shards_create(&config);
	return dataplane->shards ? 0 : dataplane_fail(dataplane, "shards", errno);
}

static void stop_shards(struct dataplane *dataplane)
{
	shards_destroy(dataplane->shards);
	dataplane->shards = NULL;
}

static int start_server(struct dataplane *dataplane)
{
	const struct config *config = dataplane->config;
	const struct server_config server = {
		.path = config->socket,
		.sessions = dataplane->sessions,
		.sessions_max = config->sessions_max,
		.workers = dataplane->workers,
		.hops = dataplane->hops,
		.transcoders = dataplane->transcoders,
		.n_transcoders = config->cpus->transcoders_count,
		.shards = dataplane->shards,
	};

	dataplane->server = server_create(&server, dataplane->error, sizeof(dataplane->error));
	return dataplane->server ? 0 : -EINVAL;
}

static void stop_server(struct dataplane *dataplane)
{
	server_destroy(dataplane->server);
	dataplane->server = NULL;
}

const struct module modules[] = {
	{"eal", start_eal, stop_eal},
	{"pool", start_pool, stop_pool},
	{"rcu", start_rcu, stop_rcu},
	{"ports", start_ports, stop_ports},
	{"next_hops", start_next_hops, stop_next_hops},
	{"transcode", start_transcode, stop_transcode},
	{"sessions", start_sessions, stop_sessions},
	{"workers", start_workers, stop_workers},
	{"shards", start_shards, stop_shards},
	{"server", start_server, stop_server},
};

const size_t n_modules = RTE_DIM(modules);
