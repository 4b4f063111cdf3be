// Traffic generator of the forward benchmark: sends RTP of many flows into one port as fast as it
// is taken, counts what comes back, and checks a sample of it byte for byte.
//
//   generator EAL-OPTIONS -- --vdev DEVICE --sessions N --seconds S [--warmup S]
//             [--relay SOCKET]   set the sessions there; without it the peer swaps addresses
//
// Prints one JSON object. Subtle: what is measured is the other end, so this end does as little as
// it can: packets are made once and sent again with sequence and timestamp advanced (a reference
// keeps the driver from freeing them), and receiving goes before sending.
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flows.h"
#include "port.h"
#include "relay.h"

#define BURST	      32
#define SAMPLE_BURSTS 8 // check a packet of every so many bursts
#define LINK_WAIT_MS  5000
#define MEDIA_IP      RTE_IPV4(192u, 0, 2, 1)
#define DRAIN_MS      20

struct options {
	const char *vdev;
	const char *relay;
	unsigned int sessions;
	double seconds;
	double warmup;
};

struct generator {
	struct port port;
	struct flow_macs macs;
	struct flow *flows;
	unsigned int n_flows;
	unsigned int next; // flow to send
	unsigned int bursts;
	uint64_t sent, received, checked, bad;
};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "generator: %s\n", what);
	exit(EXIT_FAILURE);
}

static void check_sample(struct generator *gen, const struct rte_mbuf *packet)
{
	const char *why;

	gen->checked++;
	if (flow_check(gen->flows, gen->n_flows, &gen->macs, packet, &why))
		return;
	if (gen->bad++ == 0)
		fprintf(stderr, "generator: wrong packet: %s\n", why);
}

static unsigned int receive(struct generator *gen)
{
	struct rte_mbuf *packets[BURST];
	unsigned int n = rte_eth_rx_burst(gen->port.id, 0, packets, BURST);

	if (!n)
		return 0;
	gen->received += n;
	if (gen->bursts++ % SAMPLE_BURSTS == 0)
		check_sample(gen, packets[n - 1]);
	rte_pktmbuf_free_bulk(packets, n);
	return n;
}

static void send_burst(struct generator *gen)
{
	struct rte_mbuf *packets[BURST];
	unsigned int n = RTE_MIN((unsigned int)BURST, gen->n_flows - gen->next);
	unsigned int n_sent;

	for (unsigned int i = 0; i < n; i++) {
		packets[i] = gen->flows[gen->next + i].packet;
		rte_mbuf_refcnt_set(packets[i], 2); // the driver takes one
	}
	n_sent = rte_eth_tx_burst(gen->port.id, 0, packets, (uint16_t)n);
	for (unsigned int i = 0; i < n_sent; i++)
		flow_advance(&gen->flows[gen->next + i]);
	gen->sent += n_sent;
	gen->next += n_sent;
	if (gen->next == gen->n_flows)
		gen->next = 0;
}

static void run_for(struct generator *gen, double seconds)
{
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());

	while (rte_rdtsc() < end) {
		receive(gen);
		send_burst(gen);
	}
}

static void drain(struct generator *gen)
{
	uint64_t quiet = rte_get_tsc_hz() / 1000 * DRAIN_MS;
	uint64_t last = rte_rdtsc();

	while (rte_rdtsc() < last + quiet)
		if (receive(gen))
			last = rte_rdtsc();
}

static void measure(struct generator *gen, const struct options *options)
{
	uint64_t begin, received;
	double seconds;

	run_for(gen, options->warmup);
	received = gen->received;
	begin = rte_rdtsc();
	run_for(gen, options->seconds);
	seconds = (double)(rte_rdtsc() - begin) / (double)rte_get_tsc_hz();
	received = gen->received - received;
	drain(gen);
	printf("{\"rate\":%.0f,\"packets\":%" PRIu64 ",\"seconds\":%.3f,\"flows\":%u,"
	       "\"sent\":%" PRIu64 ",\"lost\":%" PRId64 ",\"checked\":%" PRIu64 ",\"bad\":%" PRIu64
	       "}\n",
		(double)received / seconds, received, seconds, gen->n_flows, gen->sent,
		(int64_t)(gen->sent - gen->received), gen->checked, gen->bad);
}

static void wait_for_link(const struct port *port)
{
	struct rte_eth_link link;

	for (int i = 0; i < LINK_WAIT_MS; i++) {
		if (!rte_eth_link_get_nowait(port->id, &link) && link.link_status)
			return;
		usleep(1000);
	}
	die("nobody at the other end of the device");
}

static void open_port(struct generator *gen, const char *vdev, struct rte_mempool *pool)
{
	struct port_config config = {.name = "bench", .mac = gen->macs.ours};
	char error[256];

	snprintf(config.vdev, sizeof(config.vdev), "%s", vdev);
	if (ports_open(&gen->port, &config, 1, 1, pool, error, sizeof(error)))
		die(error);
	wait_for_link(&gen->port);
}

static void make_flows(
	struct generator *gen, const struct options *options, struct rte_mempool *pool)
{
	struct session_ends *ends = calloc(options->sessions, sizeof(*ends));

	gen->n_flows = options->sessions * 2;
	gen->flows = calloc(gen->n_flows, sizeof(*gen->flows));
	if (!ends || !gen->flows)
		die("out of memory");
	for (unsigned int i = 0; i < options->sessions; i++) {
		session_ends_choose(&ends[i], i);
		for (unsigned int j = 0; j < 2; j++)
			ends[i].local[j] =
				(struct endpoint){MEDIA_IP, (uint16_t)(16384 + (i * 2 + j) * 2)};
	}
	if (options->relay && relay_sessions_set(options->relay, MEDIA_IP, ends, options->sessions))
		exit(EXIT_FAILURE);
	for (unsigned int i = 0; i < options->sessions; i++)
		if (flows_create(
			    &gen->flows[i * 2], i, &ends[i], !options->relay, &gen->macs, pool))
			die("no packets left");
	free(ends);
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"vdev", required_argument, NULL, 'v'},
		{"relay", required_argument, NULL, 'r'},
		{"sessions", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},
		{"warmup", required_argument, NULL, 'w'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		switch (option) {
		case 'v':
			options->vdev = optarg;
			break;
		case 'r':
			options->relay = optarg;
			break;
		case 'n':
			options->sessions = (unsigned int)atoi(optarg);
			break;
		case 's':
			options->seconds = atof(optarg);
			break;
		case 'w':
			options->warmup = atof(optarg);
			break;
		default:
			die("unknown option");
		}
	if (!options->vdev || !options->sessions || options->sessions > 12000)
		die("--vdev and --sessions (1 to 12000) are needed");
}

int main(int argc, char **argv)
{
	struct options options = {.seconds = 2, .warmup = 0.5};
	struct generator gen = {
		.macs = {.ours = {{2, 0, 0, 0, 0, 2}}, .theirs = {{2, 0, 0, 0, 0, 1}}}};
	struct rte_mempool *pool;
	int n_eal = rte_eal_init(argc, argv);

	if (n_eal < 0)
		die("EAL");
	parse_options(argc - n_eal, argv + n_eal, &options);
	pool = rte_pktmbuf_pool_create("packets", options.sessions * 2 + 8191, 256, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool)
		die("no memory for packets");
	make_flows(&gen, &options, pool);
	open_port(&gen, options.vdev, pool);
	measure(&gen, &options);
	ports_close(&gen.port, 1);
	return gen.bad || !gen.checked ? EXIT_FAILURE : EXIT_SUCCESS;
}
