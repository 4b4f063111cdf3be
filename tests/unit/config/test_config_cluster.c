// The cluster in the configuration, with a key file that is there: what is taken, what is refused
// and where, and what waits for a restart.
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

#include "config.h"

static char folder[64], key_path[96], open_path[96], password_path[96];
static char text[8192], error[512];

static void file_write(char *path, const char *name, const char *content, mode_t mode)
{
	FILE *file;

	snprintf(path, 96, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(content, file);
	fclose(file);
	chmod(path, mode);
}

#define KEY "1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

static int make_files(void **)
{
	strcpy(folder, "/tmp/sluice-cluster-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	file_write(key_path, "key", KEY, 0600);
	file_write(open_path, "open", KEY, 0644);
	file_write(password_path, "password", "horse\n", 0600);
	return 0;
}

static int remove_files(void **)
{
	unlink(key_path);
	unlink(open_path);
	unlink(password_path);
	return rmdir(folder);
}

// The parts of a cluster that is right; a case puts something else into the place of one.
struct parts {
	const char *node, *key, *rules, *nodes, *store, *name, *owners, *addresses;
};

static const struct parts good = {
	.node = "n1",
	.rules = "",
	.nodes = "[{name: n1, address: 10.0.9.1}, {name: n2, address: 10.0.9.2}]",
	.store = "{servers: ['10.0.9.10:6379']}",
	.name = "s1",
	.owners = "[n1, n2]",
	.addresses = "[{realm: lo, sip: 10.0.0.1}, {realm: six, sip: '2001:db8::1'}]",
};

static struct config *load(const struct parts *from)
{
#define PART(field) (from->field ? from->field : good.field)
	int n = snprintf(text, sizeof(text),
		"node: %s\n"
		"realms:\n"
		"  - {name: lo, sip: [{address: 10.0.0.1}, {address: 10.0.0.2, port: 5070}],"
		" media_address: 10.0.0.1}\n"
		"  - {name: six, sip: [{address: '2001:db8::1'}, {address: 10.0.0.4}],"
		" media_addresses: ['2001:db8::1', 10.0.0.4]}\n"
		"trunks:\n"
		"  - {name: t, realm: lo, peers: [{address: 10.0.0.3}], codecs: [PCMU]}\n"
		"routes: [{prefix: '', trunk: t}]\n"
		"cluster:\n"
		"  key_file: %s\n"
		"  nodes: %s\n"
		"  store: %s\n"
		"%s"
		"  shards:\n"
		"  - name: %s\n"
		"    nodes: %s\n"
		"    addresses: %s\n",
		PART(node), from->key ? from->key : key_path, PART(nodes), PART(store), PART(rules),
		PART(name), PART(owners), PART(addresses));
#undef PART
	assert_true(n > 0 && (size_t)n < sizeof(text));
	return config_load_text("test", text, strlen(text), error, sizeof(error));
}

static void what_is_right_is_taken_with_its_defaults(void **)
{
	struct config *config = load(&(struct parts){});
	const struct cluster_settings *settings = &config->cluster.settings;
	const struct shard *shard = config->cluster.shards.list;

	assert_non_null(config);
	assert_true(config->cluster.on);
	assert_string_equal(settings->node, "n1");
	assert_int_equal(settings->n_nodes, 2);
	assert_int_equal(settings->heartbeat_ms, 50);
	assert_int_equal(settings->n_missed, 5);
	assert_int_equal(settings->store.lease_ms, 1000);
	assert_true(settings->store_votes);
	assert_string_equal(settings->store.redis.addresses[0], "10.0.9.10:6379");
	assert_int_equal(settings->n_shards, 1);
	assert_string_equal(settings->shards[0].nodes[1], "n2");
	assert_int_equal(shard->n_addresses, 2);
	assert_true(sdp_address_equal(&shard->addresses[0].sip, &shard->addresses[0].media));
	config_free(config);
}

static void three_nodes_need_no_witness(void **)
{
	struct config *config = load(&(struct parts){
		.nodes = "[{name: n1, address: 10.0.9.1}, {name: n2, address: 10.0.9.2},"
			 " {name: w, address: 10.0.9.3}]"});

	assert_non_null(config);
	assert_false(config->cluster.settings.store_votes);
	config_free(config);
}

static void the_store_takes_all_that_is_said(void **)
{
	char store[1024];
	struct config *config;

	snprintf(store, sizeof(store),
		"{servers: ['[2001:db8::9]:26379', 'unix:/run/redis.sock'], sentinel: voice,"
		" user: sluice, password_file: %s, prefix: v1, connect_timeout_ms: 300,"
		" command_timeout_ms: 200, write_ms: 150, tls: {ca: /etc/ca.pem, name: redis.example}}",
		password_path);
	config = load(&(struct parts){.store = store});
	assert_non_null(config);
	assert_int_equal(config->cluster.settings.store.redis.n_addresses, 2);
	assert_string_equal(config->cluster.settings.store.redis.master, "voice");
	assert_string_equal(config->cluster.settings.store.redis.password, "horse");
	assert_int_equal(config->cluster.settings.store.flush_ms, 150);
	assert_true(config->cluster.settings.store.redis.tls.on);
	config_free(config);
}

static void what_is_wrong_is_named(void **)
{
	static const struct {
		struct parts parts;
		const char *where, *what;
	} cases[] = {
		{{.node = "n3"}, "cluster.nodes:", "this node, 'n3'"},
		{{.nodes = "[{name: n1, address: 10.0.9.1}, {name: n1, address: 10.0.9.2}]"},
			"cluster.nodes[2].name:", "already"},
		{{.nodes = "[{name: n1, address: 10.0.9.1}, {name: n2, address: 10.0.9.1}]"},
			"cluster.nodes[2]:", "already"},
		{{.nodes = "[{name: n1, address: host}, {name: n2, address: 10.0.9.1}]"},
			"cluster.nodes[1].address:", "address"},
		{{.nodes = "[{name: 'n 1', address: 10.0.9.1}]"}, "cluster.nodes[1].name:", "name"},
		{{.store = "{servers: ['10.0.9.10']}"}, "cluster.store.servers[1]:", "host:port"},
		{{.store = "{servers: ['h:1'], write_ms: 0}"}, "cluster.store.write_ms:", "1 to"},
		{{.store = "{servers: ['h:1'], user: me}"}, "cluster.store.user:", "password"},
		{{.store = "{servers: ['h:1'], tls: {key: /k}}"}, "cluster.store.tls:", "none"},
		{{.store = "{servers: ['h:1'], tls: {ca: k}}"}, "cluster.store.tls.ca:", "path"},
		{{.store = "{servers: ['h:1'], password_file: /nowhere}"},
			"cluster.store.password_file:", "cannot be read"},
		{{.rules = "  witness: us\n"}, "cluster.witness:", "store or none"},
		{{.rules = "  lease_ms: 100\n"}, "cluster.lease_ms:", "300"},
		{{.rules = "  lease_ms: 400\n  heartbeat: {interval_ms: 100}\n"},
			"cluster.lease_ms:", "may be silent, 500"},
		{{.rules = "  heartbeat: {missed: 1}\n"}, "cluster.heartbeat.missed:", "2 to"},
		{{.name = "s/1"}, "cluster.shards[1].name:", "name"},
		{{.name = "a234567890123456789012345678901234"}, "cluster.shards[1].name:", "31"},
		{{.owners = "[n1, n9]"}, "cluster.shards[1].nodes[2]:", "no node 'n9'"},
		{{.owners = "[n1, n1]"}, "cluster.shards[1].nodes[2]:", "already"},
		{{.addresses = "[{realm: no, sip: 10.0.0.1}]"},
			"cluster.shards[1].addresses[1].realm:", "no realm"},
		{{.addresses = "[{realm: lo, sip: 10.0.0.9}]"},
			"cluster.shards[1].addresses[1].sip:", "listens on"},
		{{.addresses = "[{realm: lo, sip: 10.0.0.1, media: '2001:db8::1'}]"},
			"cluster.shards[1].addresses[1].media:", "IPv4"},
		{{.addresses = "[{realm: lo, sip: 10.0.0.1}]"},
			"cluster.shards[1].addresses:", "realm 'six', too"},
		{{.addresses = "[{realm: lo, sip: 10.0.0.1}, {realm: lo, sip: 10.0.0.2}]"},
			"cluster.shards[1].addresses[2]:", "already"},
		{{.addresses = "[{realm: lo, sip: 10.0.0.1}, {realm: six, sip: 10.0.0.4}]\n"
			       "  - name: s2\n    nodes: [n1]\n"
			       "    addresses: [{realm: lo, sip: 10.0.0.1}]"},
			"cluster.shards[2].addresses[1].sip:", "'s1' has this address"},
		{{.key = "key"}, "cluster.key_file:", "absolute"},
		{{.key = "/nowhere"}, "cluster.key_file:", "cannot be read"},
		{{.key = open_path}, "cluster.key_file:", "open to every user"},
		{{.key = password_path}, "cluster.key_file:", "key"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = load(&cases[i].parts);

		assert_null(config);
		if (!strstr(error, cases[i].where) || !strstr(error, cases[i].what))
			fail_msg("case %zu: %s", i, error);
	}
}

static void a_print_loads_again_to_the_same(void **)
{
	struct config *config = load(&(struct parts){});
	char *printed = config_print(config), *again;
	struct config *second;
	char restart[512];

	assert_non_null(printed);
	second = config_load_text("print", printed, strlen(printed), error, sizeof(error));
	assert_non_null(second);
	again = config_print(second);
	assert_string_equal(printed, again);
	config_restart_needed(config, second, restart, sizeof(restart));
	assert_string_equal(restart, "");
	free(again);
	free(printed);
	config_free(second);
	config_free(config);
}

static void any_change_waits_for_a_restart(void **)
{
	static const struct parts changes[] = {
		{.rules = "  lease_ms: 2000\n"},
		{.rules = "  witness: none\n"},
		{.rules = "  heartbeat: {missed: 4}\n"},
		{.store = "{servers: ['10.0.9.11:6379']}"},
		{.store = "{servers: ['10.0.9.10:6379'], prefix: x}"},
		{.owners = "[n2, n1]"},
		{.name = "s2"},
		{.addresses = "[{realm: lo, sip: 10.0.0.2}, {realm: six, sip: 10.0.0.4}]"},
		{.nodes = "[{name: n1, address: 10.0.9.1}, {name: n2, address: 10.0.9.3}]"},
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct config *config = load(&(struct parts){}), *changed = load(&changes[i]);
		char restart[512];

		assert_non_null(changed);
		config_restart_needed(config, changed, restart, sizeof(restart));
		assert_string_equal(restart, "cluster");
		config_free(changed);
		config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_right_is_taken_with_its_defaults),
		cmocka_unit_test(three_nodes_need_no_witness),
		cmocka_unit_test(the_store_takes_all_that_is_said),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_print_loads_again_to_the_same),
		cmocka_unit_test(any_change_waits_for_a_restart),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
