// EAL takes a command line and writes to standard error; here it gets the first made from the
// configuration, and its log goes through ours, quiet unless asked for. The last thing that it
// logged as an error is kept: it says best why a start failed.
#include "eal.h"

#include <dirent.h>
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 64
#define HUGEPAGES     "/sys/kernel/mm/hugepages"

struct log_module log_eal = {.name = "eal", .level = LOG_LEVEL_WARN};

static char last_error[256];
static bool started;

static enum log_level level_of(unsigned int rte_level)
{
	if (rte_level <= RTE_LOG_ERR)
		return LOG_LEVEL_ERROR;
	if (rte_level == RTE_LOG_WARNING)
		return LOG_LEVEL_WARN;
	return LOG_LEVEL_DEBUG; // what EAL thinks worth a notice is not
}

// One line of EAL's, maybe without its end.
static ssize_t write_log(void *, const char *text, size_t length)
{
	enum log_level level = level_of((unsigned int)rte_log_cur_msg_loglevel());
	size_t n = length;
	char quoted[512];

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (level == LOG_LEVEL_ERROR)
		snprintf(last_error, sizeof(last_error), "%.*s", (int)n, text);
	if (n && log_enabled(&log_eal, level))
		log_write(&log_eal, level, "message", "text=%s",
			log_quote(quoted, sizeof(quoted), text, (int)n));
	return (ssize_t)length;
}

static int redirect_log(void)
{
	static const cookie_io_functions_t functions = {.write = write_log};
	FILE *stream = fopencookie(NULL, "w", functions);

	if (!stream)
		return -ENOMEM;
	setvbuf(stream, NULL, _IOLBF, 0);
	rte_openlog_stream(stream);
	rte_log_set_global_level(
		log_enabled(&log_eal, LOG_LEVEL_DEBUG) ? RTE_LOG_DEBUG : RTE_LOG_INFO);
	return 0;
}

// Megabytes of free hugepages of any size.
static unsigned long free_hugepages_mb(void)
{
	DIR *folder = opendir(HUGEPAGES);
	unsigned long total_mb = 0;
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		unsigned long page_kb = 0, n_free = 0;
		char path[512];
		FILE *file;

		if (sscanf(entry->d_name, "hugepages-%lukB", &page_kb) != 1)
			continue;
		snprintf(path, sizeof(path), HUGEPAGES "/%.200s/free_hugepages", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fscanf(file, "%lu", &n_free) == 1)
			total_mb += n_free * page_kb / 1024;
		fclose(file);
	}
	if (folder)
		closedir(folder);
	return total_mb;
}

struct arguments {
	int n;
	char *text[ARGUMENTS_MAX + 1];
	bool failed;
};

static void add(struct arguments *arguments, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct arguments *arguments, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (arguments->n == ARGUMENTS_MAX || vasprintf(&text, format, args) < 0)
		arguments->failed = true;
	else
		arguments->text[arguments->n++] = text;
	va_end(args);
}

static void add_lcores(struct arguments *arguments, const struct config *config)
{
	const struct cpus_config *cpus = config->cpus;
	char map[1024];
	int at = snprintf(map, sizeof(map), "%u@%u", EAL_MAIN_LCORE, cpus->main);

	for (unsigned int i = 0; i < cpus->workers_count; i++)
		at += snprintf(map + at, sizeof(map) - (size_t)at, ",%u@%u", eal_worker_lcore(i),
			cpus->workers[i]);
	for (unsigned int i = 0; i < cpus->transcoders_count; i++)
		at += snprintf(map + at, sizeof(map) - (size_t)at, ",%u@%u",
			eal_transcoder_lcore(config, i), cpus->transcoders[i]);
	add(arguments, "--lcores=%s", map);
	add(arguments, "--main-lcore=%u", EAL_MAIN_LCORE);
}

// memif lends its peer the memory by descriptor, so it must be few files. Nothing is left in the
// file system either way (--in-memory does not go with --no-huge).
static void add_memory(struct arguments *arguments, const struct config *config)
{
	const struct memory_config *memory = config->memory;
	bool hugepages =
		memory->hugepages == HUGEPAGES_YES ||
		(memory->hugepages == HUGEPAGES_AUTO && free_hugepages_mb() >= memory->megabytes);

	add(arguments, hugepages ? "--in-memory" : "--no-shconf");
	add(arguments, hugepages ? "--single-file-segments" : "--no-huge");
	add(arguments, "-m");
	add(arguments, "%u", memory->megabytes);
}

static void add_all(struct arguments *arguments, const struct config *config)
{
	bool pci = false;

	add(arguments, "sluice-dataplane");
	add_lcores(arguments, config);
	add_memory(arguments, config);
	add(arguments, "--file-prefix=sluice"); // nothing is shared: any number of processes
	add(arguments, "--no-telemetry");
	for (unsigned int i = 0; i < config->eal_count; i++)
		pci |= !strncmp(config->eal[i], "-a", 2) || !strncmp(config->eal[i], "--allow", 7);
	if (!pci) { // virtual addresses: one chunk of memory for af_xdp, whatever the pages
		add(arguments, "--no-pci");
		add(arguments, "--iova-mode=va");
	}
	for (unsigned int i = 0; i < config->eal_count; i++)
		add(arguments, "%s", config->eal[i]);
}

static void explain(char *error, size_t error_size, const struct config *config)
{
	snprintf(error, error_size,
		"DPDK does not start (%s)%s%s; memory.megabytes is %u, hugepages are %s",
		rte_strerror(rte_errno), last_error[0] ? ": " : "", last_error,
		config->memory->megabytes,
		config->memory->hugepages == HUGEPAGES_YES  ? "demanded"
		: config->memory->hugepages == HUGEPAGES_NO ? "off"
							    : "used where free");
}

int eal_start(const struct config *config, char *error, size_t error_size)
{
	struct arguments arguments = {};
	char *argv[ARGUMENTS_MAX + 1]; // EAL reorders it
	int rc = redirect_log();

	add_all(&arguments, config);
	memcpy(argv, arguments.text, sizeof(argv));
	if (rc || arguments.failed) {
		snprintf(error, error_size, "out of memory, or too many arguments in eal:");
		rc = -ENOMEM;
	} else if (rte_eal_init(arguments.n, argv) < 0) {
		explain(error, error_size, config);
		rc = -EINVAL;
	}
	for (int i = 0; i < arguments.n; i++)
		free(arguments.text[i]);
	started = rc == 0;
	return rc;
}

void eal_stop(void)
{
	if (started)
		rte_eal_cleanup();
}
