// Lists of prefixes as carriers hand them out: one a line, with what a minute costs.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "config_private.h"
#include "yaml_file.h"

enum { FRACTION_DIGITS = 6, WHOLE_DIGITS_MAX = 9 };

int cost_parse(const char *text, uint64_t *out)
{
	uint64_t cost = 0;
	size_t n_whole = strspn(text, "0123456789"), n_fraction = 0;

	if (!n_whole || n_whole > WHOLE_DIGITS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n_whole; i++)
		cost = cost * 10 + (uint64_t)(*text++ - '0');
	if (*text == '.') {
		n_fraction = strspn(++text, "0123456789");
		if (!n_fraction)
			return -EINVAL;
	}
	for (size_t i = 0; i < FRACTION_DIGITS; i++)
		cost = cost * 10 + (i < n_fraction ? (uint64_t)(text[i] - '0') : 0);
	if (text[n_fraction])
		return -EINVAL;
	*out = cost;
	return 0;
}

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t\"");
	n = strlen(text);
	while (n && strchr(" \t\r\"", text[n - 1]))
		text[--n] = '\0';
	return text;
}

static size_t count_lines(const char *text, size_t length)
{
	size_t n = 1;

	for (size_t i = 0; i < length; i++)
		n += text[i] == '\n';
	return n;
}

static int line_check(const struct check *check, const char *where, const char *path,
	unsigned int number, const struct prefix_line *line)
{
	uint64_t cost;

	for (const char *at = line->prefix; *at; at++)
		if (!isdigit((unsigned char)*at) && !strchr("+*#", *at))
			return check_failed(check, where,
				"%.80s:%u: expected a prefix of digits, not '%.40s'", path, number,
				line->prefix);
	if (strlen(line->prefix) >= ROUTE_NUMBER_MAX)
		return check_failed(check, where, "%.80s:%u: the prefix is too long", path, number);
	if (line->cost && cost_parse(line->cost, &cost))
		return check_failed(check, where,
			"%.80s:%u: expected a cost as 0.0125, not '%.40s'", path, number,
			line->cost);
	return 0;
}

static int lines_split(const struct check *check, const char *where, const char *path, char *text,
	struct prefix_line *lines, size_t *n)
{
	char *rest = text, *line;

	for (unsigned int number = 1; (line = strsep(&rest, "\n")); number++) {
		char *prefix = strsep(&line, ",;");
		struct prefix_line *out = &lines[*n];

		*out = (struct prefix_line){trim(prefix), line ? trim(line) : NULL};
		if (out->prefix[0] == '#' || (!out->prefix[0] && !out->cost))
			continue;
		if (line_check(check, where, path, number, out))
			return -EINVAL;
		++*n;
	}
	return 0;
}

char *prefix_file_read(const struct check *check, const char *where, const char *path,
	struct prefix_line **lines, size_t *n)
{
	char error[256];
	size_t length;
	char *text = NULL;

	*n = 0;
	*lines = NULL;
	if (check_path(check, where, path))
		return NULL;
	text = yaml_file_read(path, &length, error, sizeof(error));
	if (!text) {
		check_failed(check, where, "%s", error);
		return NULL;
	}
	*lines = calloc(count_lines(text, length), sizeof(**lines));
	if (!*lines)
		check_memory(check);
	else if (memchr(text, '\0', length))
		check_failed(check, where, "%.80s is no text", path);
	else if (!lines_split(check, where, path, text, *lines, n))
		return text;
	free(*lines);
	free(text);
	*lines = NULL;
	return NULL;
}
