// The configuration of sluice-dataplane: one YAML file, defaults filled in, checked as a whole.
// Addresses belong to realms, realms to ports; a port may carry several realms (realms.h).
//
// clang-format off
//   socket: /run/sluice/dataplane.sock                # of the API
//   cpus: {main: 0, workers: [1], transcoders: [0]}   # several may share one CPU
//   idle: false                 # true: sleep a little when there is nothing to do (not in production)
//   memory: {hugepages: auto, megabytes: 512}         # auto: where enough of them are free
//   sessions_max: 10000
//   rtp_ports: {min: 16384, max: 32767}               # of each address, unless its realm says
//   punts_per_second: 5000     # STUN, DTLS and the like for control, of all legs together
//   limits:                                           # a second, of what is taken
//     leg_packets_per_second: 5000                    # of legs for which control says nothing
//     leg_bytes_per_second: 6250000
//     worker_packets_per_second: 0                    # of all legs of a worker; 0: no limit
//   transcoding:
//     opus_complexity: 5                              # 1 to 10: effort, and quality, of encoders
//     shed_at: 0.7                                    # busy share of a transcoder above which it
//                                                     # lowers their complexity, step by step
//     refuse_at: 0.9                                  # expected share, with all that shed, above
//                                                     # which new calls that need codecs are refused
//   ports:
//     - {name: eth-a, interface: eth0}                # AF_XDP on a kernel interface
//     - {name: bench, vdev: "net_memif0,role=client", # any DPDK device
//        mac: "02:00:00:00:00:01", next_hop: "02:00:00:00:00:02"}
//   realms:
//     - {name: wan, port: eth-a, addresses: [192.0.2.1, "2001:db8::1"]}
//     - {name: lan, port: eth-a, vlan: 100, addresses: [10.0.0.1],
//        rtp_ports: {min: 20000, max: 39999},
//        dscp: 34,                                    # else 46 (EF)
//        next_hop: "02:00:00:00:00:03"}               # else as the port's, or the kernel's routes say
//     - {name: far, port: bench, addresses: [198.51.100.1]}
//   shards:                      # addresses of realms that move between nodes, inactive at start;
//     - {name: s1, addresses: [198.51.100.7, 10.0.0.7]}   # the same on every node
//   plugins: [sluice-g729.so]                         # codecs of other licences; a name without a
//                                                     # path is looked for where they are installed
//   log: {all: info, eal: warn}                       # error, warn, info, debug
//   eal: ["--no-pci"]                                 # further arguments of DPDK's
// clang-format on
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "port.h"

#define CPU_MAX 1023

enum hugepages { HUGEPAGES_AUTO, HUGEPAGES_YES, HUGEPAGES_NO };

struct cpus_config {
	unsigned int main;
	unsigned int *workers;
	unsigned int workers_count;
	unsigned int *transcoders; // none: workers run the codecs
	unsigned int transcoders_count;
};

struct memory_config {
	enum hugepages hugepages;
	unsigned int megabytes;
};

// A second; packets_per_second of a worker 0: no limit.
struct limits_config {
	unsigned int leg_packets_per_second;
	unsigned int leg_bytes_per_second;
	unsigned int worker_packets_per_second;
};

struct transcoding_config {
	unsigned int opus_complexity;
	double shed_at; // of one core
	double refuse_at;
};

struct range_config {
	unsigned int min;
	unsigned int max;
};

struct port_entry {
	char *name;
	char *interface;
	char *vdev;
	char *mac;
	char *next_hop;
};

struct realm_entry {
	char *name;
	char *port;
	unsigned int vlan; // 0: none
	char **addresses;
	unsigned int addresses_count;
	struct range_config *rtp_ports;
	unsigned int *dscp;
	char *next_hop;
};

struct shard_entry {
	char *name;
	char **addresses;
	unsigned int addresses_count;
};

// Levels as text, NULL: not set.
#define CONFIG_LOG_MODULES(X) \
	X(all)                \
	X(main)               \
	X(eal)                \
	X(server)             \
	X(port)               \
	X(shard)

struct log_config {
#define LOG_CONFIG_FIELD(module) char *module;
	CONFIG_LOG_MODULES(LOG_CONFIG_FIELD)
#undef LOG_CONFIG_FIELD
};

struct config {
	char *socket;
	struct cpus_config *cpus;
	bool idle;
	struct memory_config *memory;
	unsigned int sessions_max;
	unsigned int punts_per_second;
	struct limits_config *limits;
	struct transcoding_config *transcoding;
	struct range_config *rtp_ports;
	struct port_entry *ports;
	unsigned int ports_count;
	struct realm_entry *realms;
	unsigned int realms_count;
	struct shard_entry *shards;
	unsigned int shards_count;
	struct log_config *log;
	char **plugins;
	unsigned int plugins_count;
	char **eal;
	unsigned int eal_count;
};

// Load and check `path`. NULL with `error` holding one line: file, line, what is wrong and what
// would be right.
struct config *config_load(const char *path, char *error, size_t error_size);
void config_free(struct config *config);

// The effective configuration as YAML (free with free()), or NULL.
char *config_text(const struct config *config);

// The ports as the port module takes them; `configs` has room for PORTS_MAX. Returns how many.
unsigned int config_ports(const struct config *config, struct port_config *configs);

// The same of the realms, with the shards of their addresses.
void config_realms(const struct config *config, struct realms *realms);

// Names of the shards, as realms count them, from 1 on. Returns how many.
unsigned int config_shards(
	const struct config *config, char names[SL_SHARDS_MAX][SL_SHARD_NAME_MAX]);

// The file of plug-in `i`, as configured or in the folder that plug-ins are installed in.
const char *config_plugin(const struct config *config, unsigned int i, char *path, size_t size);
