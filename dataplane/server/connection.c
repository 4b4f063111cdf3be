// Sending is direct while the socket takes it; the queue only holds what it did not take. It is
// bounded: responses stop when it is not empty (nothing is read then), so what grows it is events.
#include "connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define QUEUE_MAX    4096
#define BUFFER_BYTES (1 << 20)

struct packet {
	STAILQ_ENTRY(packet) next;
	size_t length;
	uint8_t bytes[];
};

struct connection *connection_create(int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int bytes = BUFFER_BYTES;

	if (!connection)
		return NULL;
	connection->fd = fd;
	STAILQ_INIT(&connection->queue);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return connection;
}

void connection_destroy(struct connection *connection)
{
	struct packet *packet;

	while ((packet = STAILQ_FIRST(&connection->queue))) {
		STAILQ_REMOVE_HEAD(&connection->queue, next);
		free(packet);
	}
	close(connection->fd);
	free(connection);
}

// Returns 0, -EAGAIN, or marks the connection as broken.
static int send_now(struct connection *connection, const struct iovec *parts, size_t n_parts)
{
	struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = n_parts};
	ssize_t sent;

	do {
		sent = sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS)
		return -EAGAIN;
	connection->broken = true;
	return -errno;
}

static void enqueue(struct connection *connection, const struct iovec *parts, size_t n_parts)
{
	struct packet *packet;
	size_t length = 0;

	for (size_t i = 0; i < n_parts; i++)
		length += parts[i].iov_len;
	packet = connection->n_queued < QUEUE_MAX ? malloc(sizeof(*packet) + length) : NULL;
	if (!packet) {
		connection->broken = true;
		return;
	}
	packet->length = 0;
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].iov_len)
			memcpy(packet->bytes + packet->length, parts[i].iov_base, parts[i].iov_len);
		packet->length += parts[i].iov_len;
	}
	STAILQ_INSERT_TAIL(&connection->queue, packet, next);
	connection->n_queued++;
}

void connection_send(struct connection *connection, uint16_t type, uint32_t request_id, int status,
	bool more, const void *payload, size_t length, const void *tail, size_t tail_length)
{
	struct sl_header header = {
		.length = (uint32_t)(sizeof(header) + length + tail_length),
		.type = type,
		.flags = more ? SL_MORE : 0,
		.request_id = request_id,
		.status = status,
	};
	const struct iovec parts[] = {
		{&header, sizeof(header)}, {(void *)payload, length}, {(void *)tail, tail_length}};

	if (connection->broken)
		return;
	if (connection->n_queued || send_now(connection, parts, 3) == -EAGAIN)
		enqueue(connection, parts, 3);
}

// Half of the socket's memory is for what must not be lost.
static bool has_room(const struct connection *connection)
{
	int unread, memory;
	socklen_t length = sizeof(memory);

	return ioctl(connection->fd, SIOCOUTQ, &unread) == 0 &&
	       getsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &memory, &length) == 0 &&
	       unread < memory / 2;
}

bool connection_offer(
	struct connection *connection, uint16_t type, const void *payload, size_t length)
{
	struct sl_header header = {.length = (uint32_t)(sizeof(header) + length), .type = type};
	const struct iovec parts[] = {{&header, sizeof(header)}, {(void *)payload, length}};

	if (connection->broken || connection->n_queued || !has_room(connection))
		return false;
	return send_now(connection, parts, 2) == 0;
}

void connection_flush(struct connection *connection)
{
	struct packet *packet;

	while (!connection->broken && (packet = STAILQ_FIRST(&connection->queue))) {
		const struct iovec part = {packet->bytes, packet->length};

		if (send_now(connection, &part, 1))
			return;
		STAILQ_REMOVE_HEAD(&connection->queue, next);
		connection->n_queued--;
		free(packet);
	}
}
