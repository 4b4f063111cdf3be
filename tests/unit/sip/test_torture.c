// RFC 4475 and RFC 5118: what the stack with a plain UAS says to each torture message, read in
// place from ../shared/vectors (SLUICE_VECTORS); skipped, and said so, where that is missing.
// test_message.c and test_transport.c have messages of our own of the same classes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "transaction.h"

// What a stack with a plain UAS on top of it does: answers, or is silent because the
// message is malformed and may not be answered, or because no transaction waits for the response.
enum { MALFORMED = -1, UNMATCHED = -2 };

struct verdict {
	const char *file;
	int answer;
};

static const struct verdict rfc4475[] = {
	// 3.1.1 valid messages
	{"wsinv", 200},
	{"intmeth", 501},
	{"esc01", 200},
	{"escnull", 200},
	{"esc02", 501},
	{"lwsdisp", 200},
	{"longreq", 200},
	{"dblreq", 200},
	{"semiuri", 200},
	{"transports", 200},
	{"mpart01", 200},
	{"unreason", UNMATCHED},
	{"noreason", UNMATCHED},
	// 3.1.2 invalid messages
	{"badinv01", 400},
	{"clerr", 400},
	{"ncl", 400},
	{"scalar02", 400},
	{"scalarlg", MALFORMED},
	{"quotbal", 400},
	{"ltgtruri", 400},
	{"lwsruri", 400},
	{"lwsstart", 400},
	{"trws", 200},	  // lenient: nothing else can be meant
	{"escruri", 200}, // lenient: Request-URI headers are ignored
	{"baddate", 200}, // Date is nothing to the stack
	{"regbadct", 400},
	{"badaspec", 200}, // lenient: white space inside <>
	{"baddn", 400},	   // its display name would pass, but the file has no empty line at its end
	{"badvers", 505},
	{"mismatch01", 400},
	{"mismatch02", 400},
	{"bigcode", MALFORMED},
	// 3.2 transaction layer: taken for a branch of RFC 2543
	{"badbranch", 200},
	// 3.3 application layer
	{"insuf", 400},
	{"unkscm", 416},
	{"novelsc", 416},
	{"unksm2", 200}, // a scheme in To and From is for a registrar to refuse
	{"bext01", 420},
	{"invut", 415},
	{"regaut01", 200}, // 401 is the registrar's
	{"multi01", 400},
	{"mcl01", 400},
	{"bcast", UNMATCHED},
	{"zeromf", 483},
	{"cparam01", 200},
	{"cparam02", 200},
	{"regescrt", 200},
	{"sdp01", 200}, // 406 is the offer/answer's
	// 3.4 RFC 2543
	{"inv2543", 200},
};

static const struct verdict rfc5118[] = {
	{"ipv6-good", 200},
	{"ipv6-bad", 400},
	{"port-ambiguous", 200},
	{"port-unambiguous", 200},
	{"ipv6-correct-abnf-2-colons", 200},
	{"ipv6-bug-abnf-3-colons", 400},
	{"via-received-param-with-delim", 200},
	{"via-received-param-no-delim", 200},
	{"mult-ip-in-header", 200},
	{"mult-ip-in-sdp", 200},
	{"ipv4-mapped-ipv6", 200},
	{"ipv6-in-sdp", 200},
};

static int answered; // status of what the stack sent last

static void on_request(void *, struct transaction *t, const struct sip_message *)
{
	static const struct request_rules rules = {
		.allowed = SLICE("INVITE, ACK, BYE, OPTIONS, REGISTER, MESSAGE"),
		.supported = SLICE("timer"),
		.accepted = SLICE("application/sdp, multipart/mixed, text/plain"),
		.forwards = true};

	if (!transaction_refuse(t, &rules))
		transaction_reply(t, 200);
}

static void on_response(void *, struct transaction *, const struct sip_message *)
{
}

static void trace(void *, const struct flow *, bool outgoing, struct slice data)
{
	if (outgoing)
		answered = atoi(data.p + strlen("SIP/2.0 "));
}

static const struct stack_user user = {
	.request = on_request, .response = on_response, .trace = trace};

// An exact copy on the heap, so that ASan sees a read past the end.
static char *file_read(const char *folder, const char *name, const char *suffix, size_t *size)
{
	char path[512];
	FILE *file;
	char *text;

	snprintf(path, sizeof(path), SLUICE_VECTORS "/sip-torture/%s/%s%s", folder, name, suffix);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s cannot be read", path);
	fseek(file, 0, SEEK_END);
	*size = (size_t)ftell(file);
	rewind(file);
	text = malloc(*size);
	assert_int_equal(fread(text, 1, *size, file), *size);
	fclose(file);
	return text;
}

static int verdict_of(char *text, size_t size)
{
	struct stack_config config = {.base = event_base_new(), .user = &user};
	struct sip_stack *stack = stack_create(&config);
	const struct stack_counters *counters = stack_counters(stack);
	struct sip_address local;
	struct flow flow;
	int got;

	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	flow.listener =
		listener_open(stack_transport(stack), TRANSPORT_UDP, &local, (struct slice){0});
	assert_non_null(flow.listener);
	sip_address_parse(SLICE("127.77.0.9"), 9, &flow.remote); // nobody there
	answered = 0;
	transport_receive(&flow, text, size);
	event_base_loop(config.base, EVLOOP_NONBLOCK); // for new requests
	got = answered			      ? answered
	      : counters->malformed_dropped   ? MALFORMED
	      : counters->responses_unmatched ? UNMATCHED
					      : 0;
	stack_destroy(stack);
	event_base_free(config.base);
	return got;
}

static bool judge(const char *folder, const struct verdict *verdict, const char *suffix)
{
	size_t size;
	char *text = file_read(folder, verdict->file, suffix, &size);
	int got = verdict_of(text, size);

	if (got != verdict->answer)
		print_error("%s: got %d, want %d\n", verdict->file, got, verdict->answer);
	free(text);
	return got == verdict->answer;
}

static void judge_all(
	const char *folder, const struct verdict *verdicts, size_t n, const char *suffix)
{
	size_t n_wrong = 0;

	if (access(SLUICE_VECTORS "/sip-torture", R_OK)) {
		print_message("skipped: %s is missing\n", SLUICE_VECTORS "/sip-torture");
		skip();
	}
	for (size_t i = 0; i < n; i++)
		n_wrong += !judge(folder, &verdicts[i], suffix);
	assert_int_equal(n_wrong, 0);
}

static void messages_of_rfc4475_get_their_verdict(void **)
{
	judge_all("rfc4475", rfc4475, sizeof(rfc4475) / sizeof(rfc4475[0]), ".dat");
}

static void messages_of_rfc5118_get_their_verdict(void **)
{
	judge_all("rfc5118", rfc5118, sizeof(rfc5118) / sizeof(rfc5118[0]), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_rfc4475_get_their_verdict),
		cmocka_unit_test(messages_of_rfc5118_get_their_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
