// RFC 4475 and RFC 5118: what message_parse() says to each torture message, read in place from
// ../shared/vectors (SLUICE_VECTORS); skipped, and said so, where that is missing. The verdicts
// that a TU gives (401, 415, 416, 420) are those of test_refuse.c and of the applications.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "message.h"

enum { OK = 0, DROP = -1 };

struct verdict {
	const char *file;
	int status; // OK, DROP, or what it is answered with
};

static const struct verdict rfc4475[] = {
	// 3.1.1 valid messages
	{"wsinv", OK},
	{"intmeth", OK},
	{"esc01", OK},
	{"escnull", OK},
	{"esc02", OK},
	{"lwsdisp", OK},
	{"longreq", OK},
	{"dblreq", OK},
	{"semiuri", OK},
	{"transports", OK},
	{"mpart01", OK},
	{"unreason", OK},
	{"noreason", OK},
	// 3.1.2 invalid messages
	{"badinv01", 400},
	{"clerr", 400},
	{"ncl", 400},
	{"scalar02", 400},
	{"scalarlg", DROP},
	{"quotbal", 400},
	{"ltgtruri", 400},
	{"lwsruri", 400},
	{"lwsstart", 400},
	{"trws", OK},	 // lenient: nothing else can be meant
	{"escruri", OK}, // lenient: Request-URI headers are ignored
	{"baddate", OK}, // Date is nothing to the stack
	{"regbadct", 400},
	{"badaspec", OK}, // lenient: white space inside <>
	{"baddn", 400},	  // its display name would pass, but the file has no empty line at its end
	{"badvers", 505},
	{"mismatch01", 400},
	{"mismatch02", 400},
	{"bigcode", DROP},
	// 3.2 transaction layer, 3.3 application layer: syntax is right, others judge
	{"badbranch", OK},
	{"insuf", 400},
	{"unkscm", OK},
	{"novelsc", OK},
	{"unksm2", OK},
	{"bext01", OK},
	{"invut", OK},
	{"regaut01", OK},
	{"multi01", 400},
	{"mcl01", 400},
	{"bcast", OK}, // two Vias: the stack drops it
	{"zeromf", OK},
	{"cparam01", OK},
	{"cparam02", OK},
	{"regescrt", OK},
	{"sdp01", OK},
	{"inv2543", OK},
};

static const struct verdict rfc5118[] = {
	{"ipv6-good", OK},
	{"ipv6-bad", 400},
	{"port-ambiguous", OK},
	{"port-unambiguous", OK},
	{"ipv6-correct-abnf-2-colons", OK},
	{"ipv6-bug-abnf-3-colons", 400},
	{"via-received-param-with-delim", OK},
	{"via-received-param-no-delim", OK},
	{"mult-ip-in-header", OK},
	{"mult-ip-in-sdp", OK},
	{"ipv4-mapped-ipv6", OK},
	{"ipv6-in-sdp", OK},
};

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

static bool judge(const char *folder, const struct verdict *verdict, const char *suffix)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message message;
	struct message_error error;
	size_t size;
	char *text = file_read(folder, verdict->file, suffix, &size);
	int got = OK;

	if (message_parse(&message, headers, text, size, &error))
		got = error.status ? (int)error.status : DROP;
	if (got != verdict->status)
		print_error("%s: got %d (%s), want %d\n", verdict->file, got,
			error.reason ? error.reason : "", verdict->status);
	free(text);
	return got == verdict->status;
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
