// URIs, header values, parameters, addresses, the writer, hashes: small parts, many cases.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "builder.h"
#include "chars.h"
#include "check.h"
#include "message.h"
#include "sip_address.h"
#include "siphash.h"
#include "status.h"
#include "token.h"

static void uris_are_cut_into_their_parts(void **)
{
	static const struct {
		const char *text, *user, *password, *host, *params, *headers;
		unsigned int port;
	} uris[] = {
		{"sip:example.com", "", "", "example.com", "", "", 0},
		{"sip:a@example.com:5061;lr?x=y", "a", "", "example.com", ";lr", "x=y", 5061},
		{"SIPS:a:pw@[2001:db8::1]:5061;transport=tcp", "a", "pw", "2001:db8::1",
			";transport=tcp", "", 5061},
		{"sip:user;par=u%40example.net@example.com", "user;par=u%40example.net", "",
			"example.com", "", "", 0},
		{"sip:what?a=b@example.com?c=d", "what?a=b", "", "example.com", "", "c=d", 0},
		{"sip:#31#49@192.0.2.1", "#31#49", "", "192.0.2.1", "", "", 0},
		{"tel:+49-30-123;phone-context=example.com", "+49-30-123", "", "",
			";phone-context=example.com", "", 0},
	};
	struct uri uri;

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		assert_int_equal(uri_parse(slice_of(uris[i].text), &uri), 0);
		assert_slice(uri.user, uris[i].user);
		assert_slice(uri.password, uris[i].password);
		assert_slice(uri.host, uris[i].host);
		assert_slice(uri.params, uris[i].params);
		assert_slice(uri.headers, uris[i].headers);
		assert_int_equal(uri.port, uris[i].port);
	}
	assert_int_equal(uri_parse(SLICE("mailto:x@y"), &uri), 0);
	assert_int_equal(uri.scheme, URI_OTHER);
}

static void bad_uris_are_refused(void **)
{
	static const char *const uris[] = {"", "sip", "sip:", ":x", "1sip:x", "sip:@h", "sip:a@",
		"sip:a@b@c", "sip:a@h:0", "sip:a@h:65536", "sip:a@h:", "sip:a@h:x", "sip:a b@h",
		"sip:a@-h", "sip:a@[::1", "sip:a@[]", "sip:a@[1.2.3.4]", "sip:a@[2001:db8:::1]",
		"sip:a@[::1]x", "sip:a@h;", "sip:a@h;=x", "sip:a@h;;lr", "sip:a<@h",
		"tel:", "tel:;x", "sip:a@h\x01", "sip:2001:db8::10"};
	struct uri uri;

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++)
		if (uri_parse(slice_of(uris[i]), &uri) != -EBADMSG)
			fail_msg("\"%s\" was taken for a URI", uris[i]);
}

// The examples of RFC 3261 19.1.4, and a few more.
static void uris_compare_as_the_rfc_says(void **)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} pairs[] = {
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp",
			true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
			"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
			true},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
			"sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP",
			false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
		{"sip:a@b", "sips:a@b", false},
		{"sip:a@b", "sip:b", false},
		{"x:y", "x:y", true},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct uri a, b;

		assert_int_equal(uri_parse(slice_of(pairs[i].a), &a), 0);
		assert_int_equal(uri_parse(slice_of(pairs[i].b), &b), 0);
		if (uri_equal(&a, &b) != pairs[i].equal || uri_equal(&b, &a) != pairs[i].equal)
			fail_msg("%s and %s", pairs[i].a, pairs[i].b);
	}
}

static void escapes_are_undone_once(void **)
{
	char out[16];

	assert_int_equal(uri_unescape(SLICE("a%40%2540%zz%"), out, sizeof(out)), 9);
	assert_memory_equal(out, "a@%40%zz%", 9);
	assert_int_equal(uri_unescape(SLICE("abc"), out, 2), -ENOSPC);
}

static void names_and_addresses_are_cut(void **)
{
	static const struct {
		const char *text, *display, *uri, *params;
	} names[] = {
		{"<sip:a@b>", "", "sip:a@b", ""},
		{"sip:a@b;tag=x", "", "sip:a@b", ";tag=x"},
		{"sip:a@b ; tag=x", "", "sip:a@b", "; tag=x"},
		{"<sip:a@b;lr>;x", "", "sip:a@b;lr", ";x"},
		{"caller<sip:a@b>;tag=3", "caller", "sip:a@b", ";tag=3"},
		{"\"A, \\\"B\\\" <x>\"  <sip:a@b>", "A, \\\"B\\\" <x>", "sip:a@b", ""},
		{"A B C <tel:+1>", "A B C", "tel:+1", ""},
		{"*", "", "*", ""},
	};
	static const char *const bad[] = {"", "\"a", "\"a\" sip:x", "<sip:a", "<>", "sip:a?b=c",
		"sip:a,b", "a\" <sip:b>", "<sip:a b>", "<sip:a>x", "<sip:a>;", "<sip:a>;x=\""};
	struct nameaddr name;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(nameaddr_parse(slice_of(names[i].text), &name), 0);
		assert_slice(name.display, names[i].display);
		assert_slice(name.uri, names[i].uri);
		assert_slice(name.params, names[i].params);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (nameaddr_parse(slice_of(bad[i]), &name) != -EBADMSG)
			fail_msg("\"%s\" was taken for a name and address", bad[i]);
}

static void vias_are_cut(void **)
{
	struct via via;

	assert_int_equal(via_parse(SLICE("SIP / 2.0 / UDP first.example.com: 4000;ttl=16 "
					 ";maddr=224.2.0.1 ;branch=z9hG4bKa;rport"),
				 &via),
		0);
	assert_slice(via.transport, "UDP");
	assert_slice(via.host, "first.example.com");
	assert_int_equal(via.port, 4000);
	assert_int_equal(via.ttl, 16);
	assert_slice(via.maddr, "224.2.0.1");
	assert_slice(via.branch, "z9hG4bKa");
	assert_true(via.has_rport);
	assert_int_equal(via.rport, 0);
	assert_int_equal(
		via_parse(SLICE("SIP/2.0/TLS [2001:db8::9]:5061;received=2001:db8::9:255;rport=7"),
			&via),
		0);
	assert_true(via.host_is_ipv6);
	assert_slice(via.host, "2001:db8::9");
	assert_slice(via.received, "2001:db8::9:255");
	assert_int_equal(via.rport, 7);
	assert_int_equal(via_parse(SLICE("SIP/2.0/UDP h;ttl=256"), &via), -EBADMSG);
	assert_int_equal(via_parse(SLICE("SIP/2.0/UDP h;rport=x"), &via), -EBADMSG);
	assert_int_equal(via_parse(SLICE("SIP/2.0/UDP h;branch=\"x"), &via), -EBADMSG);
	assert_int_equal(via_parse(SLICE("SIP/2.0/UDP"), &via), -EBADMSG);
	assert_int_equal(via_parse(SLICE("SIP/2.0/UDP h:99999"), &via), -EBADMSG);
}

static void lists_are_cut_at_commas_outside_quotes(void **)
{
	struct slice rest = SLICE("a , \"b,c\" <x,y>;q=\"1,2\",d"), value;

	assert_int_equal(list_next(&rest, &value), 1);
	assert_slice(value, "a");
	assert_int_equal(list_next(&rest, &value), 1);
	assert_slice(value, "\"b,c\" <x,y>;q=\"1,2\"");
	assert_int_equal(list_next(&rest, &value), 1);
	assert_slice(value, "d");
	assert_int_equal(list_next(&rest, &value), 0);
	rest = SLICE("a,,b");
	assert_int_equal(list_next(&rest, &value), 1);
	assert_int_equal(list_next(&rest, &value), -EBADMSG);
	rest = SLICE("a,");
	assert_int_equal(list_next(&rest, &value), -EBADMSG);
	rest = SLICE("\"a");
	assert_int_equal(list_next(&rest, &value), -EBADMSG);
}

static void reasons_and_racks_are_cut(void **)
{
	struct reason reason;
	struct slice method;
	uint32_t rseq, cseq;

	assert_int_equal(
		reason_parse(SLICE("Q.850 ;cause=16 ;text=\"Normal; clearing\""), &reason), 0);
	assert_slice(reason.protocol, "Q.850");
	assert_int_equal(reason.cause, 16);
	assert_slice(reason.text, "Normal; clearing");
	assert_int_equal(reason_parse(SLICE("SIP"), &reason), 0);
	assert_int_equal(reason.cause, 0);
	assert_int_equal(reason_parse(SLICE("SIP;cause=x"), &reason), -EBADMSG);
	assert_int_equal(reason_parse(SLICE(""), &reason), -EBADMSG);
	assert_int_equal(rack_parse(SLICE("776656  1 INVITE"), &rseq, &cseq, &method), 0);
	assert_int_equal(rseq, 776656);
	assert_int_equal(cseq, 1);
	assert_slice(method, "INVITE");
	assert_int_equal(rack_parse(SLICE("1 INVITE"), &rseq, &cseq, &method), -EBADMSG);
}

static void content_types_are_cut(void **)
{
	struct content_type type;

	assert_int_equal(content_type_parse(SLICE("multipart/mixed; boundary=\"a;b\""), &type), 0);
	assert_slice(type.type, "multipart");
	assert_slice(type.subtype, "mixed");
	assert_slice(type.params, "; boundary=\"a;b\"");
	assert_int_equal(content_type_parse(SLICE("application"), &type), -EBADMSG);
	assert_int_equal(content_type_parse(SLICE("a/b;"), &type), -EBADMSG);
}

static void addresses_go_to_text_and_back(void **)
{
	struct sip_address address, other;
	char text[SIP_ADDRESS_TEXT_SIZE];

	assert_int_equal(sip_address_parse(SLICE("192.0.2.1"), 5060, &address), 0);
	assert_slice(sip_address_format(&address, text), "192.0.2.1:5060");
	assert_int_equal(sip_address_parse(SLICE("[2001:DB8::1]"), 5061, &other), 0);
	assert_slice(sip_address_format(&other, text), "[2001:db8::1]:5061");
	assert_slice(sip_address_format_host(&other, false, text), "2001:db8::1");
	assert_false(sip_address_equal(&address, &other));
	assert_int_equal(sip_address_parse(SLICE("192.0.2.1"), 5061, &other), 0);
	assert_false(sip_address_equal(&address, &other));
	assert_true(sip_address_equal_host(&address, &other));
	assert_int_equal(sip_address_parse(SLICE("example.com"), 1, &address), -EINVAL);
	assert_int_equal(sip_address_parse(SLICE("192.0.2.1.1"), 1, &address), -EINVAL);
	assert_int_equal(sip_address_parse((struct slice){0}, 1, &address), -EINVAL);
}

static void builder_remembers_that_it_overflowed(void **)
{
	char out[16];
	struct builder b;

	builder_init(&b, out, sizeof(out));
	builder_unsigned(&b, 18446744073709551615u);
	assert_null(builder_finish(&b).p);
	builder_text(&b, "x");
	assert_null(builder_finish(&b).p);
	builder_init(&b, out, sizeof(out));
	builder_text(&b, "0123456789abcde");
	builder_char(&b, 'f');
	assert_slice(builder_finish(&b), "0123456789abcdef");
}

static void builder_refuses_injected_lines(void **)
{
	char out[256];
	struct builder b;

	builder_init(&b, out, sizeof(out));
	builder_header(&b, HEADER_SUBJECT, SLICE("a\r\nEvil: yes"));
	assert_null(builder_finish(&b).p);
	builder_init(&b, out, sizeof(out));
	builder_request_line(&b, SLICE("INVITE"), SLICE("sip:a\nb"));
	assert_null(builder_finish(&b).p);
	builder_init(&b, out, sizeof(out));
	builder_quoted(&b, SLICE("a\"b\\c"));
	assert_slice(builder_finish(&b), "\"a\\\"b\\\\c\"");
}

static void built_message_parses_again(void **)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct message_error error;
	struct sip_message m;
	char out[512];
	struct builder b;

	builder_init(&b, out, sizeof(out));
	builder_request_line(&b, SLICE("INVITE"), SLICE("sip:b@h"));
	builder_header(&b, HEADER_VIA, SLICE("SIP/2.0/UDP h;branch=z9hG4bK1"));
	builder_header(&b, HEADER_FROM, SLICE("<sip:a@h>;tag=1"));
	builder_header(&b, HEADER_TO, SLICE("<sip:b@h>"));
	builder_header(&b, HEADER_CALL_ID, SLICE("id"));
	builder_cseq(&b, 5, SLICE("INVITE"));
	builder_header_unsigned(&b, HEADER_MAX_FORWARDS, 70);
	builder_header_named(&b, SLICE("X-Own"), SLICE("1"));
	builder_body(&b, SLICE("text/plain"), SLICE("hello"));
	assert_int_equal(message_parse(&m, headers, out, builder_finish(&b).n, &error), 0);
	assert_slice(m.body, "hello");
	assert_int_equal(m.cseq, 5);
	assert_slice(message_value_named(&m, SLICE("X-Own")), "1");
}

static void numbers_have_limits(void **)
{
	uint32_t value = 7;

	assert_int_equal(slice_to_u32(SLICE("0004294967295"), UINT32_MAX, &value), 0);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(slice_to_u32(SLICE("4294967296"), UINT32_MAX, &value), -ERANGE);
	assert_int_equal(slice_to_u32(SLICE("18446744073709551617"), UINT32_MAX, &value), -ERANGE);
	assert_int_equal(slice_to_u32(SLICE(""), UINT32_MAX, &value), -EINVAL);
	assert_int_equal(slice_to_u32(SLICE("+1"), UINT32_MAX, &value), -EINVAL);
}

// From the reference of SipHash: key 00..0f, input 00..0e.
static void siphash_agrees_with_its_reference(void **)
{
	struct siphash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
	struct slice input = {"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e", 15};
	struct slice split[2][2] = {{SLICE("ab"), SLICE("c")}, {SLICE("a"), SLICE("bc")}};

	assert_true(siphash(&key, &input, 1) == 0xa129ca6149be45e5u);
	assert_true(siphash(&key, split[0], 2) != siphash(&key, split[1], 2));
}

static void tokens_are_tokens_and_differ(void **)
{
	char tokens[1000][TOKEN_SIZE];

	for (int i = 0; i < 1000; i++) {
		token_make(tokens[i]);
		assert_true(chars_are((struct slice){tokens[i], TOKEN_SIZE}, CHAR_TOKEN));
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(tokens[i], tokens[j], TOKEN_SIZE);
	}
}

static void write_and_leave(char *buffer, size_t size)
{
	WIPED_BUILDER b = {};

	builder_init(&b, buffer, size);
	builder_body(&b, SLICE("application/sdp"), SLICE("a=crypto:1 secret"));
	assert_non_null(memmem(buffer, size, "secret", 6));
}

static void what_a_wiped_builder_wrote_is_gone_with_it(void **)
{
	char buffer[128], nothing[128] = "";

	memset(buffer, 0, sizeof(buffer));
	write_and_leave(buffer, sizeof(buffer));
	assert_memory_equal(buffer, nothing, sizeof(buffer));
}

static void every_class_of_status_has_a_reason(void **)
{
	assert_slice(status_reason(200), "OK");
	assert_slice(status_reason(499), "Bad Request");
	assert_slice(status_reason(699), "Busy Everywhere");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uris_are_cut_into_their_parts),
		cmocka_unit_test(bad_uris_are_refused),
		cmocka_unit_test(uris_compare_as_the_rfc_says),
		cmocka_unit_test(escapes_are_undone_once),
		cmocka_unit_test(names_and_addresses_are_cut),
		cmocka_unit_test(vias_are_cut),
		cmocka_unit_test(lists_are_cut_at_commas_outside_quotes),
		cmocka_unit_test(reasons_and_racks_are_cut),
		cmocka_unit_test(content_types_are_cut),
		cmocka_unit_test(addresses_go_to_text_and_back),
		cmocka_unit_test(builder_remembers_that_it_overflowed),
		cmocka_unit_test(builder_refuses_injected_lines),
		cmocka_unit_test(built_message_parses_again),
		cmocka_unit_test(numbers_have_limits),
		cmocka_unit_test(siphash_agrees_with_its_reference),
		cmocka_unit_test(tokens_are_tokens_and_differ),
		cmocka_unit_test(what_a_wiped_builder_wrote_is_gone_with_it),
		cmocka_unit_test(every_class_of_status_has_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
