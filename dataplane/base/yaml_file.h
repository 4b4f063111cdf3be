// One YAML file against one libcyaml schema, with errors a person can act on:
//
//   /etc/sluice/control.yaml:12: trunks[2].codecs: ...
//
// Entries of a list count from 1. Used by the configuration loaders of both processes. Not thread
// safe.
#pragma once

#include <cyaml/cyaml.h>
#include <stddef.h>

// Load `path` into *config (allocated; free with yaml_file_free()). Returns 0; -ENOENT where the
// file cannot be read; -EINVAL where it does not fit the schema. `error` then holds one line.
int yaml_file_load(const char *path, const cyaml_schema_value_t *schema, void **config, char *error,
	size_t error_size);

// As yaml_file_load(), from memory; `name` stands for the file's name in messages.
int yaml_text_load(const char *name, const void *text, size_t length,
	const cyaml_schema_value_t *schema, void **config, char *error, size_t error_size);

// A file's text (free with free()), at most 16 MB. NULL with errno set and one line in `error`.
char *yaml_file_read(const char *path, size_t *length, char *error, size_t error_size);

// The configuration as YAML text (free with free()), or NULL with errno set.
char *yaml_text_save(const cyaml_schema_value_t *schema, const void *config);

void yaml_file_free(const cyaml_schema_value_t *schema, void *config);

// The line of `where` ("ports[2].addresses[1]") in the file, for checks that no schema can make. Of
// a key that is not there: the line of what should hold it. 0: cannot tell.
int yaml_file_line(const char *path, const char *where);
// As yaml_file_line(), in memory.
int yaml_text_line(const void *text, size_t length, const char *where);
