// SIP messages: the parser with all typed parsers, and the whole stack, whose transport is handed
// the bytes as a datagram. A TU that answers at once by the first letter of the Call-ID makes the
// transactions and dialogs go on. Input may hold several datagrams, separated by 0xff 0xff.
//
// The parser's promise that every slice lies within the message is checked by reading each one.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "dialog.h"
#include "message.h"
#include "response.h"
#include "transaction.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sip_stack *stack;
static struct event_base *base;
static struct flow flow;
static struct dialog_table *dialogs;

static volatile unsigned int sink;

static void touch(const struct sip_message *m, struct slice s)
{
	if (s.n && (s.p < m->text.p || s.p + s.n > m->text.p + m->text.n))
		abort();
	for (size_t i = 0; i < s.n; i++)
		sink += (unsigned char)s.p[i];
}

static void touch_uri(const struct sip_message *m, struct slice text)
{
	struct uri uri;
	char out[256];

	if (uri_parse(text, &uri))
		return;
	touch(m, uri.user);
	touch(m, uri.password);
	touch(m, uri.host);
	touch(m, uri.params);
	touch(m, uri.headers);
	uri_unescape(uri.user, out, sizeof(out));
	sink += uri_equal(&uri, &uri);
}

static void touch_value(const struct sip_message *m, struct slice value)
{
	struct nameaddr name;
	struct via via;
	struct reason reason;
	struct content_type type;
	struct slice method;
	uint32_t a, b;

	touch(m, value);
	if (!nameaddr_parse(value, &name)) {
		touch(m, name.display);
		touch_uri(m, name.uri);
		touch(m, name.params);
	}
	if (!via_parse(value, &via)) {
		touch(m, via.branch);
		touch(m, via.received);
		touch(m, via.host);
	}
	if (!reason_parse(value, &reason))
		touch(m, reason.text);
	if (!content_type_parse(value, &type))
		touch(m, type.subtype);
	if (!cseq_parse(value, &a, &method) || !rack_parse(value, &a, &b, &method))
		touch(m, method);
}

static void touch_message(const struct sip_message *m)
{
	for (unsigned int i = 0; i < m->n_headers; i++) {
		struct slice rest = m->headers[i].value, value;

		touch(m, m->headers[i].name);
		while (list_next(&rest, &value) > 0)
			touch_value(m, value);
	}
	touch(m, m->body);
	touch(m, m->call_id);
	touch(m, m->from_tag);
	touch(m, m->to_tag);
	touch(m, m->method_name);
	touch_uri(m, m->uri);
}

static void check_clone(const struct sip_message *m)
{
	struct sip_message *clone = message_clone(m);

	if (!clone)
		return;
	touch_message(clone);
	touch(clone, clone->via.value);
	touch(clone, clone->from.value);
	message_destroy(clone);
}

// What we write about a good request must be good itself.
static void check_response(struct sip_message *m)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message again;
	struct message_error error;
	static char text[2 * 65536];
	struct builder b;

	m->flow = flow;
	builder_init(&b, text, sizeof(text));
	response_write(&b, m, 180, (struct slice){0}, SLICE("tag"));
	builder_body(&b, (struct slice){0}, (struct slice){0});
	if (b.overflow)
		return;
	if (message_parse(&again, headers, text, b.n, &error) || again.status != 180 ||
		!slice_equal(again.call_id, m->call_id) || again.cseq != m->cseq)
		abort();
}

static void check_dialog(const struct sip_message *m, struct slice tag)
{
	struct dialog dialog, restored;
	char record[65536], text[65536];
	struct builder b;
	int n;

	if (dialog_init_uas(&dialog, m, tag, SLICE("<sip:us@127.0.0.1>")))
		return;
	if (!dialog_table_add(dialogs, &dialog) && dialog_find(dialogs, m) == NULL && m->to_tag.p)
		abort();
	builder_init(&b, text, sizeof(text));
	dialog_request_begin(&dialog, METHOD_BYE, &b);
	n = dialog_save(&dialog, record, sizeof(record));
	if (n > 0) {
		if (dialog_restore(&restored, stack, record, (size_t)n) != n)
			abort();
		dialog_fini(&restored);
	}
	dialog_fini(&dialog);
}

static void on_request(void *, struct transaction *t, const struct sip_message *m)
{
	static const struct request_rules rules = {
		.allowed = SLICE("INVITE, ACK, BYE, OPTIONS, MESSAGE"),
		.supported = SLICE("timer"),
		.accepted = SLICE("application/sdp, multipart/mixed"),
		.forwards = true};

	check_dialog(m, transaction_to_tag(t));
	if (transaction_refuse(t, &rules))
		return;
	switch (m->call_id.p[0] % 4) {
	case 0:
		transaction_reply(t, 180);
		break;
	case 1:
		transaction_reply(t, 180);
		transaction_reply(t, 200);
		break;
	case 2:
		transaction_reply(t, 486);
		break;
	}
}

static void on_cancel(void *, struct transaction *invite, const struct sip_message *)
{
	transaction_reply(invite, 487);
}

static void on_message(void *, const struct sip_message *m)
{
	dialog_find(dialogs, m);
}

static void on_response(void *, struct transaction *, const struct sip_message *m)
{
	dialog_find(dialogs, m);
}

static const struct stack_user user = {
	.request = on_request,
	.cancel = on_cancel,
	.ack = on_message,
	.response = on_response,
	.stray_2xx = on_message,
};

// Answers go to an address of loopback where nobody listens.
static void start(void)
{
	struct stack_config config = {.user = &user, .max_transactions = 100};
	struct sip_address local;

	base = config.base = event_base_new();
	stack = stack_create(&config);
	dialogs = dialog_table_create();
	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	flow.listener = listener_open(
		stack_transport(stack), TRANSPORT_UDP, &local, SLICE("127.0.0.1:5060"));
	if (!flow.listener)
		abort();
	sip_address_parse(SLICE("127.77.0.9"), 9, &flow.remote);
}

static void parse_only(const uint8_t *data, size_t size)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message message;
	struct message_error error;
	char *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	if (!message_parse(&message, headers, copy, size, &error)) {
		touch_message(&message);
		check_clone(&message);
		if (message_is_request(&message))
			check_response(&message);
	}
	free(copy);
}

static void datagram(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	transport_receive(&flow, copy, size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dialog dialog;

	if (size > 65535)
		return 0;
	start();
	if (dialog_restore(&dialog, stack, data, size) > 0)
		dialog_fini(&dialog);
	while (size) {
		const uint8_t *end = memmem(data, size, "\xff\xff", 2);
		size_t n = end ? (size_t)(end - data) : size;

		parse_only(data, n);
		datagram(data, n);
		n += end ? 2 : 0;
		data += n;
		size -= n;
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	stack_destroy(stack);
	dialog_table_destroy(dialogs);
	event_base_free(base);
	return 0;
}
