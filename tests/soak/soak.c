// Calls come, change and go on a running dataplane while others must not notice: the client of the
// API in one hand, the far ends of all calls in the other, in one loop. Ends with 0 where no packet
// of a stable session was lost or altered, every request was answered well, and nothing is left in
// the dataplane.
//
//   soak API-SOCKET MEMIF-SOCKET PID SECONDS [STABLE CHURNING SETS-PER-SECOND PACKETS-PER-SECOND]
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "churn.h"
#include "traffic.h"

#define ANSWER_MS   30000
#define SETTLE_S    30
#define WARM_SHARE  0.3 // of the time; then memory should not grow any more
#define GROWTH_KB   (48 * 1024)
#define SPARE_BURST 16

struct options {
	const char *api, *memif;
	int pid;
	double seconds;
	unsigned int n_stable, n_churning;
	double sets_per_second, packets_per_second;
};

// What the dataplane says of itself.
struct level {
	uint64_t packets_used, legs, ports_used, deferred, tx_full, requests;
	long rss_kb;
};

static struct sl_client *client;

static void die(const char *what)
{
	fprintf(stderr, "soak: %s\n", what);
	exit(EXIT_FAILURE);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// ---- requests that are waited for ----

static void await(struct sl_message *message)
{
	struct pollfd fd = {.fd = sl_client_fd(client), .events = POLLIN};
	int rc;

	while ((rc = sl_client_receive(client, message)) == -EAGAIN)
		if (poll(&fd, 1, ANSWER_MS) != 1)
			die("the dataplane does not answer");
	if (rc)
		die("the dataplane is gone");
}

// The answer to `id`; those to others on the way are theirs.
static void await_answer(int64_t id, struct sl_message *message)
{
	if (id < 0)
		die("cannot send a request");
	do {
		await(message);
		if (message->request_id != id && message->response)
			churn_answer(message);
	} while (message->request_id != id);
}

static long read_rss_kb(int pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	if (!file)
		die("the dataplane has ended");
	while (fgets(line, sizeof(line), file))
		sscanf(line, "VmRSS: %ld", &kb);
	fclose(file);
	return kb;
}

static void take_counter(struct level *level, const struct sl_counter *counter)
{
	const struct {
		const char *name;
		uint64_t *value;
	} wanted[] = {
		{"memory.packets_used_now", &level->packets_used},
		{"table.legs_now", &level->legs},
		{"table.ports_used_now", &level->ports_used},
		{"table.deferred_now", &level->deferred},
		{"drop.tx_full", &level->tx_full},
		{"server.requests", &level->requests},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strcmp(counter->name, wanted[i].name))
			*wanted[i].value = counter->value;
}

static struct level read_level(int pid)
{
	struct level level = {.rss_kb = read_rss_kb(pid)};
	int64_t id = sl_client_stats_get(client);
	struct sl_message message;

	do {
		size_t n = 0;
		const struct sl_counter *counters;

		await_answer(id, &message);
		counters = sl_payload_counters(&message, &n);
		for (size_t i = 0; i < n; i++)
			take_counter(&level, &counters[i]);
	} while (message.more);
	return level;
}

static void set_stable(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct sl_session session = churn_describe(1 + i, STABLE_A, i, false);
		const struct sl_session *answer;
		struct sl_message message;

		await_answer(sl_client_session_set(client, &session, NULL), &message);
		answer = sl_payload_session(&message, NULL);
		if (message.status || !answer)
			die("a stable session was refused");
		traffic_add_stable(i,
			(uint16_t[]){answer->legs[0].local.port, answer->legs[1].local.port},
			(uint32_t[]){answer->legs[0].ssrc, answer->legs[1].ssrc});
	}
}

static void delete_stable(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct sl_session session = churn_describe(1 + i, STABLE_A, i, false);
		struct sl_message message;

		await_answer(sl_client_session_delete(client, &session.id), &message);
		if (message.status)
			die("a stable session had gone");
	}
}

// ---- the loop ----

static void take_answers(void)
{
	struct sl_message message;
	int rc;

	while ((rc = sl_client_receive(client, &message)) == 0)
		churn_answer(&message);
	if (rc != -EAGAIN)
		die("the dataplane is gone");
}

// Stable and other packets by turns, as many as are due.
static unsigned int send_due(const struct options *options, double elapsed_s, bool churning)
{
	uint64_t due = (uint64_t)(elapsed_s * options->packets_per_second);
	unsigned int n = 0;

	while (n < SPARE_BURST && traffic_totals.sent + traffic_totals.churn_sent < due) {
		if (!traffic_send_stable())
			break;
		if (churning && !churn_send())
			break;
		n++;
	}
	return n;
}

static void run_for(const struct options *options, double seconds, bool churning)
{
	static double begin_s, next_set_s;
	double end_s = now_s() + seconds;

	if (begin_s == 0)
		begin_s = next_set_s = now_s();
	for (double now = now_s(); now < end_s; now = now_s()) {
		unsigned int work = traffic_receive();

		take_answers();
		if (churning && now >= next_set_s) {
			churn_step();
			next_set_s += 1 / options->sets_per_second;
			work++;
		}
		work += send_due(options, now - begin_s, churning);
		if (!work)
			usleep(200);
	}
}

static void settle(void)
{
	double end_s = now_s() + SETTLE_S;

	while (now_s() < end_s &&
		traffic_totals.sent > traffic_totals.received + traffic_totals.wrong)
		if (!traffic_receive())
			usleep(200);
}

static void end_churn(void)
{
	double end_s = now_s() + SETTLE_S;

	while (!churn_end() && now_s() < end_s) {
		traffic_receive();
		take_answers();
		usleep(200);
	}
}

// Until memory is back that waited for workers to pass, and what was on its way is through.
static struct level last_level(const struct options *options, const struct level *first)
{
	double end_s = now_s() + SETTLE_S;
	struct level level;

	do {
		traffic_receive();
		usleep(10000);
		level = read_level(options->pid);
	} while (now_s() < end_s &&
		 (level.deferred || level.legs || level.packets_used > first->packets_used));
	return level;
}

// ---- the end ----

static bool check(bool holds, const char *what)
{
	if (!holds)
		printf("  FAILED: %s\n", what);
	return holds;
}

static bool report(const struct level *first, const struct level *warm, const struct level *last,
	double seconds)
{
	const struct traffic_totals *t = &traffic_totals;
	const struct churn_totals *c = &churn_totals;
	uint64_t changes = c->created + c->moved + c->held + c->rekeyed + c->codecs + c->deleted;
	bool good = true;

	printf("soak: %.0f s\n", seconds);
	printf("  stable sessions: %" PRIu64 " packets (%.0f/s), %" PRIu64 " lost, %" PRIu64
	       " wrong%s%s\n",
		t->sent, (double)t->sent / seconds, t->sent - t->received - t->wrong, t->wrong,
		t->why ? ": " : "", t->why ? t->why : "");
	printf("  others: %" PRIu64 " packets sent, %" PRIu64 " received\n", t->churn_sent,
		t->churn_received);
	printf("  requests: %" PRIu64 " (%.0f/s): %" PRIu64 " created, %" PRIu64 " moved, %" PRIu64
	       " held or resumed, %" PRIu64 " rekeyed, %" PRIu64 " codecs in or out, %" PRIu64
	       " deleted; %" PRIu64 " refused; %" PRIu64 " sources changed\n",
		changes, (double)changes / seconds, c->created, c->moved, c->held, c->rekeyed,
		c->codecs, c->deleted, c->refused, c->sources);
	printf("  memory: %ld MB at the beginning, %ld MB when warm, %ld MB at the end\n",
		first->rss_kb / 1024, warm->rss_kb / 1024, last->rss_kb / 1024);
	printf("  left: %" PRIu64 " legs, %" PRIu64 " ports, %" PRIu64 " packet buffers more than "
	       "at the beginning, %" PRIu64 " objects that wait\n",
		last->legs, last->ports_used, last->packets_used - first->packets_used,
		last->deferred);
	good &= check(t->sent > 0 && t->received == t->sent, "packets of stable sessions");
	good &= check(t->wrong == 0 && t->strays == 0, "packets where they do not belong");
	good &= check(t->churn_received > 0 && changes > 0, "nothing happened");
	good &= check(c->refused == 0, "a request was refused");
	good &= check(!last->legs && !last->ports_used && !last->deferred, "something is left");
	good &= check(last->packets_used <= first->packets_used, "packet buffers are missing");
	good &= check(last->rss_kb <= warm->rss_kb + GROWTH_KB, "memory grows");
	return good;
}

static double number(char **argv, int argc, int i, double otherwise)
{
	return i < argc ? atof(argv[i]) : otherwise;
}

int main(int argc, char **argv)
{
	struct options options;
	struct level first, warm, last;

	if (argc < 5)
		die("usage: soak API-SOCKET MEMIF-SOCKET PID SECONDS [STABLE CHURNING "
		    "SETS-PER-SECOND PACKETS-PER-SECOND]");
	options = (struct options){.api = argv[1],
		.memif = argv[2],
		.pid = atoi(argv[3]),
		.seconds = atof(argv[4]),
		.n_stable = (unsigned int)number(argv, argc, 5, 50),
		.n_churning = (unsigned int)number(argv, argc, 6, 200),
		.sets_per_second = number(argv, argc, 7, 300),
		.packets_per_second = number(argv, argc, 8, 10000)};
	if (options.n_stable > STABLE_MAX || options.n_churning > CHURN_MAX)
		die("too many sessions");
	srand(1);
	traffic_start(argv[0], options.memif);
	client = sl_client_open(options.api, "soak", 0);
	if (!client)
		die("no dataplane at the API socket");
	first = read_level(options.pid);
	set_stable(options.n_stable);
	churn_start(client, options.n_churning);
	run_for(&options, options.seconds * WARM_SHARE, true);
	warm = read_level(options.pid);
	run_for(&options, options.seconds * (1 - WARM_SHARE), true);
	settle();
	end_churn();
	delete_stable(options.n_stable);
	last = last_level(&options, &first);
	sl_client_close(client);
	traffic_stop();
	return report(&first, &warm, &last, options.seconds) ? EXIT_SUCCESS : EXIT_FAILURE;
}
