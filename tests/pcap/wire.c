// The far side of two memif ports, for cases.py: a line on standard input is a frame to send, each
// frame that arrives is a line on standard output. A line is the port and the bytes in hexadecimal.
//
//   wire EAL-OPTIONS -- SOCKET0 SOCKET1
#include <ctype.h>
#include <poll.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_PORTS	     2
#define DESCRIPTORS  256
#define FRAME_MAX    2000
#define LINE_BYTES   (2 * FRAME_MAX + 16)
#define BURST	     32
#define IDLE_MS	     1
#define LINK_WAIT_MS 20000

static uint16_t ports[N_PORTS];
static struct rte_mempool *pool;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "wire: %s failed\n", what);
	exit(EXIT_FAILURE);
}

static void wait_for_link(uint16_t port)
{
	struct rte_eth_link link = {};

	for (int i = 0; i < LINK_WAIT_MS && !link.link_status; i++) {
		rte_eth_link_get_nowait(port, &link);
		usleep(1000);
	}
	must(link.link_status, "the other end of the port");
}

static void open_port(unsigned int i, const char *socket)
{
	struct rte_eth_conf conf = {};
	char name[32], arguments[256];

	snprintf(name, sizeof(name), "net_memif%u", i);
	snprintf(arguments, sizeof(arguments), "role=client,socket=%s,socket-abstract=no", socket);
	must(rte_eal_hotplug_add("vdev", name, arguments) == 0, name);
	must(rte_eth_dev_get_port_by_name(name, &ports[i]) == 0, name);
	must(rte_eth_dev_configure(ports[i], 1, 1, &conf) == 0, "configure");
	must(rte_eth_rx_queue_setup(ports[i], 0, DESCRIPTORS, 0, NULL, pool) == 0, "rx queue");
	must(rte_eth_tx_queue_setup(ports[i], 0, DESCRIPTORS, 0, NULL) == 0, "tx queue");
	must(rte_eth_dev_start(ports[i]) == 0, "start");
	wait_for_link(ports[i]);
}

static void send_line(const char *line)
{
	unsigned int port = (unsigned int)line[0] - '0', n = 0;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	uint8_t *bytes;

	must(mbuf && port < N_PORTS && line[1] == ' ', "a line");
	bytes = rte_pktmbuf_mtod(mbuf, uint8_t *);
	while (n < FRAME_MAX && isxdigit((unsigned char)line[2 + 2 * n]) &&
		sscanf(line + 2 + 2 * n, "%2hhx", &bytes[n]) == 1)
		n++;
	rte_pktmbuf_append(mbuf, (uint16_t)n);
	for (int i = 0; i < 1000 && !rte_eth_tx_burst(ports[port], 0, &mbuf, 1); i++)
		usleep(1000);
}

static void print_frames(unsigned int port)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = rte_eth_rx_burst(ports[port], 0, mbufs, BURST);

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *bytes = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);

		printf("%u ", port);
		for (unsigned int j = 0; j < mbufs[i]->data_len; j++)
			printf("%02x", bytes[j]);
		putchar('\n');
		rte_pktmbuf_free(mbufs[i]);
	}
	if (n)
		fflush(stdout);
}

// Standard input is read without a buffer in between, so that poll() tells the truth.
static bool read_lines(char *line, size_t *n)
{
	ssize_t more = read(STDIN_FILENO, line + *n, LINE_BYTES - *n);
	char *end;

	if (more <= 0)
		return false;
	*n += (size_t)more;
	while ((end = memchr(line, '\n', *n))) {
		*end = '\0';
		send_line(line);
		*n -= (size_t)(end + 1 - line);
		memmove(line, end + 1, *n);
	}
	return true;
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES + 1];
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	int n_eal = rte_eal_init(argc, argv);
	size_t n = 0;

	must(n_eal >= 0 && argc - n_eal == 1 + N_PORTS, "EAL, or two sockets");
	pool = rte_pktmbuf_pool_create(
		"packets", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	must(pool != NULL, "memory");
	for (unsigned int i = 0; i < N_PORTS; i++)
		open_port(i, argv[n_eal + 1 + (int)i]);
	puts("up");
	fflush(stdout);
	for (;;) {
		if (poll(&input, 1, IDLE_MS) == 1 && !read_lines(line, &n))
			return EXIT_SUCCESS;
		for (unsigned int i = 0; i < N_PORTS; i++)
			print_frames(i);
	}
}
