// Turns what libcyaml says of a file into what a person can act on. Private to yaml_file.c.
#pragma once

#include <cyaml/cyaml.h>

#define YAML_WHERE_SIZE 256

// The first message of libcyaml and where it was then.
struct yaml_error {
	char message[256];
	char where[YAML_WHERE_SIZE]; // "ports[2].addresses[1]"
};

// Rewrite both: what was expected, and the very place that is wrong.
void yaml_error_explain(struct yaml_error *error, const cyaml_schema_value_t *schema);
