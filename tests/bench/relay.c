// See relay.h.
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <rte_byteorder.h>
#include <stdio.h>
#include <string.h>

#include "sl_client.h"

#define WAIT_MS	  5000
#define IN_FLIGHT 32

static struct sl_address address_of(const struct endpoint *endpoint)
{
	struct sl_address address = {.family = SL_IPV4, .port = endpoint->port};
	uint32_t ip = rte_cpu_to_be_32(endpoint->ip);

	memcpy(address.bytes, &ip, sizeof(ip));
	return address;
}

static void fill_session(struct sl_session *session, unsigned int index, uint32_t media_ip,
	const struct session_ends *ends)
{
	struct endpoint any_port = {.ip = media_ip};

	memset(session, 0, sizeof(*session));
	memcpy(session->id.bytes, &index, sizeof(index));
	session->n_legs = 2;
	for (uint8_t i = 0; i < 2; i++)
		session->legs[i] = (struct sl_leg){
			.local = address_of(&any_port),
			.remote = address_of(&ends->remote[i]),
			.flags = SL_LEG_RECEIVE | SL_LEG_SEND,
			.source = !i,
			.transport = SL_NO_LEG,
			.source_rule = SL_SOURCE_STRICT,
			.n_formats = 1,
			.formats = {{.name = "PCMU",
				.clock_hz = 8000,
				.channels = 1,
				.ptime_ms = 20,
				.complexity = 0xff}},
		};
}

static int take_answer(const struct sl_message *message, struct session_ends *ends, unsigned int n)
{
	const struct sl_session *session;
	unsigned int index;

	if (message->type != SL_SESSION_SET)
		return 0; // the welcome
	session = message->status ? NULL : sl_payload_session(message, NULL);
	if (!session) {
		fprintf(stderr, "session refused: %s\n", strerror(-message->status));
		return -1;
	}
	memcpy(&index, session->id.bytes, sizeof(index));
	if (index >= n)
		return -1;
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t ip;

		memcpy(&ip, session->legs[i].local.bytes, sizeof(ip));
		ends[index].local[i].ip = rte_be_to_cpu_32(ip);
		ends[index].local[i].port = session->legs[i].local.port;
	}
	return 1;
}

// Read answers until at most `most` are outstanding. Returns how many are, or -1.
static int collect(struct sl_client *client, struct session_ends *ends, unsigned int n,
	int outstanding, int most)
{
	struct pollfd poll_fd = {.fd = sl_client_fd(client), .events = POLLIN};
	struct sl_message message;
	int ret;

	while (outstanding > most) {
		ret = sl_client_receive(client, &message);
		if (ret == -EAGAIN && poll(&poll_fd, 1, WAIT_MS) == 1)
			continue;
		if (ret) {
			fprintf(stderr, "dataplane does not answer: %s\n", strerror(-ret));
			return -1;
		}
		ret = take_answer(&message, ends, n);
		if (ret < 0)
			return -1;
		outstanding -= ret;
	}
	return outstanding;
}

static int set_all(
	struct sl_client *client, uint32_t media_ip, struct session_ends *ends, unsigned int n)
{
	struct sl_session session;
	int outstanding = 0;
	int64_t id;

	for (unsigned int i = 0; i < n; i++) {
		fill_session(&session, i, media_ip, &ends[i]);
		id = sl_client_session_set(client, &session, NULL);
		if (id < 0) {
			fprintf(stderr, "session %u: %s\n", i, strerror((int)-id));
			return -1;
		}
		outstanding = collect(client, ends, n, outstanding + 1, IN_FLIGHT);
		if (outstanding < 0)
			return -1;
	}
	return collect(client, ends, n, outstanding, 0);
}

int relay_sessions_set(
	const char *socket, uint32_t media_ip, struct session_ends *ends, unsigned int n)
{
	struct sl_client *client = sl_client_open(socket, "bench", false);
	int ret;

	if (!client) {
		fprintf(stderr, "%s: %s\n", socket, strerror(errno));
		return -1;
	}
	ret = set_all(client, media_ip, ends, n);
	sl_client_close(client);
	return ret;
}
