#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_ip.h>

#include "headers.h"

static const struct leg_endpoint local = {RTE_BE32(RTE_IPV4(192, 0, 2, 1)), RTE_BE16(16384)};

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

	for (unsigned int last = 0; last < 256; last++) {
		struct leg_endpoint to = {rte_cpu_to_be_32(0xffffff00u + last), RTE_BE16(0xffff)};
		struct leg_header header;
		struct {
			struct rte_ipv4_hdr ip;
			struct rte_udp_hdr udp;
		} packet;

		header_make(&header, local, to, 46);
		packet.ip = header.ip;
		packet.udp = header.udp;
		packet.ip.total_length = ip_length;
		packet.udp.dgram_len = udp_length;
		assert_int_equal(
			checksum_of(header.ip_sum + ip_length), rte_ipv4_cksum(&packet.ip));
		assert_int_equal(checksum_of(header.udp_sum + 2 * udp_length),
			rte_ipv4_udptcp_cksum(&packet.ip, &packet.udp));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_a_header_keep_every_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
