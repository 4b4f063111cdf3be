// sluice-dataplane: reads its configuration, starts its modules in the order of one table, serves
// the API until SIGTERM or SIGINT, and stops them in reverse. This thread is the main lcore: the
// only writer of sessions, next hops and everything else that workers read.
#include <errno.h>
#include <getopt.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "codec_cost.h"
#include "codec_plugin.h"
#include "dataplane_config.h"
#include "eal.h"
#include "log.h"
#include "log_server.h"
#include "port.h"
#include "server.h"
#include "session.h"
#include "srtp.h"
#include "transcode.h"
#include "worker.h"

#define TICK_MS		    10
#define PUNTS_TICK_MS	    1 // while control takes punts: a handshake of DTLS waits for it twice
#define NEXT_HOPS_POLL_MS   100
#define MBUFS_PER_QUEUE	    6144 // in the rings of a device and on their way
#define MBUFS_PER_LCORE	    2048
#define MBUF_CACHE	    256
#define CODEC_MEASURE_US    3000 // for each codec, at start
#define STREAMS_PER_SESSION 4

static LOG_MODULE(log_main, "main");

struct dataplane {
	const struct config *config;
	struct port ports[PORTS_MAX];
	unsigned int n_ports;
	int socket_ids[RTE_MAX_LCORE]; // NUMA node of each worker
	struct realms realms;
	struct rte_mempool *pool;
	struct rte_rcu_qsbr *rcu;
	struct next_hops *hops;
	struct transcode *transcode;
	struct sessions *sessions;
	struct worker_shared *workers;
	struct transcoder *transcoders;
	struct server *server;
	int epoll;
	int signals;
	int timer;
	unsigned int tick_ms;
	uint64_t hops_polled_ns;
	char error[512];
};

static int fail(struct dataplane *dataplane, const char *what, int error)
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
	return dataplane->pool ? 0 : fail(dataplane, "packet buffers", rte_errno);
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
		return fail(dataplane, "RCU", ENOMEM);
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
	return dataplane->hops ? 0 : fail(dataplane, "routes and neighbours of the kernel", errno);
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
		return fail(dataplane, "codecs", ENOMEM);
	codecs_measure(CODEC_MEASURE_US);
	dataplane->transcode = transcode_create(&engine);
	return dataplane->transcode ? 0 : fail(dataplane, "transcoding", errno);
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

// Memory is taken as sessions are set: say now if it will not do. (Hugepages that are free beyond
// what is configured would be taken, too, but are nobody's promise.)
static void check_memory(const struct config *config)
{
	size_t needed = sessions_memory_bytes(config->sessions_max), free_bytes = 0;
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
		.event = on_event,
		.context = dataplane,
	};

	dataplane->sessions = sessions_create(&config);
	if (!dataplane->sessions)
		return fail(dataplane, "session table", errno);
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
		.pool = dataplane->pool,
		.punts_per_second = config->punts_per_second,
		.packets_per_second = config->limits->worker_packets_per_second,
		.idle = config->idle,
	};

	dataplane->workers = workers_create(&workers);
	if (!dataplane->workers)
		return fail(dataplane, "workers", errno);
	if (create_transcoders(dataplane))
		return fail(dataplane, "transcoders", ENOMEM);
	if (launch(dataplane))
		return fail(dataplane, "lcores", EBUSY);
	if (workers_wait_running(dataplane->workers))
		return fail(dataplane, "workers", ETIMEDOUT);
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
	};

	dataplane->server = server_create(&server, dataplane->error, sizeof(dataplane->error));
	return dataplane->server ? 0 : -EINVAL;
}

static void stop_server(struct dataplane *dataplane)
{
	server_destroy(dataplane->server);
	dataplane->server = NULL;
}

// In this order; stopped in reverse.
static const struct module {
	const char *name;
	int (*start)(struct dataplane *dataplane); // fills in dataplane->error
	void (*stop)(struct dataplane *dataplane); // also after half a start
} modules[] = {
	{"eal", start_eal, stop_eal},
	{"pool", start_pool, stop_pool},
	{"rcu", start_rcu, stop_rcu},
	{"ports", start_ports, stop_ports},
	{"next_hops", start_next_hops, stop_next_hops},
	{"transcode", start_transcode, stop_transcode},
	{"sessions", start_sessions, stop_sessions},
	{"workers", start_workers, stop_workers},
	{"server", start_server, stop_server},
};

static int watch(const struct dataplane *dataplane, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(dataplane->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int set_tick(struct dataplane *dataplane, unsigned int ms)
{
	const struct itimerspec period = {
		.it_interval.tv_nsec = ms * 1000000L, .it_value.tv_nsec = ms * 1000000L};

	dataplane->tick_ms = ms;
	return timerfd_settime(dataplane->timer, 0, &period, NULL);
}

static int open_loop(struct dataplane *dataplane, const sigset_t *signals)
{
	dataplane->epoll = epoll_create1(EPOLL_CLOEXEC);
	dataplane->signals = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	dataplane->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (dataplane->epoll < 0 || dataplane->signals < 0 || dataplane->timer < 0 ||
		set_tick(dataplane, TICK_MS) < 0 || watch(dataplane, dataplane->signals) < 0 ||
		watch(dataplane, dataplane->timer) < 0 ||
		watch(dataplane, server_fd(dataplane->server)) < 0 ||
		watch(dataplane, next_hops_fd(dataplane->hops)) < 0)
		return fail(dataplane, "event loop", errno);
	return 0;
}

static void on_timer(struct dataplane *dataplane)
{
	unsigned int tick_ms = server_takes_punts(dataplane->server) ? PUNTS_TICK_MS : TICK_MS;
	uint64_t now_ns = clock_now_ns();
	uint64_t expirations;

	if (read(dataplane->timer, &expirations, sizeof(expirations)) < 0)
		return;
	sessions_tick(dataplane->sessions, now_ns);
	server_punts(dataplane->server);
	if (tick_ms != dataplane->tick_ms)
		set_tick(dataplane, tick_ms);
	if (now_ns - dataplane->hops_polled_ns < NEXT_HOPS_POLL_MS * 1000000ULL)
		return;
	dataplane->hops_polled_ns = now_ns;
	next_hops_poll(dataplane->hops, now_ns / 1000000);
}

// Until a signal comes; returns which.
static int run_loop(struct dataplane *dataplane)
{
	for (;;) {
		struct epoll_event events[4];
		int n = epoll_wait(dataplane->epoll, events, 4, -1);

		for (int i = 0; i < n; i++) {
			struct signalfd_siginfo info;
			int fd = events[i].data.fd;

			if (fd == dataplane->timer)
				on_timer(dataplane);
			else if (fd == next_hops_fd(dataplane->hops))
				next_hops_poll(dataplane->hops, clock_now_ns() / 1000000);
			else if (fd == server_fd(dataplane->server))
				server_poll(dataplane->server);
			else if (read(fd, &info, sizeof(info)) == sizeof(info))
				return (int)info.ssi_signo;
		}
	}
}

static void log_started(const struct dataplane *dataplane)
{
	const struct config *config = dataplane->config;

	log_info(&log_main, "started",
		"version=" SLUICE_VERSION
		" workers=%u transcoders=%u ports=%u hugepages=%s srtp=\"%s\" socket=%s",
		config->cpus->workers_count, config->cpus->transcoders_count, dataplane->n_ports,
		rte_eal_has_hugepages() ? "yes" : "no",
		srtp_engine_name(dataplane->workers->workers[0]->srtp), config->socket);
}

static int run(const struct config *config)
{
	struct dataplane *dataplane = calloc(1, sizeof(*dataplane));
	size_t n_started = 0;
	sigset_t signals;
	int status = EXIT_FAILURE;
	int rc = 0, signal;

	if (!dataplane)
		fatal("sluice-dataplane: out of memory");
	dataplane->config = config;
	dataplane->epoll = dataplane->signals = dataplane->timer = -1;
	sigemptyset(&signals); // before threads are made: they inherit the mask
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	while (n_started < RTE_DIM(modules) && rc == 0)
		rc = modules[n_started++].start(dataplane);
	if (rc == 0)
		rc = open_loop(dataplane, &signals);
	if (rc == 0) {
		log_started(dataplane);
		signal = run_loop(dataplane); // not within the log line, which may be off
		log_info(&log_main, "stopping", "signal=%s", strsignal(signal));
		status = EXIT_SUCCESS;
	} else {
		log_error(&log_main, "start_failed", "module=%s why=\"%s\"",
			modules[n_started - 1].name, dataplane->error);
	}
	while (n_started > 0)
		modules[--n_started].stop(dataplane);
	close(dataplane->epoll);
	close(dataplane->signals);
	close(dataplane->timer);
	free(dataplane);
	return status;
}

static void set_log_levels(const struct config *config)
{
	static struct log_module *const log_modules[] = {
		&log_main, &log_server, &log_eal, &log_port, NULL};
	enum log_level level;

	if (!config->log)
		return;
#define SET_LEVEL(module)                                                             \
	if (config->log->module && log_level_parse(config->log->module, &level) == 0) \
		log_level_set(log_modules, strcmp(#module, "all") ? #module : "*", level);
	CONFIG_LOG_MODULES(SET_LEVEL)
#undef SET_LEVEL
}

static int check(const struct config *config)
{
	char *text = config_text(config);

	if (!text)
		fatal("sluice-dataplane: out of memory");
	fputs(text, stdout);
	free(text);
	return EXIT_SUCCESS;
}

static void usage(FILE *to)
{
	fputs("usage: sluice-dataplane --config FILE [--check]\n"
	      "  --config FILE  read the configuration from FILE\n"
	      "  --check        only check it, and print what would be in force\n"
	      "  --version\n",
		to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'}, {"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'}, {}};
	const char *path = NULL;
	struct config *config;
	bool only_check = false;
	char error[512];
	int option, status;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			only_check = true;
			break;
		case 'v':
			puts("sluice-dataplane " SLUICE_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_FAILURE;
		}
	}
	if (!path || optind < argc) {
		usage(stderr);
		return EXIT_FAILURE;
	}
	config = config_load(path, error, sizeof(error));
	if (!config)
		fatal("%s", error);
	set_log_levels(config);
	status = only_check ? check(config) : run(config);
	config_free(config);
	return status;
}
