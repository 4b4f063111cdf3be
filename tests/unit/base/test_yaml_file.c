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

#include "yaml_file.h"

struct peer {
	char *name;
	int port;
};

struct config {
	struct peer *peers;
	uint32_t peers_count;
};

static const cyaml_schema_field_t peer_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct peer, name, 1, 64),
	CYAML_FIELD_INT("port", CYAML_FLAG_DEFAULT, struct peer, port),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t peer_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct peer, peer_fields),
};
static const cyaml_schema_field_t config_fields[] = {
	CYAML_FIELD_SEQUENCE(
		"peers", CYAML_FLAG_POINTER, struct config, peers, &peer_schema, 1, 10),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields),
};

static void error_says_file_line_and_path(void **)
{
	static const char text[] = "peers:\n  - name: a\n    port: 1\n  - name: b\n    port: zz\n";
	void *config = NULL;
	char error[256];

	assert_int_equal(yaml_text_load("x.yaml", text, strlen(text), &schema, &config, error,
				 sizeof(error)),
		-EINVAL);
	assert_null(config);
	assert_string_equal(error, "x.yaml:5: peers[2].port: expected a number, not 'zz'");
}

static void empty_file_is_an_error(void **)
{
	void *config = NULL;
	char error[256];

	assert_int_equal(
		yaml_text_load("x.yaml", "", 0, &schema, &config, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "x.yaml:1: the file is empty");
}

static void missing_file_is_named(void **)
{
	void *config = NULL;
	char error[256];

	assert_int_equal(
		yaml_file_load("/nonexistent.yaml", &schema, &config, error, sizeof(error)),
		-ENOENT);
	assert_non_null(strstr(error, "/nonexistent.yaml: cannot be read"));
}

static void saved_text_loads_again(void **)
{
	static const char text[] = "peers:\n  - name: a\n    port: 1\n";
	void *config = NULL;
	struct config *again;
	char error[256];
	char *saved;

	assert_int_equal(yaml_text_load("x.yaml", text, strlen(text), &schema, &config, error,
				 sizeof(error)),
		0);
	saved = yaml_text_save(&schema, config);
	assert_non_null(saved);
	yaml_file_free(&schema, config);
	assert_int_equal(yaml_text_load("y.yaml", saved, strlen(saved), &schema, (void **)&again,
				 error, sizeof(error)),
		0);
	assert_int_equal(again->peers_count, 1);
	assert_string_equal(again->peers[0].name, "a");
	yaml_file_free(&schema, again);
	free(saved);
}

static void lines_of_elements_are_found(void **)
{
	static const struct {
		const char *where;
		int line;
	} rows[] = {
		{"peers", 2},
		{"peers[1]", 3},
		{"peers[1].port", 4},
		{"peers[2].name", 5},
		{"peers[2].port", 5},
		{"peers[2].missing", 5},
		{"peers[3].name", 2},
		{"limits.most", 7},
		{"nothing", 1},
	};
	char path[] = "/tmp/sluice-test-yaml-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	dprintf(fd, "# a comment\npeers:\n  - name: a\n    port: 1\n  - {name: b, port: 2}\n"
		    "limits:\n  most: 3\n");
	close(fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (yaml_file_line(path, rows[i].where) != rows[i].line)
			fail_msg("%s: line %d", rows[i].where, yaml_file_line(path, rows[i].where));
	unlink(path);
	assert_int_equal(yaml_file_line(path, "peers"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_says_file_line_and_path),
		cmocka_unit_test(empty_file_is_an_error),
		cmocka_unit_test(missing_file_is_named),
		cmocka_unit_test(saved_text_loads_again),
		cmocka_unit_test(lines_of_elements_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
