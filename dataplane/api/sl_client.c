// Client of the dataplane's socket. A request is one send() and is never queued here: where the
// socket is full the caller hears -EAGAIN and keeps the request.
#include "sl_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

struct sl_client {
	int fd;
	uint32_t last_id;
	_Alignas(8) uint8_t packet[SL_MESSAGE_MAX + 1]; // + 1: a longer packet is seen to be so
};

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int buffer_bytes = 1 << 20;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

// A request of up to two parts (the second may be empty).
static int64_t send_request(struct sl_client *client, enum sl_type type, const void *payload,
	size_t length, const void *tail, size_t tail_length)
{
	uint32_t id = client->last_id + 1 ? client->last_id + 1 : 1;
	struct sl_header header = {
		.length = (uint32_t)(sizeof(header) + length + tail_length),
		.type = (uint16_t)type,
		.request_id = id,
	};
	struct iovec parts[] = {
		{&header, sizeof(header)}, {(void *)payload, length}, {(void *)tail, tail_length}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
	ssize_t sent;

	do {
		sent = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == ENOBUFS ? -EAGAIN : -errno;
	client->last_id = id;
	return id;
}

struct sl_client *sl_client_open(const char *path, const char *name, unsigned int wants)
{
	struct sl_hello hello = {.version = SL_API_VERSION,
		.events = wants & SL_CLIENT_EVENTS,
		.punts = (wants & SL_CLIENT_PUNTS) != 0};
	struct sl_client *client = calloc(1, sizeof(*client));
	int64_t rc;

	if (!client)
		return NULL;
	client->fd = connect_to(path);
	if (client->fd < 0)
		goto fail;
	snprintf(hello.name, sizeof(hello.name), "%s", name);
	rc = send_request(client, SL_HELLO, &hello, sizeof(hello), NULL, 0);
	if (rc > 0)
		return client;
	close(client->fd);
	errno = (int)-rc;
fail:
	free(client);
	return NULL;
}

void sl_client_close(struct sl_client *client)
{
	if (!client)
		return;
	close(client->fd);
	free(client);
}

int sl_client_fd(const struct sl_client *client)
{
	return client->fd;
}

int64_t sl_client_session_set(
	struct sl_client *client, const struct sl_session *session, const void *record)
{
	return send_request(
		client, SL_SESSION_SET, session, sizeof(*session), record, session->record_length);
}

int64_t sl_client_session_delete(struct sl_client *client, const struct sl_id *id)
{
	return send_request(client, SL_SESSION_DELETE, id, sizeof(*id), NULL, 0);
}

int64_t sl_client_session_get(struct sl_client *client, const struct sl_id *id)
{
	return send_request(client, SL_SESSION_GET, id, sizeof(*id), NULL, 0);
}

int64_t sl_client_session_list(struct sl_client *client)
{
	return send_request(client, SL_SESSION_LIST, NULL, 0, NULL, 0);
}

int64_t sl_client_stats_get(struct sl_client *client)
{
	return send_request(client, SL_STATS_GET, NULL, 0, NULL, 0);
}

int64_t sl_client_stats_reset(struct sl_client *client)
{
	return send_request(client, SL_STATS_RESET, NULL, 0, NULL, 0);
}

int64_t sl_client_codecs_get(struct sl_client *client)
{
	return send_request(client, SL_CODECS_GET, NULL, 0, NULL, 0);
}

int64_t sl_client_dtmf(struct sl_client *client, const struct sl_dtmf *dtmf)
{
	return send_request(client, SL_DTMF, dtmf, sizeof(*dtmf), NULL, 0);
}

int64_t sl_client_profile(struct sl_client *client, bool on)
{
	const struct sl_profile profile = {.on = on};

	return send_request(client, SL_PROFILE, &profile, sizeof(profile), NULL, 0);
}

int64_t sl_client_inject(struct sl_client *client, const struct sl_datagram *datagram)
{
	return send_request(client, SL_INJECT, datagram, sizeof(*datagram), NULL, 0);
}

int64_t sl_client_shard_set(struct sl_client *client, const struct sl_shard *shard)
{
	return send_request(client, SL_SHARD_SET, shard, sizeof(*shard), NULL, 0);
}

int64_t sl_client_shard_list(struct sl_client *client)
{
	return send_request(client, SL_SHARD_LIST, NULL, 0, NULL, 0);
}

int64_t sl_client_marks_get(struct sl_client *client, const char *shard)
{
	struct sl_shard_name name = {};

	if (strlen(shard) >= sizeof(name.name))
		return -EINVAL;
	memcpy(name.name, shard, strlen(shard));
	return send_request(client, SL_MARKS_GET, &name, sizeof(name), NULL, 0);
}

int64_t sl_client_marks_set(struct sl_client *client, const struct sl_mark *marks, size_t n)
{
	if (n > SL_MARKS_MAX)
		return -EINVAL;
	return send_request(client, SL_MARKS_SET, marks, n * sizeof(*marks), NULL, 0);
}

int sl_client_receive(struct sl_client *client, struct sl_message *message)
{
	ssize_t n;

	do {
		n = recv(client->fd, client->packet, sizeof(client->packet), MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -EPIPE;
	if (n < 0)
		return -errno;
	return sl_message_parse(client->packet, (size_t)n, message);
}
