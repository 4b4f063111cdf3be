#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_ip.h>

#include "headers.h"

#define LOCAL leg_endpoint_ipv4(RTE_BE32(RTE_IPV4(192u, 0, 2, 1)), RTE_BE16(16384))

static uint16_t checksum_of(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

// The sums of a header are right whatever the addresses add up to. UDP's length counts twice: in
// the pseudo header, too.
static void sums_of_a_header_keep_every_carry(void **)
{
	const rte_be16_t ip_length = RTE_BE16(28), udp_length = RTE_BE16(8);
	const struct port port = {.mtu = 1500};

	for (unsigned int last = 0; last < 256; last++) {
		struct leg_endpoint local = LOCAL;
		struct leg_endpoint to = leg_endpoint_ipv4(
			rte_cpu_to_be_32(RTE_IPV4(255u, 255, 255, last)), RTE_BE16(0xffff));
		struct header_path by = {&local, &to, NEXT_HOP_USABLE, 0, 46};
		struct leg_header header;
		struct {
			struct rte_ipv4_hdr ip;
			struct rte_udp_hdr udp;
		} packet;

		assert_true(header_make(&header, &port, &by));
		memcpy(&packet, header.bytes + LEG_HEADER_BYTES - sizeof(packet), sizeof(packet));
		packet.ip.total_length = ip_length;
		packet.udp.dgram_len = udp_length;
		assert_int_equal(checksum_of((uint32_t)header.ip_sum + ip_length),
			rte_ipv4_cksum(&packet.ip));
		assert_int_equal(checksum_of((uint32_t)header.udp_sum + 2 * udp_length),
			rte_ipv4_udptcp_cksum(&packet.ip, &packet.udp));
	}
}

static void header_has_a_tag_where_the_next_hop_has_a_vlan(void **)
{
	const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 2, 0, 0, 0, 0, 7, 0x81, 0, 0, 5, 8, 0, 0x45};
	const struct port ports[2] = {[1] = {.mac = {{2, 0, 0, 0, 0, 7}}, .tx_checksum = true}};
	struct leg_endpoint local = LOCAL;
	struct leg_endpoint to =
		leg_endpoint_ipv4(RTE_BE32(RTE_IPV4(198u, 51, 100, 1)), RTE_BE16(4000));
	uint64_t word = 0x060504030201 | 1ull << NEXT_HOP_PORT_SHIFT | NEXT_HOP_USABLE;
	struct header_path by = {&local, &to, word, 0, 0};
	struct leg_header header;
	const uint8_t *bytes = header.bytes + LEG_HEADER_BYTES - LEG_HEADER_IPV4_BYTES;

	assert_true(header_make(&header, ports, &by));
	assert_int_equal(header.length, 42);
	assert_memory_equal(bytes + 4, expected, 12);
	assert_int_equal(header.port, 1);
	assert_true(header.tx_checksum);
	by.hop_word = word | 5ull << NEXT_HOP_VLAN_SHIFT;
	assert_true(header_make(&header, ports, &by));
	assert_int_equal(header.length, 46);
	assert_memory_equal(bytes, expected, sizeof(expected));
	by.hop_word = word & ~NEXT_HOP_USABLE;
	assert_false(header_make(&header, ports, &by));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_a_header_keep_every_carry),
		cmocka_unit_test(header_has_a_tag_where_the_next_hop_has_a_vlan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
