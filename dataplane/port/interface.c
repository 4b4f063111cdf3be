// See interface.h. The lock is an abstract unix address: it belongs to the network namespace as the
// interface does, needs no directory, and goes with its process however that ends.
#include "interface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int ask(int fd, unsigned long request, const char *name, struct ifreq *ifr)
{
	strncpy(ifr->ifr_name, name, IFNAMSIZ - 1);
	ifr->ifr_name[IFNAMSIZ - 1] = '\0';
	return ioctl(fd, request, ifr) ? -errno : 0;
}

// Drivers that cannot say have one queue.
static void query_queues(int fd, const char *name, struct interface_info *info)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (char *)&channels};

	info->n_rx_queues = 1;
	info->combined = true;
	if (ask(fd, SIOCETHTOOL, name, &ifr))
		return;
	info->combined = channels.combined_count > 0;
	if (channels.combined_count + channels.rx_count > 1)
		info->n_rx_queues = (uint16_t)(channels.combined_count + channels.rx_count);
}

static int query(int fd, const char *name, struct interface_info *info)
{
	struct ifreq ifr = {0};
	int ret = ask(fd, SIOCGIFINDEX, name, &ifr);

	if (ret)
		return ret;
	info->ifindex = (unsigned int)ifr.ifr_ifindex;
	ret = ask(fd, SIOCGIFHWADDR, name, &ifr);
	if (ret)
		return ret;
	memcpy(&info->mac, ifr.ifr_hwaddr.sa_data, sizeof(info->mac));
	ret = ask(fd, SIOCGIFMTU, name, &ifr);
	if (ret)
		return ret;
	info->mtu = ifr.ifr_mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)ifr.ifr_mtu;
	ret = ask(fd, SIOCGIFFLAGS, name, &ifr);
	if (ret)
		return ret;
	info->up = ifr.ifr_flags & IFF_UP;
	query_queues(fd, name, info);
	return 0;
}

int interface_query(const char *name, struct interface_info *info)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	memset(info, 0, sizeof(*info));
	ret = query(fd, name, info);
	close(fd);
	return ret;
}

int interface_lock(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(
		address.sun_path + 1, sizeof(address.sun_path) - 1, "sluice-interface-%s", name);
	socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)length;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&address, size))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}
