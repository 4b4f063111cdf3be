// libcyaml reports an error as a message and then a backtrace, one log call a line; this gathers
// them into one "file:line: path: message" line.
#include "yaml_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct capture {
	char message[256]; // the first message
	char path[256];	   // innermost first on the way in, so built from the right
	int line;	   // of the innermost element, 0: unknown
};

static void strip_newline(char *text)
{
	text[strcspn(text, "\r\n")] = '\0';
}

// "  in mapping field 'b' (line: 2, column: 4)", "  in sequence entry '1' (line: ...)"
static void capture_frame(struct capture *capture, const char *text)
{
	const char *name = strchr(text, '\'');
	const char *end = name ? strchr(name + 1, '\'') : NULL;
	const char *line = strstr(text, "(line: ");
	char outer[sizeof(capture->path)];
	bool entry = strstr(text, "sequence entry") != NULL;

	if (!capture->line && line)
		capture->line = atoi(line + 7);
	if (!end)
		return;
	memcpy(outer, capture->path, sizeof(outer));
	snprintf(capture->path, sizeof(capture->path), "%s%.*s%s%s%.100s", entry ? "[" : "",
		(int)(end - name - 1), name + 1, entry ? "]" : "",
		outer[0] && outer[0] != '[' ? "." : "", outer);
}

static void capture_log(cyaml_log_t, void *context, const char *format, va_list args)
{
	struct capture *capture = context;
	char text[256];

	vsnprintf(text, sizeof(text), format, args);
	strip_newline(text);
	if (!strncmp(text, "  in ", 5))
		capture_frame(capture, text);
	else if (!capture->message[0] && !strstr(text, "Backtrace"))
		snprintf(capture->message, sizeof(capture->message), "%s",
			!strncmp(text, "Load: ", 6) ? text + 6 : text);
}

static cyaml_config_t parser_config(struct capture *capture)
{
	return (cyaml_config_t){
		.log_fn = capture_log,
		.log_ctx = capture,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_DEFAULT,
	};
}

static int report(cyaml_err_t err, const char *name, const struct capture *capture, void *loaded,
	char *error, size_t error_size)
{
	if (err == CYAML_OK && loaded)
		return 0;
	if (err == CYAML_OK) {
		snprintf(error, error_size, "%s:1: the file is empty", name);
		return -EINVAL;
	}
	if (err == CYAML_ERR_FILE_OPEN) {
		snprintf(error, error_size, "%s: cannot be read: %s", name, strerror(errno));
		return -ENOENT;
	}
	snprintf(error, error_size, "%s:%d: %s%s%s", name, capture->line, capture->path,
		capture->path[0] ? ": " : "",
		capture->message[0] ? capture->message : cyaml_strerror(err));
	return -EINVAL;
}

int yaml_file_load(const char *path, const cyaml_schema_value_t *schema, void **config, char *error,
	size_t error_size)
{
	struct capture capture = {};
	cyaml_config_t parser = parser_config(&capture);
	void *loaded = NULL;
	cyaml_err_t err = cyaml_load_file(path, &parser, schema, &loaded, NULL);
	int rc = report(err, path, &capture, loaded, error, error_size);

	if (rc == 0)
		*config = loaded;
	return rc;
}

int yaml_text_load(const char *name, const void *text, size_t length,
	const cyaml_schema_value_t *schema, void **config, char *error, size_t error_size)
{
	struct capture capture = {};
	cyaml_config_t parser = parser_config(&capture);
	void *loaded = NULL;
	cyaml_err_t err = cyaml_load_data(text, length, &parser, schema, &loaded, NULL);
	int rc = report(err, name, &capture, loaded, error, error_size);

	if (rc == 0)
		*config = loaded;
	return rc;
}

char *yaml_text_save(const cyaml_schema_value_t *schema, const void *config)
{
	struct capture capture = {};
	cyaml_config_t parser = parser_config(&capture);
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
	struct capture capture = {};
	cyaml_config_t parser = parser_config(&capture);

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
