// Ports: where packets come from and go to. One `struct port` is one DPDK ethdev (af_xdp beside the
// kernel, or any vdev string) and its kernel interface where it has one. Which addresses we answer
// media on there is said by realms (realms.h). Next hops come from the kernel (netlink routes and
// neighbours), or are fixed.
#pragma once

#include <assert.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "log.h"
#include "realms.h"
#include "sl_api.h"

extern struct log_module log_port;

#define PORT_NAME_BYTES 16
#define PORTS_MAX	8

struct port_config {
	char name[PORT_NAME_BYTES];	 // ours: "wan"
	char interface[PORT_NAME_BYTES]; // kernel interface, "": none (bare vdev)
	char vdev[256];			 // "": af_xdp on `interface`; else an EAL vdev string, or
					 // the name of a device that EAL has already
	struct rte_ether_addr mac;	 // bare vdev only: ours, all zero: the device's
	struct rte_ether_addr next_hop;	 // bare vdev only: of realms that have none of their own
};

// How packets find the worker that owns their session.
enum port_steering {
	STEERING_NONE,	   // there is one worker
	STEERING_FLOW,	   // by rules of ours in the device (flow.h)
	STEERING_RSS,	   // spread by the device, or the kernel's driver, and handed over
	STEERING_HANDOVER, // received by few, and handed over
};

struct port {
	struct port_config config;
	uint16_t id; // ethdev
	uint16_t n_queues;
	uint16_t mtu;
	bool rss; // device spreads UDP over its queues
	enum port_steering steering;
	bool tx_checksum;     // device computes IPv4 and UDP checksums (mbuf tx offload flags)
	bool rx_checksum;     // UDP checksums of what it receives are whole, see ports_open()
	unsigned int ifindex; // 0: no kernel interface
	struct rte_ether_addr mac;
	bool hotplugged; // by ports_open(), so ports_close() removes it
	int lock_fd;	 // -1, or held while the interface is ours
};

struct ports_config {
	const struct port_config *ports;
	unsigned int n_ports;
	const struct realms *realms;
	unsigned int n_workers;
	struct rte_mempool *pool;
};

// main lcore, after EAL is up: create, configure and start the ports with one rx and tx queue per
// worker (fewer where the device has fewer; every rx queue of a kernel interface is ours, so it may
// have more: worker i polls queues i, i + n_workers, ... below n_queues). A stale XDP program of a
// killed process is replaced; one of somebody else's is an error. `pool` must be one chunk of
// memory for af_xdp, which a process can open once only: the driver of DPDK 22.11 keeps the queues
// of a closed port until the process ends. `realms` says which packets of a kernel interface are
// for us. Returns 0 or a negative errno with `error` saying what and where.
//
// Received packets may carry a UDP checksum that is only partial (af_xdp on a veth or tap whose
// peer offloads checksums): never update it incrementally, but where `rx_checksum` or the packet's
// flags say that it is whole; compute it anew, or send 0 over IPv4.
int ports_open(
	struct port *ports, const struct ports_config *config, char *error, size_t error_size);
void ports_close(struct port *ports, unsigned int n_ports); // workers have stopped; detaches XDP

// Counters of the device since it was opened: X(name).
#define PORT_COUNTERS(X) \
	X(rx_packets)    \
	X(rx_bytes)      \
	X(rx_missed)     \
	X(rx_errors)     \
	X(rx_no_mbuf)    \
	X(tx_packets)    \
	X(tx_bytes)      \
	X(tx_errors)

struct port_counters {
#define PORT_COUNTER_FIELD(name) uint64_t name;
	PORT_COUNTERS(PORT_COUNTER_FIELD)
#undef PORT_COUNTER_FIELD
};

// main lcore. Returns 0 or a negative errno.
int port_counters_get(const struct port *port, struct port_counters *counters);

// Next hops: where a packet from one of our addresses to a destination leaves, and to which MAC.
// One entry per (source, destination), shared by all that hold it; written by the main lcore from
// netlink, read by workers per packet, so that route and neighbour changes reach a leg without a
// new set. All that a worker needs is one word: it never sees half of a change.
struct next_hop {
	uint64_t word; // main: rw, workers: ro through next_hop_read()
};

#define NEXT_HOP_PORT_SHIFT 48 // bytes 0..5: MAC, then 3 bits of port
#define NEXT_HOP_VLAN_SHIFT 51 // 12 bits, 0: none
#define NEXT_HOP_USABLE	    (1ULL << 63)

static_assert(PORTS_MAX <= 8, "a port index has 3 bits in struct next_hop");

struct next_hop_view {
	struct rte_ether_addr mac;
	uint16_t port; // index into ports
	uint16_t vlan; // 0: none
};

// any lcore: the entry as it is now; a worker that keeps what it made of it compares.
static inline uint64_t next_hop_word(const struct next_hop *hop)
{
	return __atomic_load_n(&hop->word, __ATOMIC_RELAXED);
}

// any lcore: false while the neighbour's MAC is not known (or there is no route any more).
static inline bool next_hop_unpack(uint64_t word, struct next_hop_view *view)
{
	uint64_t bytes = rte_cpu_to_le_64(word);

	memcpy(&view->mac, &bytes, sizeof(view->mac));
	view->port = (word >> NEXT_HOP_PORT_SHIFT) & 7;
	view->vlan = (word >> NEXT_HOP_VLAN_SHIFT) & 0xfff;
	return word & NEXT_HOP_USABLE;
}

static inline bool next_hop_read(const struct next_hop *hop, struct next_hop_view *view)
{
	return next_hop_unpack(next_hop_word(hop), view);
}

struct next_hops;

struct next_hops *next_hops_create(
	const struct port *ports, unsigned int n_ports, const struct realms *realms);
void next_hops_destroy(struct next_hops *hops);

// main lcore: resolve `destination` from `source` (one of our addresses; ports are ignored) and
// hold an entry for it. Never blocks: the entry becomes usable when the kernel knows the neighbour
// (it is asked to probe, and asked again for as long as the entry is held). NULL with errno set:
// ENETUNREACH no route, or it leaves through an interface that is neither a port of ours nor a VLAN
// of one; EADDRNOTAVAIL source is none of our addresses; ENOMEM.
const struct next_hop *next_hop_hold(struct next_hops *hops, const struct sl_address *source,
	const struct sl_address *destination);

// main lcore: the last release frees the entry at once, so call it after the workers' grace period
// (RCU) like anything else that they read.
void next_hop_release(struct next_hops *hops, const struct next_hop *hop);

// main lcore: the kernel's interface that is this VLAN (0: none) of a port; 0: it has none.
unsigned int next_hops_interface(const struct next_hops *hops, unsigned int port, uint16_t vlan);

// main lcore: the netlink socket to watch, and what to call when it is readable and every 100 ms.
int next_hops_fd(const struct next_hops *hops);
void next_hops_poll(struct next_hops *hops, uint64_t now_ms);
