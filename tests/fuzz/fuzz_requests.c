// Requests that hold together, in sequences: sessions are set, set again, shown, listed, deleted,
// and everything else is asked in between. A session begins as one that is right, and the input
// says which of its bytes are others, so that most get past the first checks; fuzz_api is for bytes
// of any kind. What was answered well must be well when it is asked again.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "input.h"
#include "log_server.h"
#include "media.h"
#include "requests.h"
#include "sl_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX    64
#define SESSIONS     4
#define PACKETS_EACH 3

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_requests: %s\n", what);
	abort();
}

// ---- the server, and one client's connection ----

static struct request_context *context;
static struct connection *connection;
static int client_fd;

static struct answer {
	_Alignas(8) uint8_t bytes[SL_MESSAGE_MAX + 1];
	struct sl_message message; // of the last
	unsigned int n;
} answer;

static void start(void)
{
	static struct server_counters counters;
	static struct server_config config = {.sessions_max = 100};
	static struct request_context the_context = {.config = &config};

	static const struct path_size size = {.megabytes = "128",
		.sessions_max = 100,
		.n_udp_ports = 64,
		.n_addresses = {1, 1},
		.sharded = true};

	path_start();
	path_open_sized(2, &size);
	atexit(path_close); // the leak checker does not see into DPDK's memory
	config.sessions = path.sessions;
	config.workers = path.workers;
	log_server.level = LOG_LEVEL_ERROR;
	config.shards = path.shards;
	context = &the_context;
	context->stats = stats_create(&counters);
	context->injector = injector_create(path.hops, path.sessions, path.workers);
	must(context->stats && context->injector, "no memory");
}

static void connect_client(void)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0, "no socket");
	connection = connection_create(fds[0]);
	must(connection != NULL, "no connection");
	client_fd = fds[1];
}

static void disconnect_client(void)
{
	connection_destroy(connection);
	close(client_fd);
}

// Ask, and take all answers: the last stays. A client that does not keep the rules is thrown out.
static void ask(uint16_t type, const void *payload, size_t length)
{
	static _Alignas(8) uint8_t packet[SL_MESSAGE_MAX];
	struct sl_header header = {
		.length = (uint32_t)(sizeof(header) + length), .type = type, .request_id = 7};
	ssize_t n;

	memcpy(packet, &header, sizeof(header));
	if (length)
		memcpy(packet + sizeof(header), payload, length);
	request_handle(context, connection, packet, header.length);
	answer.n = 0;
	while ((n = recv(client_fd, answer.bytes, sizeof(answer.bytes), MSG_DONTWAIT)) > 0) {
		must(sl_message_parse(answer.bytes, (size_t)n, &answer.message) == 0,
			"an answer that is malformed");
		answer.n += answer.message.response;
		must(!answer.message.response || answer.message.type == type ||
				answer.message.status == -EPROTO,
			"an answer to something else");
	}
	must(answer.n > 0, "no answer");
	if (!connection->closing)
		return;
	must(answer.message.status == -EPROTO, "the connection ends without a reason");
	disconnect_client();
	connect_client();
	connection->greeted = true;
}

// ---- sessions ----

static uint64_t shard_epoch; // the highest that has been heard of

// Epochs only grow: begin anew before they end.
static void renew_shards(void)
{
	path_renew_shards();
	((struct server_config *)(uintptr_t)context->config)->shards = path.shards;
	shard_epoch = 0;
}

static void describe_secure(struct sl_session *session)
{
	for (uint8_t i = 0; i < 2; i++) {
		session->legs[i].srtp_receive =
			(struct sl_srtp){.suite = (uint8_t)(1 + i), .key = {1, i}};
		session->legs[i].srtp_send =
			(struct sl_srtp){.suite = (uint8_t)(1 + i), .key = {2, i}};
	}
}

static void describe_transcoded(struct sl_session *session)
{
	session->legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
}

static void describe_opaque(struct sl_session *session)
{
	for (unsigned int i = 0; i < 2; i++) {
		session->legs[i].flags |= SL_LEG_OPAQUE;
		session->legs[i].n_formats = 0;
		memset(session->legs[i].formats, 0, sizeof(session->legs[i].formats));
	}
}

static void describe_many(struct sl_session *session)
{
	session->n_legs = SL_LEGS_MAX;
	for (unsigned int i = 2; i < SL_LEGS_MAX; i++)
		session->legs[i] = session->legs[i % 2];
}

static void describe_bundle(struct sl_session *session)
{
	static const uint8_t sources[] = {2, 3, 0, 1};

	session->n_legs = 4;
	session->legs[2] = session->legs[0];
	session->legs[3] = session->legs[1];
	for (unsigned int i = 0; i < 4; i++) {
		struct sl_leg *leg = &session->legs[i];

		leg->source = sources[i];
		leg->mid_extension = 1;
		snprintf(leg->mid, sizeof(leg->mid), "m%u", i / 2);
		leg->flags |= i < 2 ? SL_LEG_RTCP_MUX : 0;
		if (i < 2)
			continue;
		leg->transport = (uint8_t)(i - 2);
		memset(&leg->local, 0, sizeof(leg->local));
		memset(&leg->remote, 0, sizeof(leg->remote));
	}
}

static void describe_plain(struct sl_session *)
{
}

static struct sl_session describe(struct input *input)
{
	static void (*const kinds[])(struct sl_session * session) = {describe_plain,
		describe_secure, describe_transcoded, describe_opaque, describe_many,
		describe_bundle};
	uint8_t what = take(input);
	struct sl_session session = rig_session(1 + what % SESSIONS);
	uint8_t *bytes = (uint8_t *)&session;

	kinds[what / SESSIONS % RTE_DIM(kinds)](&session);
	for (unsigned int i = take(input) % 16; i > 0; i--) {
		size_t at = (size_t)take(input) << 8 | take(input);

		// Behind the id: these are for finding a session again.
		at = sizeof(session.id) + at % (sizeof(session) - sizeof(session.id));
		bytes[at] = take(input);
	}
	return session;
}

static bool has_keys(const struct sl_session *session)
{
	for (unsigned int i = 0; i < session->n_legs; i++)
		if (session->legs[i].srtp_send.suite || session->legs[i].srtp_receive.suite)
			return true;
	return false;
}

// What the answer says is in force is a right state itself, and setting it changes nothing.
static void set_again(const struct sl_session *in_force)
{
	struct sl_session again = *in_force;

	ask(SL_SESSION_SET, &again, sizeof(again));
	must(answer.message.status == 0, "what was in force is refused");
	must(answer.message.payload_length == sizeof(again) &&
			!memcmp(answer.message.payload, &again, sizeof(again)),
		"what was in force has changed by setting it");
}

static void step_set(struct input *input)
{
	static struct {
		struct sl_session session;
		uint8_t record[SL_RECORD_MAX];
	} wanted;
	struct sl_session in_force;

	wanted.session = describe(input);
	if (wanted.session.record_length > SL_RECORD_MAX)
		wanted.session.record_length %= SL_RECORD_MAX;
	ask(SL_SESSION_SET, &wanted, sizeof(wanted.session) + wanted.session.record_length);
	if (answer.message.status || !answer.message.payload_length)
		return;
	in_force = *(const struct sl_session *)answer.message.payload;
	for (unsigned int i = 0; i < SL_LEGS_MAX; i++) {
		static const uint8_t none[SL_SRTP_KEY_MAX];

		must(!memcmp(in_force.legs[i].srtp_send.key, none, sizeof(none)) &&
				!memcmp(in_force.legs[i].srtp_receive.key, none, sizeof(none)),
			"an answer tells a key");
	}
	if (!has_keys(&in_force))
		set_again(&in_force);
}

static struct sl_id choose_id(struct input *input)
{
	return rig_id(1 + take(input) % (SESSIONS + 1));
}

static void step_get(struct input *input)
{
	struct sl_id id = choose_id(input);

	ask(SL_SESSION_GET, &id, sizeof(id));
}

static void step_delete(struct input *input)
{
	struct sl_id id = choose_id(input);
	bool there = session_find(path.sessions, &id) != NULL;

	ask(SL_SESSION_DELETE, &id, sizeof(id));
	must((answer.message.status == 0) == there, "a deletion says what is not true");
}

static void step_list(struct input *)
{
	struct sessions_counts counts;

	sessions_count(path.sessions, &counts);
	ask(SL_SESSION_LIST, NULL, 0);
	must(answer.n == counts.sessions + 1, "not all sessions are listed");
}

static void step_ask(struct input *input)
{
	static const uint16_t types[] = {SL_STATS_GET, SL_STATS_RESET, SL_CODECS_GET};

	ask(types[take(input) % RTE_DIM(types)], NULL, 0);
}

static void step_hello(struct input *input)
{
	struct sl_hello hello = {.version = SL_API_VERSION, .events = take(input) & 1};

	ask(SL_HELLO, &hello, sizeof(hello));
}

static void step_profile(struct input *input)
{
	struct sl_profile profile = {.on = take(input) & 1};

	ask(SL_PROFILE, &profile, sizeof(profile));
}

static void step_inject(struct input *input)
{
	struct sl_datagram datagram = {.id = choose_id(input),
		.address = rig_address(FAR0, 4000),
		.leg = take(input),
		.rtcp = take(input),
		.length = (uint16_t)(take(input) << 3)};

	ask(SL_INJECT, &datagram, sizeof(datagram));
}

static void step_dtmf(struct input *input)
{
	struct sl_dtmf dtmf = {.id = choose_id(input),
		.leg = take(input) % 4,
		.digit = (char)take(input),
		.duration_ms = (uint16_t)(take(input) << 5)};

	ask(SL_DTMF, &dtmf, sizeof(dtmf));
}

// Mostly as it should be.
static void step_shard(struct input *input)
{
	struct sl_shard shard = {.name = "s1",
		.epoch = shard_epoch + take(input) % 4,
		.state = take(input) % 5,
		.pause_ms = 50 + take(input)};
	uint8_t oddity = take(input);
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	shard.valid_until_ns =
		(uint64_t)boot.tv_sec * 1000000000 + (uint64_t)take(input) * 100000000 - 1000000000;
	if (oddity < sizeof(shard))
		((uint8_t *)&shard)[oddity] ^= take(input);
	ask(SL_SHARD_SET, &shard, sizeof(shard));
	if (answer.message.status == 0) {
		must(answer.message.payload_length == sizeof(shard) &&
				((const struct sl_shard *)answer.message.payload)->state ==
					shard.state,
			"a shard is not in the state that it was set to");
		// The next input begins where this one has come to, but not at the end of all.
		if (shard.epoch < UINT64_MAX / 2)
			shard_epoch = shard.epoch;
		else
			renew_shards();
	}
	ask(SL_SHARD_LIST, NULL, 0);
	must(answer.message.payload_length == sizeof(shard), "not all shards are listed");
}

// What was read is set, with some of its bytes changed.
static void step_marks(struct input *input)
{
	static struct sl_mark marks[SL_MARKS_MAX];
	const struct sl_shard_name name = {"s1"};
	size_t n;

	ask(SL_MARKS_GET, &name, sizeof(name));
	must(answer.message.status == 0 && answer.message.payload_length % sizeof(marks[0]) == 0,
		"marks are not told");
	n = answer.message.payload_length / sizeof(marks[0]);
	memcpy(marks, answer.message.payload, n * sizeof(marks[0]));
	for (unsigned int i = take(input) % 8; n && i > 0; i--)
		((uint8_t *)&marks[take(input) % n])[take(input) % sizeof(marks[0])] = take(input);
	ask(SL_MARKS_SET, marks, n * sizeof(marks[0]));
}

// Media, to whoever is at the first ports, and time.
static void step_media(struct input *input)
{
	uint16_t sequence = take(input);

	for (uint16_t i = 0; i < PACKETS_EACH; i++)
		push_silence(FAR0, 4000, 20000, (uint16_t)(sequence + i));
	path_turn();
	path_pass(take(input));
	path_turn();
	discard_output();
	path.rig.n_events = 0;
	path.n_shard_events = 0;
}

static void delete_sessions(void)
{
	struct session *session;
	struct sessions_counts counts;
	uint32_t cursor = 0;

	while ((session = sessions_next(path.sessions, &cursor)))
		session_delete(path.sessions, session);
	for (int i = 0; i < 3; i++) {
		sessions_tick(path.sessions, clock_now_ns());
		path_turn();
	}
	discard_output();
	path.rig.n_events = 0;
	sessions_count(path.sessions, &counts);
	must(!counts.legs && !counts.ports_used && !counts.deferred, "something is left");
	must(mbufs_in_use() == 0 && !path_imbalance(), "a packet is left, or was not counted");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct input * input) = {step_set, step_get, step_delete,
		step_list, step_media, step_inject, step_ask, step_hello, step_profile, step_dtmf,
		step_shard, step_marks};
	struct input input = {data, size};

	if (!context)
		start();
	connect_client();
	step_hello(&(struct input){NULL, 0});
	for (unsigned int i = 0; i < STEPS_MAX && input.left; i++)
		steps[take(&input) % RTE_DIM(steps)](&input);
	disconnect_client();
	delete_sessions();
	return 0;
}
