// RFC 3263 section 4 over tables of records.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "resolver_private.h"

// A zone in lines: "NAME A ADDRESS", "NAME SRV PRIORITY WEIGHT PORT TARGET", "NAME NAPTR ORDER
// PREFERENCE SERVICE REPLACEMENT", "NAME TYPE failed".
static const char *const *zone;
static char asked[512]; // names that are not known yet, in order
static const char *unknown;

static enum dns_type type_of(const char *text)
{
	return !strcmp(text, "A")      ? DNS_A
	       : !strcmp(text, "AAAA") ? DNS_AAAA
	       : !strcmp(text, "SRV")  ? DNS_SRV
				       : DNS_NAPTR;
}

static void record_read(const char *line, enum dns_type type, struct dns_record *out)
{
	char host[64] = "", text[64] = "";
	unsigned int a = 0, b = 0, c = 0;

	*out = (struct dns_record){};
	if (type == DNS_A && sscanf(line, "%*s %*s %63s", text) == 1) {
		inet_pton(AF_INET, text, &out->v4);
	} else if (type == DNS_AAAA && sscanf(line, "%*s %*s %63s", text) == 1) {
		inet_pton(AF_INET6, text, &out->v6);
	} else if (type == DNS_SRV) {
		sscanf(line, "%*s %*s %u %u %u %63s", &a, &b, &c, host);
	} else {
		sscanf(line, "%*s %*s %u %u %63s %63s", &a, &b, text, host);
		strcpy(out->flags, "S");
		snprintf(out->service, sizeof(out->service), "%.31s", text);
	}
	out->priority = (uint16_t)a;
	out->weight = (uint16_t)b;
	out->port = (uint16_t)c;
	snprintf(out->name, sizeof(out->name), "%s", strcmp(host, ".") ? host : "");
}

static bool known(void *, const char *name, enum dns_type type, struct resolver_kept *out)
{
	static struct dns_answer answers[16];
	static unsigned int next;
	struct dns_answer *answer = &answers[next++ % 16];

	snprintf(asked + strlen(asked), sizeof(asked) - strlen(asked), "%s/%d ", name, type);
	if (unknown && !strcmp(unknown, name))
		return false;
	*answer = (struct dns_answer){};
	*out = (struct resolver_kept){.answer = answer, .left_s = 60};
	for (size_t i = 0; zone[i]; i++) {
		char owner[64], kind[8], rest[16] = "";

		sscanf(zone[i], "%63s %7s %15s", owner, kind, rest);
		if (strcmp(owner, name) != 0 || type_of(kind) != type)
			continue;
		if (!strcmp(rest, "failed"))
			*out = (struct resolver_kept){.failed = true};
		else
			record_read(zone[i], type, &answer->records[answer->n++]);
	}
	return true;
}

static struct resolver_question anything = {.host = "d.example",
	.transport = RESOLVER_ANY,
	.transports = {true, true, true},
	.v4 = true};
static struct resolver_result result;

// "udp 192.0.2.1:5060, ...", by priority as they come.
static const char *follow(const struct resolver_question *question, const char *const *records)
{
	static const char *const names[] = {"udp", "tcp", "tls"};
	static char text[512];
	char address[SIP_ADDRESS_TEXT_SIZE];

	zone = records;
	asked[0] = text[0] = '\0';
	if (!resolver_follow(question, known, NULL, &result))
		return "incomplete";
	for (size_t i = 0; i < result.n; i++) {
		const struct resolver_target *target = &result.targets[i];

		sip_address_format(&target->address, address);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s", i ? ", " : "",
			names[target->transport], address);
		assert_true(!i || target->priority >= result.targets[i - 1].priority);
	}
	return text;
}

static const char *const full[] = {"d.example NAPTR 20 1 SIP+D2U _sip._udp.d.example",
	"d.example NAPTR 10 2 SIPS+D2T _s.d.example",
	"d.example NAPTR 10 1 E2U+sip nothing.example",
	"d.example NAPTR 30 1 SIP+D2T _sip._tcp.d.example", "_s.d.example SRV 1 1 5061 a.example",
	"_sip._udp.d.example SRV 1 70 5060 a.example",
	"_sip._udp.d.example SRV 1 30 5070 b.example", "_sip._udp.d.example SRV 2 0 5080 a.example",
	"_sip._tcp.d.example SRV 1 1 5090 b.example", "a.example A 192.0.2.1",
	"b.example A 192.0.2.2", "a.example AAAA 2001:db8::1", "d.example A 192.0.2.9", NULL};

static void naptr_chooses_services_in_its_order(void **)
{
	assert_string_equal(follow(&anything, full),
		"tls 192.0.2.1:5061, udp 192.0.2.1:5060, udp 192.0.2.2:5070, udp 192.0.2.1:5080, "
		"tcp 192.0.2.2:5090");
	assert_int_equal(result.targets[1].weight, 70);
	assert_int_equal(result.targets[1].priority, result.targets[2].priority);
	assert_int_equal(result.ttl_s, 60);
}

static void only_what_we_have_counts(void **)
{
	struct resolver_question question = anything;

	question.transports[TRANSPORT_TLS] = question.transports[TRANSPORT_UDP] = false;
	question.v6 = true;
	assert_string_equal(follow(&question, full), "tcp 192.0.2.2:5090");
}

static void transport_that_is_given_goes_to_its_service(void **)
{
	struct resolver_question question = anything;

	question.transport = TRANSPORT_TCP;
	assert_string_equal(follow(&question, full), "tcp 192.0.2.2:5090");
	assert_null(strstr(asked, "d.example/35"));
}

static void port_that_is_given_goes_to_addresses(void **)
{
	struct resolver_question question = anything;

	question.port = 5999;
	assert_string_equal(follow(&question, full), "udp 192.0.2.9:5999");
	question.transport = TRANSPORT_TLS;
	assert_string_equal(follow(&question, full), "tls 192.0.2.9:5999");
}

static void without_naptr_each_service_is_asked_for(void **)
{
	static const char *const records[] = {"_sip._tcp.d.example SRV 1 1 5071 a.example",
		"_sip._udp.d.example SRV 1 1 5070 a.example", "a.example A 192.0.2.1",
		"a.example AAAA 2001:db8::1", NULL};
	struct resolver_question question = anything;

	question.v6 = true;
	assert_string_equal(follow(&question, records),
		"udp 192.0.2.1:5070, udp [2001:db8::1]:5070, tcp 192.0.2.1:5071, "
		"tcp [2001:db8::1]:5071");
}

static void without_any_service_it_is_the_default_port(void **)
{
	static const char *const records[] = {"d.example A 192.0.2.1", NULL};
	struct resolver_question question = anything;

	assert_string_equal(follow(&question, records), "udp 192.0.2.1:5060");
	question.transport = TRANSPORT_TLS;
	assert_string_equal(follow(&question, records), "tls 192.0.2.1:5061");
	question.transport = RESOLVER_ANY;
	question.transports[TRANSPORT_UDP] = question.transports[TRANSPORT_TCP] = false;
	assert_string_equal(follow(&question, records), "tls 192.0.2.1:5061");
}

static void service_that_is_declined_has_no_target(void **)
{
	static const char *const records[] = {
		"_sip._udp.d.example SRV 0 0 0 .", "d.example A 192.0.2.1", NULL};

	assert_string_equal(follow(&anything, records), "");
	assert_false(result.failed);
}

static void nothing_is_concluded_before_all_is_known(void **)
{
	unknown = "d.example";
	assert_string_equal(follow(&anything, full), "incomplete");
	assert_string_equal(asked, "d.example/35 ");
	unknown = "b.example";
	assert_string_equal(follow(&anything, full), "incomplete");
	unknown = NULL;
}

static void failure_is_told_and_short_lived(void **)
{
	static const char *const records[] = {"_sip._udp.d.example SRV 1 1 5060 a.example",
		"_sip._udp.d.example SRV 2 1 5060 b.example", "a.example A failed",
		"b.example A 192.0.2.2", NULL};

	assert_string_equal(follow(&anything, records), "udp 192.0.2.2:5060");
	assert_true(result.failed);
	assert_true(result.ttl_s <= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(naptr_chooses_services_in_its_order),
		cmocka_unit_test(only_what_we_have_counts),
		cmocka_unit_test(transport_that_is_given_goes_to_its_service),
		cmocka_unit_test(port_that_is_given_goes_to_addresses),
		cmocka_unit_test(without_naptr_each_service_is_asked_for),
		cmocka_unit_test(without_any_service_it_is_the_default_port),
		cmocka_unit_test(service_that_is_declined_has_no_target),
		cmocka_unit_test(nothing_is_concluded_before_all_is_known),
		cmocka_unit_test(failure_is_told_and_short_lived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
