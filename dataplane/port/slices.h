// The RTP ports of an address are cut into one contiguous slice for each worker, and a device that
// can look at UDP ports is told so: a slice as patterns of a port and the bits of it that count,
// which cover it exactly. Pure functions; the rules are made of them in flow.c.
#pragma once

#include <stdint.h>

#include "realms.h"

// UDP ports, from `first` up to but without `end`.
struct port_slice {
	uint32_t first; // even, as is
	uint32_t end;
};

struct port_pattern {
	uint16_t port;
	uint16_t mask; // set: this bit has to be as in `port`
};

#define PORT_PATTERNS_MAX 28 // of a slice: two for each bit but the lowest and highest

// Of addresses of `realm`. Slices differ by one pair of ports at most.
static inline struct port_slice port_slice_of(
	const struct realm *realm, unsigned int worker, unsigned int n_workers)
{
	unsigned int n_pairs = (realm->rtp_port_max + 1u - realm->rtp_port_min) / 2;

	return (struct port_slice){
		.first = realm->rtp_port_min + 2 * (n_pairs * worker / n_workers),
		.end = realm->rtp_port_min + 2 * (n_pairs * (worker + 1) / n_workers),
	};
}

// The fewest patterns that match the ports of a slice and no other; returns how many.
unsigned int port_slice_patterns(
	const struct port_slice *slice, struct port_pattern patterns[PORT_PATTERNS_MAX]);
