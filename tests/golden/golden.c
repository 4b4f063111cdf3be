#include "golden.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void golden_die(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s\n", what, detail);
	exit(2);
}

void golden_put(struct golden_text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text->length += (size_t)vsnprintf(
		text->data + text->length, sizeof(text->data) - text->length, format, args);
	va_end(args);
	if (text->length >= sizeof(text->data))
		golden_die("case", "too much text");
}

char *golden_line(char **at)
{
	char *line = *at, *end = strchr(line, '\n');

	if (!*line)
		return NULL;
	if (!end)
		golden_die("case", "its last line has no line end");
	*end = '\0';
	*at = end + 1;
	return line;
}

static void load(const char *path, char *out)
{
	FILE *file = fopen(path, "r");
	size_t length;

	if (!file)
		golden_die(path, strerror(errno));
	length = fread(out, 1, GOLDEN_TEXT_MAX - 1, file);
	out[length] = '\0';
	fclose(file);
}

static void save(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		golden_die(path, strerror(errno));
}

static bool compare(const char *path, const char *expected, const char *got)
{
	unsigned int line = 1;

	if (!strcmp(expected, got))
		return true;
	for (const char *a = expected, *b = got; *a && *a == *b; a++, b++)
		line += *a == '\n';
	fprintf(stderr, "%s: differs from line %u on; it came out as:\n%s", path, line, got);
	return false;
}

static bool run_case(
	const char *path, bool update, void (*render)(char *text, struct golden_text *out))
{
	static char text[GOLDEN_TEXT_MAX], expected[GOLDEN_TEXT_MAX];
	static struct golden_text out;

	load(path, text);
	memcpy(expected, text, sizeof(text));
	out.length = 0;
	out.data[0] = '\0';
	render(text, &out);
	if (update)
		save(path, out.data);
	return update || compare(path, expected, out.data);
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t length = strlen(name);

	return length > strlen(suffix) && !strcmp(name + length - strlen(suffix), suffix);
}

int golden_main(int argc, char **argv, const char *suffix,
	void (*render)(char *text, struct golden_text *out))
{
	bool update = argc == 3 && !strcmp(argv[1], "--update");
	const char *folder = argv[argc - 1];
	int n_cases = 0, n_entries = 0;
	struct dirent **entries;

	if (argc == 2 || update)
		n_entries = scandir(folder, &entries, NULL, alphasort);
	if (n_entries <= 0)
		golden_die("usage", "[--update] FOLDER-OF-CASES");
	for (int i = 0; i < n_entries; i++) {
		const char *name = entries[i]->d_name;
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (ends_in(name, suffix))
			printf("%s %d - %s\n", run_case(path, update, render) ? "ok" : "not ok",
				++n_cases, name);
		free(entries[i]);
	}
	free(entries);
	if (!n_cases)
		golden_die(folder, "has no cases");
	printf("1..%d\n", n_cases);
	return 0;
}
