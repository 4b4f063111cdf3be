#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"
#include "port.h"

#define MEDIA_PORT  30000 // of 30000..30999
#define SIP_PORT    5060
#define WAIT_MS	    2000
#define FLOOD	    3000
#define AF_XDP_ROOM 2048 // that the driver lends to the kernel
#define TAGGED6	    "2001:db8:7::1"

#define LEAVE_NATIVE  "leave-native-program" // argument of this program run by itself
#define LEAVE_GENERIC "leave-generic-program"

// For LeakSanitizer: the driver keeps the BPF object and the sockets of a closed port.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libbpf.so\nleak:libxdp.so\nleak:librte_";
}

static struct lab lab;
static bool have_lab;
static struct rte_mempool *pool;
static char error[256];
static struct realms realms;
static struct port near; // opened once: the driver keeps its queues until the process ends

static struct port_config near_config(void)
{
	struct port_config config = {
		.name = "lan",
		.interface = "near",
	};

	return config;
}

// 30000 to 30999 of two addresses, and 30100 to 30199 of one on VLAN 7.
static void make_realms(void)
{
	realms = (struct realms){.n = 2,
		.entries = {{.rtp_port_min = 30000,
				    .rtp_port_max = 30999,
				    .n_addresses = 2,
				    .addresses = {{.family = SL_IPV4}, {.family = SL_IPV6}}},
			{.vlan = 7,
				.rtp_port_min = 30100,
				.rtp_port_max = 30199,
				.n_addresses = 1,
				.addresses = {{.family = SL_IPV6}}}}};
	inet_pton(AF_INET, NEAR, realms.entries[0].addresses[0].bytes);
	inet_pton(AF_INET6, NEAR6, realms.entries[0].addresses[1].bytes);
	inet_pton(AF_INET6, TAGGED6, realms.entries[1].addresses[0].bytes);
}

static int open_ports(struct port *ports, const struct port_config *configs, unsigned int n)
{
	const struct ports_config config = {configs, n, &realms, 1, pool};

	return ports_open(ports, &config, error, sizeof(error));
}

static void open_near(struct port *port)
{
	struct port_config config = near_config();

	if (open_ports(port, &config, 1))
		fail_msg("%s", error);
}

static struct sockaddr_in endpoint(const char *host, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, host, &address.sin_addr);
	return address;
}

static int bound_socket(int netns, int type, const char *host, uint16_t port)
{
	struct sockaddr_in address = endpoint(host, port);
	int fd = lab_socket(&lab, netns, AF_INET, type, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

// Send `length` bytes from the peer to a UDP port of ours.
static void send_to_us(uint16_t port, size_t length)
{
	struct sockaddr_in to = endpoint(NEAR, port);
	int fd = bound_socket(lab.theirs, SOCK_DGRAM, FAR, 4000);
	char data[4000];

	memset(data, 'x', sizeof(data));
	assert_int_equal(
		sendto(fd, data, length, 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)length);
	close(fd);
}

static struct rte_mbuf *receive(const struct port *port)
{
	struct rte_mbuf *packet;

	for (int i = 0; i < WAIT_MS; i++) {
		if (rte_eth_rx_burst(port->id, 0, &packet, 1))
			return packet;
		usleep(1000);
	}
	return NULL;
}

static bool readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, WAIT_MS) == 1;
}

static void media_comes_to_us_in_order(void **)
{
	struct rte_mbuf *packet;
	const struct rte_ipv4_hdr *ip;
	const struct rte_udp_hdr *udp;

	if (!have_lab)
		skip();
	assert_int_equal(near.mtu, 1500);
	for (size_t length = 172; length < 175; length++)
		send_to_us(MEDIA_PORT, length);
	for (size_t length = 172; length < 175; length++) {
		packet = receive(&near);
		assert_non_null(packet);
		ip = rte_pktmbuf_mtod_offset(packet, const void *, sizeof(struct rte_ether_hdr));
		udp = (const void *)(ip + 1);
		assert_int_equal(ip->src_addr, inet_addr(FAR));
		assert_int_equal(udp->dst_port, rte_cpu_to_be_16(MEDIA_PORT));
		assert_int_equal(
			rte_be_to_cpu_16(udp->dgram_len), length + sizeof(struct rte_udp_hdr));
		rte_pktmbuf_free(packet);
	}
}

static void media_over_ipv6_comes_to_us(void **)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(MEDIA_PORT)};
	struct rte_mbuf *packet;
	int fd;

	if (!have_lab)
		skip();
	inet_pton(AF_INET6, NEAR6, &to.sin6_addr);
	fd = lab_socket(&lab, lab.theirs, AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(sendto(fd, "media", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	packet = receive(&near);
	assert_non_null(packet);
	assert_memory_equal(
		rte_pktmbuf_mtod_offset(packet, char *, packet->data_len - 5), "media", 5);
	rte_pktmbuf_free(packet);
	close(fd);
}

// A frame as a far end of the VLAN would send it: type 0x8100 and `vlan`, or untagged where 0.
static void send_tagged(uint16_t vlan, const char *to, uint16_t udp_port)
{
	int fd = lab_socket(&lab, lab.theirs, AF_PACKET, SOCK_RAW, 0);
	struct {
		struct rte_ether_hdr ethernet;
		struct rte_vlan_hdr tag;
		struct rte_ipv6_hdr ip;
		struct rte_udp_hdr udp;
		char data[6];
	} __rte_packed __rte_aligned(2) frame = {
		.ethernet = {.dst_addr = near.mac, .ether_type = htons(ETHERTYPE_VLAN)},
		.tag = {.vlan_tci = htons(vlan), .eth_proto = htons(ETHERTYPE_IPV6)},
		.ip = {.vtc_flow = htonl(6u << 28),
			.payload_len = htons(14),
			.proto = IPPROTO_UDP,
			.hop_limits = 64},
		.udp = {.src_port = htons(4000),
			.dst_port = htons(udp_port),
			.dgram_len = htons(14)},
		.data = "media",
	};
	struct sockaddr_ll at = {.sll_family = AF_PACKET};
	char *from = (char *)&frame;

	lab_enter(lab.theirs);
	at.sll_ifindex = (int)if_nametoindex("far");
	lab_enter(lab.ours);
	inet_pton(AF_INET6, to, frame.ip.dst_addr);
	inet_pton(AF_INET6, "2001:db8:7::2", frame.ip.src_addr);
	if (!vlan) {
		memmove(from + 16, from, 12);
		from += 4;
	}
	assert_int_equal(sendto(fd, from, (size_t)((char *)(&frame + 1) - from), 0,
				 (struct sockaddr *)&at, sizeof(at)),
		(char *)(&frame + 1) - from);
	close(fd);
}

// Frames come in order, so what comes first was not preceded by one that was not taken.
static void a_tagged_realm_gets_its_vlan_and_ports_only(void **)
{
	struct rte_mbuf *packet;

	if (!have_lab)
		skip();
	send_tagged(0, TAGGED6, 30100);
	send_tagged(8, TAGGED6, 30100);
	send_tagged(7, TAGGED6, 30099);
	send_tagged(7, TAGGED6, 30200); // in the other realm's range
	send_tagged(7, NEAR6, 30100);	// and this is its address
	send_tagged(7, TAGGED6, 30100);
	packet = receive(&near);
	assert_non_null(packet);
	assert_int_equal(packet->data_len, 14 + 4 + 40 + 8 + 6);
	assert_memory_equal(
		rte_pktmbuf_mtod_offset(packet, char *, 12), "\x81\x00\x00\x07\x86\xdd", 6);
	assert_memory_equal(rte_pktmbuf_mtod_offset(packet, char *, 18 + 42), "\x75\x94", 2);
	rte_pktmbuf_free(packet);
	send_tagged(7, TAGGED6, 30199);
	packet = receive(&near);
	assert_non_null(packet);
	rte_pktmbuf_free(packet);
}

static void the_rest_stays_with_the_kernel(void **)
{
	struct sockaddr_in tcp_address = endpoint(NEAR, MEDIA_PORT);
	int sip, beside, fragmented, listener, client;

	if (!have_lab)
		skip();
	sip = bound_socket(lab.ours, SOCK_DGRAM, NEAR, SIP_PORT);
	beside = bound_socket(lab.ours, SOCK_DGRAM, NEAR, 31000);
	fragmented = bound_socket(lab.ours, SOCK_DGRAM, NEAR, MEDIA_PORT + 2);
	listener = bound_socket(lab.ours, SOCK_STREAM, NEAR, MEDIA_PORT);
	client = lab_socket(&lab, lab.theirs, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(listen(listener, 1), 0);

	lab_run(&lab, lab.theirs, "ip neigh flush dev far"); // so that ARP must work too
	lab_run(&lab, lab.theirs, "ping -c 1 -W 2 -q " NEAR " >/dev/null");
	send_to_us(SIP_PORT, 500);
	assert_true(readable(sip));
	send_to_us(31000, 100); // first port behind the range
	assert_true(readable(beside));
	send_to_us(MEDIA_PORT + 2, 3000); // in two fragments
	assert_true(readable(fragmented));
	assert_int_equal(connect(client, (struct sockaddr *)&tcp_address, sizeof(tcp_address)), 0);

	close(sip);
	close(beside);
	close(fragmented);
	close(listener);
	close(client);
}

static void fill_packet(struct rte_mbuf *packet, const struct port *port, size_t length)
{
	struct rte_ether_hdr *eth = (void *)rte_pktmbuf_append(
		packet, (uint16_t)(sizeof(*eth) + sizeof(struct rte_ipv4_hdr) +
				   sizeof(struct rte_udp_hdr) + length));
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	struct rte_udp_hdr *udp = (void *)(ip + 1);
	uint16_t udp_length = (uint16_t)(sizeof(*udp) + length);

	memset(eth, 0, packet->data_len);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = port->mac;
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + udp_length)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = inet_addr(NEAR),
		.dst_addr = inet_addr(FAR),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->src_port = rte_cpu_to_be_16(MEDIA_PORT);
	udp->dst_port = rte_cpu_to_be_16(4000);
	udp->dgram_len = rte_cpu_to_be_16(udp_length);
}

static void what_we_send_arrives(void **)
{
	struct port_counters counters;
	struct rte_mbuf *packet;
	int far;

	if (!have_lab)
		skip();
	far = bound_socket(lab.theirs, SOCK_DGRAM, FAR, 4000);
	packet = rte_pktmbuf_alloc(pool);
	assert_non_null(packet);
	fill_packet(packet, &near, 172);
	assert_int_equal(rte_eth_tx_burst(near.id, 0, &packet, 1), 1);
	assert_true(readable(far));
	assert_int_equal(port_counters_get(&near, &counters), 0);
	assert_int_equal(counters.tx_packets, 1);
	assert_int_equal(counters.tx_bytes, 14 + 20 + 8 + 172);
	close(far);
}

// Nobody looks while it comes: what there is room for waits, and the rest is counted.
static void what_finds_no_room_is_counted_as_missed(void **)
{
	struct sockaddr_in to = endpoint(NEAR, MEDIA_PORT);
	struct port_counters before, after;
	struct rte_mbuf *packets[32];
	unsigned int n_received = 0;
	uint16_t n;
	int fd;

	if (!have_lab)
		skip();
	fd = bound_socket(lab.theirs, SOCK_DGRAM, FAR, 4000);
	assert_int_equal(port_counters_get(&near, &before), 0);
	for (int i = 0; i < FLOOD; i++)
		assert_int_equal(sendto(fd, "media", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	while ((n = rte_eth_rx_burst(near.id, 0, packets, 32))) {
		rte_pktmbuf_free_bulk(packets, n);
		n_received += n;
	}
	assert_int_equal(n_received, AF_XDP_ROOM);
	assert_int_equal(port_counters_get(&near, &after), 0);
	assert_int_equal(after.rx_missed - before.rx_missed, FLOOD - AF_XDP_ROOM);
	close(fd);
}

static uint32_t attached_program(void)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex("near"), 0, &id), 0);
	return id;
}

static void close_gives_the_interface_back(void **)
{
	int kernel;

	if (!have_lab)
		skip();
	assert_int_not_equal(attached_program(), 0);
	ports_close(&near, 1);
	assert_int_equal(attached_program(), 0);
	kernel = bound_socket(lab.ours, SOCK_DGRAM, NEAR, MEDIA_PORT);
	send_to_us(MEDIA_PORT, 172);
	assert_true(readable(kernel));
	close(kernel);
}

// Move our program from where the driver put it to the generic hook.
static void make_generic(void)
{
	int ifindex = (int)if_nametoindex("near");
	int fd = bpf_prog_get_fd_by_id(attached_program());

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL), 0);
	assert_int_equal(bpf_xdp_attach(ifindex, fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	close(fd);
}

// Run this program again, as what opens the port and is killed (see main()).
static void leave_stale_program(bool generic)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		execl("/proc/self/exe", "test_port", generic ? LEAVE_GENERIC : LEAVE_NATIVE, NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_not_equal(attached_program(), 0);
}

// One left on the generic hook is replaced by the second process, and that one's by us.
static void stale_program_is_replaced(void **)
{
	if (!have_lab)
		skip();
	leave_stale_program(true);
	leave_stale_program(false);
	open_near(&near);
}

static void program_of_a_stranger_is_left_alone(void **)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct port_config config = near_config();
	struct port port;
	uint32_t id;
	int fd;

	if (!have_lab)
		skip();
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "stranger", "GPL", pass, 2, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("near"), fd, 0, NULL), 0);
	id = attached_program();
	assert_int_equal(open_ports(&port, &config, 1), -EEXIST);
	assert_non_null(strstr(error, "near has an XDP program that is not ours"));
	assert_int_equal(attached_program(), id);
	assert_int_equal(bpf_xdp_detach((int)if_nametoindex("near"), 0, NULL), 0);
	close(fd);
}

static void second_owner_is_refused(void **)
{
	struct port_config config = near_config();
	struct port second;

	if (!have_lab)
		skip();
	assert_int_equal(open_ports(&second, &config, 1), -EADDRINUSE);
	assert_non_null(strstr(error, "another sluice-dataplane"));
	assert_int_not_equal(attached_program(), 0);
}

static void queues_that_the_driver_cannot_serve_are_refused(void **)
{
	struct port_config config = {.name = "wan", .interface = "wide"};
	struct port port;

	if (!have_lab)
		skip();
	lab_run(&lab, lab.ours,
		"ip link add wide numrxqueues 2 numtxqueues 2 type veth peer name wide2 &&"
		"ethtool -L wide rx 2");
	assert_int_equal(open_ports(&port, &config, 1), -EINVAL);
	assert_non_null(strstr(error, "ethtool -L wide rx 1"));
	lab_run(&lab, lab.ours, "ip link del wide");
}

static void unknown_interface_is_named_in_the_error(void **)
{
	struct port_config config = {.name = "wan", .interface = "nosuch0"};
	struct port port;

	assert_int_equal(open_ports(&port, &config, 1), -ENODEV);
	assert_string_equal(error, "port wan: interface nosuch0: No such device");
}

static void any_vdev_opens_as_a_bare_port(void **)
{
	struct port_config configs[] = {
		{.name = "ring", .vdev = "net_ring7"},
		{.name = "null", .vdev = "net_null7,size=214", .mac = {{2, 0, 0, 0, 0, 7}}},
	};
	struct port ports[2];
	struct rte_mbuf *packets[4];
	uint16_t n;

	if (open_ports(ports, configs, 2))
		fail_msg("%s", error);
	assert_int_equal(ports[0].ifindex, 0);
	assert_int_equal(ports[1].mac.addr_bytes[5], 7);
	n = rte_eth_rx_burst(ports[1].id, 0, packets, 4);
	assert_int_equal(n, 4);
	assert_int_equal(rte_eth_tx_burst(ports[0].id, 0, packets, n), n);
	assert_int_equal(rte_eth_rx_burst(ports[0].id, 0, packets, 4), n); // the ring came round
	rte_pktmbuf_free_bulk(packets, n);
	ports_close(ports, 2);
	if (open_ports(ports, configs, 2))
		fail_msg("a second time: %s", error);
	assert_int_equal(ports[0].steering, STEERING_NONE);
	ports_close(ports, 2);
}

// Neither takes rules. One spreads packets by RSS, the other does not.
static void without_rules_there_is_rss_or_workers_hand_over(void **)
{
	struct port_config configs[] = {
		{.name = "ring", .vdev = "net_ring9"},
		{.name = "null", .vdev = "net_null9"},
	};
	struct port ports[2];
	const struct ports_config config = {
		.ports = configs, .n_ports = 2, .realms = &realms, .n_workers = 2, .pool = pool};

	if (ports_open(ports, &config, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(ports[0].steering, STEERING_HANDOVER);
	assert_int_equal(ports[1].steering, STEERING_RSS);
	ports_close(ports, 2);
}

static void failing_port_closes_those_before_it(void **)
{
	struct port_config configs[] = {
		{.name = "null", .vdev = "net_null8"},
		{.name = "bad", .vdev = "net_nosuch0"},
	};
	struct port ports[2];

	assert_true(open_ports(ports, configs, 2) < 0);
	assert_non_null(strstr(error, "port bad: device net_nosuch0"));
	assert_int_equal(rte_eth_dev_count_avail(), 0);
}

static int open_and_be_killed(bool generic)
{
	struct port port;

	open_near(&port);
	if (generic)
		make_generic();
	return raise(SIGKILL);
}

static bool start_eal(void)
{
	static const char *const options[] = {"test_port", "--no-huge", "--no-shconf", "-m", "128",
		"--file-prefix=test_port", "--no-pci", "-l", "0", "--no-telemetry",
		"--log-level=lib.eal:error", "--log-level=pmd:error"};
	char *argv[sizeof(options) / sizeof(*options)];

	make_realms();
	memcpy(argv, options, sizeof(options));
	if (rte_eal_init(sizeof(options) / sizeof(*options), argv) < 0)
		return false;
	pool = rte_pktmbuf_pool_create(
		"packets", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		// The first opens the port that those up to close_... share.
		cmocka_unit_test(stale_program_is_replaced),
		cmocka_unit_test(media_comes_to_us_in_order),
		cmocka_unit_test(media_over_ipv6_comes_to_us),
		cmocka_unit_test(a_tagged_realm_gets_its_vlan_and_ports_only),
		cmocka_unit_test(the_rest_stays_with_the_kernel),
		cmocka_unit_test(what_we_send_arrives),
		cmocka_unit_test(what_finds_no_room_is_counted_as_missed),
		cmocka_unit_test(second_owner_is_refused),
		cmocka_unit_test(close_gives_the_interface_back),
		cmocka_unit_test(program_of_a_stranger_is_left_alone),
		cmocka_unit_test(queues_that_the_driver_cannot_serve_are_refused),
		cmocka_unit_test(unknown_interface_is_named_in_the_error),
		cmocka_unit_test(any_vdev_opens_as_a_bare_port),
		cmocka_unit_test(without_rules_there_is_rss_or_workers_hand_over),
		cmocka_unit_test(failing_port_closes_those_before_it),
	};

	if (argc > 1)
		return !start_eal() || open_and_be_killed(!strcmp(argv[1], LEAVE_GENERIC));
	have_lab = lab_open(&lab);
	if (!have_lab)
		fprintf(stderr, "no network namespaces here (not root?): most tests are skipped\n");
	if (!start_eal())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
