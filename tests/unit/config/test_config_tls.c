// TLS in the configuration, with files that are there: what a trunk takes from its realm, and what
// is said of files that will not do. Cases without files are in tests/golden/config.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificates.h"
#include "config.h"

static char folder[64];
static char text[4096], error[512];

static const char *path(const char *name)
{
	static char paths[4][128];
	static unsigned int n;
	char *out = paths[n++ % 4];

	snprintf(out, 128, "%s/%s", folder, name);
	return out;
}

static int make_files(void **)
{
	struct certificate ca, certificate;

	strcpy(folder, "/tmp/sluice-config-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	ca = certificate_make(&(struct certificate_spec){.common_name = "CA", .is_ca = true}, NULL);
	certificate = certificate_make(&(struct certificate_spec){.common_name = "gw"}, &ca);
	certificate_write(&ca, path("ca.pem"), path("other.key"));
	certificate_write(&certificate, path("gw.pem"), path("gw.key"));
	certificate_write(&certificate, NULL, path("open.key"));
	chmod(path("open.key"), 0644);
	certificate_free(&ca);
	certificate_free(&certificate);
	return 0;
}

static int remove_files(void **)
{
	const char *names[] = {"ca.pem", "other.key", "gw.pem", "gw.key", "open.key"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path(names[i]));
	return rmdir(folder);
}

// `realm` and `trunk` are what their tls says; %F stands for the folder.
static struct config *load(const char *realm, const char *trunk)
{
	char with_marks[4096], *at = text;

	snprintf(with_marks, sizeof(with_marks),
		"realms:\n"
		"  - name: wan\n"
		"    sip: [{address: 192.0.2.1}, {transport: tls, address: 192.0.2.1}]\n"
		"    media_address: 192.0.2.1\n"
		"    tls: {%s}\n"
		"trunks:\n"
		"  - name: carrier\n"
		"    realm: wan\n"
		"    peers: [{address: 198.51.100.1, transport: tls}, {address: 198.51.100.2}]\n"
		"    codecs: [PCMU]\n"
		"%s\n"
		"routes:\n"
		"  - {trunk: carrier}\n",
		realm, trunk);
	for (const char *from = with_marks; *from; from++) {
		if (from[0] == '%' && from[1] == 'F') {
			at = stpcpy(at, folder);
			from++;
		} else {
			*at++ = *from;
		}
	}
	*at = '\0';
	return config_load_text("case.yaml", text, strlen(text), error, sizeof(error));
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
	return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

#define REALM "certificate: %F/gw.pem, key: %F/gw.key"

static void trunk_takes_from_its_realm_what_it_does_not_say(void **)
{
	struct config *config = load(REALM ", ca: %F/ca.pem, verify: optional", "");
	const struct tls_settings *realm, *trunk;

	if (!config)
		fail_msg("%s", error);
	realm = &config->realms[0].tls;
	trunk = &config->trunks.list[0].tls;
	assert_int_equal(realm->role, TLS_SERVER);
	assert_int_equal(realm->verify, TLS_VERIFY_OPTIONAL);
	assert_string_equal(realm->certificate, path("gw.pem"));
	assert_int_equal(port_of(&config->realms[0].listeners[0].address), 5060);
	assert_int_equal(port_of(&config->realms[0].listeners[1].address), 5061);
	assert_int_equal(port_of(&config->trunks.list[0].peers[0].address), 5061);
	assert_int_equal(port_of(&config->trunks.list[0].peers[1].address), 5060);
	assert_int_equal(trunk->role, TLS_CLIENT);
	assert_int_equal(trunk->verify, TLS_VERIFY_REQUIRED);
	assert_string_equal(trunk->certificate, path("gw.pem"));
	assert_string_equal(trunk->key, path("gw.key"));
	assert_string_equal(trunk->ca, path("ca.pem"));
	assert_null(trunk->server_name);
	config_free(config);
}

static void trunk_has_files_and_a_name_of_its_own(void **)
{
	struct config *config = load(REALM,
		"    tls: {server_name: sip.example.com, certificate: %F/ca.pem, key: %F/other.key, "
		"ca: %F/gw.pem}");
	const struct tls_settings *trunk;

	if (!config)
		fail_msg("%s", error);
	trunk = &config->trunks.list[0].tls;
	assert_int_equal(config->realms[0].tls.verify, TLS_VERIFY_NONE);
	assert_null(config->realms[0].tls.ca);
	assert_string_equal(trunk->server_name, "sip.example.com");
	assert_string_equal(trunk->certificate, path("ca.pem"));
	assert_string_equal(trunk->key, path("other.key"));
	assert_string_equal(trunk->ca, path("gw.pem"));
	config_free(config);
}

static void what_is_printed_loads_to_the_same(void **)
{
	struct config *config = load(REALM ", ca: %F/ca.pem, verify: required",
			      "    tls: {server_name: sip.example.com}"),
		      *again;
	char *first, *second;

	if (!config)
		fail_msg("%s", error);
	first = config_print(config);
	again = config_load_text("printed", first, strlen(first), error, sizeof(error));
	if (!again)
		fail_msg("%s", error);
	second = config_print(again);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "    verify: required\n"));
	assert_non_null(strstr(first, "    server_name: sip.example.com\n"));
	free(first);
	free(second);
	config_free(config);
	config_free(again);
}

static const struct refusal {
	const char *realm, *trunk, *said; // %F as above
} refusals[] = {
	{"certificate: %F/gw.pem, key: %F/other.key", "",
		"case.yaml:5: realms[1].tls.key: '%F/other.key' is not the key of the certificate"},
	{"certificate: %F/gw.pem, key: %F/open.key", "",
		"case.yaml:5: realms[1].tls.key: '%F/open.key' is open to every user of this host: "
		"take that away (chmod o=)"},
	{"certificate: %F/gw.key, key: %F/gw.key", "",
		"case.yaml:5: realms[1].tls.certificate: '%F/gw.key' cannot be used: no start line"},
	{REALM ", verify: required", "",
		"case.yaml:5: realms[1].tls.ca: needed to verify the certificates of clients"},
	{REALM, "    tls: {certificate: %F/gw.pem}",
		"case.yaml:11: trunks[1].tls.certificate: certificate and key go together"},
	{REALM, "    tls: {ca: /nonexistent/ca.pem}",
		"case.yaml:11: trunks[1].tls.ca: '/nonexistent/ca.pem' cannot be read: No such file "
		"or directory"},
	{REALM, "    tls: {server_name: \"sip.example.com:5061\"}",
		"case.yaml:11: trunks[1].tls.server_name: expected a domain, not "
		"'sip.example.com:5061'"},
};

static void files_that_will_not_do_are_named_with_their_line(void **)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char said[512], *at = said;

		assert_null(load(refusals[i].realm, refusals[i].trunk));
		for (const char *from = refusals[i].said; *from; from++) {
			if (from[0] == '%')
				at = stpcpy(at, folder);
			else if (from == refusals[i].said || from[-1] != '%')
				*at++ = *from;
		}
		*at = '\0';
		assert_string_equal(error, said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trunk_takes_from_its_realm_what_it_does_not_say),
		cmocka_unit_test(trunk_has_files_and_a_name_of_its_own),
		cmocka_unit_test(what_is_printed_loads_to_the_same),
		cmocka_unit_test(files_that_will_not_do_are_named_with_their_line),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
