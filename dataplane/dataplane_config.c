// Loading the configuration: the schema first (libcyaml), then the defaults, then a list of checks
// that no schema can make. The loaded structure is the effective configuration: it is what --check
// prints.
#include "dataplane_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "sl_api.h"
#include "yaml_file.h"

#define SESSIONS_MAX_DEFAULT 10000
#define SESSIONS_MAX_MOST    1000000
#define PUNTS_DEFAULT	     5000
#define PUNTS_MOST	     1000000
#define MEGABYTES_DEFAULT    512
#define MEGABYTES_LEAST	     64
// Of one leg: any voice (G.711 every 5 ms is 200 packets a second), and video of up to 50 Mbit/s in
// packets of 1,250 bytes; yet a worker that relays millions does not notice a leg that is flooded.
#define LEG_PACKETS_DEFAULT	5000
#define LEG_BYTES_DEFAULT	6250000
#define LEG_PACKETS_LEAST	10
#define LEG_BYTES_LEAST		1000
#define WORKER_PACKETS_LEAST	1000
#define OPUS_COMPLEXITY_DEFAULT 5
#define OPUS_COMPLEXITY_MOST	10
#define SHED_AT_DEFAULT		0.7
#define REFUSE_AT_DEFAULT	0.9
#define RTP_MIN_DEFAULT		16384
#define RTP_MAX_DEFAULT		32767
#define CPUS_MOST		64
#define PLUGINS_MOST		16
#define VLAN_MOST		4094
#define DSCP_MOST		63
#define DSCP_DEFAULT		46 // EF (RFC 3246)

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
	CYAML_FIELD_MAPPING_PTR(
		"log", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config, log, log_fields),
	CYAML_FIELD_SEQUENCE("plugins", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config,
		plugins, &text_schema, 0, PLUGINS_MOST),
	CYAML_FIELD_SEQUENCE("eal", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config, eal,
		&text_schema, 0, 32),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields)};

// Where an error goes: one line, of which the first counts.
struct check {
	const char *path;
	char *error;
	size_t error_size;
};

static int wrong(const struct check *check, const char *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int wrong(const struct check *check, const char *where, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(check->error, check->error_size, "%s:%d: %s: %s", check->path,
		yaml_file_line(check->path, where), where, text);
	return -EINVAL;
}

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

static int parse_mac(const char *text, struct rte_ether_addr *mac)
{
	return rte_ether_unformat_addr(text, mac) == 0 && rte_is_valid_assigned_ether_addr(mac)
		       ? 0
		       : -EINVAL;
}

static bool is_ours_ipv4(const uint8_t *ip)
{
	return ip[0] != 0 && ip[0] < 224;
}

// Global or unique local: SDP cannot say on which link a link-local one is.
static bool is_ours_ipv6(const struct in6_addr *ip)
{
	return !IN6_IS_ADDR_UNSPECIFIED(ip) && !IN6_IS_ADDR_LOOPBACK(ip) &&
	       !IN6_IS_ADDR_MULTICAST(ip) && !IN6_IS_ADDR_LINKLOCAL(ip) &&
	       !IN6_IS_ADDR_V4MAPPED(ip) && !IN6_IS_ADDR_V4COMPAT(ip);
}

static int parse_address(const char *text, struct sl_address *address)
{
	struct in6_addr ip;

	*address = (struct sl_address){.family = SL_IPV4};
	if (inet_pton(AF_INET, text, address->bytes) == 1)
		return is_ours_ipv4(address->bytes) ? 0 : -EINVAL;
	if (inet_pton(AF_INET6, text, &ip) != 1 || !is_ours_ipv6(&ip))
		return -EINVAL;
	address->family = SL_IPV6;
	memcpy(address->bytes, &ip, sizeof(ip));
	return 0;
}

static int check_cpu(const struct check *check, const char *where, unsigned int cpu)
{
	long n_cpus = sysconf(_SC_NPROCESSORS_CONF);

	if (cpu >= (unsigned long)n_cpus)
		return wrong(check, where, "there is no CPU %u here: expected 0 to %ld", cpu,
			n_cpus - 1);
	return 0;
}

static int check_cpu_list(
	const struct check *check, const char *name, const unsigned int *cpus, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		char where[64];

		snprintf(where, sizeof(where), "cpus.%s[%u]", name, i + 1);
		if (check_cpu(check, where, cpus[i]))
			return -EINVAL;
	}
	return 0;
}

static int check_cpus(const struct check *check, const struct cpus_config *cpus)
{
	if (check_cpu(check, "cpus.main", cpus->main) ||
		check_cpu_list(check, "workers", cpus->workers, cpus->workers_count) ||
		check_cpu_list(check, "transcoders", cpus->transcoders, cpus->transcoders_count))
		return -EINVAL;
	return 0;
}

static int check_range(const struct check *check, const struct config *config,
	const struct range_config *range, const char *where)
{
	unsigned int pairs = (range->max + 1 - range->min) / 2;
	char at[96];

	snprintf(at, sizeof(at), "%s.min", where);
	if (range->min < 1024 || range->min % 2)
		return wrong(check, at, "expected an even number from 1024");
	snprintf(at, sizeof(at), "%s.max", where);
	if (range->max > UINT16_MAX || range->max % 2 == 0 || range->max < range->min)
		return wrong(check, at, "expected an odd number above min, up to 65535");
	if (pairs < config->cpus->workers_count)
		return wrong(check, where, "%u port pairs for %u workers: expected one each", pairs,
			config->cpus->workers_count);
	return 0;
}

static int check_numbers(const struct check *check, const struct config *config)
{
	if (config->sessions_max > SESSIONS_MAX_MOST)
		return wrong(check, "sessions_max", "expected 1 to %u", SESSIONS_MAX_MOST);
	if (config->punts_per_second > PUNTS_MOST)
		return wrong(check, "punts_per_second", "expected 1 to %u", PUNTS_MOST);
	if (config->memory->megabytes < MEGABYTES_LEAST)
		return wrong(check, "memory.megabytes", "expected at least %u", MEGABYTES_LEAST);
	return check_range(check, config, config->rtp_ports, "rtp_ports");
}

static int check_limits(const struct check *check, const struct limits_config *limits)
{
	if (limits->leg_packets_per_second < LEG_PACKETS_LEAST)
		return wrong(check, "limits.leg_packets_per_second", "expected at least %u",
			LEG_PACKETS_LEAST);
	if (limits->leg_bytes_per_second < LEG_BYTES_LEAST)
		return wrong(check, "limits.leg_bytes_per_second", "expected at least %u",
			LEG_BYTES_LEAST);
	if (limits->worker_packets_per_second &&
		limits->worker_packets_per_second < WORKER_PACKETS_LEAST)
		return wrong(check, "limits.worker_packets_per_second",
			"expected at least %u, or 0 for no limit", WORKER_PACKETS_LEAST);
	return 0;
}

static int check_transcoding(const struct check *check, const struct transcoding_config *config)
{
	if (config->opus_complexity > OPUS_COMPLEXITY_MOST)
		return wrong(check, "transcoding.opus_complexity", "expected 1 to %u",
			OPUS_COMPLEXITY_MOST);
	if (!(config->shed_at >= 0.01 && config->shed_at <= 1))
		return wrong(check, "transcoding.shed_at", "expected 0.01 to 1, a share of a core");
	if (!(config->refuse_at >= 0.01 && config->refuse_at <= 1))
		return wrong(
			check, "transcoding.refuse_at", "expected 0.01 to 1, a share of a core");
	return 0;
}

static int check_socket(const struct check *check, const struct config *config)
{
	if (config->socket[0] != '/' || strlen(config->socket) > 107)
		return wrong(check, "socket", "expected an absolute path of at most 107 bytes");
	return 0;
}

static int check_log(const struct check *check, const struct log_config *log)
{
	enum log_level level;

	if (!log)
		return 0;
#define CHECK_LEVEL(module)                                      \
	if (log->module && log_level_parse(log->module, &level)) \
		return wrong(check, "log." #module, "expected error, warn, info or debug");
	CONFIG_LOG_MODULES(CHECK_LEVEL)
#undef CHECK_LEVEL
	return 0;
}

// A MAC and a next hop are a bare device's: with an interface they come from the kernel.
static int check_macs(const struct check *check, const struct port_entry *port, const char *where)
{
	struct rte_ether_addr mac;
	char at[96];

	snprintf(at, sizeof(at), "%s.mac", where);
	if (port->mac && parse_mac(port->mac, &mac))
		return wrong(check, at, "expected a unicast MAC such as \"02:00:00:00:00:01\"");
	snprintf(at, sizeof(at), "%s.next_hop", where);
	if (port->next_hop && parse_mac(port->next_hop, &mac))
		return wrong(check, at, "expected a unicast MAC such as \"02:00:00:00:00:02\"");
	if (port->interface && (port->mac || port->next_hop))
		return wrong(check, where, "mac and next_hop come from the kernel's interface");
	return 0;
}

static int check_port(const struct check *check, const struct config *config, unsigned int i)
{
	const struct port_entry *port = &config->ports[i];
	char where[64];

	snprintf(where, sizeof(where), "ports[%u]", i + 1);
	if (!port->interface == !port->vdev)
		return wrong(check, where, "expected either interface or vdev");
	if (port->interface && !if_nametoindex(port->interface)) {
		snprintf(where, sizeof(where), "ports[%u].interface", i + 1);
		return wrong(check, where, "there is no interface %s here", port->interface);
	}
	if (check_macs(check, port, where))
		return -EINVAL;
	for (unsigned int j = 0; j < i; j++)
		if (!strcmp(port->name, config->ports[j].name))
			return wrong(check, where, "there is a port called %s already", port->name);
	return 0;
}

static const struct port_entry *find_port(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->ports_count; i++)
		if (!strcmp(config->ports[i].name, name))
			return &config->ports[i];
	return NULL;
}

// The realm that has the address and was checked before, or that is being checked; or NULL.
static const struct realm_entry *find_address(const struct config *config, unsigned int n_realms,
	unsigned int n_addresses, const struct sl_address *wanted)
{
	for (unsigned int i = 0; i <= n_realms; i++) {
		const struct realm_entry *realm = &config->realms[i];
		unsigned int n = i == n_realms ? n_addresses : realm->addresses_count;

		for (unsigned int j = 0; j < n; j++) {
			struct sl_address address;

			parse_address(realm->addresses[j], &address);
			if (!memcmp(&address, wanted, sizeof(address)))
				return realm;
		}
	}
	return NULL;
}

static int check_addresses(const struct check *check, const struct config *config, unsigned int i)
{
	const struct realm_entry *realm = &config->realms[i], *other;
	struct sl_address address;
	char where[64];

	for (unsigned int j = 0; j < realm->addresses_count; j++) {
		snprintf(where, sizeof(where), "realms[%u].addresses[%u]", i + 1, j + 1);
		if (parse_address(realm->addresses[j], &address))
			return wrong(check, where,
				"expected a unicast IPv4 or IPv6 address, not a link-local one");
		other = find_address(config, i, j, &address);
		if (other)
			return wrong(
				check, where, "realm %s has this address already", other->name);
	}
	return 0;
}

static int check_realm_path(const struct check *check, const struct config *config, unsigned int i)
{
	const struct realm_entry *realm = &config->realms[i];
	const struct port_entry *port = find_port(config, realm->port);
	struct rte_ether_addr mac;
	char where[64];

	snprintf(where, sizeof(where), "realms[%u].port", i + 1);
	if (!port)
		return wrong(check, where, "there is no port called %s", realm->port);
	snprintf(where, sizeof(where), "realms[%u].vlan", i + 1);
	if (realm->vlan > VLAN_MOST)
		return wrong(check, where, "expected 1 to %u", VLAN_MOST);
	snprintf(where, sizeof(where), "realms[%u].next_hop", i + 1);
	if (realm->next_hop && parse_mac(realm->next_hop, &mac))
		return wrong(check, where, "expected a unicast MAC such as \"02:00:00:00:00:02\"");
	snprintf(where, sizeof(where), "realms[%u]", i + 1);
	if (!port->interface && !port->next_hop && !realm->next_hop)
		return wrong(check, where,
			"expected next_hop, here or at port %s: a vdev has no neighbours to ask for",
			port->name);
	return 0;
}

static int check_realm(const struct check *check, const struct config *config, unsigned int i)
{
	const struct realm_entry *realm = &config->realms[i];
	char where[64];

	snprintf(where, sizeof(where), "realms[%u]", i + 1);
	for (unsigned int j = 0; j < i; j++)
		if (!strcmp(realm->name, config->realms[j].name))
			return wrong(
				check, where, "there is a realm called %s already", realm->name);
	if (check_realm_path(check, config, i) || check_addresses(check, config, i))
		return -EINVAL;
	snprintf(where, sizeof(where), "realms[%u].rtp_ports", i + 1);
	if (check_range(check, config, realm->rtp_ports, where))
		return -EINVAL;
	snprintf(where, sizeof(where), "realms[%u].dscp", i + 1);
	if (*realm->dscp > DSCP_MOST)
		return wrong(check, where, "expected 0 to %u", DSCP_MOST);
	return 0;
}

// A name, or an absolute path: what a relative one means would depend on who starts us where.
static int check_plugins(const struct check *check, const struct config *config)
{
	for (unsigned int i = 0; i < config->plugins_count; i++) {
		const char *name = config->plugins[i];
		char where[32];

		snprintf(where, sizeof(where), "plugins[%u]", i + 1);
		if (name[0] != '/' && strchr(name, '/'))
			return wrong(check, where,
				"expected a file name such as sluice-g729.so, or an absolute path");
		for (unsigned int j = 0; j < i; j++)
			if (!strcmp(name, config->plugins[j]))
				return wrong(check, where, "this plug-in is there already");
	}
	return 0;
}

static int check_config(const struct check *check, const struct config *config)
{
	if (check_socket(check, config) || check_cpus(check, config->cpus) ||
		check_numbers(check, config) || check_plugins(check, config) ||
		check_limits(check, config->limits) ||
		check_transcoding(check, config->transcoding) || check_log(check, config->log))
		return -EINVAL;
	for (unsigned int i = 0; i < config->ports_count; i++)
		if (check_port(check, config, i))
			return -EINVAL;
	for (unsigned int i = 0; i < config->realms_count; i++)
		if (check_realm(check, config, i))
			return -EINVAL;
	return 0;
}

struct config *config_load(const char *path, char *error, size_t error_size)
{
	struct check check = {path, error, error_size};
	struct config *config;
	void *loaded;

	if (yaml_file_load(path, &config_schema, &loaded, error, error_size))
		return NULL;
	config = loaded;
	if (fill_defaults(config))
		snprintf(error, error_size, "%s: out of memory", path);
	else if (check_config(&check, config) == 0)
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
			parse_mac(entry->mac, &port->mac);
		if (entry->next_hop)
			parse_mac(entry->next_hop, &port->next_hop);
	}
	return config->ports_count;
}

void config_realms(const struct config *config, struct realms *realms)
{
	realms->n = config->realms_count;
	for (unsigned int i = 0; i < config->realms_count; i++) {
		const struct realm_entry *entry = &config->realms[i];
		struct realm *realm = &realms->entries[i];

		*realm = (struct realm){
			.port = (uint16_t)(find_port(config, entry->port) - config->ports),
			.vlan = (uint16_t)entry->vlan,
			.rtp_port_min = (uint16_t)entry->rtp_ports->min,
			.rtp_port_max = (uint16_t)entry->rtp_ports->max,
			.dscp = (uint8_t)*entry->dscp,
			.n_addresses = entry->addresses_count,
		};
		snprintf(realm->name, sizeof(realm->name), "%s", entry->name);
		for (unsigned int j = 0; j < entry->addresses_count; j++)
			parse_address(entry->addresses[j], &realm->addresses[j]);
		if (entry->next_hop)
			parse_mac(entry->next_hop, &realm->next_hop);
	}
}

const char *config_plugin(const struct config *config, unsigned int i, char *path, size_t size)
{
	const char *name = config->plugins[i];

	snprintf(path, size, "%s%s", name[0] == '/' ? "" : SLUICE_PLUGINS "/", name);
	return path;
}
