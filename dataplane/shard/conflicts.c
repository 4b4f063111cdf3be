// See conflicts.h. A filter in the kernel lets only ARP and neighbour advertisements through, so a
// busy interface does not wake us; and what a storm of them is beyond the socket's buffer is lost,
// which matters not, as they repeat themselves.
#include "conflicts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <rte_common.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_MAX   64
#define FRAME_BYTES 256

// ICMPv6 (next header 58) of type 136, without extension headers.
static struct sock_filter advertisements[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 6),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, 3),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 40),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, FRAME_BYTES),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static int open_socket(unsigned int ifindex, uint16_t protocol)
{
	const struct sock_fprog program = {RTE_DIM(advertisements), advertisements};
	const struct sockaddr_ll at = {.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = (int)ifindex};
	// Of no protocol until it is bound: else it would hear all interfaces meanwhile.
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	if ((protocol != ETH_P_IPV6 ||
		    !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program))) &&
		!bind(fd, (const struct sockaddr *)&at, sizeof(at)))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int conflicts_init(struct conflicts *conflicts)
{
	conflicts->n = 0;
	conflicts->epoll = epoll_create1(EPOLL_CLOEXEC);
	return conflicts->epoll < 0 ? -errno : 0;
}

void conflicts_fini(struct conflicts *conflicts)
{
	for (unsigned int i = 0; i < 2 * conflicts->n; i++)
		close(conflicts->interfaces[i / 2].fds[i % 2]);
	if (conflicts->epoll >= 0)
		close(conflicts->epoll);
}

int conflicts_watch(struct conflicts *conflicts, unsigned int ifindex)
{
	static const uint16_t protocols[] = {ETH_P_ARP, ETH_P_IPV6};
	int fds[2];

	for (unsigned int i = 0; i < conflicts->n; i++)
		if (conflicts->interfaces[i].ifindex == ifindex)
			return 0;
	if (conflicts->n == CONFLICTS_INTERFACES)
		return -ENOSPC;
	for (unsigned int i = 0; i < 2; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		fds[i] = open_socket(ifindex, protocols[i]);
		if (fds[i] < 0) {
			if (i)
				close(fds[0]);
			return fds[i];
		}
		event.data.fd = fds[i];
		epoll_ctl(conflicts->epoll, EPOLL_CTL_ADD, fds[i], &event);
	}
	conflicts->interfaces[conflicts->n].ifindex = ifindex;
	conflicts->interfaces[conflicts->n].fds[0] = fds[0];
	conflicts->interfaces[conflicts->n++].fds[1] = fds[1];
	return 0;
}

static bool read_claim(int fd, struct claim *claim)
{
	uint8_t frame[FRAME_BYTES];
	struct sockaddr_ll from;

	for (unsigned int i = 0; i < READS_MAX; i++) {
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &size);

		if (n < 0)
			return false;
		if (from.sll_pkttype != PACKET_OUTGOING && claim_parse(frame, (size_t)n, claim))
			return true;
	}
	return false;
}

bool conflicts_next(struct conflicts *conflicts, struct claim *claim)
{
	struct epoll_event events[2];
	int n = epoll_wait(conflicts->epoll, events, 2, 0);

	for (int i = 0; i < n; i++)
		if (read_claim(events[i].data.fd, claim))
			return true;
	return false;
}
