// See netlink.h. Subtle: "use" (NTF_USE) is how a program whose packets bypass the kernel tells it
// that a neighbour matters: an unknown one is resolved, a stale one is probed.
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_BYTES	     8192
#define MONITOR_BUFFER_BYTES (1 << 20)
#define READS_MAX	     64 // in one call, that a storm of changes does not hold the caller

#define NUD_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)
#define NUD_FRESH \
	(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_DELAY | NUD_INCOMPLETE)

static const unsigned int groups[] = {RTNLGRP_NEIGH, RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV4_RULE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE,
	RTNLGRP_IPV6_IFADDR};

static unsigned char family_of(const struct sl_address *address)
{
	return address->family == SL_IPV6 ? AF_INET6 : AF_INET;
}

static uint16_t length_of(const struct sl_address *address)
{
	return address->family == SL_IPV6 ? 16 : 4;
}

// false where the family or length is none of IP's.
static bool address_set(struct sl_address *address, int family, const void *bytes, size_t length)
{
	*address = (struct sl_address){.family = family == AF_INET6 ? SL_IPV6 : SL_IPV4};
	if ((family != AF_INET && family != AF_INET6) || length != length_of(address))
		return false;
	memcpy(address->bytes, bytes, length);
	return true;
}

struct mnl_socket *netlink_open(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int error;

	if (!socket || !mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID))
		return socket;
	error = errno;
	mnl_socket_close(socket);
	errno = error;
	return NULL;
}

struct mnl_socket *netlink_monitor_open(void)
{
	struct mnl_socket *socket = netlink_open();
	int bytes = MONITOR_BUFFER_BYTES;
	int error, group;

	if (!socket)
		return NULL;
	// Best effort: with less, ENOBUFS comes sooner.
	setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		group = (int)groups[i];
		if (!mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			continue;
		error = errno;
		mnl_socket_close(socket);
		errno = error;
		return NULL;
	}
	return socket;
}

void netlink_close(struct mnl_socket *socket)
{
	mnl_socket_close(socket);
}

static unsigned int sequence; // of the last request; main lcore only

// Send the request in `buffer` and read its answer into the same. Answers of earlier requests that
// nobody waited for are skipped. Returns 0 or the kernel's negative errno.
static int query(struct mnl_socket *socket, char *buffer, mnl_cb_t parse, void *arg)
{
	struct nlmsghdr *message = (struct nlmsghdr *)buffer;
	unsigned int portid = mnl_socket_get_portid(socket);
	unsigned int expected = ++sequence;
	ssize_t n;
	int ret;

	message->nlmsg_seq = expected;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(socket, buffer, BUFFER_BYTES);
		if (n < 0)
			return -errno;
	} while ((size_t)n >= sizeof(*message) && message->nlmsg_seq != expected);
	ret = mnl_cb_run(buffer, (size_t)n, expected, portid, parse, arg);
	return ret < 0 ? -errno : 0;
}

static int parse_route(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(message);
	struct netlink_route *route = arg;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWROUTE || rtm->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*rtm))
	{
		const void *bytes = mnl_attr_get_payload(attr);
		size_t length = mnl_attr_get_payload_len(attr);
		const struct rtvia *via = bytes;

		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			route->ifindex = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
			address_set(&route->gateway, rtm->rtm_family, bytes, length);
			break;
		case RTA_VIA: // of the other family: IPv4 through an IPv6 router
			if (length > sizeof(*via))
				address_set(&route->gateway, via->rtvia_family, via->rtvia_addr,
					length - sizeof(*via));
			break;
		}
	}
	return MNL_CB_OK;
}

int netlink_route_get(struct mnl_socket *socket, const struct sl_address *source,
	const struct sl_address *destination, struct netlink_route *route)
{
	alignas(struct nlmsghdr) char buffer[BUFFER_BYTES];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *rtm;
	struct netlink_route found = {.gateway = *destination};
	int ret;

	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(message, sizeof(*rtm));
	rtm->rtm_family = family_of(destination);
	rtm->rtm_dst_len = (unsigned char)(length_of(destination) * 8);
	mnl_attr_put(message, RTA_DST, length_of(destination), destination->bytes);
	if (source) {
		rtm->rtm_src_len = (unsigned char)(length_of(source) * 8);
		mnl_attr_put(message, RTA_SRC, length_of(source), source->bytes);
	}
	ret = query(socket, buffer, parse_route, &found);
	if (ret)
		return ret;
	if (!found.ifindex)
		return -ENETUNREACH; // local, blackhole, multicast ...
	found.gateway.port = 0;
	*route = found;
	return 0;
}

static struct nlmsghdr *address_request(char *buffer, uint16_t type, uint16_t flags,
	unsigned int ifindex, const struct sl_address *address)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *ifa;

	message->nlmsg_type = type;
	message->nlmsg_flags = flags | NLM_F_REQUEST | NLM_F_ACK;
	ifa = mnl_nlmsg_put_extra_header(message, sizeof(*ifa));
	ifa->ifa_family = family_of(address);
	ifa->ifa_prefixlen = (unsigned char)(length_of(address) * 8);
	ifa->ifa_flags = IFA_F_NODAD;
	ifa->ifa_index = ifindex;
	mnl_attr_put(message, IFA_LOCAL, length_of(address), address->bytes);
	mnl_attr_put(message, IFA_ADDRESS, length_of(address), address->bytes);
	return message;
}

int netlink_address_set(struct mnl_socket *socket, unsigned int ifindex,
	const struct sl_address *address, uint32_t lifetime_s)
{
	const struct ifa_cacheinfo lifetime = {.ifa_prefered = lifetime_s, .ifa_valid = lifetime_s};
	alignas(struct nlmsghdr) char buffer[BUFFER_BYTES];
	struct nlmsghdr *message = address_request(
		buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, address);

	mnl_attr_put(message, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	return query(socket, buffer, NULL, NULL);
}

int netlink_address_delete(
	struct mnl_socket *socket, unsigned int ifindex, const struct sl_address *address)
{
	alignas(struct nlmsghdr) char buffer[BUFFER_BYTES];

	address_request(buffer, RTM_DELADDR, 0, ifindex, address);
	return query(socket, buffer, NULL, NULL);
}

// false where the message is about no IP neighbour.
static bool read_neighbour(const struct nlmsghdr *message, struct netlink_neighbour *neighbour)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;
	bool addressed = false;

	memset(neighbour, 0, sizeof(*neighbour));
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*ndm))
		return false;
	neighbour->ifindex = (unsigned int)ndm->ndm_ifindex;
	neighbour->fresh = ndm->ndm_state & NUD_FRESH;
	neighbour->permanent = ndm->ndm_state & (NUD_PERMANENT | NUD_NOARP);
	mnl_attr_for_each(attr, message, sizeof(*ndm))
	{
		const void *bytes = mnl_attr_get_payload(attr);
		size_t length = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == NDA_DST) {
			addressed =
				address_set(&neighbour->address, ndm->ndm_family, bytes, length);
		} else if (mnl_attr_get_type(attr) == NDA_LLADDR &&
			   length == sizeof(neighbour->mac)) {
			memcpy(&neighbour->mac, bytes, length);
			neighbour->valid = ndm->ndm_state & NUD_VALID;
		}
	}
	if (message->nlmsg_type == RTM_DELNEIGH)
		neighbour->valid = neighbour->fresh = neighbour->permanent = false;
	return addressed;
}

static int parse_neighbour(const struct nlmsghdr *message, void *arg)
{
	struct netlink_neighbour *neighbour = arg, found;

	if (message->nlmsg_type == RTM_NEWNEIGH && read_neighbour(message, &found))
		*neighbour = found;
	return MNL_CB_OK;
}

static struct nlmsghdr *neighbour_request(
	char *buffer, uint16_t type, uint16_t flags, const struct netlink_neighbour *neighbour)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *ndm;

	message->nlmsg_type = type;
	message->nlmsg_flags = flags;
	ndm = mnl_nlmsg_put_extra_header(message, sizeof(*ndm));
	ndm->ndm_family = family_of(&neighbour->address);
	ndm->ndm_ifindex = (int)neighbour->ifindex;
	mnl_attr_put(message, NDA_DST, length_of(&neighbour->address), neighbour->address.bytes);
	return message;
}

int netlink_neighbour_get(struct mnl_socket *socket, struct netlink_neighbour *neighbour)
{
	alignas(struct nlmsghdr) char buffer[BUFFER_BYTES];

	neighbour_request(buffer, RTM_GETNEIGH, NLM_F_REQUEST, neighbour);
	return query(socket, buffer, parse_neighbour, neighbour);
}

int netlink_neighbour_probe(struct mnl_socket *socket, const struct netlink_neighbour *neighbour)
{
	alignas(struct nlmsghdr) char buffer[BUFFER_BYTES];
	struct nlmsghdr *message = neighbour_request(
		buffer, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, neighbour);
	struct ndmsg *ndm = mnl_nlmsg_get_payload(message);

	ndm->ndm_state = NUD_NONE;
	ndm->ndm_flags = NTF_USE;
	return query(socket, buffer, NULL, NULL);
}

// Of IFLA_LINKINFO: the number of an 802.1Q VLAN, or 0.
static uint16_t read_vlan(const struct nlattr *info)
{
	const struct nlattr *attr, *data = NULL;
	uint16_t protocol = htons(ETH_P_8021Q), vlan = 0;
	bool is_vlan = false;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			is_vlan = mnl_attr_get_payload_len(attr) >= 4 &&
				  !memcmp(mnl_attr_get_payload(attr), "vlan", 4);
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (!is_vlan || !data)
		return 0;
	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_payload_len(attr) < sizeof(uint16_t))
			continue;
		if (mnl_attr_get_type(attr) == IFLA_VLAN_ID)
			vlan = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL)
			protocol = mnl_attr_get_u16(attr);
	}
	return protocol == htons(ETH_P_8021Q) ? vlan & 0xfff : 0;
}

bool netlink_link_read(const struct nlmsghdr *message, struct netlink_link *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;

	if ((message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*ifi))
		return false;
	*link = (struct netlink_link){.ifindex = (unsigned int)ifi->ifi_index,
		.gone = message->nlmsg_type == RTM_DELLINK};
	mnl_attr_for_each(attr, message, sizeof(*ifi))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_LINK:
			if (mnl_attr_get_payload_len(attr) >= sizeof(uint32_t))
				link->lower = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINKINFO:
			link->vlan = read_vlan(attr);
			break;
		case IFLA_LINK_NETNSID: // `lower` is a number of another namespace
			*link = (struct netlink_link){.ifindex = link->ifindex, .gone = true};
			return true;
		}
	}
	return true;
}

static int parse_link(const struct nlmsghdr *message, void *arg)
{
	const struct netlink_listener *listener = arg;
	struct netlink_link link;

	if (netlink_link_read(message, &link))
		listener->link_changed(listener->arg, &link);
	return MNL_CB_OK;
}

int netlink_links_get(struct mnl_socket *socket, const struct netlink_listener *listener)
{
	alignas(struct nlmsghdr) char buffer[BUFFER_BYTES * 4];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	unsigned int expected = ++sequence;
	int ret = MNL_CB_OK;

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = expected;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		if (n < 0)
			return -errno;
		if ((size_t)n >= sizeof(*message) && message->nlmsg_seq == expected)
			ret = mnl_cb_run(buffer, (size_t)n, expected, mnl_socket_get_portid(socket),
				parse_link, (void *)(uintptr_t)listener);
	} while (ret == MNL_CB_OK);
	return ret < 0 ? -errno : 0;
}

// An address that was there, and is to stay longer.
static bool is_prolonged(const struct nlmsghdr *message)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct ifaddrmsg))
	{
		const struct ifa_cacheinfo *lifetime = mnl_attr_get_payload(attr);

		if (mnl_attr_get_type(attr) == IFA_CACHEINFO &&
			mnl_attr_get_payload_len(attr) >= sizeof(*lifetime))
			return lifetime->cstamp != lifetime->tstamp;
	}
	return false;
}

static int parse_announcement(const struct nlmsghdr *message, void *arg)
{
	const struct netlink_listener *listener = arg;
	struct netlink_neighbour neighbour;

	switch (message->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (read_neighbour(message, &neighbour))
			listener->neighbour_changed(listener->arg, &neighbour);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		parse_link(message, arg);
		listener->routes_changed(listener->arg);
		break;
	case RTM_NEWADDR:
		if (!is_prolonged(message))
			listener->routes_changed(listener->arg);
		break;
	default:
		listener->routes_changed(listener->arg);
		break;
	}
	return MNL_CB_OK;
}

int netlink_monitor_read(struct mnl_socket *socket, const struct netlink_listener *listener)
{
	alignas(struct nlmsghdr) char buffer[BUFFER_BYTES * 4];
	ssize_t n;

	for (unsigned int i = 0; i < READS_MAX; i++) {
		n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (n < 0)
			return errno == ENOBUFS ? -ENOBUFS : 0;
		mnl_cb_run(buffer, (size_t)n, 0, 0, parse_announcement, (void *)listener);
	}
	return 0;
}
