// How the schema of the configuration file is written, and how its defaults are filled in. Private
// to config_file*.c.
#pragma once

#include <stdbool.h>

#include "config_file.h"
#include "yaml_file.h"

#define NAME_MAX_BYTES	 63
#define TEXT_MAX_BYTES	 512
#define DOMAIN_MAX_BYTES 253

#define TEXT(key, type, field, max) \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, field, 1, max)
#define OPTIONAL_TEXT(key, type, field, min, max) \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, field, min, max)
#define OPTIONAL_NUMBER(key, type, field) \
	CYAML_FIELD_UINT_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, field)
#define OPTIONAL_NUMBER_TEXT(key, type, field) \
	OPTIONAL_TEXT(key, type, field, 0, ROUTE_NUMBER_MAX - 1)
#define OPTIONAL_BOOL(key, type, field) \
	CYAML_FIELD_BOOL_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, field)
#define OPTIONAL_LIST(key, type, field, schema, max) \
	CYAML_FIELD_SEQUENCE(                        \
		key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, field, schema, 1, max)
#define OPTIONAL_MAPPING(key, type, field, fields) \
	CYAML_FIELD_MAPPING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, field, fields)

// Where there is no value yet, take this one. Return whether memory was there; libcyaml frees what
// is set here together with its own.
bool default_text(char **field, const char *value);
bool default_number(uint32_t **field, uint32_t value);
bool default_mapping(void *field, size_t size);
bool default_list(char ***list, uint32_t *count, const char *const *values, uint32_t n);
#define DEFAULT_LIST(list, count, values) \
	default_list(&(list), &(count), values, sizeof(values) / sizeof((values)[0]))

// Whether it is no IP address, but the name of a host or domain.
bool config_is_name(const char *address);

// config_file_auth.c
extern const cyaml_schema_field_t file_keys_fields[], file_registration_fields[],
	file_users_fields[], file_auth_fields[];
bool default_users(struct file_trunk *trunk);
bool default_auth(struct config_file *file);
// config_file_cluster.c
extern const cyaml_schema_field_t file_cluster_fields[];
bool default_cluster(struct file_cluster *cluster);
// Put a placeholder in the place of each password, and the password back.
void config_secrets_swap(struct config_file *file);
void config_secrets_wipe(struct config_file *file);
