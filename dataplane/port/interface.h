// What the kernel knows about a network interface: the few questions that a port asks at start.
#pragma once

#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>

struct interface_info {
	unsigned int ifindex;
	struct rte_ether_addr mac;
	uint16_t mtu;
	uint16_t n_rx_queues;
	bool combined; // rx and tx queues come in pairs, as the af_xdp driver wants more than one
	bool up;
};

// Returns 0 or a negative errno: -ENODEV no such interface.
int interface_query(const char *name, struct interface_info *info);

// Say that this interface is ours, for as long as the descriptor is open or we live; other
// processes of the network namespace that ask get -EADDRINUSE. Returns the descriptor or a negative
// errno.
int interface_lock(const char *name);
