// Listening for others that say they have an address of ours: a packet socket on each interface,
// since ARP and neighbour discovery are the kernel's and pass us by. main lcore only.
#pragma once

#include "address_claim.h"

#define CONFLICTS_INTERFACES 64

struct conflicts {
	int epoll;
	unsigned int n;
	struct {
		unsigned int ifindex;
		int fds[2]; // ARP, IPv6
	} interfaces[CONFLICTS_INTERFACES];
};

// Returns 0 or a negative errno.
int conflicts_init(struct conflicts *conflicts);
void conflicts_fini(struct conflicts *conflicts);

// Listen on an interface from now on; more than once is as good as once. Returns 0 or a negative
// errno.
int conflicts_watch(struct conflicts *conflicts, unsigned int ifindex);

// The next claim that somebody made, whoever it is; false: no more for now.
bool conflicts_next(struct conflicts *conflicts, struct claim *claim);
