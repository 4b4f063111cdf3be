// VLAN sub-interfaces, by the messages that the kernel sends about them. The messages are bytes:
// not every kernel that runs the tests can make a VLAN.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <endian.h>
#include <linux/netlink.h>
#include <stdalign.h>

#include "links.h"

#define LOWER 3 // interface of the second port
#define VLAN  9

// "ip link add link eth0 name eth0.100 type vlan id 100", as the kernel announces it: struct
// nlmsghdr, struct ifinfomsg, attributes. Fields of two and four bytes are in host order.
static const uint8_t vlan_100[] = {
	112, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,		 // length, RTM_NEWLINK
	0, 0, 1, 0, VLAN, 0, 0, 0, 0x43, 0x10, 1, 0, 0, 0, 0, 0,	 // its index
	13, 0, 3, 0, 'e', 't', 'h', '0', '.', '1', '0', '0', 0, 0, 0, 0, // IFLA_IFNAME
	8, 0, 4, 0, 220, 5, 0, 0,					 // IFLA_MTU 1500
	8, 0, 5, 0, LOWER, 0, 0, 0,					 // IFLA_LINK
	48, 0, 18, 0,							 // IFLA_LINKINFO
	9, 0, 1, 0, 'v', 'l', 'a', 'n', 0, 0, 0, 0,			 //   IFLA_INFO_KIND
	32, 0, 2, 0,							 //   IFLA_INFO_DATA
	6, 0, 5, 0, 0x81, 0x00, 0, 0,					 //     IFLA_VLAN_PROTOCOL
	6, 0, 1, 0, 100, 0, 0, 0,					 //     IFLA_VLAN_ID
	12, 0, 2, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,		 //     IFLA_VLAN_FLAGS
};

enum { TYPE = 4, LOWER_AT = 60, LINK_TYPE = 58, KIND = 72, PROTOCOL = 88, ID = 96 };

static struct links links;

// The message with `n` bytes changed at `at`; the first `length` bytes of it.
static bool read_changed(struct netlink_link *link, size_t at, const char *bytes, size_t n)
{
	alignas(struct nlmsghdr) uint8_t message[sizeof(vlan_100)];

	memcpy(message, vlan_100, sizeof(vlan_100));
	memcpy(message + at, bytes, n);
	return netlink_link_read((const struct nlmsghdr *)message, link);
}

static void vlan_interface_is_read(void **)
{
	struct netlink_link link;

	if (BYTE_ORDER != LITTLE_ENDIAN)
		skip();
	assert_true(read_changed(&link, 0, "", 0));
	assert_int_equal(link.ifindex, VLAN);
	assert_int_equal(link.lower, LOWER);
	assert_int_equal(link.vlan, 100);
	assert_false(link.gone);
}

static void what_is_no_vlan_of_ours_has_none(void **)
{
	static const struct {
		const char *what;
		size_t at;
		const char *bytes;
		size_t n;
		bool gone;
	} rows[] = {
		{"RTM_DELLINK", TYPE, "\x11", 1, true},
		{"another kind", KIND, "veth", 4, false},
		{"a longer kind", KIND, "vxla", 4, false},
		{"802.1ad", PROTOCOL, "\x88\xa8", 2, false},
		{"VLAN 0", ID, "\x00\x00", 2, false},
		{"lower in another namespace", LINK_TYPE, "\x25\x00", 2, true},
	};

	if (BYTE_ORDER != LITTLE_ENDIAN)
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct netlink_link link;

		assert_true(read_changed(&link, rows[i].at, rows[i].bytes, rows[i].n));
		assert_int_equal(link.ifindex, VLAN);
		if (link.gone != rows[i].gone || (!link.gone && link.vlan))
			fail_msg("%s", rows[i].what);
	}
}

// Lengths that lie, wherever they are: nothing is read behind the end (the sanitizers look).
static void malformed_messages_do_no_harm(void **)
{
	for (size_t at = 0; at < sizeof(vlan_100); at++)
		for (unsigned int byte = 0; byte < 256; byte += 5) {
			struct netlink_link link;
			char value = (char)byte;

			if (at >= 4) // the length of all was checked by who received it
				read_changed(&link, at, &value, 1);
		}
}

static const struct link *find(unsigned int ifindex)
{
	return links_find(&links, ifindex);
}

static void update(unsigned int ifindex, unsigned int lower, uint16_t vlan, bool gone)
{
	links_update(&links, &(struct netlink_link){ifindex, lower, vlan, gone});
}

static int two_ports(void **)
{
	const struct port ports[] = {{.ifindex = 0}, {.ifindex = LOWER}, {.ifindex = 4}};

	links_init(&links, ports, 3); // the first is a bare device
	return 0;
}

static void vlans_of_ports_are_found_with_port_and_tag(void **)
{
	assert_int_equal(find(LOWER)->port, 1);
	assert_int_equal(find(LOWER)->vlan, 0);
	assert_null(find(0));
	assert_null(find(VLAN));
	update(VLAN, LOWER, 100, false);
	update(10, 4, 100, false);
	assert_int_equal(find(VLAN)->port, 1);
	assert_int_equal(find(VLAN)->vlan, 100);
	assert_int_equal(find(10)->port, 2);
	update(VLAN, LOWER, 0, true);
	assert_null(find(VLAN));
	assert_int_equal(find(10)->port, 2);
}

static void links_of_others_are_none(void **)
{
	update(20, 99, 100, false); // on nobody we know
	assert_null(find(20));
	update(21, LOWER, 0, false); // a macvlan, say
	assert_null(find(21));
	update(VLAN, LOWER, 100, false);
	update(22, VLAN, 200, false); // QinQ
	assert_null(find(22));
	update(LOWER, 0, 0, false); // the port's own, up or down
	update(4, LOWER, 7, true);  // or gone: its ifindex stays the port's
	assert_int_equal(find(LOWER)->vlan, 0);
	assert_int_equal(find(4)->port, 2);
}

static void an_index_that_comes_back_is_the_new_one(void **)
{
	update(VLAN, LOWER, 100, false);
	update(VLAN, 4, 200, false);
	assert_int_equal(find(VLAN)->port, 2);
	assert_int_equal(find(VLAN)->vlan, 200);
	assert_int_equal(links.n, 3);
}

static void more_than_there_is_room_for_are_refused(void **)
{
	for (unsigned int i = 0; i < LINKS_MAX; i++) // two are there
		update(1000 + i, LOWER, (uint16_t)(1 + i), false);
	assert_int_equal(links.n, LINKS_MAX);
	assert_non_null(find(1000 + LINKS_MAX - 3));
	assert_null(find(1000 + LINKS_MAX - 2));
}

int main(void)
{
#define LINK_TEST(name) cmocka_unit_test_setup(name, two_ports)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vlan_interface_is_read),
		cmocka_unit_test(what_is_no_vlan_of_ours_has_none),
		cmocka_unit_test(malformed_messages_do_no_harm),
		LINK_TEST(vlans_of_ports_are_found_with_port_and_tag),
		LINK_TEST(links_of_others_are_none),
		LINK_TEST(an_index_that_comes_back_is_the_new_one),
		LINK_TEST(more_than_there_is_room_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
