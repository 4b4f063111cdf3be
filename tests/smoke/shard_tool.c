// Shards of running dataplanes, without control: set, show, hand over from one to another.
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sl_client.h"

#define WAIT_MS 5000

static const char usage_text[] =
	"usage: shard_tool SOCKET set NAME inactive|frozen|active EPOCH [LEASE_MS [PAUSE_MS]]\n"
	"       shard_tool SOCKET state NAME\n"
	"       shard_tool SOCKET hand-over NAME EPOCH LEASE_MS PAUSE_MS TO_SOCKET\n"
	"A hand-over freezes the shard, reads its marks, makes it inactive, sets the marks there and\n"
	"makes it active; it says how many microseconds that took.\n";

static const char *const states[] = {"inactive", "frozen", "active", "suspended"};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
	va_list args;

	fputs("shard_tool: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct sl_client *open_client(const char *path)
{
	struct sl_client *client = sl_client_open(path, "shard_tool", 0);

	if (!client)
		die("%s: %s", path, strerror(errno));
	return client;
}

// The next message that answers `id`; what it points to stays until the one after.
static struct sl_message await(struct sl_client *client, int64_t id)
{
	struct pollfd poll_fd = {.fd = sl_client_fd(client), .events = POLLIN};
	struct sl_message message;

	if (id < 0)
		die("cannot send: %s", strerror((int)-id));
	for (;;) {
		int rc = sl_client_receive(client, &message);

		if (rc == -EAGAIN && poll(&poll_fd, 1, WAIT_MS) == 1)
			continue;
		if (rc)
			die("no answer: %s", strerror(-rc));
		if (message.request_id != id)
			continue;
		if (message.status)
			die("refused: %s", strerror(-message.status));
		return message;
	}
}

static struct sl_shard describe(
	const char *name, uint8_t state, uint64_t epoch, uint64_t lease_ms, uint32_t pause_ms)
{
	struct sl_shard shard = {.epoch = epoch,
		.valid_until_ns = clock_ns(CLOCK_BOOTTIME) + lease_ms * 1000000,
		.pause_ms = pause_ms,
		.state = state};

	snprintf(shard.name, sizeof(shard.name), "%s", name);
	return shard;
}

static void set(struct sl_client *client, const struct sl_shard *shard)
{
	await(client, sl_client_shard_set(client, shard));
}

static void show(struct sl_client *client, const char *name)
{
	struct sl_message message = await(client, sl_client_shard_list(client));
	size_t n = 0;
	const struct sl_shard *shards = sl_payload_shards(&message, &n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(shards[i].name, name) && shards[i].state < 4)
			puts(states[shards[i].state]);
}

static size_t read_marks(struct sl_client *client, const char *name, struct sl_mark **marks)
{
	int64_t id = sl_client_marks_get(client, name);
	struct sl_message message;
	size_t n = 0;

	*marks = NULL;
	do {
		const struct sl_mark *more;
		size_t n_more = 0;

		message = await(client, id);
		more = sl_payload_marks(&message, &n_more);
		*marks = realloc(*marks, (n + n_more + 1) * sizeof(**marks));
		if (!*marks)
			die("out of memory");
		memcpy(*marks + n, more, n_more * sizeof(**marks));
		n += n_more;
	} while (message.more);
	return n;
}

static void hand_over(struct sl_client *from, struct sl_client *to, struct sl_shard shard)
{
	uint64_t begin_ns = clock_ns(CLOCK_MONOTONIC);
	struct sl_mark *marks;
	size_t n;

	shard.state = SL_SHARD_FROZEN;
	set(from, &shard);
	n = read_marks(from, shard.name, &marks);
	shard.state = SL_SHARD_INACTIVE;
	set(from, &shard);
	for (size_t i = 0; i < n; i += SL_MARKS_MAX)
		await(to, sl_client_marks_set(
				  to, marks + i, n - i < SL_MARKS_MAX ? n - i : SL_MARKS_MAX));
	shard.state = SL_SHARD_ACTIVE;
	set(to, &shard);
	free(marks);
	printf("%llu\n", (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - begin_ns) / 1000);
}

static uint8_t state_of(const char *text)
{
	for (uint8_t i = 0; i < 3; i++)
		if (!strcmp(text, states[i]))
			return i;
	die("%s: expected inactive, frozen or active", text);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 3 ? argv[2] : "";
	struct sl_client *client;
	struct sl_shard shard;

	if (!strcmp(verb, "set") && argc >= 6) {
		shard = describe(argv[3], state_of(argv[4]), strtoull(argv[5], NULL, 0),
			argc > 6 ? strtoull(argv[6], NULL, 0) : 0,
			argc > 7 ? (uint32_t)strtoul(argv[7], NULL, 0) : 200);
		client = open_client(argv[1]);
		set(client, &shard);
	} else if (!strcmp(verb, "state")) {
		client = open_client(argv[1]);
		show(client, argv[3]);
	} else if (!strcmp(verb, "hand-over") && argc == 8) {
		struct sl_client *to = open_client(argv[7]);

		client = open_client(argv[1]);
		shard = describe(argv[3], SL_SHARD_ACTIVE, strtoull(argv[4], NULL, 0),
			strtoull(argv[5], NULL, 0), (uint32_t)strtoul(argv[6], NULL, 0));
		hand_over(client, to, shard);
		sl_client_close(to);
	} else {
		fputs(usage_text, stderr);
		return EXIT_FAILURE;
	}
	sl_client_close(client);
	return EXIT_SUCCESS;
}
