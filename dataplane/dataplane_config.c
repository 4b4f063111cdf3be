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
#define MEGABYTES_DEFAULT    512
#define MEGABYTES_LEAST	     64
#define RTP_MIN_DEFAULT	     16384
#define RTP_MAX_DEFAULT	     32767
#define CPUS_MOST	     64

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
	CYAML_FIELD_SEQUENCE("addresses", CYAML_FLAG_POINTER, struct port_entry, addresses,
		&text_schema, 1, PORT_ADDRESSES_MAX),
	OPTIONAL_TEXT("mac", struct port_entry, mac),
	OPTIONAL_TEXT("next_hop", struct port_entry, next_hop),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t port_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct port_entry, port_fields)};

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
	CYAML_FIELD_MAPPING_PTR("rtp_ports", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct config, rtp_ports, range_fields),
	CYAML_FIELD_SEQUENCE(
		"ports", CYAML_FLAG_POINTER, struct config, ports, &port_schema, 1, PORTS_MAX),
	CYAML_FIELD_MAPPING_PTR(
		"log", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config, log, log_fields),
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
	if (!config->socket || !config->memory || !config->rtp_ports)
		return -ENOMEM;
	if (!config->memory->megabytes)
		config->memory->megabytes = MEGABYTES_DEFAULT;
	if (!config->sessions_max)
		config->sessions_max = SESSIONS_MAX_DEFAULT;
	return 0;
}

static int parse_mac(const char *text, struct rte_ether_addr *mac)
{
	return rte_ether_unformat_addr(text, mac) == 0 && rte_is_valid_assigned_ether_addr(mac)
		       ? 0
		       : -EINVAL;
}

static int parse_address(const char *text, struct sl_address *address)
{
	*address = (struct sl_address){.family = SL_IPV4};
	return inet_pton(AF_INET, text, address->bytes) == 1 ? 0 : -EINVAL;
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

static int check_numbers(const struct check *check, const struct config *config)
{
	const struct range_config *range = config->rtp_ports;
	unsigned int pairs;

	if (config->sessions_max > SESSIONS_MAX_MOST)
		return wrong(check, "sessions_max", "expected 1 to %u", SESSIONS_MAX_MOST);
	if (config->memory->megabytes < MEGABYTES_LEAST)
		return wrong(check, "memory.megabytes", "expected at least %u", MEGABYTES_LEAST);
	if (range->min < 1024 || range->min % 2)
		return wrong(check, "rtp_ports.min", "expected an even number from 1024");
	if (range->max > UINT16_MAX || range->max % 2 == 0 || range->max < range->min)
		return wrong(
			check, "rtp_ports.max", "expected an odd number above min, up to 65535");
	pairs = (range->max + 1 - range->min) / 2;
	if (pairs < config->cpus->workers_count)
		return wrong(check, "rtp_ports", "%u port pairs for %u workers: expected one each",
			pairs, config->cpus->workers_count);
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
	if (!port->interface && !port->next_hop)
		return wrong(
			check, where, "expected next_hop: a vdev has no neighbours to ask for");
	return 0;
}

// True where an address before addresses[b] of ports[a] is the same.
static bool is_duplicate(const struct config *config, unsigned int a, unsigned int b)
{
	for (unsigned int i = 0; i <= a; i++)
		for (unsigned int j = 0; j < (i == a ? b : config->ports[i].addresses_count); j++)
			if (!strcmp(config->ports[i].addresses[j], config->ports[a].addresses[b]))
				return true;
	return false;
}

static int check_port(const struct check *check, const struct config *config, unsigned int i)
{
	const struct port_entry *port = &config->ports[i];
	struct sl_address address;
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
	for (unsigned int j = 0; j < port->addresses_count; j++) {
		snprintf(where, sizeof(where), "ports[%u].addresses[%u]", i + 1, j + 1);
		if (parse_address(port->addresses[j], &address))
			return wrong(check, where, "expected an IPv4 address");
		if (is_duplicate(config, i, j))
			return wrong(check, where, "this address is there already");
	}
	return 0;
}

static int check_config(const struct check *check, const struct config *config)
{
	if (check_socket(check, config) || check_cpus(check, config->cpus) ||
		check_numbers(check, config) || check_log(check, config->log))
		return -EINVAL;
	for (unsigned int i = 0; i < config->ports_count; i++)
		if (check_port(check, config, i))
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

		*port = (struct port_config){
			.n_addresses = entry->addresses_count,
			.rtp_port_min = (uint16_t)config->rtp_ports->min,
			.rtp_port_max = (uint16_t)config->rtp_ports->max,
		};
		snprintf(port->name, sizeof(port->name), "%s", entry->name);
		if (entry->interface)
			snprintf(port->interface, sizeof(port->interface), "%s", entry->interface);
		if (entry->vdev)
			snprintf(port->vdev, sizeof(port->vdev), "%s", entry->vdev);
		for (unsigned int j = 0; j < entry->addresses_count; j++)
			parse_address(entry->addresses[j], &port->addresses[j]);
		if (entry->mac)
			parse_mac(entry->mac, &port->mac);
		if (entry->next_hop)
			parse_mac(entry->next_hop, &port->next_hop);
	}
	return config->ports_count;
}
