#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane_config.h"

static char error[512];

static struct config *load(const char *text)
{
	char path[] = "/tmp/sluice-test-config-XXXXXX";
	int fd = mkstemp(path);
	struct config *config;
	size_t at = strlen(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	error[0] = '\0';
	config = config_load(path, error, sizeof(error));
	unlink(path);
	if (!config) { // what follows the file's name
		assert_memory_equal(error, path, at);
		memmove(error, error + at, strlen(error + at) + 1);
	}
	return config;
}

#define LEAST                             \
	"cpus: {main: 0, workers: [0]}\n" \
	"ports:\n"                        \
	"  - {name: wan, vdev: net_null0, addresses: [192.0.2.1], next_hop: 02:00:00:00:00:02}\n"

static void defaults_are_filled_in(void **)
{
	struct config *config = load(LEAST);
	struct port_config ports[PORTS_MAX];

	assert_non_null(config);
	assert_string_equal(config->socket, "/run/sluice/dataplane.sock");
	assert_int_equal(config->sessions_max, 10000);
	assert_int_equal(config->memory->hugepages, HUGEPAGES_AUTO);
	assert_int_equal(config->cpus->transcoders_count, 0);
	assert_false(config->idle);
	assert_int_equal(config_ports(config, ports), 1);
	assert_string_equal(ports[0].name, "wan");
	assert_string_equal(ports[0].vdev, "net_null0");
	assert_string_equal(ports[0].interface, "");
	assert_int_equal(ports[0].rtp_port_min, 16384);
	assert_int_equal(ports[0].rtp_port_max, 32767);
	assert_int_equal(ports[0].addresses[0].family, SL_IPV4);
	assert_memory_equal(ports[0].addresses[0].bytes, "\xc0\x00\x02\x01", 4);
	assert_memory_equal(&ports[0].next_hop, "\x02\x00\x00\x00\x00\x02", 6);
	config_free(config);
}

static void effective_configuration_loads_again_as_the_same(void **)
{
	struct config *config = load("socket: /tmp/s\nidle: true\nsessions_max: 5\n"
				     "memory: {hugepages: no, megabytes: 128}\n"
				     "rtp_ports: {min: 2000, max: 2999}\nlog: {all: debug}\n"
				     "eal: [--no-pci]\n" LEAST);
	char *text = config_text(config);
	struct config *again;
	char *text_again;

	assert_non_null(text);
	assert_non_null(strstr(text, "megabytes: 128"));
	again = load(text);
	assert_non_null(again);
	text_again = config_text(again);
	assert_string_equal(text, text_again);
	free(text);
	free(text_again);
	config_free(config);
	config_free(again);
}

#define CPUS "cpus: {workers: [0]}\n"

static void errors_say_where_and_what_is_expected(void **)
{
	static const struct {
		const char *text;
		const char *error;
	} rows[] = {
		{"", ":1: the file is empty"},
		{"cpus: {main: 0}\nports: []\n", ":1: cpus: workers is missing"},
		{"sessions_max: 0x7fffffff\n" LEAST, ":1: sessions_max: expected 1 to 1000000"},
		{"cpus: {main: 0, workers: [999]}\nports:\n- {name: a, vdev: net_null0, addresses: "
		 "[192.0.2.1], next_hop: 02:00:00:00:00:02}\n",
			":1: cpus.workers[1]: there is no CPU 999 here: expected 0 to "},
		{"socket: relative\n" LEAST,
			":1: socket: expected an absolute path of at most 107 bytes"},
		{"memory: {megabytes: 1}\n" LEAST, ":1: memory.megabytes: expected at least 64"},
		{"memory: {hugepages: maybe}\n" LEAST,
			":1: memory.hugepages: expected auto, yes or no, not "},
		{"rtp_ports: {min: 2001, max: 3000}\n" LEAST,
			":1: rtp_ports.min: expected an even number from 1024"},
		{"rtp_ports: {min: 2000, max: 3000}\n" LEAST,
			":1: rtp_ports.max: expected an odd number above min, up to 65535"},
		{"log: {all: loud}\n" LEAST, ":1: log.all: expected error, warn, info or debug"},
		{"log: {nothing: info}\n" LEAST, ":1: log.nothing: there is no such key here"},
		{LEAST "- {name: b, addresses: [192.0.2.2]}\n", ":4: this is no YAML: "},
		{CPUS "ports:\n- {name: a, addresses: [192.0.2.1]}\n",
			":3: ports[1]: expected either interface or vdev"},
		{CPUS "ports:\n- {name: a, vdev: net_null0, addresses: [192.0.2.1]}\n",
			":3: ports[1]: expected next_hop: a vdev has no neighbours to ask for"},
		{CPUS "ports:\n- {name: a, interface: nosuchif0, addresses: [192.0.2.1]}\n",
			":3: ports[1].interface: there is no interface nosuchif0 here"},
		{CPUS "ports:\n- {name: a, interface: lo, mac: 02:00:00:00:00:02, addresses: "
		      "[192.0.2.1]}\n",
			":3: ports[1]: mac and next_hop come from the kernel's interface"},
		{CPUS "ports:\n- name: a\n  interface: lo\n  addresses: [192.0.2.1, 192.0.2.400]\n",
			":5: ports[1].addresses[2]: expected an IPv4 address"},
		{CPUS "ports:\n- name: a\n  interface: lo\n  addresses: [192.0.2.1, 192.0.2.1]\n",
			":5: ports[1].addresses[2]: this address is there already"},
		{CPUS "ports:\n- name: a\n  vdev: net_null0\n  next_hop: ff:ff:ff:ff:ff:ff\n  "
		      "addresses: [192.0.2.1]\n",
			":5: ports[1].next_hop: expected a unicast MAC"},
		{CPUS "ports:\n- {name: a, interface: lo, addresses: [192.0.2.1]}\n"
		      "- {name: a, interface: lo, addresses: [192.0.2.2]}\n",
			":4: ports[2]: there is a port called a already"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct config *config = load(rows[i].text);

		if (config || strncmp(error, rows[i].error, strlen(rows[i].error)))
			fail_msg("row %zu: expected '%s', got '%s'", i, rows[i].error, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(effective_configuration_loads_again_as_the_same),
		cmocka_unit_test(errors_say_where_and_what_is_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
