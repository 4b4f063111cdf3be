// CPU of the stack alone for a call that it makes to itself over loopback: INVITE 100 180 200 ACK
// BYE 200, both ends in one process, so two transactions and two dialogs of each. For people:
// prints microseconds, judges nothing. Most of it is the kernel's UDP.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <event2/event.h>

#include "dialog.h"
#include "token.h"
#include "transaction.h"

enum { N_CALLS = 20000, N_AT_ONCE = 50 };

struct call {
	struct dialog dialog;
	char call_id[TOKEN_SIZE], tag[TOKEN_SIZE];
};

static struct event_base *base;
static struct sip_stack *stack;
static struct flow flow;
static struct dialog_table *table;
static unsigned int n_started, n_done;

static const char sdp[] =
	"v=0\r\no=- 20518 0 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
	"m=audio 54400 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n";

static struct dialog_request request_of(const struct call *call)
{
	return (struct dialog_request){.call_id = {call->call_id, TOKEN_SIZE},
		.local_tag = {call->tag, TOKEN_SIZE},
		.local_uri = SLICE("<sip:+4989654321@carrier.example.com>"),
		.remote_uri = SLICE("<sip:+4930123456@gw.example.net>"),
		.contact = SLICE("<sip:127.0.0.1:5060>"),
		.cseq = 1};
}

static void call_start(void)
{
	struct call *call = calloc(1, sizeof(*call));
	struct dialog_request request;
	char text[4096];
	struct builder b;

	token_make(call->call_id);
	token_make(call->tag);
	request = request_of(call);
	builder_init(&b, text, sizeof(text));
	builder_request_line(&b, SLICE("INVITE"), SLICE("sip:+4930123456@gw.example.net"));
	builder_header_unsigned(&b, HEADER_MAX_FORWARDS, 70);
	builder_text(&b, "From: <sip:+4989654321@carrier.example.com>;tag=");
	builder_slice(&b, request.local_tag);
	builder_text(&b, "\r\n");
	builder_header(&b, HEADER_TO, request.remote_uri);
	builder_header(&b, HEADER_CALL_ID, request.call_id);
	builder_cseq(&b, 1, SLICE("INVITE"));
	builder_header(&b, HEADER_CONTACT, request.contact);
	builder_header(&b, HEADER_ALLOW, SLICE("INVITE, ACK, CANCEL, OPTIONS, BYE"));
	builder_body(&b, SLICE("application/sdp"), slice_of(sdp));
	if (!transaction_start(stack, &flow, builder_finish(&b), call))
		abort();
	n_started++;
}

static void on_invite(struct transaction *t, const struct sip_message *m)
{
	struct dialog *dialog = malloc(sizeof(*dialog));
	char text[4096];
	struct builder b;

	if (dialog_init_uas(dialog, m, transaction_to_tag(t), SLICE("<sip:127.0.0.1:5060>")) ||
		dialog_table_add(table, dialog))
		abort();
	transaction_reply(t, 100);
	transaction_reply(t, 180);
	builder_init(&b, text, sizeof(text));
	response_begin(&b, t, 200, (struct slice){0}, (struct slice){0});
	builder_header(&b, HEADER_CONTACT, SLICE("<sip:127.0.0.1:5060>"));
	builder_body(&b, SLICE("application/sdp"), slice_of(sdp));
	transaction_respond(t, builder_finish(&b));
}

static void on_request(void *, struct transaction *t, const struct sip_message *m)
{
	struct dialog *dialog = dialog_find(table, m);

	if (m->method == METHOD_INVITE) {
		on_invite(t, m);
		return;
	}
	if (!dialog || dialog_request_received(dialog, m))
		abort();
	transaction_reply(t, 200);
	dialog_fini(dialog);
	free(dialog);
}

static void on_ack(void *, const struct sip_message *m)
{
	if (!dialog_find(table, m))
		abort();
}

static void on_response(void *, struct transaction *t, const struct sip_message *m)
{
	struct call *call = transaction_user(t);
	struct dialog_request request;
	char text[4096];
	struct builder b;

	if (m->status < 200)
		return;
	if (m->method == METHOD_BYE) {
		dialog_fini(&call->dialog);
		free(call);
		if (++n_done == N_CALLS)
			event_base_loopbreak(base);
		else if (n_started < N_CALLS)
			call_start();
		return;
	}
	request = request_of(call);
	if (dialog_init_uac(&call->dialog, &request, m))
		abort();
	call->dialog.flow = flow;
	dialog_ack(&call->dialog, stack, (struct slice){0}, (struct slice){0});
	builder_init(&b, text, sizeof(text));
	dialog_request_begin(&call->dialog, METHOD_BYE, &b);
	builder_body(&b, (struct slice){0}, (struct slice){0});
	transaction_start(stack, &flow, builder_finish(&b), call);
}

static const struct stack_user user = {
	.request = on_request, .ack = on_ack, .response = on_response};

static double seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

int main(void)
{
	struct stack_config config = {.user = &user};
	struct sip_address local;
	struct rusage usage;

	base = config.base = event_base_new();
	stack = stack_create(&config);
	table = dialog_table_create();
	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	flow.listener =
		listener_open(stack_transport(stack), TRANSPORT_UDP, &local, (struct slice){0});
	flow.remote = *listener_address(flow.listener);
	for (int i = 0; i < N_AT_ONCE; i++)
		call_start();
	event_base_dispatch(base);
	getrusage(RUSAGE_SELF, &usage);
	printf("stack: %.1f us user, %.1f us system a call of both ends, 14 messages\n",
		seconds(&usage.ru_utime) / N_CALLS * 1e6, seconds(&usage.ru_stime) / N_CALLS * 1e6);
	stack_destroy(stack);
	dialog_table_destroy(table);
	event_base_free(base);
	return EXIT_SUCCESS;
}
