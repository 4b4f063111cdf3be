// Questions to the kernel's routing and neighbour tables, and its announcements of changes.
//
// A question is answered within the system call that asks it (rtnetlink runs in the sender's
// context), so asking does not wait for anybody and the answer needs no state.
#pragma once

#include <rte_ether.h>
#include <stdbool.h>

#include "sl_api.h"

struct mnl_socket;

struct netlink_route {
	unsigned int ifindex;	   // where it leaves
	struct sl_address gateway; // whose MAC it goes to: the destination itself where on link
};

struct netlink_neighbour {
	unsigned int ifindex;
	struct sl_address address;
	struct rte_ether_addr mac; // of use where `valid`
	bool valid;		   // may be sent to
	bool fresh; // the kernel believes in it, or is finding out: no need to ask it
	bool permanent;
};

// What matters of an interface: whether it is a VLAN of another (802.1Q).
struct netlink_link {
	unsigned int ifindex;
	unsigned int lower; // interface that it is on
	uint16_t vlan;	    // 0: no VLAN
	bool gone;
};

// A socket for questions, and one that announces changes; NULL with errno set.
struct mnl_socket *netlink_open(void);
struct mnl_socket *netlink_monitor_open(void);
void netlink_close(struct mnl_socket *socket);

// Returns 0 or a negative errno: -ENETUNREACH and relatives, also where the kernel has not got
// `source` (NULL: any).
int netlink_route_get(struct mnl_socket *socket, const struct sl_address *source,
	const struct sl_address *destination, struct netlink_route *route);

// Have an address (no port) on an interface, /32 or /128, without duplicate address detection, for
// so many seconds more: whoever does not prolong it in time loses it. Returns 0 or a negative
// errno.
int netlink_address_set(struct mnl_socket *socket, unsigned int ifindex,
	const struct sl_address *address, uint32_t lifetime_s);

// Returns 0 or a negative errno: -EADDRNOTAVAIL it is not there, with that length of its prefix.
int netlink_address_delete(
	struct mnl_socket *socket, unsigned int ifindex, const struct sl_address *address);

// `neighbour` has ifindex and address, the rest is filled in. -ENOENT: the kernel has no entry.
int netlink_neighbour_get(struct mnl_socket *socket, struct netlink_neighbour *neighbour);

// Have the kernel find out the neighbour's MAC, or make sure that it still holds.
int netlink_neighbour_probe(struct mnl_socket *socket, const struct netlink_neighbour *neighbour);

// Read a link message (RTM_NEWLINK, RTM_DELLINK). false: it is about none, or malformed.
struct nlmsghdr;
bool netlink_link_read(const struct nlmsghdr *message, struct netlink_link *link);

struct netlink_listener {
	void (*routes_changed)(void *arg);
	void (*link_changed)(void *arg, const struct netlink_link *link); // routes may have, too
	void (*neighbour_changed)(void *arg, const struct netlink_neighbour *neighbour);
	void *arg;
};

// Call `link_changed` for every interface there is. Returns 0 or a negative errno.
int netlink_links_get(struct mnl_socket *socket, const struct netlink_listener *listener);

// Read what has been announced. Returns 0, or -ENOBUFS where announcements were lost.
int netlink_monitor_read(struct mnl_socket *socket, const struct netlink_listener *listener);
