// REGISTER requests: the input is header lines of several of them, separated by 0xff 0xff. Whatever
// they say, bindings stay within their limits, and what is bound lies in memory of its own. Every
// fourth goes to a registrar elsewhere, which answers with the same lines; what goes there is SIP.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "forward.h"
#include "registrar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CONTACTS = 4, BINDINGS = 6 };

static const struct registrar_rules rules = {.domain = "example.com",
	.expires_s = 600,
	.expires_min_s = 60,
	.expires_max_s = 3600,
	.contacts = CONTACTS,
	.keepalive_s = 1};
static struct registrar *registrar;
static volatile unsigned int sink;

static struct registrar_upstream upstream = {
	.expires_s = 900, .nat_expires_s = 90, .key = SLICE("k")};
static const struct registrar_rules forwarding = {.domain = "example.com",
	.expires_s = 600,
	.expires_min_s = 60,
	.expires_max_s = 3600,
	.contacts = CONTACTS,
	.upstream = &upstream};

// Parse what stands behind a start line and the headers that all messages have.
static bool parsed(struct sip_message *message, struct sip_header *headers, char *text, size_t size,
	const char *start, struct slice rest)
{
	struct message_error error;
	int n = snprintf(text, size, "%s\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\n", start);

	memcpy(text + n, rest.p, rest.n);
	return !message_parse(message, headers, text, (size_t)n + rest.n, &error);
}

static void forward(struct transaction *transaction, const struct sip_message *message)
{
	static struct sip_header headers[MESSAGE_MAX_HEADERS];
	static char request[70000], text[140000];
	const struct forward_from from = {SLICE("127.0.0.1:5060"), ""};
	struct sip_message other;
	struct builder b;
	struct slice written, rest = message->text;

	upstream.path = message->cseq % 8 == 4;
	if (!forward_needed(registrar, &forwarding, transaction))
		return;
	builder_init(&b, request, sizeof(request));
	written = forward_write(&forwarding, transaction, &from, &b);
	slice_cut(&written, '\n');
	if (written.p && written.n < 65000 &&
		!parsed(&other, headers, text, sizeof(text), "REGISTER sip:x SIP/2.0", written))
		abort();
	slice_cut(&rest, '\n');
	if (parsed(&other, headers, text, sizeof(text),
		    message->cseq % 3 ? "SIP/2.0 200 OK" : "SIP/2.0 401 No", rest))
		forward_answered(registrar, &forwarding, transaction, &other);
	else
		forward_failed(registrar, &forwarding, transaction, 503);
}

static void on_request(void *, struct transaction *transaction, const struct sip_message *message)
{
	static const struct slice users[] = {SLICE("alice"), SLICE("bob"), SLICE("carol")};

	if (message->method == METHOD_REGISTER && message->cseq % 4 == 0)
		forward(transaction, message);
	else if (message->method == METHOD_REGISTER)
		registrar_take(registrar, &rules, transaction, users[message->cseq % 3]);
}

static void on_response(void *, struct transaction *, const struct sip_message *)
{
}

static const struct stack_user user = {.request = on_request, .response = on_response};

static bool touch(void *, struct slice, const struct binding *binding)
{
	for (int i = 0; i < BINDING_STRINGS; i++)
		for (size_t j = 0; j < binding->values.strings[i].n; j++)
			sink += (unsigned char)binding->values.strings[i].p[j];
	if (binding->values.q > 1000)
		abort();
	return true;
}

static void register_send(struct event_base *base, const struct flow *flow, unsigned int number,
	const uint8_t *lines, size_t size)
{
	static const char *const users[] = {"alice", "bob", "carol"};
	char *text = malloc(size + 512);
	int n = snprintf(text, 512,
		"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK%u\r\n"
		"From: <sip:a@example.com>;tag=f\r\nTo: <sip:%s@example.com>\r\nCall-ID: c\r\n"
		"CSeq: %u REGISTER\r\n",
		number, users[number % 3], number);

	memcpy(text + n, lines, size);
	memcpy(text + n + size, "\r\n\r\n", 4);
	transport_receive(flow, text, (size_t)n + size + 4);
	event_base_loop(base, EVLOOP_NONBLOCK); // for new requests
	free(text);
	if (location_n_bindings(registrar_location(registrar)) > BINDINGS)
		abort();
	location_each(registrar_location(registrar), touch, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stack_config config = {.user = &user, .max_transactions = 100};
	struct registrar_settings settings = {.bindings_max = BINDINGS};
	struct event_base *base = event_base_new();
	struct sip_address local;
	struct flow flow = {0};

	if (size > 60000)
		return 0;
	config.base = settings.base = base;
	settings.stack = stack_create(&config);
	registrar = registrar_create(&settings);
	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	flow.listener = listener_open(
		stack_transport(settings.stack), TRANSPORT_UDP, &local, SLICE("127.0.0.1:5060"));
	if (!flow.listener || !registrar)
		abort();
	sip_address_parse(SLICE("127.77.0.9"), 9, &flow.remote);
	for (unsigned int number = 1; size && number < 50; number++) {
		const uint8_t *end = memmem(data, size, "\xff\xff", 2);
		size_t n = end ? (size_t)(end - data) : size;

		register_send(base, &flow, number, data, n);
		n += end ? 2 : 0;
		data += n;
		size -= n;
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	registrar_destroy(registrar);
	stack_destroy(settings.stack);
	event_base_free(base);
	return 0;
}
