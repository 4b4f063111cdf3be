// What sluicectl shows: a command, the result of the admin socket as JSON up to the line
// "--- shows", then the text for people.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "show.h"

static const struct {
	const char *command;
	show_fn *show;
} commands[] = {
	{"status", show_status},
	{"calls", show_calls},
	{"call", show_call},
	{"sessions", show_sessions},
	{"session", show_session},
	{"counters", show_counters},
	{"drops", show_drops},
	{"transcoders", show_transcoders},
	{"trunks", show_trunks},
	{"bindings", show_bindings},
	{"cluster", show_cluster},
	{"registrations", show_registrations},
	{"codecs", show_codecs},
	{"profile", show_profile},
	{"trace", show_trace},
	{"messages", show_messages},
};

static show_fn *find(const char *command)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].command, command))
			return commands[i].show;
	golden_die("unknown command", command);
}

static void render(char *text, struct golden_text *out)
{
	char *end = strstr(text, "\n--- shows\n"), *shown = NULL;
	size_t size;
	FILE *file = open_memstream(&shown, &size);
	const char *command;
	json_error_t error;
	json_t *result;

	if (!end)
		golden_die("case", "has no line \"--- shows\"");
	end[1] = '\0';
	golden_put(out, "%s--- shows\n", text);
	golden_line(&text); // the comment
	command = golden_line(&text);
	result = json_loads(text, JSON_DECODE_ANY, &error);
	if (!result)
		golden_die("result", error.text);
	find(command)(result, file);
	fclose(file);
	golden_put(out, "%s", shown);
	free(shown);
	json_decref(result);
}

int main(int argc, char **argv)
{
	return golden_main(argc, argv, ".txt", render);
}
