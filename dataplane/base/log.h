// Log lines of both processes: one line an event, key=value, a level per module.
//
//   2026-11-20T10:11:12.123Z info call event=answered call=01JD... leg=b code=200
//
// Written to standard error; under journald (JOURNAL_STREAM is set) each line carries its
// priority as "<6>" and no time, since the journal adds its own. Any thread may log: a line is
// one write(2). Never called on the packet path.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Values are those of syslog(3).
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

// One per folder, defined in that folder, listed by main for log_level_set().
struct log_module {
	const char *name;
	enum log_level level; // written at start and by the admin command only
};

#define LOG_MODULE(var, module_name) \
	struct log_module var = {.name = module_name, .level = LOG_LEVEL_INFO}

static inline bool log_enabled(const struct log_module *module, enum log_level level)
{
	return level <= module->level;
}

// Write one line. `event` is one word; `format` yields "key=value key=value", values with spaces
// passed through log_quote().
void log_write(const struct log_module *module, enum log_level level, const char *event,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

// Hold this thread's lines back and write them together at log_release(): a busy loop's turn then
// costs one write(2), not one a line. What a crash could lose is that turn's lines. Errors release
// what was held before them.
void log_hold(void);
void log_release(void);

#define log_error(module, ...) log_at(module, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(module, ...)  log_at(module, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(module, ...)  log_at(module, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(module, ...) log_at(module, LOG_LEVEL_DEBUG, __VA_ARGS__)

#define log_at(module, level, ...)                             \
	do {                                                   \
		if (log_enabled(module, level))                \
			log_write(module, level, __VA_ARGS__); \
	} while (0)

// Quote up to `length` bytes of `text` (negative: to its NUL) into `out` as a value safe on one
// line: control characters, quotes and backslashes escaped, cut to fit. Returns `out`.
const char *log_quote(char *out, size_t size, const char *text, int length);

// Parse "error", "warn", "info" or "debug". Returns 0 or -EINVAL.
int log_level_parse(const char *text, enum log_level *level);

// Set the level of the module called `name`, or of all for "*". `modules` ends with NULL.
// Returns 0, or -ENOENT where no module has that name.
int log_level_set(struct log_module *const modules[], const char *name, enum log_level level);

// Say why a start cannot go on and exit with status 1. Only during start.
void fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
