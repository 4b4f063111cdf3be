// Ports: where packets come from and go to. One `struct port` is one DPDK ethdev (af_xdp beside the
// kernel, or any vdev string), its kernel interface where it has one, and the addresses we answer
// media on. Next hops come from the kernel (netlink routes and neighbours).
#pragma once

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdint.h>

#include "sl_api.h"

#define PORT_NAME_BYTES	   16
#define PORT_ADDRESSES_MAX 8
#define PORTS_MAX	   8

struct port_config {
	char name[PORT_NAME_BYTES];	 // ours: "wan"
	char interface[PORT_NAME_BYTES]; // kernel interface, "": none (bare vdev)
	char vdev[256];			 // "": af_xdp on `interface`; else an EAL vdev string
	struct sl_address addresses[PORT_ADDRESSES_MAX]; // media addresses, port 0
	unsigned int n_addresses;
	uint16_t rtp_port_min; // of the range steered to us, same for all addresses
	uint16_t rtp_port_max;
	struct rte_ether_addr mac;	// bare vdev only: ours, all zero: the device's
	struct rte_ether_addr next_hop; // bare vdev only: where everything is sent
};

struct port {
	struct port_config config;
	uint16_t id; // ethdev
	uint16_t n_queues;
	unsigned int ifindex; // 0: no kernel interface
	struct rte_ether_addr mac;
	bool tx_checksum; // device computes IPv4 and UDP checksums
	uint16_t mtu;
};

// main lcore, after EAL is up: create, configure and start the ports with one rx and tx queue per
// worker (fewer where the device has fewer: then worker i polls queues i, i + n_workers, ...).
// A stale XDP program of a killed process is replaced. Returns 0 or a negative errno with `error`
// saying what and where.
int ports_open(struct port *ports, const struct port_config *configs, unsigned int n_ports,
	unsigned int n_workers, struct rte_mempool *pool, char *error, size_t error_size);
void ports_close(struct port *ports, unsigned int n_ports); // workers have stopped; detaches XDP

// Next hops. One table, written by the main lcore from netlink, read by workers. A leg keeps the
// index of its entry and looks at it per packet: route and MAC changes reach it without a new set.
struct next_hop {
	struct rte_ether_addr mac; // main: rw, workers: ro
	uint16_t port;		   // index into ports
	uint16_t vlan;		   // 0: none
	uint8_t usable;		   // 1: mac is known. Written last, with release
};

struct next_hops;

struct next_hops *next_hops_create(struct port *ports, unsigned int n_ports, int socket_id);
void next_hops_destroy(struct next_hops *hops);

// main lcore: resolve `destination` from `source` (one of our addresses) and hold an entry for it.
// Never blocks: the entry becomes usable when the kernel knows the neighbour (it is asked to
// probe). NULL with errno set: ENETUNREACH no route, or it leaves through an interface that is no
// port of ours; ENOMEM.
const struct next_hop *next_hop_hold(struct next_hops *hops, const struct sl_address *source,
	const struct sl_address *destination);
void next_hop_release(struct next_hops *hops, const struct next_hop *hop);

// main lcore: the netlink socket to watch, and what to call when it is readable and every 100 ms.
int next_hops_fd(const struct next_hops *hops);
void next_hops_poll(struct next_hops *hops, uint64_t now_ms);
