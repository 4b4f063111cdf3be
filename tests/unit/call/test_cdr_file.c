// The file of CDRs: every line once, whatever happens to the file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "call_private.h"
#include "cdr_file.h"

enum { LINE = 40 };

static struct event_base *base;
static char folder[64], path[96];

static int setup(void **)
{
	strcpy(folder, "/tmp/sluice-test-cdr-file-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/cdr.json", folder);
	base = event_base_new();
	log_call.level = (enum log_level)0;
	return 0;
}

static int teardown(void **)
{
	char command[128];

	event_base_free(base);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static struct cdr_file *file_open(struct cdr_rules rules)
{
	struct cdr_file *file = cdr_file_open(base, path);

	assert_non_null(file);
	cdr_file_rules_set(file, &rules);
	return file;
}

static void append(struct cdr_file *file, int n, int result)
{
	char line[LINE + 1];

	snprintf(line, sizeof(line), "line-%0*d\n", LINE - 6, n);
	assert_int_equal(strlen(line), LINE);
	assert_int_equal(cdr_file_append(file, line, LINE), result);
}

// Each of the lines 0 to n - 1 is in the files that match, whole and once; n_files 0: however many.
static void assert_each_once(const char *pattern, int n, size_t n_files)
{
	char all[160], text[256];
	unsigned int seen[100] = {0};
	glob_t found;

	snprintf(all, sizeof(all), "%s/%s", folder, pattern);
	assert_int_equal(glob(all, 0, NULL, &found), 0);
	assert_true(!n_files || found.gl_pathc == n_files);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "r");

		while (fgets(text, sizeof(text), file)) {
			assert_int_equal(strlen(text), LINE);
			seen[atoi(text + 5)]++;
		}
		fclose(file);
	}
	globfree(&found);
	for (int i = 0; i < n; i++)
		assert_int_equal(seen[i], 1);
}

static void move(const char *from, const char *to)
{
	assert_int_equal(rename(from, to), 0);
}

static void file_is_rotated_before_it_is_too_long(void **)
{
	struct cdr_file *file = file_open((struct cdr_rules){.rotate_bytes = 3 * LINE});

	for (int n = 0; n < 10; n++) {
		append(file, n, 0);
		usleep(2000); // names have milliseconds
	}
	assert_int_equal(cdr_file_counters(file)->rotated, 3);
	cdr_file_close(file);
	assert_each_once("cdr.json*", 10, 4);
	assert_each_once("cdr.json", 0, 1);
}

static void line_that_is_longer_than_a_file_is_written(void **)
{
	struct cdr_file *file = file_open((struct cdr_rules){.rotate_bytes = 1});

	append(file, 0, 0);
	append(file, 1, 0);
	cdr_file_close(file);
	assert_each_once("cdr.json*", 2, 2);
}

static void name_that_is_taken_is_not_overwritten(void **)
{
	struct cdr_file *file = file_open((struct cdr_rules){});

	for (int n = 0; n < 20; n++) {
		append(file, n, 0);
		cdr_file_rotate(file); // -EEXIST in the same millisecond: it goes on
	}
	cdr_file_close(file);
	assert_each_once("cdr.json*", 20, 0);
}

static void file_is_rotated_when_its_time_is_over(void **)
{
	struct cdr_file *file = file_open((struct cdr_rules){.rotate_s = 1, .sync = 1});
	time_t end = time(NULL) + 10;

	append(file, 0, 0);
	while (!cdr_file_counters(file)->rotated && time(NULL) < end)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(cdr_file_counters(file)->rotated, 1);
	for (int n = 0; n < 2; n++) // an empty one is not
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(cdr_file_counters(file)->rotated, 1);
	cdr_file_close(file);
	assert_each_once("cdr.json.*Z", 1, 1);
}

static void file_of_an_earlier_time_gets_no_more_lines(void **)
{
	struct timespec before[2] = {{.tv_sec = time(NULL) - 7200}, {.tv_sec = time(NULL) - 7200}};
	struct cdr_file *file = file_open((struct cdr_rules){});

	append(file, 0, 0);
	cdr_file_close(file);
	assert_int_equal(utimensat(0, path, before, 0), 0);
	file = file_open((struct cdr_rules){.rotate_s = 3600});
	append(file, 1, 0);
	assert_int_equal(cdr_file_counters(file)->rotated, 1);
	cdr_file_close(file);
	assert_each_once("cdr.json.*Z", 1, 1);
	assert_each_once("cdr.json*", 2, 2);
}

static void rotated_file_is_known_to_the_next_run(void **)
{
	struct cdr_file *file = file_open((struct cdr_rules){});

	append(file, 77, 0);
	assert_int_equal(cdr_file_rotate(file), 0);
	cdr_file_close(file);
	file = file_open((struct cdr_rules){});
	assert_true(cdr_file_has(file, "0077"));
	assert_false(cdr_file_has(file, "0078"));
	cdr_file_close(file);
}

static void file_that_was_moved_away_is_reopened(void **)
{
	struct cdr_file *file = file_open((struct cdr_rules){});
	char moved[128];

	snprintf(moved, sizeof(moved), "%s/old", folder);
	append(file, 0, 0);
	assert_int_equal(cdr_file_reopen(file), 0); // it is where it was
	append(file, 1, 0);
	move(path, moved);
	append(file, 2, 0);
	assert_int_equal(cdr_file_reopen(file), 0);
	assert_each_once("old", 3, 1);
	append(file, 3, 0);
	snprintf(moved, sizeof(moved), "%s/old2", folder);
	move(path, moved);
	assert_int_equal(cdr_file_rotate(file), 0); // nothing there to rename: it is made anew
	append(file, 4, 0);
	cdr_file_close(file);
	assert_each_once("*", 5, 3);
}

static void file_goes_on_where_no_other_can_be_opened(void **)
{
	struct cdr_file *file = file_open((struct cdr_rules){.rotate_bytes = LINE});
	char moved[80];

	append(file, 0, 0);
	snprintf(moved, sizeof(moved), "%s-moved", folder);
	move(folder, moved);
	append(file, 1, 0);
	assert_int_equal(cdr_file_reopen(file), -ENOENT);
	append(file, 2, 0);
	move(moved, folder);
	assert_each_once("cdr.json", 3, 1);
	cdr_file_close(file);
}

static void limit_set(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void full_disk_cuts_no_line_and_loses_none(void **)
{
	struct cdr_file *file = file_open((struct cdr_rules){.sync = 2});
	struct stat status;

	signal(SIGXFSZ, SIG_IGN);
	append(file, 0, 0);
	limit_set(LINE + LINE / 2);
	append(file, 1, -EAGAIN);
	append(file, 2, -EAGAIN);
	assert_int_equal(cdr_file_counters(file)->waiting, 2);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, LINE);
	limit_set(RLIM_INFINITY);
	append(file, 3, -EAGAIN); // behind those that wait
	while (cdr_file_counters(file)->waiting)
		event_base_loop(base, EVLOOP_ONCE);
	append(file, 4, 0);
	cdr_file_close(file);
	assert_each_once("cdr.json", 5, 1);
}

static void what_is_no_file_does_not_rotate(void **)
{
	struct cdr_file *file = cdr_file_open(base, "/dev/null");

	append(file, 0, 0);
	assert_int_equal(cdr_file_rotate(file), -ENOTSUP);
	assert_int_equal(cdr_file_reopen(file), -ENOTSUP);
	cdr_file_close(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(file_is_rotated_before_it_is_too_long),
		TEST(line_that_is_longer_than_a_file_is_written),
		TEST(name_that_is_taken_is_not_overwritten),
		TEST(file_is_rotated_when_its_time_is_over),
		TEST(file_of_an_earlier_time_gets_no_more_lines),
		TEST(rotated_file_is_known_to_the_next_run),
		TEST(file_that_was_moved_away_is_reopened),
		TEST(file_goes_on_where_no_other_can_be_opened),
		TEST(full_disk_cuts_no_line_and_loses_none),
		TEST(what_is_no_file_does_not_rotate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
