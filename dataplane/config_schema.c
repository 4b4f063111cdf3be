// The schema of dataplane.yaml: names, types and how many, as libcyaml checks them.
#include "config_parts.h"
#include "dataplane_config.h"

#define CPUS_MOST	     64
#define PLUGINS_MOST	     16
#define SHARD_ADDRESSES_MOST 64

static const cyaml_schema_value_t cpu_schema = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, unsigned int)};
static const cyaml_schema_value_t text_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 512)};

static const cyaml_schema_field_t cpus_fields[] = {
	CYAML_FIELD_UINT("main", CYAML_FLAG_OPTIONAL, struct cpus_config, main),
	CYAML_FIELD_SEQUENCE("workers", CYAML_FLAG_POINTER, struct cpus_config, workers,
		&cpu_schema, 1, CPUS_MOST),
	CYAML_FIELD_SEQUENCE("transcoders", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct cpus_config, transcoders, &cpu_schema, 0, CPUS_MOST),
	CYAML_FIELD_END,
};

static const cyaml_strval_t hugepages_names[] = {
	{"auto", HUGEPAGES_AUTO}, {"yes", HUGEPAGES_YES}, {"no", HUGEPAGES_NO}};

static const cyaml_schema_field_t memory_fields[] = {
	CYAML_FIELD_ENUM("hugepages", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct memory_config,
		hugepages, hugepages_names, CYAML_ARRAY_LEN(hugepages_names)),
	CYAML_FIELD_UINT("megabytes", CYAML_FLAG_OPTIONAL, struct memory_config, megabytes),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
	CYAML_FIELD_UINT("leg_packets_per_second", CYAML_FLAG_OPTIONAL, struct limits_config,
		leg_packets_per_second),
	CYAML_FIELD_UINT("leg_bytes_per_second", CYAML_FLAG_OPTIONAL, struct limits_config,
		leg_bytes_per_second),
	CYAML_FIELD_UINT("worker_packets_per_second", CYAML_FLAG_OPTIONAL, struct limits_config,
		worker_packets_per_second),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t transcoding_fields[] = {
	CYAML_FIELD_UINT(
		"opus_complexity", CYAML_FLAG_OPTIONAL, struct transcoding_config, opus_complexity),
	CYAML_FIELD_FLOAT("shed_at", CYAML_FLAG_OPTIONAL, struct transcoding_config, shed_at),
	CYAML_FIELD_FLOAT("refuse_at", CYAML_FLAG_OPTIONAL, struct transcoding_config, refuse_at),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t range_fields[] = {
	CYAML_FIELD_UINT("min", CYAML_FLAG_DEFAULT, struct range_config, min),
	CYAML_FIELD_UINT("max", CYAML_FLAG_DEFAULT, struct range_config, max),
	CYAML_FIELD_END,
};

#define OPTIONAL_TEXT(name, type, field) \
	CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, field, 1, 512)

static const cyaml_schema_field_t port_fields[] = {
	CYAML_FIELD_STRING_PTR(
		"name", CYAML_FLAG_POINTER, struct port_entry, name, 1, PORT_NAME_BYTES - 1),
	CYAML_FIELD_STRING_PTR("interface", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct port_entry, interface, 1, PORT_NAME_BYTES - 1),
	CYAML_FIELD_STRING_PTR("vdev", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct port_entry,
		vdev, 1, sizeof(((struct port_config *)0)->vdev) - 1),
	OPTIONAL_TEXT("mac", struct port_entry, mac),
	OPTIONAL_TEXT("next_hop", struct port_entry, next_hop),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t port_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct port_entry, port_fields)};

static const cyaml_schema_field_t realm_fields[] = {
	CYAML_FIELD_STRING_PTR(
		"name", CYAML_FLAG_POINTER, struct realm_entry, name, 1, REALM_NAME_BYTES - 1),
	CYAML_FIELD_STRING_PTR(
		"port", CYAML_FLAG_POINTER, struct realm_entry, port, 1, PORT_NAME_BYTES - 1),
	CYAML_FIELD_UINT("vlan", CYAML_FLAG_OPTIONAL, struct realm_entry, vlan),
	CYAML_FIELD_SEQUENCE("addresses", CYAML_FLAG_POINTER, struct realm_entry, addresses,
		&text_schema, 1, REALM_ADDRESSES_MAX),
	CYAML_FIELD_MAPPING_PTR("rtp_ports", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct realm_entry, rtp_ports, range_fields),
	CYAML_FIELD_UINT_PTR(
		"dscp", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct realm_entry, dscp),
	OPTIONAL_TEXT("next_hop", struct realm_entry, next_hop),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t realm_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct realm_entry, realm_fields)};

static const cyaml_schema_field_t shard_fields[] = {
	CYAML_FIELD_STRING_PTR(
		"name", CYAML_FLAG_POINTER, struct shard_entry, name, 1, SL_SHARD_NAME_MAX - 1),
	CYAML_FIELD_SEQUENCE("addresses", CYAML_FLAG_POINTER, struct shard_entry, addresses,
		&text_schema, 1, SHARD_ADDRESSES_MOST),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t shard_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct shard_entry, shard_fields)};

static const cyaml_schema_field_t log_fields[] = {
#define LOG_FIELD(module) OPTIONAL_TEXT(#module, struct log_config, module),
	CONFIG_LOG_MODULES(LOG_FIELD)
#undef LOG_FIELD
		CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	OPTIONAL_TEXT("socket", struct config, socket),
	CYAML_FIELD_MAPPING_PTR("cpus", CYAML_FLAG_POINTER, struct config, cpus, cpus_fields),
	CYAML_FIELD_BOOL("idle", CYAML_FLAG_OPTIONAL, struct config, idle),
	CYAML_FIELD_MAPPING_PTR("memory", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
		memory, memory_fields),
	CYAML_FIELD_UINT("sessions_max", CYAML_FLAG_OPTIONAL, struct config, sessions_max),
	CYAML_FIELD_UINT("punts_per_second", CYAML_FLAG_OPTIONAL, struct config, punts_per_second),
	CYAML_FIELD_MAPPING_PTR("limits", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
		limits, limits_fields),
	CYAML_FIELD_MAPPING_PTR("transcoding", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct config, transcoding, transcoding_fields),
	CYAML_FIELD_MAPPING_PTR("rtp_ports", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct config, rtp_ports, range_fields),
	CYAML_FIELD_SEQUENCE(
		"ports", CYAML_FLAG_POINTER, struct config, ports, &port_schema, 1, PORTS_MAX),
	CYAML_FIELD_SEQUENCE(
		"realms", CYAML_FLAG_POINTER, struct config, realms, &realm_schema, 1, REALMS_MAX),
	CYAML_FIELD_SEQUENCE("shards", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
		shards, &shard_schema, 0, SL_SHARDS_MAX),
	CYAML_FIELD_MAPPING_PTR(
		"log", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config, log, log_fields),
	CYAML_FIELD_SEQUENCE("plugins", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
		plugins, &text_schema, 0, PLUGINS_MOST),
	CYAML_FIELD_SEQUENCE("eal", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config, eal,
		&text_schema, 0, 32),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields)};
