// The whole B2BUA: the input is a sequence of what far ends on both sides do, message by message,
// in live dialogs, and of time that passes between. Stack, dialogs, calls, registrar and the link
// to the dataplane are real, and so is the dataplane's server (unit/media/dataplane_rig.h); SIP
// goes over UDP on loopback. When the input has ended everything is hung up and time passes:
// nothing may be left then, and the counters must add up. With FUZZ_LOG=1 the log says what an
// input does.
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call_private.h"
#include "config.h"
#include "dataplane_rig.h"
#include "far_end.h"
#include "guard.h"
#include "location.h"
#include "media_log.h"
#include "registrar.h"
#include "virtual_time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 100
#define N_FAR	  7

extern struct log_module log_sip, log_registrar;

static const char settings_text[] =
	"node: fuzz\n"
	"dataplane: %1$s/dataplane.sock\n"
	"admin: %1$s/control.sock\n"
	"realms:\n"
	"  - {name: lo, sip: [{address: %2$s.1}], media_address: 192.0.2.1}\n"
	"trunks:\n"
	"  - {name: caller, realm: lo, peers: [{address: %2$s.2}], codecs: [PCMU, PCMA], trusted: yes,\n"
	"     srtp: optional, media: [audio, image, video], requests: [message, publish, notify, subscribe]}\n"
	"  - {name: callee, realm: lo, peers: [{address: %2$s.3}], codecs: [PCMU, PCMA], trusted: yes,\n"
	"     srtp: optional, media: [audio, image, video], redirects: follow,\n"
	"     requests: [message, publish, notify, subscribe]}\n"
	"  - {name: strict, realm: lo, peers: [{address: %2$s.3, port: 5061}], codecs: [PCMA],\n"
	"     100rel: required, session_timer: {expires: 90, min: 90, refresher: us}, dtmf: info}\n"
	"  - {name: timed, realm: lo, peers: [{address: %2$s.2, port: 5062}], codecs: [PCMU, opus],\n"
	"     srtp: required, session_timer: {expires: 90, min: 90, refresher: peer}, dtmf: inband}\n"
	"  - {name: pair, realm: lo, peers: [{address: %2$s.3, port: 5063}, {address: %2$s.3, port: 5064}],\n"
	"     codecs: [PCMU], redirects: pass, early_media: authorized, 100rel: never}\n"
	"  - {name: phones, realm: lo, codecs: [PCMU],\n"
	"     users: {domain: fuzz.example, file: %1$s/users.yaml, ring_s: 5, algorithms: [MD5]}}\n"
	"routes:\n"
	"  - {prefix: \"1\", trunk: caller}\n"
	"  - {prefix: \"2\", trunk: callee}\n"
	"  - {prefix: \"3\", trunk: strict}\n"
	"  - {prefix: \"4\", trunk: timed}\n"
	"  - {prefix: \"5\", trunk: pair}\n"
	"  - {prefix: \"6\", trunk: pair}\n"
	"  - {prefix: \"6\", trunk: callee}\n"
	"  - {prefix: \"8\", trunk: phones, strip: 1}\n"
	"timers: {no_answer_s: 20, max_duration_s: 600}\n";

static struct world {
	char folder[64], net[16]; // of addresses
	struct config *config;
	struct event_base *base;
	struct guard *guard;
	struct calls *calls;
	bool restarted;
	struct far_end far[N_FAR];
} world;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_calls: %s\n", what);
	abort();
}

// ---- the dataplane ----

// The leak checker does not see into DPDK's memory, from which the dataplane's other memory hangs.
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static void unwatched(bool yes)
{
	if (__lsan_disable && __lsan_enable)
		(yes ? __lsan_disable : __lsan_enable)();
}

static void dataplane_begin(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/dataplane.sock", world.folder);
	unwatched(true);
	dataplane_start(path);
	unwatched(false);
}

static void dataplane_work(void)
{
	unwatched(true);
	dataplane_turn();
	unwatched(false);
}

// ---- the world: once a process ----

static void users_write(void)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/users.yaml", world.folder);
	file = fopen(path, "w");
	must(file && fputs("users:\n  - {user: alice, password: secret}\n", file) >= 0, path);
	fclose(file);
	chmod(path, 0600);
}

static void world_end(void)
{
	char command[96];

	for (int i = 0; i < N_FAR; i++)
		far_end_close(&world.far[i]);
	guard_destroy(world.guard);
	event_base_free(world.base);
	config_free(world.config);
	dataplane_stop(false);
	snprintf(command, sizeof(command), "rm -r %s", world.folder);
	must(!system(command), command);
}

static void world_begin(void)
{
	static const struct {
		char host;
		unsigned int port;
	} places[N_FAR] = {{'2', 5060}, {'3', 5060}, {'3', 5061}, {'2', 5062}, {'3', 5063},
		{'3', 5064}, {'4', 5060}};
	struct log_module *const modules[] = {
		&log_sip, &log_call, &log_media, &log_registrar, &log_guard};
	// To see what an input does.
	enum log_level level = getenv("FUZZ_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR;
	char text[sizeof(settings_text) + 1024], error[512], ip[24], gateway[24];

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		modules[i]->level = level;
	snprintf(world.folder, sizeof(world.folder), "/tmp/sluice-fuzz.XXXXXX");
	must(mkdtemp(world.folder) != NULL, "no folder in /tmp");
	users_write();
	// By process, so that several run side by side.
	snprintf(world.net, sizeof(world.net), "127.%u.%u", 1 + getpid() / 250 % 250,
		1 + getpid() % 250);
	snprintf(text, sizeof(text), settings_text, world.folder, world.net);
	world.config = config_load_text("fuzz", text, strlen(text), error, sizeof(error));
	must(world.config != NULL, error);
	dataplane_begin();
	world.base = event_base_new();
	world.guard = guard_create();
	must(world.base && world.guard, "no memory");
	snprintf(gateway, sizeof(gateway), "%s.1", world.net);
	for (int i = 0; i < N_FAR; i++) {
		snprintf(ip, sizeof(ip), "%s.%c", world.net, places[i].host);
		far_end_open(&world.far[i], gateway, ip, places[i].port);
	}
	atexit(world_end);
}

// ---- turns and time ----

// Until nothing moves.
static void turn(void)
{
	for (int quiet = 0; quiet < 2;) {
		unsigned int n = 0;

		event_base_loop(world.base, EVLOOP_NONBLOCK);
		dataplane_work();
		event_base_loop(world.base, EVLOOP_NONBLOCK);
		for (int i = 0; i < N_FAR; i++)
			n += far_end_receive(&world.far[i]);
		quiet = n ? 0 : quiet + 1;
	}
}

static void pass(uint64_t ms, uint64_t step_ms)
{
	for (; ms; ms -= step_ms < ms ? step_ms : ms) {
		virtual_time_pass(step_ms < ms ? step_ms : ms);
		turn();
	}
}

// ---- control, from its start to its end ----

static void control_begin(void)
{
	const struct config *config = world.config;
	const struct calls_settings settings = {
		.base = world.base,
		.node = config->node,
		.guard = world.guard,
		.realms = config->realms,
		.n_realms = config->n_realms,
		.access = &config->access,
		.trunks = &world.config->trunks,
		.routes = &config->routes,
		.dns_servers = "127.0.0.1",
		.dataplane = config->dataplane,
		.no_answer_s = config->timers.no_answer_s,
		.max_duration_s = config->timers.max_duration_s,
		.trace_bytes = 1 << 16,
		.calls_max = 50,
		.requests_max = 20,
		.subscriptions_max = 20,
		.drain = {.status = config->drain.status},
		.auth = {.nonce_s = 300,
			.failures = 5,
			.failures_s = 60,
			.ban_s = 30,
			.bindings = 20},
	};
	char error[256];

	world.calls = calls_create(&settings, error, sizeof(error));
	must(world.calls != NULL, error);
	must(!calls_listen(world.calls, error, sizeof(error)), error);
	turn();
	pass(1000, 500);
	must(media_is_up(calls_media(world.calls)), "the dataplane was not found");
}

static void control_end(void)
{
	calls_destroy(world.calls);
	turn();
}

static void hang_up_all(void)
{
	struct call *call, *next;

	for (call = TAILQ_FIRST(&world.calls->list); call; call = next) {
		next = TAILQ_NEXT(call, in_calls);
		call_hangup(call);
	}
	turn();
}

static void counters_add_up(void)
{
	const struct calls_counters *n = calls_counters(world.calls);

	must(n->active_now == 0, "a call is active that is not there");
	must(n->requests_now == 0, "a request of no call waits for ever");
	must(n->subscriptions_now == 0, "a subscription does not expire");
	must(n->cdr_errors == 0, "a CDR was not written");
	must(location_n_bindings(registrar_location(world.calls->registrar)) == 0,
		"a binding does not expire");
	must(world.restarted || n->answered <= n->cdrs, "an answered call has no CDR");
}

// Whoever is left is told nothing more by the far ends.
static void nothing_is_left(void)
{
	hang_up_all();
	pass(40000, 4000);
	hang_up_all(); // those that only came to be
	pass(80000, 4000);
	pass(7300000, 500000); // bindings, bans, back-offs
	must(TAILQ_EMPTY(&world.calls->list), "a call does not end");
	must(stack_n_transactions(world.calls->stack) == 0, "a transaction does not end");
	must(dataplane_is_clean(), "a session is left in the dataplane");
	for (size_t i = 0; i < world.config->trunks.n; i++)
		for (int direction = 0; direction < TRUNK_DIRECTIONS; direction++)
			must(world.config->trunks.list[i].state->load[direction].calls == 0,
				"a trunk counts calls that are not there");
	counters_add_up();
}

// ---- steps ----

static void step_time(struct input *input)
{
	static const uint32_t ms[] = {500, 10, 100, 200, 1000, 4000, 33000, 46000, 95000, 610000};
	uint32_t wanted = ms[take(input) % (sizeof(ms) / sizeof(ms[0]))];

	pass(wanted, wanted > 20000 ? 1000 : 500);
}

static void step_hangup(struct input *input)
{
	unsigned int nth = take(input) % 4;
	struct call *call;

	TAILQ_FOREACH (call, &world.calls->list, in_calls)
		if (!nth--)
			break;
	if (call)
		call_hangup(call);
}

static void step_show(struct input *)
{
	struct call *call;

	json_decref(calls_list(world.calls));
	json_decref(calls_bindings(world.calls));
	TAILQ_FOREACH (call, &world.calls->list, in_calls)
		json_decref(call_describe(call));
}

static void step_restart(struct input *input)
{
	switch (take(input) % 4) {
	case 0: // only its connection breaks
		dataplane_stop(true);
		turn();
		dataplane_begin();
		break;
	case 1:
		control_end();
		control_begin();
		world.restarted = true;
		break;
	case 2:
		calls_drain(world.calls, NULL, NULL);
		break;
	default:
		calls_undrain(world.calls);
	}
}

static void step(struct input *input)
{
	static void (*const by_far_ends[])(struct far_end * far, struct input * input) = {
		far_end_invite, far_end_reply, far_end_reply, far_end_request, far_end_request,
		far_end_cancel, far_end_outside, far_end_register, far_end_repeat};
	static void (*const others[])(struct input * input) = {
		step_time, step_time, step_time, step_time, step_hangup, step_show, step_restart};
	const unsigned int n_theirs = sizeof(by_far_ends) / sizeof(by_far_ends[0]);
	const unsigned int n_others = sizeof(others) / sizeof(others[0]);
	uint8_t what = take(input);

	if (what < n_theirs * 24)
		by_far_ends[what / 24](&world.far[what % 24 % N_FAR], input);
	else
		others[what % n_others](input);
	// What is not taken at once comes in one burst.
	if (take(input) < 224)
		turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};

	if (!world.base)
		world_begin();
	world.restarted = false;
	for (int i = 0; i < N_FAR; i++)
		far_end_forget(&world.far[i]);
	control_begin();
	for (unsigned int i = 0; i < STEPS_MAX && input.left; i++)
		step(&input);
	turn();
	nothing_is_left();
	control_end();
	return 0;
}
