// What the files of the configuration share.
#pragma once

#include <stddef.h>

#include "dataplane_config.h"
#include "yaml_file.h"

extern const cyaml_schema_value_t config_schema;

// 0, or -EINVAL with a line in `error`. The defaults are filled in.
int config_check(const struct config *config, const char *path, char *error, size_t error_size);

// Texts of the configuration: 0 or -EINVAL.
int mac_parse(const char *text, struct rte_ether_addr *mac);
int address_parse(const char *text, struct sl_address *address); // one that may be ours

const struct port_entry *config_port(const struct config *config, const char *name); // or NULL
