// sluicectl: one command to the admin socket of sluice-control, its answer to people or as JSON.
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "show.h"

#define SOCKET_DEFAULT "/run/sluice/control.sock"
#define TIMEOUT_S      10
#define ARGUMENTS_MAX  2

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

static const struct command {
	const char *name;
	const char *arguments[ARGUMENTS_MAX + 1]; // their names in the request
	show_fn *show;
	const char *help;
} commands[] = {
	{"status", {}, show_status, "the node, its dataplane and its calls in short"},
	{"calls", {}, show_calls, "calls that are not over"},
	{"call", {"id"}, show_call, "one call with its media"},
	{"trace", {"id"}, show_trace, "a call's SIP messages as a ladder; also one that is over"},
	{"messages", {"id"}, show_messages, "the same in full; both take a Call-ID, too"},
	{"hangup", {"id"}, show_nothing, "end a call"},
	{"sessions", {}, show_sessions, "media sessions of the dataplane"},
	{"session", {"id"}, show_session, "one session"},
	{"trunks", {}, show_trunks, "trunks and their load"},
	{"reload", {}, show_reload, "read the configuration again, as a whole or not at all"},
	{"drain", {}, show_nothing, "take no new calls and registrations; those there go on"},
	{"undrain", {}, show_nothing, "take them again"},
	{"cdr", {"do"}, show_nothing,
		"rotate the file of CDRs, or reopen it where it was moved away"},
	{"cluster", {}, show_cluster, "nodes, whose the shards are, and how the store is"},
	{"registrations", {}, show_registrations, "ours with trunks, and how they stand"},
	{"bindings", {}, show_bindings, "registered users and where they are"},
	{"codecs", {}, show_codecs, "codecs, what they cost here and how many run"},
	{"transcoders", {}, show_transcoders, "their load, what they shed and whom they refused"},
	{"ports", {}, show_counters, "counters of the network ports"},
	{"counters", {}, show_counters, "all counters"},
	{"drops", {}, show_drops, "why packets were dropped"},
	{"profile", {"set"}, show_nothing, "on or off: count what each stage costs, from zero on"},
	{"profile", {}, show_profile, "what each stage has cost since it was put on"},
	{"log", {"module", "level"}, show_nothing, "set a log level; '*' is every module"},
};

static void usage(FILE *file)
{
	fputs("usage: sluicectl [--socket PATH] [--json] COMMAND [ARGUMENT...]\n\n", file);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		char text[64];
		int n = snprintf(text, sizeof(text), "%s", commands[i].name);

		for (const char *const *name = commands[i].arguments; *name; name++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, " <%s>", *name);
		fprintf(file, "  %-24s %s\n", text, commands[i].help);
	}
	fputs("\n"
	      "  --socket PATH            of sluice-control; " SOCKET_DEFAULT " where not given\n"
	      "  --json                   the answer as JSON\n"
	      "  --leave                  drain: sluice-control ends when nothing is left\n"
	      "  --hand-over              drain: its calls go to other nodes of the cluster\n\n"
	      "Exit status: 0 done, 1 refused, 2 wrong usage, 3 sluice-control is not there.\n",
		file);
}

static int unreachable(const char *path, const char *why)
{
	fprintf(stderr, "sluicectl: no answer from sluice-control at %s: %s\n", path, why);
	return EXIT_UNREACHABLE;
}

// A connected socket, or a negative errno.
static int reach(const char *path)
{
	static const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

// The line that answers `request`; NULL with errno set (0: the other end closed).
static char *ask(int fd, const char *request)
{
	char *line = NULL;
	size_t size = 0;
	FILE *stream = fdopen(fd, "r+");

	errno = 0;
	if (!stream)
		return NULL;
	if (fprintf(stream, "%s\n", request) < 0 || fflush(stream) ||
		getline(&line, &size, stream) < 0) {
		int err = errno;

		free(line);
		line = NULL;
		errno = err == EAGAIN ? ETIMEDOUT : err;
	}
	int err = errno;

	fclose(stream);
	errno = err;
	return line;
}

struct wishes {
	bool as_json, leave, hand_over;
};

static char *request_text(
	const struct command *command, char *const *arguments, const struct wishes *wishes)
{
	json_t *request = json_pack("{s:s}", "command", command->name);
	char *text;

	if (wishes->leave)
		json_object_set_new(request, "leave", json_true());
	if (wishes->hand_over)
		json_object_set_new(request, "hand_over", json_true());

	for (size_t i = 0; command->arguments[i]; i++)
		json_object_set_new(request, command->arguments[i], json_string(arguments[i]));
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	return text;
}

static int show(const struct command *command, const json_t *answer, bool as_json)
{
	const json_t *result = json_object_get(answer, "result");
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (!json_is_true(json_object_get(answer, "ok"))) {
		fprintf(stderr, "sluicectl: %s\n", error ? error : "refused without a reason");
		return EXIT_REFUSED;
	}
	if (as_json) {
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
		putchar('\n');
	} else {
		command->show(result, stdout);
	}
	return fflush(stdout) ? EXIT_REFUSED : EXIT_SUCCESS;
}

static int run(const char *path, const struct command *command, char *const *arguments,
	const struct wishes *wishes)
{
	char *request = request_text(command, arguments, wishes), *line;
	json_t *answer;
	int fd, status;

	if (!request) {
		fputs("sluicectl: an argument is not UTF-8\n", stderr);
		return EXIT_USAGE;
	}
	fd = reach(path);
	line = fd < 0 ? NULL : ask(fd, request);
	free(request);
	if (fd < 0)
		return unreachable(path, strerror(-fd));
	if (!line)
		return unreachable(path, errno ? strerror(errno) : "the connection was closed");
	answer = json_loads(line, 0, NULL);
	free(line);
	status = answer ? show(command, answer, wishes->as_json)
			: unreachable(path, "its answer is no JSON");
	json_decref(answer);
	return status;
}

static int n_arguments(const struct command *command)
{
	int n = 0;

	while (command->arguments[n])
		n++;
	return n;
}

// A command may be there with arguments and without.
static const struct command *find_command(const char *name, int n)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name) && n_arguments(&commands[i]) == n)
			return &commands[i];
	return NULL;
}

static const struct option options[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"leave", no_argument, NULL, 'l'},
	{"hand-over", no_argument, NULL, 'o'},
	{"version", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static int usage_error(void)
{
	usage(stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *path = SOCKET_DEFAULT;
	const struct command *command;
	struct wishes wishes = {};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			path = optarg;
			break;
		case 'j':
			wishes.as_json = true;
			break;
		case 'l':
			wishes.leave = true;
			break;
		case 'o':
			wishes.hand_over = true;
			break;
		case 'v':
			puts("sluicectl " SLUICE_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_error();
		}
	}
	command = optind < argc ? find_command(argv[optind], argc - optind - 1) : NULL;
	if (!command || ((wishes.leave || wishes.hand_over) && strcmp(command->name, "drain") != 0))
		return usage_error();
	return run(path, command, argv + optind + 1, &wishes);
}
