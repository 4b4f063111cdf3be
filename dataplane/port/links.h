// Which port and VLAN an interface of the kernel is: the port's own interface, or a VLAN
// sub-interface of it. Routes name interfaces; what leaves by one needs the port and the tag. main
// lcore only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netlink.h"
#include "port.h"

#define LINKS_MAX 256

struct link {
	unsigned int ifindex;
	uint16_t port;
	uint16_t vlan; // 0: the port's own interface
};

struct links {
	unsigned int n;
	struct link entries[LINKS_MAX];
};

void links_init(struct links *links, const struct port *ports, unsigned int n_ports);

// Take over what the kernel says about an interface: one on none of our ports is of no concern.
void links_update(struct links *links, const struct netlink_link *link);

// The interface that is this VLAN (0: none) of a port; 0: there is none.
unsigned int links_interface(const struct links *links, unsigned int port, uint16_t vlan);

// NULL: none of ours.
const struct link *links_find(const struct links *links, unsigned int ifindex);
