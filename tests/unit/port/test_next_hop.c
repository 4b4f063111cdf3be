#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "netns.h"
#include "port.h"

#define MAC_A	   "02:00:00:00:00:0a"
#define MAC_B	   "02:00:00:00:00:0b"
#define TIMEOUT_MS 5000

static struct lab lab;
static bool have_lab;
static struct port ports[2];
static struct realms realms;
static struct next_hops *hops;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct sl_address address_of(const char *text)
{
	struct sl_address address = {.family = strchr(text, ':') ? SL_IPV6 : SL_IPV4};

	assert_int_equal(
		inet_pton(address.family == SL_IPV6 ? AF_INET6 : AF_INET, text, address.bytes), 1);
	return address;
}

static const struct next_hop *hold(const char *source, const char *destination)
{
	struct sl_address from = address_of(source), to = address_of(destination);

	return next_hop_hold(hops, &from, &to);
}

static bool reads(const struct next_hop *hop, const char *mac)
{
	struct next_hop_view view;
	char text[RTE_ETHER_ADDR_FMT_SIZE];

	if (!next_hop_read(hop, &view))
		return !mac;
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", view.mac.addr_bytes[0],
		view.mac.addr_bytes[1], view.mac.addr_bytes[2], view.mac.addr_bytes[3],
		view.mac.addr_bytes[4], view.mac.addr_bytes[5]);
	return mac && !strcmp(text, mac) && view.port == 0 && view.vlan == 0;
}

// Poll until the hop leads to `mac` (NULL: nowhere).
static void assert_becomes(const struct next_hop *hop, const char *mac)
{
	uint64_t end = now_ms() + TIMEOUT_MS;
	struct timespec nap = {.tv_nsec = 5000000};

	while (!reads(hop, mac)) {
		if (now_ms() > end)
			fail_msg("next hop did not become %s", mac ? mac : "unusable");
		nanosleep(&nap, NULL);
		next_hops_poll(hops, now_ms());
	}
}

// MAC of `far`, as the peer says.
static const char *far_mac(void)
{
	static char text[32];
	FILE *file;

	lab_enter(lab.theirs);
	file = popen("ip -br link show dev far | awk '{print $3}'", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%31s", text), 1);
	pclose(file);
	lab_enter(lab.ours);
	return text;
}

#define ours(...) lab_run(&lab, lab.ours, __VA_ARGS__)

static int set_up(void **)
{
	if (!have_lab)
		return 0;
	ports[0] = (struct port){.ifindex = if_nametoindex("near"), .lock_fd = -1};
	realms = (struct realms){.n = 1,
		.entries = {
			{.n_addresses = 2, .addresses = {address_of(NEAR), address_of(NEAR6)}}}};
	ours("ip route flush table 77 2>/dev/null; ip rule flush; ip rule add from all lookup main pref 32766;"
	     "ip neigh flush dev near nud all; ip route flush proto static; true");
	hops = next_hops_create(ports, 1, &realms);
	assert_non_null(hops);
	next_hops_poll(hops, now_ms());
	return 0;
}

static int tear_down(void **)
{
	next_hops_destroy(hops);
	hops = NULL;
	return 0;
}

static void neighbour_on_link_is_resolved_by_the_kernel(void **)
{
	const struct next_hop *hop;

	if (!have_lab)
		skip();
	hop = hold(NEAR, FAR);
	assert_non_null(hop);
	assert_becomes(hop, far_mac());
	next_hop_release(hops, hop);
}

static void same_pair_shares_an_entry(void **)
{
	const struct next_hop *hop, *again, *other;

	if (!have_lab)
		skip();
	hop = hold(NEAR, FAR);
	again = hold(NEAR, FAR);
	other = hold(NEAR, FAR2);
	assert_ptr_equal(hop, again);
	assert_ptr_not_equal(hop, other);
	next_hop_release(hops, again);
	assert_becomes(hop, far_mac()); // still held
	next_hop_release(hops, hop);
	next_hop_release(hops, other);
}

static void changed_mac_reaches_the_holder(void **)
{
	const struct next_hop *hop;

	if (!have_lab)
		skip();
	ours("ip neigh replace " FAR " lladdr " MAC_A " dev near nud permanent");
	hop = hold(NEAR, FAR);
	assert_true(reads(hop, MAC_A));
	ours("ip neigh replace " FAR " lladdr " MAC_B " dev near nud permanent");
	assert_becomes(hop, MAC_B);
	next_hop_release(hops, hop);
}

static void changed_route_reaches_the_holder(void **)
{
	const struct next_hop *hop;

	if (!have_lab)
		skip();
	ours("ip neigh replace " FAR " lladdr " MAC_A " dev near nud permanent;"
	     "ip neigh replace " FAR2 " lladdr " MAC_B " dev near nud permanent;"
	     "ip route add 192.0.2.0/24 via " FAR " proto static");
	hop = hold(NEAR, "192.0.2.7");
	assert_true(reads(hop, MAC_A));
	ours("ip route replace 192.0.2.0/24 via " FAR2 " proto static");
	assert_becomes(hop, MAC_B);
	ours("ip route del 192.0.2.0/24");
	assert_becomes(hop, NULL);
	ours("ip route add 192.0.2.0/24 via " FAR " proto static");
	assert_becomes(hop, MAC_A);
	next_hop_release(hops, hop);
}

static void route_by_source_is_followed(void **)
{
	const struct next_hop *hop;

	if (!have_lab)
		skip();
	ours("ip neigh replace " FAR " lladdr " MAC_A " dev near nud permanent;"
	     "ip neigh replace " FAR2 " lladdr " MAC_B " dev near nud permanent;"
	     "ip route add 192.0.2.0/24 via " FAR " proto static;"
	     "ip route add 192.0.2.0/24 via " FAR2 " table 77 proto static;"
	     "ip rule add from " NEAR " lookup 77 pref 100");
	hop = hold(NEAR, "192.0.2.7");
	assert_true(reads(hop, MAC_B));
	ours("ip rule del pref 100");
	assert_becomes(hop, MAC_A);
	next_hop_release(hops, hop);
}

static void destination_without_route_is_refused(void **)
{
	if (!have_lab)
		skip();
	errno = 0;
	assert_null(hold(NEAR, "198.51.100.1"));
	assert_int_equal(errno, ENETUNREACH);
	assert_null(hold(NEAR, "127.0.0.1")); // leaves through no port of ours
	assert_int_equal(errno, ENETUNREACH);
	assert_null(hold("10.9.0.77", FAR));
	assert_int_equal(errno, EADDRNOTAVAIL);
}

static void lost_neighbour_makes_it_unusable_and_comes_back(void **)
{
	const struct next_hop *hop;

	if (!have_lab)
		skip();
	ours("ip neigh replace 10.9.0.99 lladdr " MAC_A " dev near nud reachable");
	hop = hold(NEAR, "10.9.0.99");
	assert_true(reads(hop, MAC_A));
	ours("ip neigh del 10.9.0.99 dev near");
	assert_becomes(hop, NULL);
	ours("ip neigh replace 10.9.0.99 lladdr " MAC_B " dev near nud permanent");
	assert_becomes(hop, MAC_B);
	next_hop_release(hops, hop);
}

// The kernel does not see our packets, so it must be asked.
static void held_neighbour_is_probed_when_stale(void **)
{
	const struct next_hop *hop;

	if (!have_lab)
		skip();
	hop = hold(NEAR, FAR);
	assert_becomes(hop, far_mac());
	ours("ip neigh change " FAR " lladdr " MAC_A " dev near nud stale");
	assert_becomes(hop, MAC_A); // what the kernel believes, for the time being
	ours("ip neigh show " FAR " | grep -Eq 'DELAY|PROBE|REACHABLE'");
	next_hop_release(hops, hop);
}

static void ipv6_neighbour_is_resolved(void **)
{
	const struct next_hop *hop;

	if (!have_lab)
		skip();
	hop = hold(NEAR6, "2001:db8:9::2");
	assert_non_null(hop);
	assert_becomes(hop, far_mac());
	next_hop_release(hops, hop);
}

static void lost_announcements_are_made_up_for(void **)
{
	const struct next_hop *hop;
	int bytes = 1;

	if (!have_lab)
		skip();
	ours("ip neigh replace " FAR " lladdr " MAC_A " dev near nud permanent");
	hop = hold(NEAR, FAR);
	assert_true(reads(hop, MAC_A));
	next_hops_poll(hops, now_ms());
	setsockopt(next_hops_fd(hops), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	ours("for i in $(seq 1 60); do echo neigh replace 10.9.0.1$i lladdr " MAC_A
	     " dev near nud permanent; done | ip -batch - ;"
	     "ip neigh replace " FAR " lladdr " MAC_B " dev near nud permanent");
	assert_becomes(hop, MAC_B);
	next_hop_release(hops, hop);
}

// MAC, port and VLAN that a realm's packets leave with where nobody is asked.
static void realm_without_a_kernel_sends_all_to_its_next_hop(void **)
{
	struct port bare = {.config = {.next_hop = {{2, 0, 0, 0, 0, 0xa}}}};
	const struct realms two = {.n = 2,
		.entries = {{.n_addresses = 1, .addresses = {address_of("203.0.113.1")}},
			{.vlan = 77,
				.n_addresses = 1,
				.addresses = {address_of("2001:db8::1")},
				.next_hop = {{2, 0, 0, 0, 0, 0xb}}}}};
	struct next_hops *saved = hops;
	struct next_hop_view view;
	const struct next_hop *hop;

	hops = next_hops_create(&bare, 1, &two);
	assert_non_null(hops);
	hop = hold("203.0.113.1", "198.51.100.9");
	assert_true(reads(hop, MAC_A));
	next_hop_release(hops, hop);
	hop = hold("2001:db8::1", "2001:db8:ffff::1");
	assert_true(next_hop_read(hop, &view));
	assert_int_equal(view.vlan, 77);
	assert_int_equal(view.mac.addr_bytes[5], 0xb);
	next_hop_release(hops, hop);
	next_hops_destroy(hops);
	hops = saved;
}

// A realm's own next hop goes before what the kernel knows, also on its interface.
static void realm_with_a_next_hop_does_not_ask_the_kernel(void **)
{
	const struct next_hop *hop;

	if (!have_lab)
		skip();
	next_hops_destroy(hops);
	realms.entries[0].next_hop = (struct rte_ether_addr){{2, 0, 0, 0, 0, 0xb}};
	hops = next_hops_create(ports, 1, &realms);
	hop = hold(NEAR, "198.51.100.1"); // to which there is no route
	assert_true(reads(hop, MAC_B));
	next_hop_release(hops, hop);
}

static struct next_hop shared;
static bool stop;

static uint64_t word(uint8_t byte, uint64_t port)
{
	uint64_t mac = byte * 0x010101010101ULL;

	return rte_le_to_cpu_64(mac) | port << NEXT_HOP_PORT_SHIFT | NEXT_HOP_USABLE;
}

static void *write_words(void *)
{
	for (uint8_t i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++)
		__atomic_store_n(&shared.word, word(i, i & 7), __ATOMIC_RELAXED);
	return NULL;
}

static void reader_never_sees_half_of_a_change(void **)
{
	struct next_hop_view view;
	pthread_t writer;

	shared.word = word(0, 0);
	assert_int_equal(pthread_create(&writer, NULL, write_words, NULL), 0);
	for (int i = 0; i < 1000000; i++) {
		assert_true(next_hop_read(&shared, &view));
		for (int j = 1; j < 6; j++)
			assert_int_equal(view.mac.addr_bytes[j], view.mac.addr_bytes[0]);
		assert_int_equal(view.port, view.mac.addr_bytes[0] & 7);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
}

#define hop_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hop_test(neighbour_on_link_is_resolved_by_the_kernel),
		hop_test(same_pair_shares_an_entry),
		hop_test(changed_mac_reaches_the_holder),
		hop_test(changed_route_reaches_the_holder),
		hop_test(route_by_source_is_followed),
		hop_test(destination_without_route_is_refused),
		hop_test(lost_neighbour_makes_it_unusable_and_comes_back),
		hop_test(held_neighbour_is_probed_when_stale),
		hop_test(ipv6_neighbour_is_resolved),
		hop_test(lost_announcements_are_made_up_for),
		hop_test(realm_with_a_next_hop_does_not_ask_the_kernel),
		cmocka_unit_test(realm_without_a_kernel_sends_all_to_its_next_hop),
		cmocka_unit_test(reader_never_sees_half_of_a_change),
	};

	have_lab = lab_open(&lab);
	if (!have_lab)
		fprintf(stderr, "no network namespaces here (not root?): most tests are skipped\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
