// SIP over UDP: batches in and out, and ICMP errors by IP_RECVERR.
//
// Subtle: with IP_RECVERR a queued ICMP error makes the next send or receive on the socket fail
// once, whoever it was for. So every failure first empties the error queue, which finds the
// message that the error belongs to, and then tries again.
#include <errno.h>
#include <time.h> // which linux/errqueue.h needs and does not include

#include <linux/errqueue.h>

#include <event2/event.h>

#include "message.h"
#include "stun.h"
#include "transport_internal.h"

enum { BATCHES_A_TURN = 32 };

// Errors that say the peer will not get it (18.4); others, such as "too big", mend themselves.
static bool is_final(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == EACCES;
}

static const struct sock_extended_err *extended_error(struct msghdr *header)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
			(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			return (const struct sock_extended_err *)CMSG_DATA(c);
	return NULL;
}

// Take one error off the queue. Returns false where there is none.
static bool error_take(struct listener *listener)
{
	struct flow flow = {.listener = listener};
	struct sockaddr_storage to;
	_Alignas(struct cmsghdr) char control[512];
	char data[2048];
	struct iovec io = {data, sizeof(data)};
	struct msghdr header = {.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	const struct sock_extended_err *error;
	ssize_t n = recvmsg(listener->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (n < 0)
		return false;
	error = extended_error(&header);
	if (!error || !is_final((int)error->ee_errno) || error->ee_origin == SO_EE_ORIGIN_LOCAL)
		return true;
	if (sip_address_from((struct sockaddr *)&to, header.msg_namelen, &flow.remote))
		return true;
	listener->transport->counters.icmp_errors++;
	transport_note_error(
		listener->transport, &flow, (int)error->ee_errno, (struct slice){data, (size_t)n});
	return true;
}

static void errors_take(struct listener *listener)
{
	for (unsigned int i = 0; i < TRANSPORT_QUEUE && error_take(listener); i++)
		;
}

struct inbox {
	struct mmsghdr headers[TRANSPORT_BATCH];
	struct iovec io[TRANSPORT_BATCH];
	struct sockaddr_storage from[TRANSPORT_BATCH];
	_Alignas(struct cmsghdr) char control[TRANSPORT_BATCH][CMSG_SPACE(sizeof(uint32_t))];
};

static void inbox_prepare(struct inbox *inbox, char *slots)
{
	for (unsigned int i = 0; i < TRANSPORT_BATCH; i++) {
		inbox->io[i] = (struct iovec){slots + i * (size_t)TRANSPORT_SLOT, TRANSPORT_SLOT};
		inbox->headers[i].msg_hdr = (struct msghdr){.msg_name = &inbox->from[i],
			.msg_namelen = sizeof(inbox->from[i]),
			.msg_iov = &inbox->io[i],
			.msg_iovlen = 1,
			.msg_control = inbox->control[i],
			.msg_controllen = sizeof(inbox->control[i])};
	}
}

static void datagram(struct listener *listener, struct mmsghdr *header)
{
	struct transport *transport = listener->transport;
	struct flow flow = {.listener = listener};
	char *data = header->msg_hdr.msg_iov->iov_base;

	if (sip_address_from(header->msg_hdr.msg_name, header->msg_hdr.msg_namelen, &flow.remote))
		return;
	if (header->msg_hdr.msg_flags & MSG_TRUNC || header->msg_len > MESSAGE_MAX_SIZE) {
		transport->counters.truncated++;
		return;
	}
	transport_receive(&flow, data, header->msg_len);
}

// What the kernel has dropped for want of room, told with the next datagram that it had room for.
static void overruns_take(struct listener *listener, struct msghdr *header)
{
	struct cmsghdr *c;
	uint32_t total;

	for (c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&total, CMSG_DATA(c), sizeof(total));
			listener->transport->counters.receive_overruns +=
				total - listener->overruns; // wraps
			listener->overruns = total;
		}
}

// Returns whether there may be more.
static bool batch_read(struct listener *listener)
{
	struct inbox inbox;
	int n;

	inbox_prepare(&inbox, listener->transport->inbox);
	n = recvmmsg(listener->fd, inbox.headers, TRANSPORT_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		errors_take(listener);
	if (n > 0)
		overruns_take(listener, &inbox.headers[n - 1].msg_hdr);
	for (int i = 0; i < n; i++)
		datagram(listener, &inbox.headers[i]);
	return n == TRANSPORT_BATCH;
}

// All that is there, within reason: what is in the kernel's queue is not sorted by what matters
// most, and is lost when the queue is full.
static void readable(evutil_socket_t, short, void *arg)
{
	for (int i = 0; i < BATCHES_A_TURN && batch_read(arg); i++)
		;
}

static void option(int fd, int level, int name, int value)
{
	// Of all of these the socket can do without.
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void options_set(int fd, int family)
{
	option(fd, SOL_SOCKET, SO_RCVBUF, 4 << 20);
	option(fd, SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20); // beyond rmem_max, where we may
	option(fd, SOL_SOCKET, SO_SNDBUF, 4 << 20);
	option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (family == AF_INET6) {
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	} else {
		option(fd, IPPROTO_IP, IP_RECVERR, 1);
		option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	}
}

int udp_open(struct listener *listener)
{
	int family = listener->address.any.sa_family;
	socklen_t length = sizeof(listener->address);

	listener->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return -errno;
	options_set(listener->fd, family);
	listener_options_set(listener);
	if (bind(listener->fd, &listener->address.any, sip_address_length(&listener->address)) ||
		getsockname(listener->fd, &listener->address.any, &length))
		return -errno;
	listener->event = event_new(
		listener->transport->base, listener->fd, EV_READ | EV_PERSIST, readable, listener);
	if (!listener->event || event_add(listener->event, NULL))
		return -ENOMEM;
	return 0;
}

// At once and not counted as a message; what is lost is asked for again.
void udp_stun(const struct flow *flow, struct slice data)
{
	char text[STUN_ANSWER_MAX];
	struct slice answer = stun_answer(data, &flow->remote, text);

	if (answer.n)
		(void)sendto(flow->listener->fd, answer.p, answer.n, MSG_DONTWAIT,
			&flow->remote.any, sip_address_length(&flow->remote));
}

static void outbox_prepare(
	struct mmsghdr *headers, struct iovec *io, const struct queued *messages, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct sip_address *to = (struct sip_address *)&messages[i].flow.remote;

		io[i] = (struct iovec){(char *)messages[i].data.p, messages[i].data.n};
		headers[i].msg_hdr = (struct msghdr){.msg_name = to,
			.msg_namelen = sip_address_length(to),
			.msg_iov = &io[i],
			.msg_iovlen = 1};
	}
}

// The first message of a batch was refused: again, in case the error was an old one of another.
static void send_again(
	struct listener *listener, struct mmsghdr *header, const struct queued *message)
{
	struct transport_counters *counters = &listener->transport->counters;

	errors_take(listener);
	if (sendmmsg(listener->fd, header, 1, MSG_DONTWAIT) == 1) {
		counters->sent++;
	} else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
		counters->send_dropped++;
	} else {
		counters->send_errors++;
		transport_note_error(listener->transport, &message->flow, errno, message->data);
	}
}

void udp_send(struct listener *listener, const struct queued *messages, unsigned int n)
{
	struct mmsghdr headers[TRANSPORT_QUEUE];
	struct iovec io[TRANSPORT_QUEUE];

	outbox_prepare(headers, io, messages, n);
	for (unsigned int at = 0; at < n;) {
		int sent = sendmmsg(listener->fd, headers + at, n - at, MSG_DONTWAIT);

		if (sent > 0) {
			listener->transport->counters.sent += (unsigned int)sent;
			at += (unsigned int)sent;
		} else {
			send_again(listener, headers + at, messages + at);
			at++;
		}
	}
}
