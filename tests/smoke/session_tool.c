// Set, show and delete one session of a running dataplane, without any SIP: what the smoke tests
// use for media that control does not ask for. Answers are one line of JSON on standard output.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sl_client.h"

#define WAIT_MS 5000

static const char usage_text[] =
	"usage: session_tool SOCKET set ID --leg ADDRESS [OPTION...] [--leg ADDRESS [OPTION...]]...\n"
	"       session_tool SOCKET get|delete ID\n"
	"       session_tool SOCKET counters [PREFIX]\n"
	"An ADDRESS is 192.0.2.1:4000, [2001:db8::1]:4000, or without port; that of a leg that shares\n"
	"a transport is none. ID is a number. Options\n"
	"belong to the leg before them. Legs 0 and 1, 2 and 3, ... feed each other; PCMU is pt 0:\n"
	"  --remote ADDRESS        --remote-rtcp ADDRESS   --source LEG|none   --ssrc N   --dscp N\n"
	"  --jitter MS|MS-MAX: a jitter buffer, fixed or adaptive\n"
	"  --format NAME/HZ[/CHANNELS]:PT[;octet-align] (repeat: several)      --transport LEG\n"
	"  --latch                 --window MS             --mid TEXT          --mid-extension N\n"
	"  --mux  --punt  --opaque  --transparent  --held  --reduced  --no-send  --no-receive\n"
	"  --srtp SUITE,SEND,RECEIVE: as in SDP (AEAD_AES_128_GCM ...), keys and salts in hex\n"
	"  --packets-per-second N  --bytes-per-second N    --media-timeout MS\n";

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
	va_list args;

	fputs("session_tool: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

// --- words to the session ---

static unsigned long parse_number(const char *text, unsigned long most)
{
	char *end;
	unsigned long number = strtoul(text, &end, 0);

	if (*text == '\0' || *text == '-' || *end || number > most)
		die("%s: expected a number up to %lu", text, most);
	return number;
}

static struct sl_address parse_address(const char *text)
{
	struct sl_address address = {};
	char host[INET6_ADDRSTRLEN + 2];
	bool bracketed = text[0] == '[';
	const char *end = bracketed ? strchr(text, ']') : strrchr(text, ':');
	const char *port = NULL;
	size_t n;

	if (!bracketed && end && strchr(text, ':') != end)
		end = NULL; // IPv6 without a port
	if (bracketed && end && end[1])
		port = end + 2;
	else if (!bracketed && end)
		port = end + 1;
	n = end ? (size_t)(end - text) : strlen(text);
	snprintf(host, sizeof(host), "%.*s", (int)n - bracketed, text + bracketed);
	if (inet_pton(AF_INET, host, address.bytes) == 1)
		address.family = SL_IPV4;
	else if (inet_pton(AF_INET6, host, address.bytes) == 1)
		address.family = SL_IPV6;
	else
		die("%s: expected 192.0.2.1:4000 or [2001:db8::1]:4000", text);
	if (port)
		address.port = (uint16_t)parse_number(port, UINT16_MAX);
	return address;
}

static void parse_format(struct sl_leg *leg, const char *text)
{
	struct sl_format *format = &leg->formats[leg->n_formats];
	unsigned int clock_hz, channels = 1, pt;

	if (leg->n_formats++ == SL_FORMATS_MAX)
		die("%s: too many formats", text);
	*format = (struct sl_format){.complexity = 0xff};
	if (sscanf(text, "%15[^/]/%u/%u:%u", format->name, &clock_hz, &channels, &pt) != 4 &&
		sscanf(text, "%15[^/]/%u:%u", format->name, &clock_hz, &pt) != 3)
		die("%s: expected NAME/HZ:PT", text);
	if (strstr(text, ";octet-align"))
		format->flags |= SL_FORMAT_OCTET_ALIGN;
	format->clock_hz = clock_hz;
	format->channels = (uint8_t)channels;
	format->pt = format->receive_pt = (uint8_t)pt;
}

static const struct {
	const char *name;
	uint8_t suite;
	uint8_t key_bytes;
	uint8_t salt_bytes;
} suites[] = {
	{"AES_CM_128_HMAC_SHA1_80", SL_SRTP_AES_CM_128_HMAC_SHA1_80, 16, 14},
	{"AES_CM_128_HMAC_SHA1_32", SL_SRTP_AES_CM_128_HMAC_SHA1_32, 16, 14},
	{"AES_256_CM_HMAC_SHA1_80", SL_SRTP_AES_256_CM_HMAC_SHA1_80, 32, 14},
	{"AES_256_CM_HMAC_SHA1_32", SL_SRTP_AES_256_CM_HMAC_SHA1_32, 32, 14},
	{"AEAD_AES_128_GCM", SL_SRTP_AEAD_AES_128_GCM, 16, 12},
	{"AEAD_AES_256_GCM", SL_SRTP_AEAD_AES_256_GCM, 32, 12},
};

static void parse_hex(uint8_t *bytes, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
			die("%s: expected hexadecimal", text);
}

static void parse_key(struct sl_srtp *srtp, const char *suite, const char *text)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		size_t n = suites[i].key_bytes + suites[i].salt_bytes;

		if (strcmp(suites[i].name, suite))
			continue;
		if (strlen(text) != 2 * n)
			die("%s: expected %zu bytes of key and salt", text, n);
		srtp->suite = suites[i].suite;
		parse_hex(srtp->key, suites[i].key_bytes, text);
		parse_hex(srtp->salt, suites[i].salt_bytes, text + 2 * suites[i].key_bytes);
		return;
	}
	die("%s: no such suite", suite);
}

static void parse_srtp(struct sl_leg *leg, char *text)
{
	char *suite = strtok(text, ","), *send = strtok(NULL, ","), *receive = strtok(NULL, ",");

	if (!suite || !send || !receive)
		die("expected --srtp SUITE,SEND,RECEIVE");
	parse_key(&leg->srtp_send, suite, send);
	parse_key(&leg->srtp_receive, suite, receive);
}

static void add_leg(struct sl_session *session, const char *text)
{
	struct sl_leg *leg = &session->legs[session->n_legs];

	if (session->n_legs == SL_LEGS_MAX)
		die("at most %d legs", SL_LEGS_MAX);
	*leg = (struct sl_leg){
		.local = strcmp(text, "none") ? parse_address(text) : (struct sl_address){},
		.flags = SL_LEG_RECEIVE | SL_LEG_SEND,
		.source = session->n_legs ^ 1,
		.dscp = SL_DSCP_REALM,
		.transport = SL_NO_LEG,
	};
	session->n_legs++;
}

enum word {
	OPTION_LEG = 1,
	OPTION_REMOTE,
	OPTION_REMOTE_RTCP,
	OPTION_SOURCE,
	OPTION_SSRC,
	OPTION_DSCP,
	OPTION_JITTER,
	OPTION_FORMAT,
	OPTION_TRANSPORT,
	OPTION_LATCH,
	OPTION_WINDOW,
	OPTION_MID,
	OPTION_MID_EXTENSION,
	OPTION_SRTP,
	OPTION_PACKETS_PER_SECOND,
	OPTION_BYTES_PER_SECOND,
	OPTION_MEDIA_TIMEOUT,
	OPTION_NO_SEND,
	OPTION_NO_RECEIVE,
	OPTION_FLAG = 0x10000, // | SL_LEG_*
};

static const struct option options[] = {
	{"leg", required_argument, NULL, OPTION_LEG},
	{"remote", required_argument, NULL, OPTION_REMOTE},
	{"remote-rtcp", required_argument, NULL, OPTION_REMOTE_RTCP},
	{"source", required_argument, NULL, OPTION_SOURCE},
	{"ssrc", required_argument, NULL, OPTION_SSRC},
	{"dscp", required_argument, NULL, OPTION_DSCP},
	{"jitter", required_argument, NULL, OPTION_JITTER},
	{"format", required_argument, NULL, OPTION_FORMAT},
	{"transport", required_argument, NULL, OPTION_TRANSPORT},
	{"latch", no_argument, NULL, OPTION_LATCH},
	{"window", required_argument, NULL, OPTION_WINDOW},
	{"mid", required_argument, NULL, OPTION_MID},
	{"mid-extension", required_argument, NULL, OPTION_MID_EXTENSION},
	{"srtp", required_argument, NULL, OPTION_SRTP},
	{"packets-per-second", required_argument, NULL, OPTION_PACKETS_PER_SECOND},
	{"bytes-per-second", required_argument, NULL, OPTION_BYTES_PER_SECOND},
	{"media-timeout", required_argument, NULL, OPTION_MEDIA_TIMEOUT},
	{"no-send", no_argument, NULL, OPTION_NO_SEND},
	{"no-receive", no_argument, NULL, OPTION_NO_RECEIVE},
	{"mux", no_argument, NULL, OPTION_FLAG | SL_LEG_RTCP_MUX},
	{"punt", no_argument, NULL, OPTION_FLAG | SL_LEG_PUNT},
	{"opaque", no_argument, NULL, OPTION_FLAG | SL_LEG_OPAQUE},
	{"transparent", no_argument, NULL, OPTION_FLAG | SL_LEG_TRANSPARENT_SSRC},
	{"held", no_argument, NULL, OPTION_FLAG | SL_LEG_HELD},
	{"reduced", no_argument, NULL, OPTION_FLAG | SL_LEG_RTCP_REDUCED},
	{},
};

static uint8_t parse_leg_index(const char *text)
{
	return strcmp(text, "none") ? (uint8_t)parse_number(text, SL_LEGS_MAX - 1) : SL_NO_LEG;
}

// 60: fixed; 60-200: adaptive.
static void parse_jitter(struct sl_leg *leg, char *text)
{
	char *most = strchr(text, '-');

	if (most)
		*most++ = '\0';
	leg->jitter_ms = (uint16_t)parse_number(text, 500);
	leg->jitter_max_ms = most ? (uint16_t)parse_number(most, 500) : 0;
	leg->jitter_buffer = most ? SL_JITTER_ADAPTIVE : SL_JITTER_FIXED;
}

static void set_option(struct sl_leg *leg, int option, char *value)
{
	switch ((enum word)option) {
	case OPTION_REMOTE:
		leg->remote = parse_address(value);
		break;
	case OPTION_REMOTE_RTCP:
		leg->remote_rtcp = parse_address(value);
		break;
	case OPTION_SOURCE:
		leg->source = parse_leg_index(value);
		break;
	case OPTION_SSRC:
		leg->ssrc = (uint32_t)parse_number(value, UINT32_MAX);
		break;
	case OPTION_JITTER:
		parse_jitter(leg, value);
		break;
	case OPTION_DSCP:
		leg->dscp = (uint8_t)parse_number(value, 63);
		break;
	case OPTION_FORMAT:
		parse_format(leg, value);
		break;
	case OPTION_TRANSPORT:
		leg->transport = parse_leg_index(value);
		break;
	case OPTION_LATCH:
		leg->source_rule = SL_SOURCE_LATCH;
		break;
	case OPTION_WINDOW:
		leg->latch_window_ms = (uint32_t)parse_number(value, UINT32_MAX);
		break;
	case OPTION_MID:
		snprintf(leg->mid, sizeof(leg->mid), "%s", value);
		break;
	case OPTION_MID_EXTENSION:
		leg->mid_extension = (uint8_t)parse_number(value, 14);
		break;
	case OPTION_SRTP:
		parse_srtp(leg, value);
		break;
	case OPTION_PACKETS_PER_SECOND:
		leg->packets_per_second = (uint32_t)parse_number(value, UINT32_MAX);
		break;
	case OPTION_BYTES_PER_SECOND:
		leg->bytes_per_second = (uint32_t)parse_number(value, UINT32_MAX);
		break;
	case OPTION_MEDIA_TIMEOUT:
		leg->media_timeout_ms = (uint32_t)parse_number(value, UINT32_MAX);
		break;
	case OPTION_NO_SEND:
		leg->flags &= (uint16_t)~SL_LEG_SEND;
		break;
	case OPTION_NO_RECEIVE:
		leg->flags &= (uint16_t)~SL_LEG_RECEIVE;
		break;
	default:
		leg->flags |= (uint16_t)option; // without OPTION_FLAG
		break;
	}
}

static void parse_session(struct sl_session *session, int argc, char **argv)
{
	static char pcmu[] = "PCMU/8000:0";
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) > 0) {
		if (option == '?')
			exit(EXIT_FAILURE);
		if (option == OPTION_LEG)
			add_leg(session, optarg);
		else if (session->n_legs == 0)
			die("options belong to a leg: --leg first");
		else
			set_option(&session->legs[session->n_legs - 1], option, optarg);
	}
	for (unsigned int i = 0; i < session->n_legs; i++) {
		struct sl_leg *leg = &session->legs[i];

		if (leg->source != SL_NO_LEG && leg->source >= session->n_legs)
			leg->source = SL_NO_LEG;
		if (leg->n_formats == 0 && !(leg->flags & SL_LEG_OPAQUE))
			parse_format(leg, pcmu);
	}
}

// --- answers to words ---

static void print_address(const char *name, const struct sl_address *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->family != SL_UNSPEC)
		inet_ntop(address->family == SL_IPV6 ? AF_INET6 : AF_INET, address->bytes, text,
			sizeof(text));
	printf("\"%s\": \"%s\", \"%s_port\": %u", name, text, name, address->port);
}

static void print_session(const struct sl_session *session)
{
	printf("{\"legs\": [");
	for (unsigned int i = 0; i < session->n_legs; i++) {
		printf("%s{", i ? ", " : "");
		print_address("local", &session->legs[i].local);
		printf(", \"ssrc\": %u}", session->legs[i].ssrc);
	}
	puts("]}");
}

// Of struct sl_leg_stats: what is printed.
#define LEG_COUNTERS(X)     \
	X(rx_packets)       \
	X(rx_bytes)         \
	X(tx_packets)       \
	X(tx_bytes)         \
	X(rx_rtcp)          \
	X(tx_rtcp)          \
	X(lost)             \
	X(reordered)        \
	X(duplicates)       \
	X(dropped_source)   \
	X(dropped_other)    \
	X(dropped_auth)     \
	X(dropped_replay)   \
	X(dropped_rate)     \
	X(punted)           \
	X(transcoded)       \
	X(concealed)        \
	X(late)             \
	X(discarded)        \
	X(jitter_buffer_ms) \
	X(jitter_target_ms) \
	X(jitter_us)        \
	X(rtt_us)           \
	X(latched)          \
	X(timed_out)        \
	X(one_way)          \
	X(rx_pt)

static void print_report(const struct sl_session_report *report)
{
	printf("{\"worker\": %u, \"legs\": [", report->worker);
	for (unsigned int i = 0; i < report->session.n_legs; i++) {
		const struct sl_leg_stats *stats = &report->stats[i];

		printf("%s{", i ? ", " : "");
		print_address("source", &stats->source);
#define PRINT_COUNTER(name) printf(", \"" #name "\": %llu", (unsigned long long)stats->name);
		LEG_COUNTERS(PRINT_COUNTER)
#undef PRINT_COUNTER
		putchar('}');
	}
	puts("]}");
}

static void print_counters(const struct sl_message *message, const char *prefix, bool *begun)
{
	size_t n = 0;
	const struct sl_counter *counters = sl_payload_counters(message, &n);

	for (size_t i = 0; i < n; i++) {
		if (strncmp(counters[i].name, prefix, strlen(prefix)))
			continue;
		printf("%s\"%s\": %llu", *begun ? ", " : "{", counters[i].name,
			(unsigned long long)counters[i].value);
		*begun = true;
	}
	if (!message->more)
		puts(*begun ? "}" : "{}");
}

static void print_answer(const struct sl_message *message, const char *prefix, bool *begun)
{
	const struct sl_session_report *report;
	const struct sl_session *session;

	if (message->type == SL_STATS_GET) {
		print_counters(message, prefix, begun);
		return;
	}
	if (message->type == SL_SESSION_SET) {
		session = sl_payload_session(message, NULL);
		if (!session)
			die("malformed answer");
		print_session(session);
		return;
	}
	report = sl_payload_report(message, NULL);
	if (!report)
		die("malformed answer");
	print_report(report);
}

static void await_answer(struct sl_client *client, int64_t id, const char *prefix)
{
	struct pollfd poll_fd = {.fd = sl_client_fd(client), .events = POLLIN};
	struct sl_message message;
	bool begun = false;

	if (id < 0)
		die("cannot send: %s", strerror((int)-id));
	for (;;) {
		int rc = sl_client_receive(client, &message);

		if (rc == -EAGAIN && poll(&poll_fd, 1, WAIT_MS) == 1)
			continue;
		if (rc)
			die("no answer: %s", strerror(-rc));
		if (message.request_id != id)
			continue;
		if (message.status)
			die("refused: %s", strerror(-message.status));
		print_answer(&message, prefix, &begun);
		if (!message.more)
			return;
	}
}

int main(int argc, char **argv)
{
	struct sl_session session = {};
	const char *verb = argc > 2 ? argv[2] : "", *argument = argc > 3 ? argv[3] : "";
	struct sl_client *client;
	uint32_t number;
	int64_t id;

	if (argc < 3 || (strcmp(verb, "counters") && argc < 4)) {
		fputs(usage_text, stderr);
		return EXIT_FAILURE;
	}
	client = sl_client_open(argv[1], "session_tool", 0);
	if (!client)
		die("%s: %s", argv[1], strerror(errno));
	number = strcmp(verb, "counters") ? (uint32_t)parse_number(argument, UINT32_MAX) : 0;
	memcpy(session.id.bytes, &number, sizeof(number));
	if (!strcmp(verb, "set")) {
		parse_session(&session, argc - 3, argv + 3);
		id = sl_client_session_set(client, &session, NULL);
	} else if (!strcmp(verb, "get")) {
		id = sl_client_session_get(client, &session.id);
	} else if (!strcmp(verb, "delete")) {
		id = sl_client_session_delete(client, &session.id);
	} else if (!strcmp(verb, "counters")) {
		id = sl_client_stats_get(client);
	} else {
		die("%s: expected set, get, delete or counters", verb);
	}
	await_answer(client, id, argument);
	sl_client_close(client);
	return EXIT_SUCCESS;
}
