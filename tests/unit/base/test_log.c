#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
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

// What has come out of a pipe so far.
static size_t lines_in(int fd, char *got, size_t size)
{
	ssize_t n = read(fd, got, size - 1);

	got[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static unsigned int count_of(const char *text, char c)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static void held_lines_leave_together_and_errors_at_once(void **)
{
	static char got[65536];
	int pipe_fds[2], saved = dup(STDERR_FILENO);

	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	log_hold();
	log_write(&log_call, LOG_LEVEL_INFO, "one", "%s", "");
	log_write(&log_call, LOG_LEVEL_INFO, "two", "%s", "");
	assert_int_equal(lines_in(pipe_fds[0], got, sizeof(got)), 0);
	log_release();
	lines_in(pipe_fds[0], got, sizeof(got));
	assert_int_equal(count_of(got, '\n'), 2);
	assert_true(strstr(got, "event=one") < strstr(got, "event=two"));

	log_hold();
	log_write(&log_call, LOG_LEVEL_INFO, "before", "%s", "");
	log_write(&log_call, LOG_LEVEL_ERROR, "bad", "%s", "");
	lines_in(pipe_fds[0], got, sizeof(got));
	assert_int_equal(count_of(got, '\n'), 2);
	assert_true(strstr(got, "event=before") < strstr(got, "event=bad"));
	for (int i = 0; i < 300; i++) // more than is held
		log_write(&log_call, LOG_LEVEL_INFO, "many", "text=%0100d", i);
	log_release();
	dup2(saved, STDERR_FILENO);
	lines_in(pipe_fds[0], got, sizeof(got));
	assert_int_equal(count_of(got, '\n'), 300);
	assert_non_null(strstr(got, "0299\n"));
	close(saved);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
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
		cmocka_unit_test(held_lines_leave_together_and_errors_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
