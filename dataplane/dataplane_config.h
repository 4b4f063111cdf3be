// The configuration of sluice-dataplane: one YAML file, defaults filled in, checked as a whole.
//
//   socket: /run/sluice/dataplane.sock    # of the API
//   cpus: {main: 0, workers: [1], transcoders: [0]}   # several may share one CPU
//   idle: false                # true: sleep a little when there is nothing to do (not in
//   production) memory: {hugepages: auto, megabytes: 512}         # auto: where enough of them are
//   free sessions_max: 10000 rtp_ports: {min: 16384, max: 32767}               # of each address
//   ports:
//     - {name: wan, interface: eth0, addresses: [192.0.2.1]}            # AF_XDP on a kernel
//     interface
//     - {name: bench, vdev: "net_memif0,role=client", addresses: [198.51.100.1],
//        mac: "02:00:00:00:00:01", next_hop: "02:00:00:00:00:02"}       # any DPDK device
//   log: {all: info, eal: warn}                       # error, warn, info, debug
//   eal: ["--no-pci"]          # further arguments of DPDK's
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

struct range_config {
	unsigned int min;
	unsigned int max;
};

struct port_entry {
	char *name;
	char *interface;
	char *vdev;
	char **addresses;
	unsigned int addresses_count;
	char *mac;
	char *next_hop;
};

// Levels as text, NULL: not set.
#define CONFIG_LOG_MODULES(X) \
	X(all)                \
	X(main)               \
	X(eal)                \
	X(server)             \
	X(port)

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
	struct range_config *rtp_ports;
	struct port_entry *ports;
	unsigned int ports_count;
	struct log_config *log;
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
