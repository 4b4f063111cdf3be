// Traffic generator of the forward benches: sends the RTP flows of a file into one device, paced or
// as fast as it is taken, and checks every packet that comes back (flows.h). It shares no code with
// what it measures.
//
//   generator EAL-OPTIONS -- --vdev DEVICE --flows FILE --seconds S [--warmup S]
//             [--rate N]       packets a second; without it as fast as they are taken
//             [--first N]      number of the first packet of each flow, where a run goes on with
//             what
//                              one before it began ("next" of its report); not of SRTP
//             [--swap]         the peer swaps addresses, and does not relay
//             [--frames N]     of each flow of SRTP, protected before; the run ends when they are
//             sent
//             [--malformed P]  percent of malformed packets, more than the rate
//             [--rtcp P]       percent of sender reports on the RTP port
//             [--mac MAC] [--peer-mac MAC]
//
// Prints one JSON object, and the same in words on standard error. The load is open loop: a packet
// has a time at which it is due, whatever became of those before, and latency counts from there.
// But time in which somebody else has our CPU is taken out of it: nothing becomes due, so that no
// heap of packets follows that no network would send ("stalled_ms" of the report).
// Subtle: what is measured is the other end, so this end does as little as it can. The driver gets
// shells, packets without memory of their own that point to the frames, and must copy what it sends
// (memif and af_xdp do).
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flows.h"
#include "odd_frames.h"
#include "stall.h"

#define BURST	     32
#define DESCRIPTORS  1024
#define LINK_WAIT_MS 5000
#define DRAIN_MS     50
#define N_RTCP	     64
#define N_SHELLS     511
#define STALL_US     100 // a turn as long as that makes us ask

struct options {
	const char *vdev;
	const char *flows;
	unsigned int n_frames;
	uint32_t first;
	double rate, seconds, warmup;
	double malformed, rtcp; // shares, 0 to 1
	bool swap;
};

// Frames that are sent between those of flows.
struct odd_traffic {
	struct odd_frame *frames;
	unsigned int n;
	unsigned int next;
	double share, owed;
	uint64_t sent;
};

struct generator {
	uint16_t port;
	struct flows flows;
	unsigned int next; // flow to send
	struct odd_traffic malformed, rtcp;
	struct rte_mempool *shell_pool;
	struct rte_mbuf *shells[BURST];
	unsigned int n_pending, at_pending;  // shells that the device has not taken yet
	double begin_tsc, cycles_per_packet; // 0: as fast as taken
	uint64_t made, sent;
	uint64_t offers, refusals; // bursts, and those that were not taken whole
	uint64_t behind_tsc;	   // what is sent is late by so much, at most
	struct stall stall;
	uint64_t stalled_tsc, turn_tsc;
	bool exhausted;
};

struct snapshot {
	uint64_t tsc, stalled_tsc, sent, malformed, received;
};

void die(const char *format, ...)
{
	va_list arguments;

	fputs("generator: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void receive(struct generator *gen)
{
	struct rte_mbuf *packets[BURST];
	uint8_t *frames[BURST];
	uint16_t lengths[BURST];
	unsigned int n = rte_eth_rx_burst(gen->port, 0, packets, BURST);

	if (!n)
		return;
	for (unsigned int i = 0; i < n; i++) {
		frames[i] = rte_pktmbuf_mtod(packets[i], uint8_t *);
		lengths[i] = packets[i]->data_len;
	}
	flows_check(&gen->flows, frames, lengths, n, rte_rdtsc());
	rte_pktmbuf_free_bulk(packets, n);
}

static void fill_shell(struct rte_mbuf *shell, uint8_t *frame, uint16_t length)
{
	shell->buf_addr = frame;
	shell->data_off = 0;
	shell->data_len = length;
	shell->pkt_len = length;
}

static bool odd_is_due(struct odd_traffic *odd)
{
	odd->owed += odd->share;
	return odd->owed >= 1;
}

static void fill_odd(struct odd_traffic *odd, struct rte_mbuf *shell)
{
	struct odd_frame *frame = &odd->frames[odd->next];

	odd->owed -= 1;
	odd->sent++;
	odd->next = odd->next + 1 == odd->n ? 0 : odd->next + 1;
	fill_shell(shell, frame->bytes, frame->length);
}

static bool fill_next(struct generator *gen, struct rte_mbuf *shell, uint64_t due_tsc)
{
	struct flow_tx *flow = &gen->flows.tx[gen->next];
	uint8_t *frame = flow_frame(&gen->flows, flow, due_tsc);

	gen->exhausted = !frame;
	if (!frame)
		return false;
	fill_shell(shell, frame, flow->length);
	gen->next = gen->next + 1 == gen->flows.n ? 0 : gen->next + 1;
	rte_prefetch0(gen->flows.tx[gen->next].frame + 64);
	return true;
}

// Packets that are due by now, up to a burst.
static unsigned int count_due(const struct generator *gen, uint64_t now)
{
	double due;

	if (gen->cycles_per_packet == 0)
		return BURST;
	due = ((double)now - gen->begin_tsc) / gen->cycles_per_packet - (double)gen->made;
	return due <= 0 ? 0 : due >= BURST ? BURST : (unsigned int)due;
}

static uint64_t due_tsc(const struct generator *gen, uint64_t now)
{
	return gen->cycles_per_packet == 0
		       ? now
		       : (uint64_t)(gen->begin_tsc + (double)gen->made * gen->cycles_per_packet);
}

static void make_burst(struct generator *gen, uint64_t now)
{
	unsigned int n_due = count_due(gen, now), n = 0;

	gen->n_pending = gen->at_pending = 0;
	if (n_due)
		gen->behind_tsc = RTE_MAX(gen->behind_tsc, now - due_tsc(gen, now));
	if (!n_due || rte_mempool_get_bulk(gen->shell_pool, (void **)gen->shells, n_due))
		return;
	while (n < n_due) {
		if (unlikely(gen->malformed.n && odd_is_due(&gen->malformed)))
			fill_odd(&gen->malformed, gen->shells[n++]);
		else if (unlikely(gen->rtcp.n && odd_is_due(&gen->rtcp)))
			fill_odd(&gen->rtcp, gen->shells[n++]);
		else if (fill_next(gen, gen->shells[n], due_tsc(gen, now)))
			gen->made++, n++;
		else
			break;
	}
	gen->n_pending = n;
	if (unlikely(n < n_due))
		rte_mempool_put_bulk(gen->shell_pool, (void **)&gen->shells[n], n_due - n);
}

static void transmit(struct generator *gen, uint64_t now)
{
	unsigned int n_left, n_sent;

	if (gen->at_pending == gen->n_pending)
		make_burst(gen, now);
	n_left = gen->n_pending - gen->at_pending;
	if (!n_left)
		return;
	n_sent = rte_eth_tx_burst(gen->port, 0, &gen->shells[gen->at_pending], (uint16_t)n_left);
	gen->at_pending += n_sent;
	gen->sent += n_sent;
	gen->offers++;
	gen->refusals += n_sent < n_left;
}

static struct snapshot take_snapshot(const struct generator *gen)
{
	return (struct snapshot){rte_rdtsc(), gen->stalled_tsc, gen->made, gen->malformed.sent,
		gen->flows.tallies.received};
}

static void note_stall(struct generator *gen)
{
	double cycles = (double)stall_ask(&gen->stall) * (double)rte_get_tsc_hz() / 1e9;

	gen->begin_tsc += cycles;
	gen->stalled_tsc += (uint64_t)cycles;
}

static void run_for(struct generator *gen, double seconds)
{
	uint64_t now = rte_rdtsc(), end = now + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	uint64_t patience = rte_get_tsc_hz() / 1000000 * STALL_US;

	gen->turn_tsc = now;
	for (; now < end && !gen->exhausted; now = rte_rdtsc()) {
		if (unlikely(now - gen->turn_tsc > patience))
			note_stall(gen);
		gen->turn_tsc = now;
		receive(gen);
		transmit(gen, now);
	}
}

static void drain(struct generator *gen)
{
	uint64_t quiet = rte_get_tsc_hz() / 1000 * DRAIN_MS;
	uint64_t last = rte_rdtsc();
	uint64_t received = 0;

	while (rte_rdtsc() < last + quiet) {
		if (gen->at_pending < gen->n_pending)
			transmit(gen, last);
		receive(gen);
		if (gen->flows.tallies.received != received)
			last = rte_rdtsc();
		received = gen->flows.tallies.received;
	}
}

static double nanoseconds(uint64_t cycles)
{
	return (double)cycles * 1e9 / (double)rte_get_tsc_hz();
}

// Packets that came back and found no room, as we did not take them in time.
static uint64_t count_missed(const struct generator *gen)
{
	struct rte_eth_stats stats = {};

	rte_eth_stats_get(gen->port, &stats);
	return stats.imissed;
}

static void report(
	const struct generator *gen, const struct snapshot *begin, const struct snapshot *end)
{
	const struct flow_tallies *tallies = &gen->flows.tallies;
	uint64_t stalled_tsc = end->stalled_tsc - begin->stalled_tsc;
	double seconds = nanoseconds(end->tsc - begin->tsc - stalled_tsc) / 1e9;
	uint64_t good = end->received - begin->received;
	uint64_t malformed = end->malformed - begin->malformed;
	uint64_t lost = gen->made - tallies->received, missed = count_missed(gen);
	static const double shares[] = {0.5, 0.99, 0.999};
	double latency[4];

	for (unsigned int i = 0; i < RTE_DIM(shares); i++)
		latency[i] = nanoseconds(histogram_percentile(&tallies->latency, shares[i])) / 1e3;
	latency[3] = nanoseconds(tallies->latency.max) / 1e3;
	printf("{\"rate\":%.0f,\"handled\":%.0f,\"seconds\":%.3f,\"flows\":%u,\"sent\":%" PRIu64
	       ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"gaps\":%" PRIu64
	       ",\"late\":%" PRIu64 ",\"opened\":%" PRIu64 ",\"bad\":%" PRIu64
	       ",\"malformed\":%" PRIu64 ",\"rtcp_sent\":%" PRIu64 ",\"rtcp\":%" PRIu64
	       ",\"foreign\":%" PRIu64 ",\"stale\":%" PRIu64 ",\"next\":%u,\"missed\":%" PRIu64
	       ",\"behind_us\":%.1f,\"stalled_ms\":%.2f,\"refused\":%.3f,\"p50_us\":%.2f"
	       ",\"p99_us\":%.2f,\"p999_us\":%.2f,\"max_us\":%.2f}\n",
		(double)good / seconds, (double)(good + malformed) / seconds, seconds, gen->flows.n,
		gen->made, tallies->received, lost, tallies->gaps, tallies->late, tallies->opened,
		tallies->bad, gen->malformed.sent, gen->rtcp.sent, tallies->rtcp, tallies->foreign,
		tallies->stale, flows_next(&gen->flows), missed, nanoseconds(gen->behind_tsc) / 1e3,
		nanoseconds(stalled_tsc) / 1e6,
		gen->offers ? (double)gen->refusals / (double)gen->offers : 0, latency[0],
		latency[1], latency[2], latency[3]);
	fprintf(stderr,
		"generator: %u flows, %.2f million packets/s back for %.2f s: %" PRIu64
		" of %" PRIu64 " lost, %" PRIu64 " overtaken, %" PRIu64 " wrong%s%s; "
		"latency %.1f us (half of them), %.1f (99 %%), %.1f (99.9 %%), %.1f at most\n",
		gen->flows.n, (double)good / seconds / 1e6, seconds, lost, gen->made, tallies->late,
		tallies->bad, tallies->bad ? ", the first in its " : "",
		tallies->bad ? tallies->why : "", latency[0], latency[1], latency[2], latency[3]);
}

static void measure(struct generator *gen, const struct options *options)
{
	struct snapshot begin, end;

	stall_open(&gen->stall);
	gen->begin_tsc = (double)rte_rdtsc();
	gen->cycles_per_packet = options->rate > 0 ? (double)rte_get_tsc_hz() / options->rate : 0;
	run_for(gen, options->warmup);
	memset(&gen->flows.tallies.latency, 0, sizeof(gen->flows.tallies.latency));
	gen->offers = gen->refusals = gen->behind_tsc = 0;
	begin = take_snapshot(gen);
	run_for(gen, options->seconds);
	end = take_snapshot(gen);
	drain(gen);
	report(gen, &begin, &end);
}

static void wait_for_link(uint16_t port)
{
	struct rte_eth_link link;

	for (int i = 0; i < LINK_WAIT_MS; i++) {
		if (!rte_eth_link_get_nowait(port, &link) && link.link_status)
			return;
		usleep(1000);
	}
	die("nobody at the other end of the device");
}

static void plug(struct generator *gen, const char *vdev)
{
	char name[256];
	char *arguments;

	snprintf(name, sizeof(name), "%s", vdev);
	arguments = strchr(name, ',');
	if (arguments)
		*arguments++ = '\0';
	if (rte_eal_hotplug_add("vdev", name, arguments ? arguments : "") ||
		rte_eth_dev_get_port_by_name(name, &gen->port))
		die("device %s", vdev);
}

static void open_port(struct generator *gen, const char *vdev, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {};
	struct rte_eth_dev_info info;
	uint16_t n;

	plug(gen, vdev);
	if (rte_eth_dev_info_get(gen->port, &info))
		die("device %s does not say what it is", vdev);
	// As many as the driver proposes: net_af_xdp counts what it misses only then (port.c).
	n = RTE_MAX(DESCRIPTORS, info.default_rxportconf.ring_size);
	if (rte_eth_dev_configure(gen->port, 1, 1, &conf) ||
		rte_eth_rx_queue_setup(gen->port, 0, n, 0, NULL, pool) ||
		rte_eth_tx_queue_setup(gen->port, 0, n, 0, NULL) || rte_eth_dev_start(gen->port))
		die("device %s does not start", vdev);
	wait_for_link(gen->port);
}

static void make_shells(struct generator *gen)
{
	gen->shell_pool = rte_pktmbuf_pool_create(
		"shells", N_SHELLS, BURST, 0, RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	if (!gen->shell_pool)
		die("no memory for packets");
}

static void make_odd(struct generator *gen, const struct options *options)
{
	gen->malformed.share = options->malformed;
	gen->rtcp.share = options->rtcp;
	for (unsigned int i = 0; i < gen->flows.n && options->malformed > 0; i++)
		if (gen->flows.tx[i].rtp_at == 42 && !gen->flows.tx[i].protected) {
			gen->malformed.n =
				odd_frames_malformed(&gen->flows.tx[i], &gen->malformed.frames);
			break;
		}
	if (options->malformed > 0 && !gen->malformed.n)
		die("no flow of plain RTP over IPv4 to make malformed packets from");
	if (options->rtcp <= 0)
		return;
	gen->rtcp.frames = aligned_alloc(64, N_RTCP * sizeof(*gen->rtcp.frames));
	for (unsigned int i = 0; i < gen->flows.n && gen->rtcp.n < N_RTCP; i++)
		if (gen->flows.tx[i].rtp_at == 42 && !gen->flows.tx[i].protected)
			odd_frame_rtcp(&gen->flows.tx[i], &gen->rtcp.frames[gen->rtcp.n++]);
}

static void parse_options(int argc, char **argv, struct options *options, struct flows *flows)
{
	static const struct option names[] = {
		{"vdev", required_argument, NULL, 'v'},
		{"flows", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 's'},
		{"warmup", required_argument, NULL, 'w'},
		{"rate", required_argument, NULL, 'r'},
		{"first", required_argument, NULL, 'i'},
		{"frames", required_argument, NULL, 'n'},
		{"malformed", required_argument, NULL, 'm'},
		{"rtcp", required_argument, NULL, 'c'},
		{"mac", required_argument, NULL, 'a'},
		{"peer-mac", required_argument, NULL, 'p'},
		{"swap", no_argument, NULL, 'x'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		switch (option) {
		case 'v':
			options->vdev = optarg;
			break;
		case 'f':
			options->flows = optarg;
			break;
		case 's':
			options->seconds = atof(optarg);
			break;
		case 'w':
			options->warmup = atof(optarg);
			break;
		case 'r':
			options->rate = atof(optarg);
			break;
		case 'i':
			options->first = (uint32_t)atoi(optarg);
			break;
		case 'n':
			options->n_frames = (unsigned int)atoi(optarg);
			break;
		case 'm':
			options->malformed = atof(optarg) / 100;
			break;
		case 'c':
			options->rtcp = atof(optarg) / 100;
			break;
		case 'a':
			rte_ether_unformat_addr(optarg, &flows->ours);
			break;
		case 'p':
			rte_ether_unformat_addr(optarg, &flows->theirs);
			break;
		case 'x':
			options->swap = true;
			break;
		default:
			die("unknown option");
		}
	if (!options->vdev || !options->flows)
		die("--vdev and --flows are needed");
}

int main(int argc, char **argv)
{
	struct options options = {.seconds = 1, .warmup = 0.3};
	static struct generator gen = {
		.flows = {.ours = {{2, 0, 0, 0, 0, 2}}, .theirs = {{2, 0, 0, 0, 0, 1}}}};
	int n_eal = rte_eal_init(argc, argv);
	struct rte_mempool *pool;

	if (n_eal < 0)
		die("EAL");
	parse_options(argc - n_eal, argv + n_eal, &options, &gen.flows);
	pool = rte_pktmbuf_pool_create(
		"packets", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool)
		die("no memory for packets");
	flows_load(&gen.flows, options.flows, options.n_frames, options.swap);
	flows_begin(&gen.flows, options.first);
	make_shells(&gen);
	make_odd(&gen, &options);
	open_port(&gen, options.vdev, pool);
	measure(&gen, &options);
	rte_eth_dev_stop(gen.port);
	rte_eth_dev_close(gen.port);
	return gen.flows.tallies.bad || !gen.flows.tallies.received ? EXIT_FAILURE : EXIT_SUCCESS;
}
