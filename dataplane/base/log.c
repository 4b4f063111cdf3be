// Log lines: formatted on the stack, written with one write(2), so that lines of two threads never
// mix and a full pipe can only cost the line. An event loop may hold its lines back until the end
// of a turn; an error is written at once, with what was held.
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define HELD_MAX       16384

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "?";
}

// "2026-11-20T10:11:12." is the same for all lines of a second.
static const char *second_text(time_t second)
{
	static _Thread_local char text[40];
	static _Thread_local time_t written;
	struct tm utc;

	if (second != written || !*text) {
		gmtime_r(&second, &utc);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.", &utc);
		written = second;
	}
	return text;
}

// systemd says so at start (systemd.exec(5)); the journal has the time itself.
static bool to_journal(void)
{
	static _Thread_local signed char known = -1;

	if (known < 0)
		known = getenv("JOURNAL_STREAM") != NULL;
	return known;
}

static int write_prefix(char *line, size_t size, enum log_level level)
{
	struct timespec now;

	if (to_journal())
		return snprintf(line, size, "<%d>", level);
	clock_gettime(CLOCK_REALTIME, &now);
	return snprintf(line, size, "%s%03ldZ ", second_text(now.tv_sec), now.tv_nsec / 1000000);
}

static size_t clamp(int written, size_t at, size_t size)
{
	if (written < 0)
		return at;
	return at + (size_t)written < size ? at + (size_t)written : size - 1;
}

// Lines held back by this thread.
static _Thread_local struct {
	bool on;
	size_t n;
	char text[HELD_MAX];
} held;

static void out(const char *text, size_t n)
{
	if (n && write(STDERR_FILENO, text, n) < 0)
		return; // nowhere left to say so
}

void log_hold(void)
{
	held.on = true;
}

void log_release(void)
{
	out(held.text, held.n);
	held.n = 0;
	held.on = false;
}

static void line_out(const char *line, size_t n, enum log_level level)
{
	if (!held.on) {
		out(line, n);
		return;
	}
	if (n > HELD_MAX - held.n || level == LOG_LEVEL_ERROR) {
		out(held.text, held.n); // in order
		held.n = 0;
		out(line, n);
		return;
	}
	memcpy(held.text + held.n, line, n);
	held.n += n;
}

void log_write(const struct log_module *module, enum log_level level, const char *event,
	const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	size_t room = sizeof(line) - 1; // the newline always fits
	size_t at = clamp(write_prefix(line, room, level), 0, room);
	va_list args;

	at = clamp(snprintf(line + at, room - at, "%s %s event=%s%s", level_name(level),
			   module->name, event, *format ? " " : ""),
		at, room);
	va_start(args, format);
	at = clamp(vsnprintf(line + at, room - at, format, args), at, room);
	va_end(args);
	line[at++] = '\n';
	line_out(line, at, level);
}

const char *log_quote(char *out, size_t size, const char *text, int length)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = length < 0 ? strlen(text) : (size_t)length;
	size_t at = 0;

	if (size < 8) {
		if (size)
			*out = '\0';
		return out;
	}
	out[at++] = '"';
	for (size_t i = 0; i < n && at < size - 6; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\') {
			out[at++] = '\\';
			out[at++] = (char)c;
		} else if (c < 0x20 || c >= 0x7f) {
			out[at++] = '\\';
			out[at++] = 'x';
			out[at++] = hex[c >> 4];
			out[at++] = hex[c & 15];
		} else {
			out[at++] = (char)c;
		}
	}
	out[at++] = '"';
	out[at] = '\0';
	return out;
}

int log_level_parse(const char *text, enum log_level *level)
{
	static const enum log_level levels[] = {
		LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG};

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		if (!strcmp(text, level_name(levels[i]))) {
			*level = levels[i];
			return 0;
		}
	return -EINVAL;
}

int log_level_set(struct log_module *const modules[], const char *name, enum log_level level)
{
	int found = -ENOENT;

	for (size_t i = 0; modules[i]; i++)
		if (!strcmp(name, "*") || !strcmp(name, modules[i]->name)) {
			modules[i]->level = level;
			found = 0;
		}
	return found;
}

void fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}
