#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "trunk.h"

static struct realm wan = {.name = "wan"}, lan = {.name = "lan"};
static struct trunk_peer first_peers[2], second_peers[1], third_peers[1];
static struct trunk list[] = {
	{.name = "first", .realm = &wan, .peers = first_peers, .n_peers = 2},
	{.name = "second", .realm = &wan, .peers = second_peers, .n_peers = 1},
	{.name = "third", .realm = &lan, .peers = third_peers, .n_peers = 1},
};
static struct trunks trunks = {list, 3};

static int open_trunks(void **)
{
	int err = address_parse("192.0.2.1", 5060, &first_peers[0].address) ||
		  address_parse("2001:db8::1", 5060, &first_peers[1].address) ||
		  address_parse("192.0.2.1", 5070, &second_peers[0].address) ||
		  address_parse("192.0.2.1", 5060, &third_peers[0].address);

	for (size_t i = 0; !err && i < trunks.n; i++)
		err = trunk_open(&list[i], NULL);
	return err;
}

static int close_trunks(void **)
{
	for (size_t i = 0; i < trunks.n; i++)
		trunk_close(&list[i]);
	return 0;
}

static const char *match(const struct realm *realm, const char *host, uint16_t port)
{
	struct sockaddr_storage source;
	const struct trunk *trunk;

	assert_int_equal(address_parse(host, port, &source), 0);
	trunk = trunk_match(&trunks, realm, (struct sockaddr *)&source);
	return trunk ? trunk->name : "";
}

static void source_is_matched_by_port_then_by_host_within_its_realm(void **)
{
	assert_string_equal(match(&wan, "192.0.2.1", 5060), "first");
	assert_string_equal(match(&wan, "192.0.2.1", 5070), "second");
	assert_string_equal(match(&wan, "192.0.2.1", 1234), "first");
	assert_string_equal(match(&lan, "192.0.2.1", 5070), "third");
	assert_string_equal(match(&wan, "2001:db8::1", 9), "first");
	assert_string_equal(match(&wan, "2001:db8::2", 5060), "");
	assert_string_equal(match(&wan, "192.0.2.2", 5060), "");
	assert_string_equal(match(&lan, "2001:db8::1", 5060), "");
}

static void trunk_is_found_by_name(void **)
{
	assert_ptr_equal(trunk_find(&trunks, "second"), &list[1]);
	assert_null(trunk_find(&trunks, "fourth"));
}

static void calls_at_the_same_time_are_limited(void **)
{
	struct trunk trunk = {.limits = {{.calls = 2}}};

	assert_int_equal(trunk_open(&trunk, NULL), 0);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_IN, 1), 0);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_OUT, 1), 0);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_OUT, 1), -EBUSY);
	trunk_call_stop(&trunk, TRUNK_IN);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_OUT, 1), 0);
	assert_int_equal(trunk.state->load[TRUNK_BOTH].calls, 2);
	assert_int_equal(trunk.state->load[TRUNK_BOTH].started, 3);
	assert_int_equal(trunk.state->load[TRUNK_BOTH].refused, 1);
	assert_int_equal(trunk.state->load[TRUNK_IN].calls, 0);
	assert_int_equal(trunk.state->load[TRUNK_OUT].calls, 2);
	trunk_close(&trunk);
}

static void each_direction_has_limits_of_its_own(void **)
{
	struct trunk trunk = {.limits = {[TRUNK_IN] = {.calls = 1}, [TRUNK_OUT] = {.calls = 2}}};

	assert_int_equal(trunk_open(&trunk, NULL), 0);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_IN, 1), 0);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_IN, 1), -EBUSY);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_OUT, 1), 0);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_OUT, 1), 0);
	assert_int_equal(trunk_call_start(&trunk, TRUNK_OUT, 1), -EBUSY);
	trunk_call_force(&trunk, TRUNK_OUT);
	assert_int_equal(trunk.state->load[TRUNK_OUT].calls, 3);
	trunk_close(&trunk);
}

static unsigned int offer_calls(struct trunk *trunk, uint64_t from_ms, uint64_t to_ms)
{
	unsigned int n = 0;

	for (uint64_t now_ms = from_ms; now_ms < to_ms; now_ms++)
		if (trunk_call_start(trunk, TRUNK_OUT, now_ms) == 0) {
			trunk_call_stop(trunk, TRUNK_OUT);
			n++;
		}
	return n;
}

static void calls_per_second_are_limited(void **)
{
	struct trunk trunk = {.limits = {{.calls_per_s = 10}}};

	assert_int_equal(trunk_open(&trunk, NULL), 0);
	// One second's worth at once, then ten a second.
	assert_int_equal(offer_calls(&trunk, 1000000, 1001000), 19);
	assert_int_equal(offer_calls(&trunk, 1001000, 1011000), 100);
	// Idle time earns one second's worth at most.
	assert_int_equal(offer_calls(&trunk, 9000000, 9000001), 1);
	assert_int_equal(trunk.state->load[TRUNK_BOTH].allowance, 9000);
	trunk_close(&trunk);
}

static void no_limit_is_no_limit(void **)
{
	struct trunk trunk = {};

	assert_int_equal(trunk_open(&trunk, NULL), 0);
	assert_int_equal(offer_calls(&trunk, 1, 5000), 4999);
	trunk_close(&trunk);
}

// What another configuration's trunk of that name takes over.
static void state_outlives_the_configuration(void **)
{
	struct trunk_peer old_peer = {}, new_peer = {};
	struct trunk old = {.peers = &old_peer, .n_peers = 1},
		     new = {.peers = &new_peer, .n_peers = 1};

	assert_int_equal(address_parse("192.0.2.1", 5060, &old_peer.address), 0);
	new_peer.address = old_peer.address;
	assert_int_equal(trunk_open(&old, NULL), 0);
	assert_int_equal(trunk_call_start(&old, TRUNK_OUT, 1), 0);
	old_peer.targets->target->is_down = true;
	assert_int_equal(trunk_open(&new, old.state), 0);
	assert_true(new_peer.targets->target->is_down);
	assert_int_equal(new.state->load[TRUNK_OUT].calls, 1);
	trunk_call_stop(&old, TRUNK_OUT);
	trunk_close(&old);
	assert_int_equal(new.state->load[TRUNK_OUT].calls, 0);
	trunk_close(&new);
}

static void addresses_are_written_with_their_port(void **)
{
	struct sockaddr_storage address;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(address_parse("2001:db8::1", 5060, &address), 0);
	assert_string_equal(address_text((struct sockaddr *)&address, text, sizeof(text)),
		"[2001:db8::1]:5060");
	assert_int_equal(address_parse("host.example", 5060, &address), -EINVAL);
	address = (struct sockaddr_storage){};
	assert_string_equal(address_text((struct sockaddr *)&address, text, sizeof(text)), "?");
}

static void trunk_is_secure_where_all_peers_are(void **)
{
	struct trunk_peer peers[2] = {{.transport = REALM_TLS}, {.transport = REALM_TLS}};
	const struct trunk trunk = {.peers = peers, .n_peers = 2};

	assert_true(trunk_is_secure(&trunk));
	peers[1].transport = REALM_TCP;
	assert_false(trunk_is_secure(&trunk));
	peers[1].transport = REALM_TLS;
	peers[0].transport = REALM_UDP;
	assert_false(trunk_is_secure(&trunk));
}

static void users_are_found_by_domain_or_where_there_is_but_one(void **)
{
	static struct trunk_users one = {.domain = "one.example", .registers = true},
				  two = {.domain = "two.example", .registers = true},
				  peers = {.domain = "peers.example"};
	struct trunk of_users[] = {{.name = "1", .realm = &wan, .users = &one},
		{.name = "1b", .realm = &wan, .users = &one},
		{.name = "2", .realm = &wan, .users = &two},
		{.name = "p", .realm = &wan, .users = &peers},
		{.name = "l", .realm = &lan, .users = &two}};
	const struct trunks several = {of_users, 5}, same = {of_users, 2}, none = {of_users + 3, 1};

	assert_ptr_equal(trunk_of_domain(&several, &wan, SLICE("TWO.example")), &of_users[2]);
	assert_ptr_equal(trunk_of_domain(&several, &wan, SLICE("one.example")), &of_users[0]);
	assert_null(trunk_of_domain(&several, &wan, SLICE("192.0.2.1")));
	assert_ptr_equal(trunk_of_domain(&several, &lan, SLICE("192.0.2.1")), &of_users[4]);
	assert_ptr_equal(trunk_of_domain(&same, &wan, SLICE("192.0.2.1")), &of_users[0]);
	assert_null(trunk_of_domain(&none, &wan, SLICE("peers.example")));
	assert_true(trunks_are_open(&several, &lan));
	assert_false(trunks_are_open(&none, &wan));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_are_found_by_domain_or_where_there_is_but_one),
		cmocka_unit_test(source_is_matched_by_port_then_by_host_within_its_realm),
		cmocka_unit_test(trunk_is_found_by_name),
		cmocka_unit_test(trunk_is_secure_where_all_peers_are),
		cmocka_unit_test(calls_at_the_same_time_are_limited),
		cmocka_unit_test(each_direction_has_limits_of_its_own),
		cmocka_unit_test(calls_per_second_are_limited),
		cmocka_unit_test(no_limit_is_no_limit),
		cmocka_unit_test(state_outlives_the_configuration),
		cmocka_unit_test(no_limit_is_no_limit),
		cmocka_unit_test(addresses_are_written_with_their_port),
	};

	return cmocka_run_group_tests(tests, open_trunks, close_trunks);
}
