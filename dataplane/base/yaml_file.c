// libcyaml reports an error as a message and then a backtrace, one log call a line; this gathers
// them into one "file:line: path: message" line. Lines are libyaml's own: libcyaml's are those of
// the element before.
#include "yaml_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "yaml_error.h"

#define FILE_BYTES_MAX (16 << 20)

// "  in mapping field 'b' (line: 2, column: 4)", "  in sequence entry '1' (line: ...)": innermost
// first, so the path is built from the right.
static void capture_frame(struct yaml_error *error, const char *text)
{
	const char *name = strchr(text, '\'');
	const char *end = name ? strchr(name + 1, '\'') : NULL;
	char outer[YAML_WHERE_SIZE];
	bool entry = strstr(text, "sequence entry") != NULL;

	if (!end)
		return;
	memcpy(outer, error->where, sizeof(outer));
	snprintf(error->where, sizeof(error->where), "%s%.*s%s%s%.100s", entry ? "[" : "",
		(int)(end - name - 1), name + 1, entry ? "]" : "",
		outer[0] && outer[0] != '[' ? "." : "", outer);
}

static void capture_log(cyaml_log_t, void *context, const char *format, va_list args)
{
	struct yaml_error *error = context;
	char text[256];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\r\n")] = '\0';
	if (!strncmp(text, "  in ", 5))
		capture_frame(error, text);
	else if (!error->message[0] && !strstr(text, "Backtrace"))
		snprintf(error->message, sizeof(error->message), "%s",
			!strncmp(text, "Load: ", 6) ? text + 6 : text);
}

static cyaml_config_t parser_config(struct yaml_error *error)
{
	return (cyaml_config_t){
		.log_fn = capture_log,
		.log_ctx = error,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_DEFAULT,
	};
}

// Whether the text is YAML at all. Where not, `error` says so with the line.
static bool is_yaml(
	const char *name, const void *text, size_t length, char *error, size_t error_size)
{
	yaml_document_t document;
	yaml_parser_t parser;
	bool good;

	if (!yaml_parser_initialize(&parser))
		return true; // out of memory: libcyaml will say so
	yaml_parser_set_input_string(&parser, text, length);
	good = yaml_parser_load(&parser, &document);
	if (good)
		yaml_document_delete(&document);
	else
		snprintf(error, error_size, "%s:%zu: this is no YAML: %s", name,
			(parser.problem_mark.line ? parser.problem_mark.line
						  : parser.context_mark.line) +
				1,
			parser.problem ? parser.problem : "out of memory");
	yaml_parser_delete(&parser);
	return good;
}

int yaml_text_load(const char *name, const void *text, size_t length,
	const cyaml_schema_value_t *schema, void **config, char *error, size_t error_size)
{
	struct yaml_error said = {};
	cyaml_config_t parser = parser_config(&said);
	void *loaded = NULL;
	cyaml_err_t err;
	int line;

	if (!is_yaml(name, text, length, error, error_size))
		return -EINVAL;
	err = cyaml_load_data(text, length, &parser, schema, &loaded, NULL);
	if (err == CYAML_OK && loaded) {
		*config = loaded;
		return 0;
	}
	if (err == CYAML_OK) {
		snprintf(error, error_size, "%s:1: the file is empty", name);
		return -EINVAL;
	}
	yaml_error_explain(&said, schema);
	line = yaml_text_line(text, length, said.where);
	snprintf(error, error_size, "%s:%d: %s%s%s", name, line ? line : 1, said.where,
		said.where[0] ? ": " : "", said.message[0] ? said.message : cyaml_strerror(err));
	return -EINVAL;
}

// Read to the end, however long it turns out (a pipe has no size). NULL with errno set.
static char *read_stream(FILE *file, size_t *length)
{
	char *text = NULL;
	size_t size = 0, n = 0;

	do {
		char *larger = n < FILE_BYTES_MAX ? realloc(text, size += size + 4096) : NULL;

		if (!larger) {
			errno = n < FILE_BYTES_MAX ? ENOMEM : EFBIG;
			free(text);
			return NULL;
		}
		text = larger;
		n += fread(text + n, 1, size - n, file);
	} while (n == size);
	if (ferror(file)) {
		free(text); // errno is fread()'s: EISDIR for one
		return NULL;
	}
	*length = n;
	return text;
}

static char *read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "re");
	char *text;
	int err;

	if (!file)
		return NULL;
	text = read_stream(file, length);
	err = errno;
	fclose(file);
	errno = err;
	return text;
}

char *yaml_file_read(const char *path, size_t *length, char *error, size_t error_size)
{
	char *text = read_file(path, length);

	if (!text)
		snprintf(error, error_size, "%s: cannot be read: %s", path, strerror(errno));
	return text;
}

int yaml_file_load(const char *path, const cyaml_schema_value_t *schema, void **config, char *error,
	size_t error_size)
{
	size_t length;
	char *text = yaml_file_read(path, &length, error, error_size);
	int rc;

	if (!text)
		return -ENOENT;
	rc = yaml_text_load(path, text, length, schema, config, error, error_size);
	free(text);
	return rc;
}

char *yaml_text_save(const cyaml_schema_value_t *schema, const void *config)
{
	struct yaml_error said = {};
	cyaml_config_t parser = parser_config(&said);
	char *text = NULL;
	size_t length;

	if (cyaml_save_data(&text, &length, &parser, schema, config, 0) != CYAML_OK) {
		errno = EINVAL;
		return NULL;
	}
	// libcyaml's text has no NUL of its own.
	char *copy = strndup(text, length);
	cyaml_mem(NULL, text, 0);
	return copy;
}

void yaml_file_free(const cyaml_schema_value_t *schema, void *config)
{
	struct yaml_error said = {};
	cyaml_config_t parser = parser_config(&said);

	if (config)
		cyaml_free(&parser, schema, config, 0);
}

static yaml_node_t *child_by_key(
	yaml_document_t *document, yaml_node_t *node, const char *key, size_t length, int *line)
{
	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
		pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *name = yaml_document_get_node(document, pair->key);

		if (name->type != YAML_SCALAR_NODE || name->data.scalar.length != length ||
			memcmp(name->data.scalar.value, key, length))
			continue;
		*line = (int)name->start_mark.line + 1;
		return yaml_document_get_node(document, pair->value);
	}
	return NULL;
}

static yaml_node_t *child_by_index(
	yaml_document_t *document, yaml_node_t *node, unsigned long index, int *line)
{
	yaml_node_t *item;

	if (node->type != YAML_SEQUENCE_NODE || index < 1 ||
		index > (unsigned long)(node->data.sequence.items.top -
					node->data.sequence.items.start))
		return NULL;
	item = yaml_document_get_node(document, node->data.sequence.items.start[index - 1]);
	*line = (int)item->start_mark.line + 1;
	return item;
}

static int find_line(yaml_document_t *document, const char *where)
{
	yaml_node_t *node = yaml_document_get_root_node(document);
	int line = 1;

	while (node && *where) {
		if (*where == '[') {
			node = child_by_index(document, node, strtoul(where + 1, NULL, 10), &line);
			where += strcspn(where, "]");
			where += *where == ']';
		} else {
			size_t length = strcspn(where, ".[");

			node = child_by_key(document, node, where, length, &line);
			where += length;
		}
		where += *where == '.';
	}
	return line;
}

static int parsed_line(yaml_parser_t *parser, const char *where)
{
	yaml_document_t document;
	int line;

	if (!yaml_parser_load(parser, &document))
		return 0;
	line = find_line(&document, where);
	yaml_document_delete(&document);
	return line;
}

int yaml_file_line(const char *path, const char *where)
{
	FILE *file = fopen(path, "r");
	yaml_parser_t parser;
	int line = 0;

	if (!file)
		return 0;
	if (yaml_parser_initialize(&parser)) {
		yaml_parser_set_input_file(&parser, file);
		line = parsed_line(&parser, where);
		yaml_parser_delete(&parser);
	}
	fclose(file);
	return line;
}

int yaml_text_line(const void *text, size_t length, const char *where)
{
	yaml_parser_t parser;
	int line = 0;

	if (yaml_parser_initialize(&parser)) {
		yaml_parser_set_input_string(&parser, text, length);
		line = parsed_line(&parser, where);
		yaml_parser_delete(&parser);
	}
	return line;
}
