// Loading the configuration: the schema first (config_schema.c), then the defaults, then a list of
// checks that no schema can make (config_check.c). The loaded structure is the effective
// configuration: it is what --check prints, and what the modules are told of it is made of it here.
#include "dataplane_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "sl_api.h"
#include "yaml_file.h"

#define SESSIONS_MAX_DEFAULT 10000
#define PUNTS_DEFAULT	     5000
#define MEGABYTES_DEFAULT    512
// Of one leg: any voice (G.711 every 5 ms is 200 packets a second), and video of up to 50 Mbit/s in
// packets of 1,250 bytes; yet a worker that relays millions does not notice a leg that is flooded.
#define LEG_PACKETS_DEFAULT	5000
#define LEG_BYTES_DEFAULT	6250000
#define OPUS_COMPLEXITY_DEFAULT 5
#define SHED_AT_DEFAULT		0.7
#define REFUSE_AT_DEFAULT	0.9
#define RTP_MIN_DEFAULT		16384
#define RTP_MAX_DEFAULT		32767
#define DSCP_DEFAULT		46 // EF (RFC 3246)

static int fill_realm(const struct config *config, struct realm_entry *realm)
{
	if (!realm->rtp_ports) {
		realm->rtp_ports = calloc(1, sizeof(*realm->rtp_ports));
		if (!realm->rtp_ports)
			return -ENOMEM;
		*realm->rtp_ports = *config->rtp_ports;
	}
	if (!realm->dscp) {
		realm->dscp = calloc(1, sizeof(*realm->dscp));
		if (!realm->dscp)
			return -ENOMEM;
		*realm->dscp = DSCP_DEFAULT;
	}
	return 0;
}

static int fill_transcoding(struct config *config)
{
	struct transcoding_config *transcoding = config->transcoding;

	if (!transcoding)
		transcoding = config->transcoding = calloc(1, sizeof(*transcoding));
	if (!transcoding)
		return -ENOMEM;
	if (transcoding->opus_complexity == 0)
		transcoding->opus_complexity = OPUS_COMPLEXITY_DEFAULT;
	if (transcoding->shed_at == 0)
		transcoding->shed_at = SHED_AT_DEFAULT;
	if (transcoding->refuse_at == 0)
		transcoding->refuse_at = REFUSE_AT_DEFAULT;
	return 0;
}

static int fill_defaults(struct config *config)
{
	if (!config->socket)
		config->socket = strdup(SL_DEFAULT_SOCKET);
	if (!config->memory)
		config->memory = calloc(1, sizeof(*config->memory));
	if (!config->rtp_ports) {
		config->rtp_ports = calloc(1, sizeof(*config->rtp_ports));
		if (config->rtp_ports)
			*config->rtp_ports =
				(struct range_config){RTP_MIN_DEFAULT, RTP_MAX_DEFAULT};
	}
	if (!config->limits)
		config->limits = calloc(1, sizeof(*config->limits));
	if (!config->socket || !config->memory || !config->rtp_ports || !config->limits ||
		fill_transcoding(config))
		return -ENOMEM;
	if (!config->limits->leg_packets_per_second)
		config->limits->leg_packets_per_second = LEG_PACKETS_DEFAULT;
	if (!config->limits->leg_bytes_per_second)
		config->limits->leg_bytes_per_second = LEG_BYTES_DEFAULT;
	if (!config->memory->megabytes)
		config->memory->megabytes = MEGABYTES_DEFAULT;
	if (!config->sessions_max)
		config->sessions_max = SESSIONS_MAX_DEFAULT;
	if (!config->punts_per_second)
		config->punts_per_second = PUNTS_DEFAULT;
	for (unsigned int i = 0; i < config->realms_count; i++)
		if (fill_realm(config, &config->realms[i]))
			return -ENOMEM;
	return 0;
}

struct config *config_load(const char *path, char *error, size_t error_size)
{
	struct config *config;
	void *loaded;

	if (yaml_file_load(path, &config_schema, &loaded, error, error_size))
		return NULL;
	config = loaded;
	if (fill_defaults(config))
		snprintf(error, error_size, "%s: out of memory", path);
	else if (config_check(config, path, error, error_size) == 0)
		return config;
	config_free(config);
	return NULL;
}

void config_free(struct config *config)
{
	yaml_file_free(&config_schema, config);
}

char *config_text(const struct config *config)
{
	return yaml_text_save(&config_schema, config);
}

unsigned int config_ports(const struct config *config, struct port_config *configs)
{
	for (unsigned int i = 0; i < config->ports_count; i++) {
		const struct port_entry *entry = &config->ports[i];
		struct port_config *port = &configs[i];

		*port = (struct port_config){};
		snprintf(port->name, sizeof(port->name), "%s", entry->name);
		if (entry->interface)
			snprintf(port->interface, sizeof(port->interface), "%s", entry->interface);
		if (entry->vdev)
			snprintf(port->vdev, sizeof(port->vdev), "%s", entry->vdev);
		if (entry->mac)
			mac_parse(entry->mac, &port->mac);
		if (entry->next_hop)
			mac_parse(entry->next_hop, &port->next_hop);
	}
	return config->ports_count;
}

static uint8_t shard_of(const struct config *config, const struct sl_address *wanted)
{
	for (unsigned int i = 0; i < config->shards_count; i++)
		for (unsigned int j = 0; j < config->shards[i].addresses_count; j++) {
			struct sl_address address;

			address_parse(config->shards[i].addresses[j], &address);
			if (!memcmp(&address, wanted, sizeof(address)))
				return (uint8_t)(i + 1);
		}
	return 0;
}

unsigned int config_shards(
	const struct config *config, char names[SL_SHARDS_MAX][SL_SHARD_NAME_MAX])
{
	for (unsigned int i = 0; i < config->shards_count; i++)
		snprintf(names[i], SL_SHARD_NAME_MAX, "%s", config->shards[i].name);
	return config->shards_count;
}

void config_realms(const struct config *config, struct realms *realms)
{
	realms->n = config->realms_count;
	for (unsigned int i = 0; i < config->realms_count; i++) {
		const struct realm_entry *entry = &config->realms[i];
		struct realm *realm = &realms->entries[i];

		*realm = (struct realm){
			.port = (uint16_t)(config_port(config, entry->port) - config->ports),
			.vlan = (uint16_t)entry->vlan,
			.rtp_port_min = (uint16_t)entry->rtp_ports->min,
			.rtp_port_max = (uint16_t)entry->rtp_ports->max,
			.dscp = (uint8_t)*entry->dscp,
			.n_addresses = entry->addresses_count,
		};
		snprintf(realm->name, sizeof(realm->name), "%s", entry->name);
		for (unsigned int j = 0; j < entry->addresses_count; j++) {
			address_parse(entry->addresses[j], &realm->addresses[j]);
			realm->shards[j] = shard_of(config, &realm->addresses[j]);
		}
		if (entry->next_hop)
			mac_parse(entry->next_hop, &realm->next_hop);
	}
}

const char *config_plugin(const struct config *config, unsigned int i, char *path, size_t size)
{
	const char *name = config->plugins[i];

	snprintf(path, size, "%s%s", name[0] == '/' ? "" : SLUICE_PLUGINS "/", name);
	return path;
}
