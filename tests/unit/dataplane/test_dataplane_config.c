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
static struct realms realms;

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

#define LEAST                                                              \
	"cpus: {main: 0, workers: [0]}\n"                                  \
	"ports:\n"                                                         \
	"  - {name: null, vdev: net_null0, next_hop: 02:00:00:00:00:02}\n" \
	"realms:\n"                                                        \
	"  - {name: wan, port: null, addresses: [192.0.2.1]}\n"

static void defaults_are_filled_in(void **)
{
	struct config *config = load(LEAST);
	struct port_config ports[PORTS_MAX];
	const struct realm *realm = &realms.entries[0];

	assert_non_null(config);
	assert_string_equal(config->socket, "/run/sluice/dataplane.sock");
	assert_int_equal(config->sessions_max, 10000);
	assert_int_equal(config->punts_per_second, 5000);
	assert_int_equal(config->memory->hugepages, HUGEPAGES_AUTO);
	assert_int_equal(config->cpus->transcoders_count, 0);
	assert_false(config->idle);
	assert_int_equal(config->limits->leg_packets_per_second, 5000);
	assert_int_equal(config->limits->leg_bytes_per_second, 6250000);
	assert_int_equal(config->limits->worker_packets_per_second, 0);
	assert_int_equal(config->transcoding->opus_complexity, 5);
	assert_true(config->transcoding->shed_at == 0.7);
	assert_true(config->transcoding->refuse_at == 0.9);
	assert_int_equal(config_ports(config, ports), 1);
	assert_string_equal(ports[0].name, "null");
	assert_string_equal(ports[0].vdev, "net_null0");
	assert_string_equal(ports[0].interface, "");
	assert_memory_equal(&ports[0].next_hop, "\x02\x00\x00\x00\x00\x02", 6);
	config_realms(config, &realms);
	assert_int_equal(realms.n, 1);
	assert_string_equal(realm->name, "wan");
	assert_int_equal(realm->port, 0);
	assert_int_equal(realm->vlan, 0);
	assert_int_equal(realm->dscp, 46);
	assert_int_equal(realm->rtp_port_min, 16384);
	assert_int_equal(realm->rtp_port_max, 32767);
	assert_int_equal(realm->n_addresses, 1);
	assert_int_equal(realm->addresses[0].family, SL_IPV4);
	assert_memory_equal(realm->addresses[0].bytes, "\xc0\x00\x02\x01", 4);
	assert_true(rte_is_zero_ether_addr(&realm->next_hop));
	config_free(config);
}

static void realms_say_what_they_differ_in(void **)
{
	struct config *config =
		load("cpus: {workers: [0]}\n"
		     "rtp_ports: {min: 2000, max: 2999}\n"
		     "ports:\n"
		     "- {name: a, interface: lo}\n"
		     "- {name: b, vdev: net_null0}\n"
		     "realms:\n"
		     "- {name: one, port: b, vlan: 4094, addresses: [\"2001:db8::1\", "
		     "192.0.2.1], dscp: 0,\n"
		     "   next_hop: 02:00:00:00:00:03, rtp_ports: {min: 3000, max: 3001}}\n"
		     "- {name: two, port: a, addresses: [\"fd00::1\"]}\n");
	const struct realm *one = &realms.entries[0], *two = &realms.entries[1];

	if (!config)
		fail_msg("%s", error);
	config_realms(config, &realms);
	assert_int_equal(realms.n, 2);
	assert_int_equal(one->port, 1);
	assert_int_equal(one->vlan, 4094);
	assert_int_equal(one->dscp, 0);
	assert_int_equal(one->rtp_port_min, 3000);
	assert_int_equal(one->rtp_port_max, 3001);
	assert_int_equal(one->n_addresses, 2);
	assert_int_equal(one->addresses[0].family, SL_IPV6);
	assert_memory_equal(
		one->addresses[0].bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	assert_int_equal(one->addresses[1].family, SL_IPV4);
	assert_int_equal(one->next_hop.addr_bytes[5], 3);
	assert_int_equal(two->port, 0);
	assert_int_equal(two->rtp_port_min, 2000);
	assert_int_equal(two->rtp_port_max, 2999);
	config_free(config);
}

static void effective_configuration_loads_again_as_the_same(void **)
{
	struct config *config =
		load("socket: /tmp/s\nidle: true\nsessions_max: 5\npunts_per_second: 70\n"
		     "memory: {hugepages: no, megabytes: 128}\n"
		     "rtp_ports: {min: 2000, max: 2999}\nlog: {all: debug}\n"
		     "plugins: [sluice-g729.so, /opt/x.so]\n"
		     "limits: {worker_packets_per_second: 70000}\n"
		     "transcoding: {opus_complexity: 9, refuse_at: 0.8125}\n"
		     "eal: [--no-pci]\n" LEAST);
	char *text = config_text(config);
	struct config *again;
	char *text_again;
	char path[512];

	assert_non_null(text);
	assert_non_null(strstr(text, "megabytes: 128"));
	assert_non_null(strstr(text, "worker_packets_per_second: 70000"));
	assert_non_null(strstr(text, "opus_complexity: 9"));
	again = load(text);
	assert_non_null(again);
	text_again = config_text(again);
	assert_int_equal(again->plugins_count, 2);
	assert_int_equal(again->transcoding->opus_complexity, 9);
	assert_true(again->transcoding->shed_at == 0.7);
	assert_true(again->transcoding->refuse_at == 0.8125);
	assert_string_equal(config_plugin(again, 0, path, sizeof(path)) + strlen(path) - 22,
		"/sluice/sluice-g729.so");
	assert_string_equal(config_plugin(again, 1, path, sizeof(path)), "/opt/x.so");
	assert_string_equal(text, text_again);
	free(text);
	free(text_again);
	config_free(config);
	config_free(again);
}

#define CPUS	"cpus: {workers: [0]}\n"
#define PORT_A	"ports:\n- {name: a, interface: lo}\n"
#define REALM_A "realms:\n- {name: wan, port: a, addresses: [192.0.2.1]}\n"

static void errors_say_where_and_what_is_expected(void **)
{
	static const struct {
		const char *text;
		const char *error;
	} rows[] = {
		{"", ":1: the file is empty"},
		{"cpus: {main: 0}\nports: []\n", ":1: cpus: workers is missing"},
		{"sessions_max: 0x7fffffff\n" LEAST, ":1: sessions_max: expected 1 to 1000000"},
		{"punts_per_second: 1000001\n" LEAST,
			":1: punts_per_second: expected 1 to 1000000"},
		{"cpus: {main: 0, workers: [999]}\n" PORT_A REALM_A,
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
		{"plugins: [a/b.so]\n" LEAST,
			":1: plugins[1]: expected a file name such as sluice-g729.so, or an "
			"absolute path"},
		{"plugins: [a.so, /b.so, a.so]\n" LEAST,
			":1: plugins[3]: this plug-in is there already"},
		{"limits: {leg_packets_per_second: 9}\n" LEAST,
			":1: limits.leg_packets_per_second: expected at least 10"},
		{"limits: {leg_bytes_per_second: 999}\n" LEAST,
			":1: limits.leg_bytes_per_second: expected at least 1000"},
		{"limits: {worker_packets_per_second: 1}\n" LEAST,
			":1: limits.worker_packets_per_second: expected at least 1000, or 0 for no "
			"limit"},
		{"transcoding: {opus_complexity: 11}\n" LEAST,
			":1: transcoding.opus_complexity: expected 1 to 10"},
		{"transcoding: {shed_at: 1.5}\n" LEAST,
			":1: transcoding.shed_at: expected 0.01 to 1, a share of a core"},
		{"transcoding: {refuse_at: -1}\n" LEAST,
			":1: transcoding.refuse_at: expected 0.01 to 1, a share of a core"},
		{"transcoding: {refuse_at: nan}\n" LEAST,
			":1: transcoding.refuse_at: expected 0.01 to 1, a share of a core"},
		{"transcoding: {shed_at: much}\n" LEAST,
			":1: transcoding.shed_at: expected a number, not much"},
		{"log: {all: loud}\n" LEAST, ":1: log.all: expected error, warn, info or debug"},
		{"log: {nothing: info}\n" LEAST, ":1: log.nothing: there is no such key here"},
		{LEAST "- {name: b, addresses: [192.0.2.2]}\n", ":6: this is no YAML: "},
		{CPUS "ports:\n- {name: a}\n" REALM_A,
			":3: ports[1]: expected either interface or vdev"},
		{CPUS "ports:\n- {name: a, interface: nosuchif0}\n" REALM_A,
			":3: ports[1].interface: there is no interface nosuchif0 here"},
		{CPUS "ports:\n- {name: a, interface: lo, mac: 02:00:00:00:00:02}\n" REALM_A,
			":3: ports[1]: mac and next_hop come from the kernel's interface"},
		{CPUS "ports:\n- name: a\n  vdev: net_null0\n  next_hop: ff:ff:ff:ff:ff:ff\n" REALM_A,
			":5: ports[1].next_hop: expected a unicast MAC"},
		{CPUS PORT_A "- {name: a, interface: lo}\n" REALM_A,
			":4: ports[2]: there is a port called a already"},
		{CPUS "ports:\n- {name: a, interface: lo, addresses: [192.0.2.1]}\n" REALM_A,
			":3: ports[1].addresses: there is no such key here"},
		{CPUS PORT_A, ":1: realms is missing"},
		{CPUS PORT_A "realms:\n- name: wan\n  port: b\n  addresses: [192.0.2.1]\n",
			":6: realms[1].port: there is no port called b"},
		{CPUS PORT_A REALM_A "- {name: wan, port: a, addresses: [192.0.2.2]}\n",
			":6: realms[2]: there is a realm called wan already"},
		{CPUS PORT_A
			"realms:\n- name: wan\n  port: a\n  vlan: 4095\n  addresses: [192.0.2.1]\n",
			":7: realms[1].vlan: expected 1 to 4094"},
		{CPUS PORT_A
			"realms:\n- name: wan\n  port: a\n  dscp: 64\n  addresses: [192.0.2.1]\n",
			":7: realms[1].dscp: expected 0 to 63"},
		{CPUS PORT_A
			"realms:\n- name: wan\n  port: a\n  addresses: [192.0.2.1, 192.0.2.400]\n",
			":7: realms[1].addresses[2]: expected a unicast IPv4 or IPv6 address"},
		{CPUS PORT_A "realms:\n- {name: wan, port: a, addresses: [\"fe80::1\"]}\n",
			":5: realms[1].addresses[1]: expected a unicast IPv4 or IPv6 address"},
		{CPUS PORT_A "realms:\n- {name: wan, port: a, addresses: [\"ff02::1\"]}\n",
			":5: realms[1].addresses[1]: expected a unicast IPv4 or IPv6 address"},
		{CPUS PORT_A "realms:\n- {name: wan, port: a, addresses: [\"::ffff:192.0.2.1\"]}\n",
			":5: realms[1].addresses[1]: expected a unicast IPv4 or IPv6 address"},
		{CPUS PORT_A "realms:\n- {name: wan, port: a, addresses: [224.0.0.1]}\n",
			":5: realms[1].addresses[1]: expected a unicast IPv4 or IPv6 address"},
		{CPUS PORT_A
			"realms:\n- name: wan\n  port: a\n  addresses: [192.0.2.1, 192.0.2.1]\n",
			":7: realms[1].addresses[2]: realm wan has this address already"},
		{CPUS PORT_A "realms:\n- {name: wan, port: a, addresses: [\"2001:db8::1\"]}\n"
			     "- {name: lan, port: a, vlan: 2, addresses: [\"2001:DB8:0::1\"]}\n",
			":6: realms[2].addresses[1]: realm wan has this address already"},
		{CPUS PORT_A "realms:\n- name: wan\n  port: a\n  addresses: [192.0.2.1]\n"
			     "  rtp_ports: {min: 2001, max: 2999}\n",
			":8: realms[1].rtp_ports.min: expected an even number from 1024"},
		{CPUS PORT_A "realms:\n- name: wan\n  port: a\n  addresses: [192.0.2.1]\n"
			     "  rtp_ports: {min: 2000, max: 1999}\n",
			":8: realms[1].rtp_ports.max: expected an odd number above min"},
		{"cpus: {workers: [0, 0]}\n" PORT_A "realms:\n- name: wan\n  port: a\n"
		 "  addresses: [192.0.2.1]\n  rtp_ports: {min: 2000, max: 2001}\n",
			":8: realms[1].rtp_ports: 1 port pairs for 2 workers: expected one each"},
		{CPUS PORT_A "realms:\n- name: wan\n  port: a\n  next_hop: nobody\n"
			     "  addresses: [192.0.2.1]\n",
			":7: realms[1].next_hop: expected a unicast MAC"},
		{CPUS "ports:\n- {name: a, vdev: net_null0}\n" REALM_A,
			":5: realms[1]: expected next_hop, here or at port a: a vdev has no "
			"neighbours to ask for"},
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
		cmocka_unit_test(realms_say_what_they_differ_in),
		cmocka_unit_test(effective_configuration_loads_again_as_the_same),
		cmocka_unit_test(errors_say_where_and_what_is_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
