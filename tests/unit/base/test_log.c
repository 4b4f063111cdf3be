#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

static LOG_MODULE(log_sip, "sip");
static LOG_MODULE(log_call, "call");
static struct log_module *const modules[] = {&log_sip, &log_call, NULL};

static void quoted_value_cannot_break_the_line(void **)
{
	char out[64];

	assert_string_equal(
		log_quote(out, sizeof(out), "a\r\n\"b\\\x7f", -1), "\"a\\x0d\\x0a\\\"b\\\\\\x7f\"");
}

static void quoted_value_is_cut_to_its_buffer(void **)
{
	char out[12];

	log_quote(out, sizeof(out), "0123456789abcdef", -1);
	assert_true(strlen(out) < sizeof(out));
	assert_int_equal(out[0], '"');
	assert_int_equal(out[strlen(out) - 1], '"');
}

static void level_is_set_for_one_module_or_all(void **)
{
	enum log_level level;

	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(log_level_set(modules, "sip", level), 0);
	assert_true(log_enabled(&log_sip, LOG_LEVEL_DEBUG));
	assert_false(log_enabled(&log_call, LOG_LEVEL_DEBUG));
	assert_int_equal(log_level_set(modules, "nosuch", level), -ENOENT);
	assert_int_equal(log_level_set(modules, "*", LOG_LEVEL_ERROR), 0);
	assert_false(log_enabled(&log_sip, LOG_LEVEL_WARN));
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
}

static void line_is_one_write_with_event_and_pairs(void **)
{
	char got[4096], *line;
	int pipe_fds[2];
	int saved = dup(STDERR_FILENO);
	ssize_t n;

	unsetenv("JOURNAL_STREAM");
	assert_int_equal(pipe(pipe_fds), 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	log_write(&log_call, LOG_LEVEL_WARN, "answered", "call=%s code=%d", "01J", 200);
	dup2(saved, STDERR_FILENO);
	n = read(pipe_fds[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	line = strchr(got, ' ');
	assert_non_null(line);
	assert_string_equal(line, " warn call event=answered call=01J code=200\n");
	close(saved);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quoted_value_cannot_break_the_line),
		cmocka_unit_test(quoted_value_is_cut_to_its_buffer),
		cmocka_unit_test(level_is_set_for_one_module_or_all),
		cmocka_unit_test(line_is_one_write_with_event_and_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
