// What no schema can check: ranges, names that stand for each other, what there is on this machine.
// The first mistake is told, with its line and what would be right.
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_parts.h"
#include "dataplane_config.h"
#include "log.h"
#include "yaml_file.h"

#define SESSIONS_MAX_MOST    1000000
#define PUNTS_MOST	     1000000
#define MEGABYTES_LEAST	     64
#define LEG_PACKETS_LEAST    10
#define LEG_BYTES_LEAST	     1000
#define WORKER_PACKETS_LEAST 1000
#define OPUS_COMPLEXITY_MOST 10
#define VLAN_MOST	     4094
#define DSCP_MOST	     63

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

int mac_parse(const char *text, struct rte_ether_addr *mac)
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

int address_parse(const char *text, struct sl_address *address)
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
	if (port->mac && mac_parse(port->mac, &mac))
		return wrong(check, at, "expected a unicast MAC such as \"02:00:00:00:00:01\"");
	snprintf(at, sizeof(at), "%s.next_hop", where);
	if (port->next_hop && mac_parse(port->next_hop, &mac))
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

const struct port_entry *config_port(const struct config *config, const char *name)
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

			address_parse(realm->addresses[j], &address);
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
		if (address_parse(realm->addresses[j], &address))
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
	const struct port_entry *port = config_port(config, realm->port);
	struct rte_ether_addr mac;
	char where[64];

	snprintf(where, sizeof(where), "realms[%u].port", i + 1);
	if (!port)
		return wrong(check, where, "there is no port called %s", realm->port);
	snprintf(where, sizeof(where), "realms[%u].vlan", i + 1);
	if (realm->vlan > VLAN_MOST)
		return wrong(check, where, "expected 1 to %u", VLAN_MOST);
	snprintf(where, sizeof(where), "realms[%u].next_hop", i + 1);
	if (realm->next_hop && mac_parse(realm->next_hop, &mac))
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

static int check_shard_address(
	const struct check *check, const struct config *config, unsigned int i, unsigned int j)
{
	struct sl_address address, other;
	char where[64];

	snprintf(where, sizeof(where), "shards[%u].addresses[%u]", i + 1, j + 1);
	if (address_parse(config->shards[i].addresses[j], &address) ||
		!find_address(config, config->realms_count - 1,
			config->realms[config->realms_count - 1].addresses_count, &address))
		return wrong(check, where, "expected an address of a realm");
	for (unsigned int k = 0; k <= i; k++)
		for (unsigned int l = 0; l < (k < i ? config->shards[k].addresses_count : j); l++)
			if (address_parse(config->shards[k].addresses[l], &other) == 0 &&
				!memcmp(&address, &other, sizeof(address)))
				return wrong(check, where, "shard %s has this address already",
					config->shards[k].name);
	return 0;
}

static int check_shard(const struct check *check, const struct config *config, unsigned int i)
{
	const struct shard_entry *shard = &config->shards[i];
	char where[64];

	snprintf(where, sizeof(where), "shards[%u]", i + 1);
	for (unsigned int j = 0; j < i; j++)
		if (!strcmp(shard->name, config->shards[j].name))
			return wrong(
				check, where, "there is a shard called %s already", shard->name);
	for (unsigned int j = 0; j < shard->addresses_count; j++)
		if (check_shard_address(check, config, i, j))
			return -EINVAL;
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

int config_check(const struct config *config, const char *path, char *error, size_t error_size)
{
	const struct check where = {path, error, error_size}, *check = &where;

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
	for (unsigned int i = 0; i < config->shards_count; i++)
		if (check_shard(check, config, i))
			return -EINVAL;
	return 0;
}
