// sluice-control: reads its configuration, starts its parts in order, runs one event loop, stops
// them in reverse.
//
// SIGTERM and SIGINT stop it without a planned restart costing a call: new calls get 503,
// unanswered ones are ended, established ones stay in the dataplane and are taken over by the next
// start (`sluicectl hangup` ends calls). A second signal stops it at once. SIGHUP has the
// configuration read again. SIGUSR1 has it take no new calls (draining), SIGUSR2 take them again.
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "call.h"
#include "cluster.h"
#include "config.h"
#include "exchange.h"
#include "guard.h"
#include "log.h"
#include "media_log.h"

static LOG_MODULE(log_control, "control");

// Levels are set by name from the configuration.
extern struct log_module log_sip, log_call, log_registrar, log_store;
static struct log_module *const log_modules[] = {&log_control, &log_call, &log_registrar, &log_sip,
	&log_media, &log_guard, &log_admin, &log_cluster, &log_store, NULL};

struct program {
	const char *path;
	struct config *config; // that it was started with
	struct event_base *base;
	struct event *on_term, *on_int, *on_hup, *on_usr1, *on_usr2;
	struct guard *guard;
	struct calls *calls;
	struct cluster *cluster;   // NULL: this node is alone
	struct exchange *exchange; // likewise
	struct admin *admin;
	bool stopping;
	char error[512];
};

static struct calls_settings settings_of(const struct program *program, struct config *config)
{
	return (struct calls_settings){
		.base = program->base,
		.guard = program->guard,
		.node = config->node,
		.realms = config->realms,
		.n_realms = config->n_realms,
		.access = &config->access,
		.trunks = &config->trunks,
		.routes = &config->routes,
		.dns_servers = config->dns_servers,
		.dataplane = config->dataplane,
		.cdr_file = config->cdr_file,
		.cdr = config->cdr,
		.no_answer_s = config->timers.no_answer_s,
		.max_duration_s = config->timers.max_duration_s,
		.media_start_s = config->timers.media_start_s,
		.media_s = config->timers.media_s,
		.media_hold_s = config->timers.media_hold_s,
		.trace_bytes = (size_t)config->limits.trace_megabytes << 20,
		.calls_max = config->limits.calls,
		.requests_max = config->limits.requests,
		.subscriptions_max = config->limits.subscriptions,
		.overload_wait_ms = config->overload.wait_ms,
		.overload_retry_after_s = config->overload.retry_after_s,
		.auth = {.secret = config->auth.has_secret ? config->auth.secret : NULL,
			.nonce_s = config->auth.nonce_s,
			.failures = config->auth.failures,
			.failures_s = config->auth.failures_s,
			.ban_s = config->auth.ban_s,
			.bindings = config->limits.bindings,
			.registers = config->limits.registers,
			.registers_per_s = config->limits.registers_per_s},
		.drain = {.status = config->drain.status,
			.retry_after_s = config->drain.retry_after_s},
	};
}

static void logs_set(const struct config *config)
{
	for (size_t i = 0; i < config->n_logs; i++)
		log_level_set(log_modules, config->logs[i].module, config->logs[i].level);
}

static void config_release(void *config)
{
	config_free(config);
}

#define RELOAD_TEXT_SIZE 512

static int reload_refused(struct config *config, const char *error)
{
	char quoted[2 * RELOAD_TEXT_SIZE];

	log_error(&log_control, "not_reloaded", "error=%s",
		log_quote(quoted, sizeof(quoted), error, -1));
	config_free(config);
	return -EINVAL;
}

// All of the file or nothing. `restart` names what waits for a restart.
static int reload(void *arg, char restart[RELOAD_TEXT_SIZE], char error[RELOAD_TEXT_SIZE])
{
	struct program *program = arg;
	struct config *config = config_load(program->path, error, RELOAD_TEXT_SIZE);
	struct calls_settings settings;

	if (!config)
		return reload_refused(NULL, error);
	settings = settings_of(program, config);
	settings.release = config_release;
	settings.config = config;
	config_restart_needed(program->config, config, restart, RELOAD_TEXT_SIZE);
	if (calls_reload(program->calls, &settings, error, RELOAD_TEXT_SIZE))
		return reload_refused(config, error);
	logs_set(config);
	if (restart[0])
		log_warn(&log_control, "needs_restart", "what=\"%s\"", restart);
	return 0;
}

static void on_stopped(void *arg)
{
	struct program *program = arg;

	event_base_loopbreak(program->base);
}

static void on_signal(evutil_socket_t, short, void *arg)
{
	struct program *program = arg;

	if (program->stopping)
		event_base_loopbreak(program->base);
	program->stopping = true;
	calls_stop(program->calls, on_stopped, program);
}

static void on_empty(void *arg)
{
	struct program *program = arg;

	program->stopping = true;
	calls_stop(program->calls, on_stopped, program);
}

static int drain(void *arg, const struct admin_drain *how, char error[ADMIN_RELOAD_SIZE])
{
	struct program *program = arg;

	if (how->hand_over) {
		snprintf(error, ADMIN_RELOAD_SIZE,
			program->cluster ? "handing calls over is not there yet"
					 : "there is no cluster that calls could be handed "
					   "over to");
		return -ENOTSUP;
	}
	if (program->cluster)
		cluster_drain(program->cluster, how->on);
	if (how->on)
		calls_drain(program->calls, how->leave ? on_empty : NULL, program);
	else
		calls_undrain(program->calls);
	return 0;
}

static void on_drain(evutil_socket_t signal, short, void *arg)
{
	const struct program *program = arg;
	const struct admin_drain how = {
		.on = signal == SIGUSR1, .leave = program->config->drain.leave};
	char error[ADMIN_RELOAD_SIZE];

	drain(arg, &how, error);
}

static void on_reload(evutil_socket_t, short, void *arg)
{
	char restart[RELOAD_TEXT_SIZE], error[RELOAD_TEXT_SIZE];
	struct program *program = arg;

	calls_cdr_reopen(program->calls);
	reload(arg, restart, error); // the log says what became of it
}

static int loop_start(struct program *program)
{
	program->base = event_base_new();
	// What must see first that we were stopped, and the rest.
	if (!program->base || event_base_priority_init(program->base, 2))
		return -ENOMEM;
	program->on_term = evsignal_new(program->base, SIGTERM, on_signal, program);
	program->on_int = evsignal_new(program->base, SIGINT, on_signal, program);
	program->on_hup = evsignal_new(program->base, SIGHUP, on_reload, program);
	program->on_usr1 = evsignal_new(program->base, SIGUSR1, on_drain, program);
	program->on_usr2 = evsignal_new(program->base, SIGUSR2, on_drain, program);
	signal(SIGPIPE, SIG_IGN);
	return program->on_term && program->on_int && program->on_hup && program->on_usr1 &&
			       program->on_usr2
		       ? 0
		       : -ENOMEM;
}

static void loop_stop(struct program *program)
{
	if (program->on_term)
		event_free(program->on_term);
	if (program->on_int)
		event_free(program->on_int);
	if (program->on_hup)
		event_free(program->on_hup);
	if (program->on_usr1)
		event_free(program->on_usr1);
	if (program->on_usr2)
		event_free(program->on_usr2);
	if (program->base)
		event_base_free(program->base);
}

static int guard_start(struct program *program)
{
	program->guard = guard_create();
	return program->guard ? 0 : -ENOMEM;
}

static void guard_stop(struct program *program)
{
	guard_destroy(program->guard);
}

static int calls_start(struct program *program)
{
	const struct calls_settings settings = settings_of(program, program->config);

	program->calls = calls_create(&settings, program->error, sizeof(program->error));
	if (program->calls && program->config->drain.at_start)
		drain(program, &(struct admin_drain){.on = true}, program->error);
	return program->calls ? 0 : -errno;
}

static void calls_end(struct program *program)
{
	calls_destroy(program->calls);
}

static int cluster_start(struct program *program)
{
	const struct config_cluster *config = &program->config->cluster;

	if (!config->on)
		return 0;
	program->cluster = cluster_create(
		program->base, &config->settings, &calls_cluster_ops, program->calls);
	return program->cluster
		       ? calls_cluster_set(program->calls, program->cluster, &config->shards)
		       : -errno;
}

static void cluster_stop(struct program *program)
{
	cluster_destroy(program->cluster);
}

static int exchange_start(struct program *program)
{
	const struct cluster_settings *settings = &program->config->cluster.settings;

	if (!program->cluster)
		return 0;
	program->exchange =
		exchange_create(program->base, settings, program->error, sizeof(program->error));
	if (!program->exchange)
		return -errno;
	return calls_exchange_set(program->calls, program->exchange, settings->n_nodes);
}

static void exchange_stop(struct program *program)
{
	calls_exchange_set(program->calls, NULL, 0);
	exchange_destroy(program->exchange);
}

static int admin_start(struct program *program)
{
	const struct sockaddr *http = (const struct sockaddr *)&program->config->http;
	const struct admin_settings settings = {
		.base = program->base,
		.path = program->config->admin,
		.node = program->config->node,
		.http = http->sa_family == AF_UNSPEC ? NULL : http,
		.calls = program->calls,
		.cluster = program->cluster,
		.exchange = program->exchange,
		.guard = program->guard,
		.reload = reload,
		.reload_arg = program,
		.drain = drain,
		.drain_arg = program,
		.log_modules = log_modules,
	};

	program->admin = admin_create(&settings, program->error, sizeof(program->error));
	return program->admin ? 0 : -errno;
}

static void admin_stop(struct program *program)
{
	admin_destroy(program->admin);
}

static int listeners_start(struct program *program)
{
	return calls_listen(program->calls, program->error, sizeof(program->error));
}

// A part's start returns 0 or a negative errno; then its stop is called too. Listeners are last, so
// that nothing comes in before all of it can be dealt with.
static const struct part {
	const char *name;
	int (*start)(struct program *program);
	void (*stop)(struct program *program);
} parts[] = {
	{"event loop", loop_start, loop_stop}, {"guard", guard_start, guard_stop},
	{"calls", calls_start, calls_end}, {"cluster", cluster_start, cluster_stop},
	{"messages between nodes", exchange_start, exchange_stop},
	{"admin socket", admin_start, admin_stop},
	{"listeners", listeners_start, NULL}, // the SIP stack, a part of calls, closes them
};

#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

static void parts_stop(struct program *program, size_t n_started)
{
	while (n_started-- > 0) {
		if (parts[n_started].stop)
			parts[n_started].stop(program);
	}
}

static void parts_start(struct program *program)
{
	for (size_t i = 0; i < N_PARTS; i++) {
		int err = parts[i].start(program);

		if (err)
			fatal("cannot start %s: %s", parts[i].name,
				program->error[0] ? program->error : strerror(-err));
	}
	evsignal_add(program->on_term, NULL);
	evsignal_add(program->on_int, NULL);
	evsignal_add(program->on_hup, NULL);
	evsignal_add(program->on_usr1, NULL);
	evsignal_add(program->on_usr2, NULL);
}

static int check(const struct config *config)
{
	char *text = config_print(config);

	if (!text)
		fatal("the configuration cannot be printed: %s", strerror(errno));
	fputs(text, stdout);
	free(text);
	return EXIT_SUCCESS;
}

// The log lines of a turn leave together.
static void loop_run(struct event_base *base)
{
	while (!event_base_got_break(base)) {
		log_hold();
		event_base_loop(base, EVLOOP_ONCE);
		log_release();
	}
}

static int run(const char *path, struct config *config)
{
	struct program program = {.path = path, .config = config};

	logs_set(config);
	parts_start(&program);
	log_info(&log_control, "started", "version=%s node=%s", SLUICE_VERSION, config->node);
	loop_run(program.base);
	log_info(&log_control, "stopped", "calls_left_in_dataplane=%u",
		calls_counters(program.calls)->active_now);
	parts_stop(&program, N_PARTS);
	return EXIT_SUCCESS;
}

static const char usage[] =
	"usage: sluice-control [--check] FILE\n"
	"\n"
	"Speaks SIP and steers sluice-dataplane, as FILE (YAML) says.\n"
	"\n"
	"  --config FILE  the same as FILE\n"
	"  --check        print the effective configuration, or what is wrong with it, and exit\n"
	"  --version      print the version and exit\n"
	"\n"
	"SIGTERM stops it; established calls stay in the dataplane for the next start.\n"
	"SIGHUP has it read FILE again, with the certificates, keys and CAs of TLS, and reopen the\n"
	"file of CDRs.\n"
	"SIGUSR1 drains it: no new calls are taken (`drain: {leave: yes}`: and it ends after the "
	"last).\n"
	"SIGUSR2 has it take them again.\n";

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, 'k'},
	{"version", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static int usage_error(void)
{
	fputs(usage, stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	bool check_only = false;
	struct config *config;
	char error[512];
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			check_only = true;
			break;
		case 'v':
			puts("sluice-control " SLUICE_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return usage_error();
		}
	}
	if (!path && optind < argc)
		path = argv[optind++];
	if (!path || optind != argc)
		return usage_error();
	config = config_load(path, error, sizeof(error));
	if (!config)
		fatal("%s", error);
	status = check_only ? check(config) : run(path, config);
	config_free(config);
	return status;
}
