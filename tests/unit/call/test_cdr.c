#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call_fixture.h"
#include "cdr_file.h"

static struct call_fixture fixture;
static char path[] = "/tmp/sluice-test-cdr-XXXXXX";

static int setup(void **)
{
	int fd = mkstemp(path);

	close(fd);
	call_fixture_init(&fixture, NULL);
	return fd < 0;
}

static int teardown(void **)
{
	call_fixture_fini(&fixture);
	return unlink(path);
}

static struct call *ended_call(void)
{
	struct call *call = call_fixture_call(&fixture);

	call->times.end_ms = call->times.answer_ms + 12345;
	call->legs[LEG_B].facts = strdup("\"number\":\"030\"");
	call->ended_by = ENDED_BY_B;
	call->end_status = 200;
	call->end_why = "bye";
	return call;
}

static void write_one(
	struct cdr_file *file, char id[ULID_TEXT_SIZE], const struct sl_session_report *report)
{
	struct call *call = ended_call();

	memcpy(id, call->id_text, ULID_TEXT_SIZE);
	assert_int_equal(cdr_write(file, call, report), 0);
	call_forget(call);
}

// The file's lines; each must be JSON.
static json_t *lines_read(void)
{
	json_t *lines = json_array(), *line;
	FILE *file = fopen(path, "r");
	char text[4096];

	while (fgets(text, sizeof(text), file)) {
		line = json_loads(text, 0, NULL);
		json_array_append_new(lines, line ? line : json_string(text));
	}
	fclose(file);
	return lines;
}

static json_int_t count(const json_t *cdr, size_t leg, const char *name)
{
	const json_t *value =
		json_object_get(json_array_get(json_object_get(cdr, "legs"), leg), name);

	return value ? json_integer_value(value) : -1;
}

static void assert_text(const json_t *object, const char *key, const char *wanted)
{
	assert_string_equal(json_string_value(json_object_get(object, key)), wanted);
}

static const json_t *leg_of(const json_t *cdr, size_t leg)
{
	return json_array_get(json_object_get(cdr, "legs"), leg);
}

static void assert_quality(const json_t *cdr, const char *key, double mos, double r)
{
	const json_t *quality = json_object_get(leg_of(cdr, LEG_A), key);

	assert_float_equal(json_real_value(json_object_get(quality, "mos")), mos, 0.001);
	assert_float_equal(json_real_value(json_object_get(quality, "r")), r, 0.001);
}

static void line_says_who_when_how_and_how_well(void **)
{
	struct sl_session_report report = {.stats = {
						   [LEG_A] = {.rx_packets = 10,
							   .lost = 2,
							   .received = {827, 412},
							   .received_worst = {0, 100},
							   .sent = {932, 441}},
						   [LEG_B] = {.tx_packets = 9,
							   .transcoded = 8,
							   .concealed = 2,
							   .jitter_target_ms = 40,
							   .late = 5,
							   .transcode_ns = 500000},
					   }};
	struct cdr_file *file;
	char id[ULID_TEXT_SIZE];
	json_t *lines, *cdr;

	assert_int_equal(truncate(path, 0), 0);
	file = cdr_file_open(fixture.base, path);
	write_one(file, id, &report);
	cdr_file_close(file);
	lines = lines_read();
	assert_int_equal(json_array_size(lines), 1);
	cdr = json_array_get(lines, 0);
	assert_text(cdr, "call", id);
	assert_text(cdr, "from", "alice");
	assert_text(cdr, "to", "2001");
	assert_int_equal(json_integer_value(json_object_get(cdr, "setup_ms")), 3500);
	assert_int_equal(json_integer_value(json_object_get(cdr, "pdd_ms")),
		json_integer_value(json_object_get(cdr, "setup_ms")) -
			json_integer_value(json_object_get(cdr, "ring_ms")));
	assert_text(leg_of(cdr, LEG_B), "number", "030");
	assert_text(cdr, "invited", "2025-11-20T00:53:20.000Z");
	assert_text(cdr, "answered", "2025-11-20T00:53:23.500Z");
	assert_text(cdr, "ended_by", "b");
	assert_int_equal(json_integer_value(json_object_get(cdr, "duration_ms")), 12345);
	assert_int_equal(json_integer_value(json_object_get(cdr, "status")), 200);
	assert_text(json_array_get(json_object_get(cdr, "legs"), 1), "trunk", "callee");
	assert_text(json_array_get(json_object_get(cdr, "legs"), 1), "codec", "PCMU");
	assert_int_equal(count(cdr, LEG_A, "rx_packets"), 10);
	assert_int_equal(count(cdr, LEG_A, "lost"), 2);
	assert_quality(cdr, "quality", 4.12, 82.7);
	assert_quality(cdr, "quality_worst", 1.0, 0);
	assert_quality(cdr, "quality_sent", 4.41, 93.2);
	assert_float_equal(json_real_value(json_object_get(leg_of(cdr, LEG_A), "loss")), 16.66, 0);
	assert_null(json_object_get(leg_of(cdr, LEG_B), "quality"));
	assert_int_equal(count(cdr, LEG_A, "late"), -1);
	assert_int_equal(count(cdr, LEG_B, "late"), 5);
	assert_null(json_object_get(leg_of(cdr, LEG_B), "loss"));
	assert_int_equal(count(cdr, LEG_A, "transcode_ns_per_frame"), -1);
	assert_int_equal(count(cdr, LEG_B, "tx_packets"), 9);
	assert_int_equal(count(cdr, LEG_B, "transcode_ns_per_frame"), 50000);
	json_decref(lines);
}

static void without_a_report_there_are_no_counters(void **)
{
	struct cdr_file *file;
	char id[ULID_TEXT_SIZE];
	json_t *lines;

	assert_int_equal(truncate(path, 0), 0);
	file = cdr_file_open(fixture.base, path);
	write_one(file, id, NULL);
	cdr_file_close(file);
	lines = lines_read();
	assert_int_equal(count(json_array_get(lines, 0), LEG_A, "rx_packets"), -1);
	assert_text(json_array_get(lines, 0), "call", id);
	json_decref(lines);
}

static void written_calls_are_known_to_the_next_run(void **)
{
	char first[ULID_TEXT_SIZE], last[ULID_TEXT_SIZE], other[ULID_TEXT_SIZE];
	struct ulid never = ulid_create(1);
	struct cdr_file *file = cdr_file_open(fixture.base, path);

	write_one(file, first, NULL);
	write_one(file, last, NULL);
	cdr_file_close(file);
	file = cdr_file_open(fixture.base, path);
	assert_true(cdr_is_written(file, first));
	assert_true(cdr_is_written(file, last));
	ulid_format(&never, other);
	assert_false(cdr_is_written(file, other));
	cdr_file_close(file);
}

// As a crash of the machine may leave it.
static void torn_line_spoils_no_other(void **)
{
	char id[ULID_TEXT_SIZE];
	struct cdr_file *file;
	json_t *lines;
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, "{\"call\":\"01", 11), 11);
	close(fd);
	file = cdr_file_open(fixture.base, path);
	write_one(file, id, NULL);
	cdr_file_close(file);
	lines = lines_read();
	assert_int_equal(json_array_size(lines), 2);
	assert_text(json_array_get(lines, 1), "call", id);
	json_decref(lines);
}

static void names_that_are_not_utf8_are_escaped(void **)
{
	struct call *call = ended_call();
	struct cdr_file *file;
	json_t *lines;

	assert_int_equal(truncate(path, 0), 0);
	file = cdr_file_open(fixture.base, path);
	strcpy(call->from, "\xff\"");
	assert_int_equal(cdr_write(file, call, NULL), 0);
	cdr_file_close(file);
	call_forget(call);
	lines = lines_read();
	assert_true(json_is_object(json_array_get(lines, 0)));
	json_decref(lines);
}

static void without_a_file_nothing_is_written(void **)
{
	struct cdr_file *file = cdr_file_open(fixture.base, NULL);
	char id[ULID_TEXT_SIZE];

	write_one(file, id, NULL);
	assert_false(cdr_is_written(file, id));
	cdr_file_close(file);
	assert_null(cdr_file_open(fixture.base, "/nonexistent/cdr"));
}

static void full_disk_makes_lines_wait(void **)
{
	struct cdr_file *file = cdr_file_open(fixture.base, "/dev/full");
	struct call *call = ended_call();

	assert_non_null(file);
	log_call.level = (enum log_level)0;
	assert_int_equal(cdr_write(file, call, NULL), 0);
	assert_int_equal(cdr_file_counters(file)->waiting, 1);
	log_call.level = LOG_LEVEL_ERROR;
	call_forget(call);
	cdr_file_close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_says_who_when_how_and_how_well),
		cmocka_unit_test(without_a_report_there_are_no_counters),
		cmocka_unit_test(written_calls_are_known_to_the_next_run),
		cmocka_unit_test(torn_line_spoils_no_other),
		cmocka_unit_test(names_that_are_not_utf8_are_escaped),
		cmocka_unit_test(without_a_file_nothing_is_written),
		cmocka_unit_test(full_disk_makes_lines_wait),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
