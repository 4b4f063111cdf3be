// sluice-dataplane: reads its configuration, starts its modules in the order of one table
// (modules.c), serves the API (loop.c) until SIGTERM or SIGINT, and stops them in reverse. This
// thread is the main lcore: the only writer of sessions, next hops and everything else that workers
// read.
#include <getopt.h>
#include <rte_eal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane.h"
#include "eal.h"
#include "log_server.h"
#include "shard_log.h"

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

	while (n_started < n_modules && rc == 0)
		rc = modules[n_started++].start(dataplane);
	if (rc == 0)
		rc = loop_open(dataplane, &signals);
	if (rc == 0) {
		log_started(dataplane);
		signal = loop_run(dataplane); // not within the log line, which may be off
		log_info(&log_main, "stopping", "signal=%s", strsignal(signal));
		status = EXIT_SUCCESS;
	} else {
		log_error(&log_main, "start_failed", "module=%s why=\"%s\"",
			modules[n_started - 1].name, dataplane->error);
	}
	while (n_started > 0)
		modules[--n_started].stop(dataplane);
	loop_close(dataplane);
	free(dataplane);
	return status;
}

static void set_log_levels(const struct config *config)
{
	static struct log_module *const log_modules[] = {
		&log_main, &log_server, &log_eal, &log_port, &log_shard, NULL};
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
