// The store over TLS to a real Redis: who the server is must be proved each time, who we are where
// the server asks. Certificates are of a CA that the test makes.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "certificates.h"
#include "proxy.h"
#include "store_rig.h"

static char folder[] = "/tmp/sluice-store-tls-XXXXXX";

// Files of a name: NAME.crt, NAME.key. The answer lives until the end.
static const char *path(const char *name, const char *ending)
{
	static char paths[64][80];
	static size_t n;
	char *at = paths[n++ % 64];

	snprintf(at, sizeof(paths[0]), "%s/%s.%s", folder, name, ending);
	return at;
}

static void make(
	const char *name, const struct certificate_spec *spec, const struct certificate *issuer)
{
	struct certificate made = certificate_make(spec, issuer);

	certificate_write(&made, path(name, "crt"), path(name, "key"));
	certificate_free(&made);
}

static int make_all(void **)
{
	const struct certificate_spec root = {.common_name = "A CA", .is_ca = true};
	const struct certificate_spec specs[] = {
		{.common_name = "redis", .names = "DNS:localhost,IP:127.0.0.1"},
		{.common_name = "localhost", .names = "DNS:redis.example,IP:192.0.2.1"},
		{.common_name = "redis", .names = "DNS:localhost", .from = -10, .to = -1},
		{.common_name = "redis", .names = "DNS:localhost", .from = 1, .to = 10},
		{.common_name = "node", .usage = "clientAuth"},
	};
	static const char *const names[] = {"good", "other-name", "expired", "early", "node"};
	struct certificate ca, other;
	size_t i;

	signal(SIGPIPE, SIG_IGN); // as main() does: TLS writes by write()
	assert_non_null(mkdtemp(folder));
	ca = certificate_make(&root, NULL);
	other = certificate_make(&root, NULL); // of the same name, with another key
	certificate_write(&ca, path("ca", "crt"), NULL);
	certificate_write(&other, path("other-ca", "crt"), NULL);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		make(names[i], &specs[i], &ca);
	make("strange-node", &specs[4], &other);
	certificate_free(&ca);
	certificate_free(&other);
	return 0;
}

static int remove_all(void **)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static struct cluster cluster;
static struct node node;
static char address[32];

// With the certificate `name`; `ask` as Redis has it: "yes", "no" or "optional".
static void serve(const char *name, const char *ask)
{
	char port[8];

	snprintf(port, sizeof(port), "%d", free_port());
	cluster_start(&cluster,
		(const char *const[]){"--port", "0", "--tls-port", port, "--tls-cert-file",
			path(name, "crt"), "--tls-key-file", path(name, "key"),
			"--tls-ca-cert-file", path("ca", "crt"), "--tls-auth-clients", ask, NULL});
	cluster.redis.port = atoi(port);
	snprintf(address, sizeof(address), "localhost:%s", port);
	node_init(&node, &cluster, "a");
	// Who must be refused needs no time for it; who is let in may be slow where much runs.
	node.config.redis.connect_timeout_ms = node.config.redis.command_timeout_ms = 3000;
	node.config.redis.addresses[0] = address;
	node.config.redis.tls = (struct store_tls){.on = true, .ca_file = path("ca", "crt")};
}

static void is_up(void)
{
	node_open(&node, &cluster);
	WAIT(&cluster, store_status(node.store)->up);
	node_close(&node);
}

static void is_refused(enum store_ill ill)
{
	const struct store_status *status;

	node_open(&node, &cluster);
	status = store_status(node.store);
	WAIT(&cluster, status->n_ills[ill] >= 2); // tried again, refused again
	assert_false(status->up);
	assert_int_equal(status->n_connects, 0);
	assert_int_equal(claim(&cluster, &node, "s1"), STORE_DOWN);
	node_close(&node);
}

static int tear_down(void **)
{
	if (node.store)
		node_close(&node);
	cluster_fini(&cluster);
	return 0;
}

static void host_name_and_address_are_proved(void **)
{
	serve("good", "no");
	is_up();
	snprintf(address, sizeof(address), "127.0.0.1:%d", cluster.redis.port);
	is_up();
}

// Names count, not the CN of old, and not who it is that signed them alone.
static void another_host_is_refused(void **)
{
	serve("other-name", "no");
	is_refused(STORE_ILL_TLS);
	snprintf(address, sizeof(address), "127.0.0.1:%d", cluster.redis.port);
	is_refused(STORE_ILL_TLS);
	node.config.redis.tls.name = "redis.example"; // said to be its name
	is_up();
	node.config.redis.tls.name = "192.0.2.1";
	is_up();
	node.config.redis.tls.name = "example";
	is_refused(STORE_ILL_TLS);
}

static void another_ca_is_refused(void **)
{
	serve("good", "no");
	node.config.redis.tls.ca_file = path("other-ca", "crt");
	is_refused(STORE_ILL_TLS);
	node.config.redis.tls.ca_file = NULL; // those of the system
	is_refused(STORE_ILL_TLS);
}

static void expired_is_refused(void **)
{
	serve("expired", "no");
	is_refused(STORE_ILL_TLS);
}

static void not_yet_valid_is_refused(void **)
{
	serve("early", "no");
	is_refused(STORE_ILL_TLS);
}

static void client_certificate_is_shown(void **)
{
	serve("good", "yes");
	is_refused(STORE_ILL_TLS);
	node.config.redis.tls.cert_file = path("strange-node", "crt");
	node.config.redis.tls.key_file = path("strange-node", "key");
	is_refused(STORE_ILL_TLS);
	node.config.redis.tls.cert_file = path("node", "crt");
	node.config.redis.tls.key_file = path("node", "key");
	is_up();
}

// What is wrong with files is said at once, not when the first call comes.
static void bad_files_are_found_at_the_start(void **)
{
	const struct store_tls bad[] = {
		{.on = true, .ca_file = path("absent", "crt")},
		{.on = true, .ca_file = path("node", "key")},
		{.on = true, .cert_file = path("absent", "crt"), .key_file = path("node", "key")},
		{.on = true, .cert_file = path("node", "crt"), .key_file = path("good", "key")},
	};
	size_t i;

	serve("good", "no");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		node.config.redis.tls = bad[i];
		assert_null(store_create(cluster.base, &node.config, NULL, NULL));
		assert_int_equal(errno, EINVAL);
	}
}

static void plain_text_and_tls_do_not_meet(void **)
{
	static const char *const none[] = {NULL};
	struct redis_rig plain;

	serve("good", "no");
	node.config.redis.tls.on = false;
	is_refused(STORE_ILL_CLOSED); // Redis hangs up on who does not begin with a hand-shake
	redis_start(&plain, none);
	snprintf(address, sizeof(address), "localhost:%d", plain.port);
	node.config.redis.tls.on = true;
	node.config.redis.connect_timeout_ms = 200;
	node_open(&node, &cluster);
	// Redis waits for the end of a line, which may be anywhere in a hand-shake or nowhere.
	WAIT(&cluster, store_status(node.store)->n_ills[STORE_ILL_TLS] +
				       store_status(node.store)->n_ills[STORE_ILL_TIMEOUT] >=
			       2);
	assert_int_equal(store_status(node.store)->n_connects, 0);
	redis_stop(&plain);
}

static void only_tls_1_2_and_1_3(void **)
{
	serve("good", "no");
	redis_do_ok(&cluster.redis, "CONFIG SET tls-protocols TLSv1.2");
	is_up();
	redis_do_ok(&cluster.redis, "CONFIG SET tls-protocols TLSv1.3");
	is_up();
	redis_do_ok(&cluster.redis, "CONFIG SET tls-protocols TLSv1.1");
	is_refused(STORE_ILL_TLS);
}

static void handshake_that_is_swallowed_ends_in_time(void **)
{
	struct proxy proxy;

	serve("good", "no");
	proxy_open(&proxy, cluster.base, cluster.redis.port);
	proxy.blackhole = true;
	node.config.redis.addresses[0] = proxy.address;
	node.config.redis.connect_timeout_ms = 200;
	is_refused(STORE_ILL_TIMEOUT);
	proxy_close(&proxy);
}

// Records of all lengths pass, and a connection that breaks is made again, proof and all.
static void records_survive_a_lost_connection(void **)
{
	static char value[STORE_RECORD_MAX];
	char key[16];
	int i;

	memset(value, 'x', sizeof(value));
	serve("good", "no");
	node_open(&node, &cluster);
	WAIT(&cluster, store_status(node.store)->up);
	assert_int_equal(claim(&cluster, &node, "s1"), STORE_OK);
	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "call-%d", i);
		assert_int_equal(store_put(node.store, "s1", key, value, 1 + (size_t)i * 32), 0);
		if (i == 500)
			redis_do_ok(&cluster.redis, "CLIENT KILL TYPE normal");
		if (i % 100 == 0)
			run_ms(&cluster, 5);
	}
	WAIT(&cluster, store_status(node.store)->n_connects >= 2);
	saved(&cluster, &node);
	assert_int_equal(redis_number(&cluster.redis, "HLEN sluice:{s1}:calls"), 1000);
	assert_int_equal(
		redis_number(&cluster.redis, "HSTRLEN sluice:{s1}:calls call-999"), 1 + 999 * 32);
	assert_int_equal(store_status(node.store)->n_rewound, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
		TEST(host_name_and_address_are_proved),
		TEST(another_host_is_refused),
		TEST(another_ca_is_refused),
		TEST(expired_is_refused),
		TEST(not_yet_valid_is_refused),
		TEST(client_certificate_is_shown),
		TEST(bad_files_are_found_at_the_start),
		TEST(plain_text_and_tls_do_not_meet),
		TEST(only_tls_1_2_and_1_3),
		TEST(handshake_that_is_swallowed_ends_in_time),
		TEST(records_survive_a_lost_connection),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
