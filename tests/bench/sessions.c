// Sessions for the forward benches, set through the dataplane's API, and the flow file (flows.h)
// that says what to send and what must come back. Or, with --churn, sessions that come and go for
// as long as they are asked to, to see how many a second.
//
//   sessions --count N --address ADDRESS[@VLAN],... [--socket PATH] [--phones A,B]
//            [--suite cm128-80|gcm128] [--mux]
//   sessions --count N --address ... --socket PATH --churn SECONDS [--rate N]
//
// A churn also says what the worker counted meanwhile, which tells whether it was disturbed even
// where the generator has to share its CPU: packets that it dropped, and turns that began late.
// With --rate 0 nothing comes or goes.
//
// Leg j of session i has the address number 2 i + j of the list, modulo its length, and so has
// sessions of all pairs where the length is odd. Without --socket nothing is set and ports are made
// up. With --suite the second leg is SRTP. A phone has an address of its own, or, with --phones,
// ports of its own on one address for each side.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sl_client.h"

#define WAIT_MS	      5000
#define IN_FLIGHT     32
#define ADDRESSES_MAX 64
#define PORT_MIN      16384
#define PORT_PAIRS    24576
#define CHURN_HELD    256 // sessions of a churn that are there at a time
#define CHURN_IDS     (1u << 30)

struct local {
	struct sl_address address;
	unsigned int vlan;
};

struct options {
	const char *socket;
	const char *suite;
	unsigned int count;
	struct local locals[ADDRESSES_MAX];
	unsigned int n_locals;
	struct sl_address phones[2];
	bool has_phones, mux;
	double churn_seconds, rate;
};

// Of the worker.
struct disturbance {
	uint64_t late_turns, dropped, turns;
};

struct setter {
	const struct options *options;
	struct sl_client *client;
	uint16_t (*ports)[2]; // by session and leg
	unsigned int outstanding;
	uint64_t n_set, n_deleted;
	struct disturbance counted;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list arguments;

	fputs("sessions: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static struct sl_address parse_address(const char *text)
{
	struct sl_address address = {.family = strchr(text, ':') ? SL_IPV6 : SL_IPV4};

	if (inet_pton(address.family == SL_IPV6 ? AF_INET6 : AF_INET, text, address.bytes) != 1)
		die("'%s' is no address", text);
	return address;
}

static const struct local *local_of(
	const struct options *options, unsigned int index, unsigned int leg)
{
	return &options->locals[(2 * index + leg) % options->n_locals];
}

static struct sl_address phone_of(
	const struct options *options, unsigned int index, unsigned int leg)
{
	const struct sl_address *local = &local_of(options, index, leg)->address;
	struct sl_address phone = {
		.family = local->family, .port = (uint16_t)(20000 + index % 10000 * 2)};

	if (options->has_phones) {
		phone = options->phones[leg];
		phone.port = (uint16_t)(10000 + 2 * index);
	} else if (local->family == SL_IPV4) {
		memcpy(phone.bytes,
			(uint8_t[]){
				198, (uint8_t)(18 + leg), (uint8_t)(index >> 8), (uint8_t)index},
			4);
	} else {
		memcpy(phone.bytes, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)(leg + 1)}, 6);
		phone.bytes[13] = (uint8_t)(index >> 16);
		phone.bytes[14] = (uint8_t)(index >> 8);
		phone.bytes[15] = (uint8_t)index;
	}
	return phone;
}

// Not random, as nobody has to guess them, but no two alike.
static struct sl_srtp key_of(const struct options *options, unsigned int index, bool receive)
{
	struct sl_srtp srtp = {.suite = SL_SRTP_AES_CM_128_HMAC_SHA1_80};
	uint64_t state = 0x9e3779b97f4a7c15ULL * (2u * index + receive + 1u);

	if (!strcmp(options->suite, "gcm128"))
		srtp.suite = SL_SRTP_AEAD_AES_128_GCM;
	for (unsigned int i = 0; i < 30; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		if (i < 16)
			srtp.key[i] = (uint8_t)(state >> 56);
		else if (i < (srtp.suite == SL_SRTP_AEAD_AES_128_GCM ? 28u : 30u))
			srtp.salt[i - 16] = (uint8_t)(state >> 56);
	}
	return srtp;
}

static void fill_leg(
	struct sl_leg *leg, const struct options *options, unsigned int index, unsigned int i)
{
	*leg = (struct sl_leg){
		.local = local_of(options, index, i)->address,
		.remote = phone_of(options, index, i),
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
	if (options->mux)
		leg->flags |= SL_LEG_RTCP_MUX;
	if (!options->suite || i == 0)
		return;
	leg->srtp_receive = key_of(options, index, true);
	leg->srtp_send = key_of(options, index, false);
}

static struct sl_id id_of(unsigned int index)
{
	struct sl_id id = {};

	memcpy(id.bytes, &index, sizeof(index));
	return id;
}

static void fill_session(struct sl_session *session, const struct options *options, unsigned int id,
	unsigned int index)
{
	*session = (struct sl_session){.id = id_of(id), .n_legs = 2};
	for (unsigned int i = 0; i < 2; i++)
		fill_leg(&session->legs[i], options, index, i);
}

static void take_counters(struct setter *setter, const struct sl_message *message)
{
	size_t n;
	const struct sl_counter *counters = sl_payload_counters(message, &n);

	for (size_t i = 0; counters && i < n; i++) {
		if (!strcmp(counters[i].name, "worker.0.late_turns"))
			setter->counted.late_turns = counters[i].value;
		else if (!strcmp(counters[i].name, "worker.0.turns"))
			setter->counted.turns = counters[i].value;
		else if (!strncmp(counters[i].name, "drop.", 5) &&
			 strcmp(counters[i].name, "drop.tx_full")) // the generator's ring
			setter->counted.dropped += counters[i].value;
	}
}

static void take_answer(struct setter *setter, const struct sl_message *message)
{
	const struct sl_session *session;
	unsigned int index;

	if (message->type == SL_HELLO)
		return; // the welcome
	if (message->type == SL_STATS_GET)
		take_counters(setter, message);
	if (message->more)
		return;
	setter->outstanding--;
	if (message->status)
		die("refused: %s", strerror(-message->status));
	if (message->type == SL_STATS_GET)
		return;
	if (message->type == SL_SESSION_DELETE) {
		setter->n_deleted++;
		return;
	}
	session = sl_payload_session(message, NULL);
	if (!session)
		die("an answer without a session");
	setter->n_set++;
	memcpy(&index, session->id.bytes, sizeof(index));
	for (unsigned int i = 0; i < 2 && setter->ports && index < setter->options->count; i++)
		setter->ports[index][i] = session->legs[i].local.port;
}

// Read answers until at most `most` are outstanding.
static void collect(struct setter *setter, unsigned int most)
{
	struct pollfd poll_fd = {.fd = sl_client_fd(setter->client), .events = POLLIN};
	struct sl_message message;

	while (setter->outstanding > most) {
		int ret = sl_client_receive(setter->client, &message);

		if (ret == -EAGAIN && poll(&poll_fd, 1, WAIT_MS) == 1)
			continue;
		if (ret)
			die("the dataplane does not answer: %s", strerror(-ret));
		take_answer(setter, &message);
	}
}

static void sent(struct setter *setter, int64_t request)
{
	if (request < 0)
		die("request: %s", strerror((int)-request));
	setter->outstanding++;
	collect(setter, IN_FLIGHT);
}

static void set_all(struct setter *setter)
{
	struct sl_session session;

	for (unsigned int i = 0; i < setter->options->count; i++) {
		fill_session(&session, setter->options, i, i);
		sent(setter, sl_client_session_set(setter->client, &session, NULL));
	}
	collect(setter, 0);
}

// As if they had been set: each address hands out its ports in order.
static void make_up_ports(struct setter *setter)
{
	const struct options *options = setter->options;
	unsigned int used[ADDRESSES_MAX] = {};

	for (unsigned int i = 0; i < options->count; i++)
		for (unsigned int j = 0; j < 2; j++) {
			unsigned int *pair = &used[(2 * i + j) % options->n_locals];

			setter->ports[i][j] =
				(uint16_t)(PORT_MIN + 2 * (*pair)++ % (2 * PORT_PAIRS));
		}
}

static void print_end(const struct sl_address *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];
	bool ipv6 = address->family == SL_IPV6;

	inet_ntop(ipv6 ? AF_INET6 : AF_INET, address->bytes, text, sizeof(text));
	printf(ipv6 ? "[%s]:%u " : "%s:%u ", text, port);
}

static void print_key(const struct options *options, unsigned int index, bool secure, bool receive)
{
	struct sl_srtp srtp;
	bool gcm;

	if (!secure) {
		printf(" -");
		return;
	}
	srtp = key_of(options, index, receive);
	gcm = srtp.suite == SL_SRTP_AEAD_AES_128_GCM;
	printf(" %s:", gcm ? "gcm128" : "cm128-80");
	for (unsigned int i = 0; i < 16; i++)
		printf("%02x", srtp.key[i]);
	for (unsigned int i = 0; i < (gcm ? 12 : 14); i++)
		printf("%02x", srtp.salt[i]);
}

static void print_flow(const struct setter *setter, unsigned int index, unsigned int i)
{
	const struct options *options = setter->options;
	const struct local *to = local_of(options, index, i), *back = local_of(options, index, !i);
	struct sl_address from = phone_of(options, index, i),
			  back_to = phone_of(options, index, !i);

	print_end(&from, from.port);
	print_end(&to->address, setter->ports[index][i]);
	print_end(&back->address, setter->ports[index][!i]);
	print_end(&back_to, back_to.port);
	printf("%u %u", to->vlan, back->vlan);
	print_key(options, index, options->suite && i == 1, true);
	print_key(options, index, options->suite && i == 0, false);
	putchar('\n');
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// Keep the pace; a pause is one for the dataplane's answers, too.
static void wait_until_due(struct setter *setter, double begin, uint64_t n)
{
	double due = begin + (double)n / setter->options->rate;

	while (setter->options->rate > 0 && now() < due) {
		struct pollfd poll_fd = {.fd = sl_client_fd(setter->client), .events = POLLIN};
		struct sl_message message;

		poll(&poll_fd, 1, 1);
		while (sl_client_receive(setter->client, &message) == 0)
			take_answer(setter, &message);
	}
}

static struct disturbance read_disturbance(struct setter *setter)
{
	setter->counted = (struct disturbance){};
	sent(setter, sl_client_stats_get(setter->client));
	collect(setter, 0);
	return setter->counted;
}

static void churn(struct setter *setter)
{
	struct disturbance before = read_disturbance(setter), after;
	double begin = now(), seconds;
	struct sl_session session;
	uint64_t n = 0;

	while (setter->options->rate == 0 && now() < begin + setter->options->churn_seconds)
		poll(NULL, 0, 10);
	while (now() < begin + setter->options->churn_seconds) {
		unsigned int id = CHURN_IDS + (unsigned int)n;
		struct sl_id old = id_of(id - CHURN_HELD);

		wait_until_due(setter, begin, n);
		fill_session(
			&session, setter->options, id, (unsigned int)n % setter->options->count);
		sent(setter, sl_client_session_set(setter->client, &session, NULL));
		if (n++ >= CHURN_HELD)
			sent(setter, sl_client_session_delete(setter->client, &old));
	}
	collect(setter, 0);
	seconds = now() - begin;
	after = read_disturbance(setter);
	printf("{\"sets\":%lu,\"deletes\":%lu,\"seconds\":%.3f,\"rate\":%.0f,"
	       "\"late_turns\":%lu,\"turns\":%lu,\"dropped\":%lu}\n",
		setter->n_set, setter->n_deleted, seconds, (double)setter->n_set / seconds,
		after.late_turns - before.late_turns, after.turns - before.turns,
		after.dropped - before.dropped);
	for (uint64_t i = n < CHURN_HELD ? 0 : n - CHURN_HELD; i < n; i++) {
		struct sl_id id = id_of(CHURN_IDS + (unsigned int)i);

		sent(setter, sl_client_session_delete(setter->client, &id));
	}
	collect(setter, 0);
}

static void parse_locals(struct options *options, char *list)
{
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		struct local *local = &options->locals[options->n_locals++];
		char *vlan = strchr(word, '@');

		if (options->n_locals == ADDRESSES_MAX)
			die("too many addresses");
		if (vlan)
			*vlan++ = '\0';
		*local = (struct local){parse_address(word), vlan ? (unsigned int)atoi(vlan) : 0};
	}
}

static void parse_phones(struct options *options, char *list)
{
	char *second = strchr(list, ',');

	if (!second)
		die("--phones wants two addresses");
	*second++ = '\0';
	options->phones[0] = parse_address(list);
	options->phones[1] = parse_address(second);
	options->has_phones = true;
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"socket", required_argument, NULL, 's'},
		{"count", required_argument, NULL, 'n'},
		{"address", required_argument, NULL, 'a'},
		{"phones", required_argument, NULL, 'p'},
		{"suite", required_argument, NULL, 'k'},
		{"mux", no_argument, NULL, 'm'},
		{"churn", required_argument, NULL, 'c'},
		{"rate", required_argument, NULL, 'r'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		switch (option) {
		case 's':
			options->socket = optarg;
			break;
		case 'n':
			options->count = (unsigned int)atoi(optarg);
			break;
		case 'a':
			parse_locals(options, optarg);
			break;
		case 'p':
			parse_phones(options, optarg);
			break;
		case 'k':
			options->suite = optarg;
			break;
		case 'm':
			options->mux = true;
			break;
		case 'c':
			options->churn_seconds = atof(optarg);
			break;
		case 'r':
			options->rate = atof(optarg);
			break;
		default:
			die("unknown option");
		}
	if (!options->count || !options->n_locals)
		die("--count and --address are needed");
}

int main(int argc, char **argv)
{
	struct options options = {.rate = -1}; // as fast as it goes
	struct setter setter = {.options = &options};

	parse_options(argc, argv, &options);
	setter.ports = calloc(options.count, sizeof(*setter.ports));
	if (!setter.ports)
		die("out of memory");
	if (options.socket) {
		setter.client = sl_client_open(options.socket, "bench", 0);
		if (!setter.client)
			die("%s: %m", options.socket);
	}
	if (options.churn_seconds > 0) {
		churn(&setter);
	} else {
		if (setter.client)
			set_all(&setter);
		else
			make_up_ports(&setter);
		for (unsigned int i = 0; i < options.count; i++)
			for (unsigned int j = 0; j < 2; j++)
				print_flow(&setter, i, j);
	}
	sl_client_close(setter.client);
	free(setter.ports);
	return EXIT_SUCCESS;
}
