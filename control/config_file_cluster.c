// The part of the schema that is about the cluster.
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "config_schema.h"

#define HEARTBEAT_PORT_DEFAULT 7946
#define SECRET_MAX	       256

static const cyaml_schema_value_t name_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, NAME_MAX_BYTES)};
static const cyaml_schema_value_t server_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX_BYTES)};

static const cyaml_schema_field_t node_fields[] = {
	TEXT("name", struct file_cluster_node, name, NAME_MAX_BYTES),
	TEXT("address", struct file_cluster_node, address, NAME_MAX_BYTES),
	OPTIONAL_NUMBER("port", struct file_cluster_node, port),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t node_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_cluster_node, node_fields)};

static const cyaml_schema_field_t address_fields[] = {
	TEXT("realm", struct file_shard_address, realm, NAME_MAX_BYTES),
	TEXT("sip", struct file_shard_address, sip, NAME_MAX_BYTES),
	OPTIONAL_TEXT("media", struct file_shard_address, media, 1, NAME_MAX_BYTES),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t address_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_shard_address, address_fields)};

static const cyaml_schema_field_t shard_fields[] = {
	TEXT("name", struct file_shard, name, NAME_MAX_BYTES),
	CYAML_FIELD_SEQUENCE("nodes", CYAML_FLAG_POINTER, struct file_shard, nodes, &name_schema, 1,
		CLUSTER_NODES_MAX),
	CYAML_FIELD_SEQUENCE("addresses", CYAML_FLAG_POINTER, struct file_shard, addresses,
		&address_schema, 1, 256),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t shard_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_shard, shard_fields)};

static const cyaml_schema_field_t store_tls_fields[] = {
	OPTIONAL_TEXT("ca", struct file_store_tls, ca, 1, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("certificate", struct file_store_tls, certificate, 1, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("key", struct file_store_tls, key, 1, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("name", struct file_store_tls, name, 1, DOMAIN_MAX_BYTES),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t store_fields[] = {
	CYAML_FIELD_SEQUENCE("servers", CYAML_FLAG_POINTER, struct file_store, servers,
		&server_schema, 1, STORE_ADDRESSES_MAX),
	OPTIONAL_TEXT("sentinel", struct file_store, sentinel, 1, NAME_MAX_BYTES),
	OPTIONAL_TEXT("user", struct file_store, user, 1, SECRET_MAX),
	OPTIONAL_TEXT("password_file", struct file_store, password_file, 1, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("sentinel_user", struct file_store, sentinel_user, 1, SECRET_MAX),
	OPTIONAL_TEXT("sentinel_password_file", struct file_store, sentinel_password_file, 1,
		TEXT_MAX_BYTES),
	OPTIONAL_TEXT("prefix", struct file_store, prefix, 1, NAME_MAX_BYTES),
	OPTIONAL_MAPPING("tls", struct file_store, tls, store_tls_fields),
	OPTIONAL_NUMBER("connect_timeout_ms", struct file_store, connect_timeout_ms),
	OPTIONAL_NUMBER("command_timeout_ms", struct file_store, command_timeout_ms),
	OPTIONAL_NUMBER("write_ms", struct file_store, write_ms),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t heartbeat_fields[] = {
	OPTIONAL_NUMBER("interval_ms", struct file_heartbeat, interval_ms),
	OPTIONAL_NUMBER("missed", struct file_heartbeat, missed),
	CYAML_FIELD_END,
};

const cyaml_schema_field_t file_cluster_fields[] = {
	TEXT("key_file", struct file_cluster, key_file, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("witness", struct file_cluster, witness, 1, NAME_MAX_BYTES),
	OPTIONAL_NUMBER("lease_ms", struct file_cluster, lease_ms),
	OPTIONAL_MAPPING("heartbeat", struct file_cluster, heartbeat, heartbeat_fields),
	CYAML_FIELD_MAPPING_PTR(
		"store", CYAML_FLAG_POINTER, struct file_cluster, store, store_fields),
	CYAML_FIELD_SEQUENCE("nodes", CYAML_FLAG_POINTER, struct file_cluster, nodes, &node_schema,
		1, CLUSTER_NODES_MAX),
	CYAML_FIELD_SEQUENCE("shards", CYAML_FLAG_POINTER, struct file_cluster, shards,
		&shard_schema, 1, CLUSTER_SHARDS_MAX),
	CYAML_FIELD_END,
};

static bool default_store(struct file_store *store)
{
	return default_text(&store->prefix, "sluice") &&
	       default_number(&store->connect_timeout_ms, 2000) &&
	       default_number(&store->command_timeout_ms, 1000) &&
	       default_number(&store->write_ms, 100);
}

bool default_cluster(struct file_cluster *cluster)
{
	if (!cluster)
		return true;
	for (uint32_t i = 0; i < cluster->nodes_count; i++)
		if (!default_number(&cluster->nodes[i].port, HEARTBEAT_PORT_DEFAULT))
			return false;
	for (uint32_t i = 0; i < cluster->shards_count; i++)
		for (uint32_t j = 0; j < cluster->shards[i].addresses_count; j++) {
			struct file_shard_address *address = &cluster->shards[i].addresses[j];

			if (!default_text(&address->media, address->sip))
				return false;
		}
	return default_text(&cluster->witness, cluster->nodes_count == 2 ? "store" : "none") &&
	       default_number(&cluster->lease_ms, 1000) &&
	       default_mapping(&cluster->heartbeat, sizeof(*cluster->heartbeat)) &&
	       default_number(&cluster->heartbeat->interval_ms, 50) &&
	       default_number(&cluster->heartbeat->missed, 5) && default_store(cluster->store);
}
