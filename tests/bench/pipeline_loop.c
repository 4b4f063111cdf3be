// Cycles a packet of the pipeline alone: a worker's turns over a ring device, without a process at
// the other end or a device that copies. The way to compare two builds in short turns, and what
// callgrind can run:
//
//   pipeline_loop [--sessions N] [--burst N] [--rounds N] [--turns N] [--latch] [--suite N]
//                 [--stages]
//
// Sessions of two PCMU legs; 172 bytes of RTP a packet, flows in random order. A round is so many
// turns; the best and the median round are printed, as the machine may be shared. With --suite (a
// number, enum sl_srtp_suite) the second leg of each is SRTP. --stages adds what each stage of a
// turn took, of the last round.
#include <arpa/inet.h>
#include <getopt.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "srtp.h"
#include "worker.h"

#define RTP_BYTES    172
#define FRAME_BYTES  (14 + 20 + 8 + RTP_BYTES)
#define RING	     1024
#define SAMPLES	     160 // of 20 ms
#define MBUFS	     16383
#define MBUF_CACHE   512
#define MAC_BYTES    "\x02\x00\x00\x00\x00\x01"
#define NEXT_HOP     "\x02\x00\x00\x00\x00\x02"
#define PORT_MIN     16384
#define ADDRESSES    5
#define SESSIONS_MAX 60000
#define ROUNDS_MAX   1000

struct flow {
	uint8_t frame[FRAME_BYTES];
	uint16_t sequence;
	uint32_t timestamp;
	struct srtp_context *context; // NULL: plain RTP
} __rte_cache_aligned;

static struct {
	unsigned int sessions, burst, rounds, turns;
	unsigned int suite;
	bool latch; // legs may, and so have to
	bool stages;
} options = {.sessions = 1000, .burst = 32, .rounds = 40, .turns = 2000};

static struct rte_mempool *pool;
static struct rte_ring *in, *out;
static struct port port;
static struct realms realms;
static struct sessions *sessions;
static struct workers_config config;
static struct worker_shared *workers;
static struct flow *flows;
static struct srtp_engine *far_end;
static unsigned int *order, next_flow;

// By a pointer, so that link-time optimisation leaves it a function that callgrind can name.
static unsigned int (*volatile turn)(struct worker *) = worker_turn;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "pipeline_loop: %s failed\n", what);
	exit(EXIT_FAILURE);
}

static void start_eal(void)
{
	static const char *const arguments[] = {"pipeline_loop", "--no-huge", "--no-shconf",
		"--no-pci", "--no-telemetry", "--iova-mode=va", "-m", "768", "--lcores=0",
		"--log-level=error", "--file-prefix=pipeline-loop"};
	char *argv[RTE_DIM(arguments)];

	for (size_t i = 0; i < RTE_DIM(arguments); i++)
		argv[i] = (char *)arguments[i];
	must(rte_eal_init(RTE_DIM(arguments), argv) >= 0, "rte_eal_init");
	clock_init();
}

static struct sl_address address_of(uint32_t host, uint16_t udp_port)
{
	struct sl_address address = {.family = SL_IPV4, .port = udp_port};

	host = htonl(host);
	memcpy(address.bytes, &host, sizeof(host));
	return address;
}

static uint32_t local_of(unsigned int leg)
{
	return 0xc0000201 + leg % ADDRESSES; // 192.0.2.1
}

static void open_port(void)
{
	struct port_config port_config = {.name = "bench", .vdev = "net_ring_bench"};
	struct ports_config ports_config = {&port_config, 1, &realms, 1, pool};
	struct realm *realm = &realms.entries[realms.n++];
	char error[256] = "";

	*realm = (struct realm){.name = "bench", .rtp_port_min = PORT_MIN, .rtp_port_max = 65535};
	for (unsigned int i = 0; i < ADDRESSES; i++)
		realm->addresses[realm->n_addresses++] = address_of(local_of(i), 0);
	memcpy(&port_config.mac, MAC_BYTES, 6);
	memcpy(&port_config.next_hop, NEXT_HOP, 6);
	in = rte_ring_create("in", RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	out = rte_ring_create("out", RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	must(in && out, "rings");
	must(rte_eth_from_rings("bench", &in, 1, &out, 1, 0) >= 0, "net_ring");
	must(ports_open(&port, &ports_config, error, sizeof(error)) == 0, error);
}

static void open_workers(void)
{
	static struct sessions_config sessions_config;

	config = (struct workers_config){.ports = &port, .n_ports = 1, .n_workers = 1};
	config.pool = pool;
	config.punts_per_second = 100;
	config.rcu = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(1), RTE_CACHE_LINE_SIZE);
	must(config.rcu && rte_rcu_qsbr_init(config.rcu, 1) == 0, "RCU");
	sessions_config = (struct sessions_config){.realms = &realms,
		.n_workers = 1,
		.sessions_max = SESSIONS_MAX,
		.rcu = config.rcu,
		.hops = next_hops_create(&port, 1, &realms)};
	must(sessions_config.hops != NULL, "next_hops_create");
	sessions = config.sessions = sessions_create(&sessions_config);
	must(sessions != NULL, "sessions_create");
	workers = workers_create(&config);
	must(workers != NULL, "workers_create");
}

// No two alike.
static struct sl_srtp key_of(unsigned int session, uint8_t direction)
{
	struct sl_srtp srtp = {.suite = (uint8_t)options.suite};

	memset(srtp.key, 0x5a, srtp_suite_infos[srtp.suite - 1].key_bytes);
	memcpy(srtp.key, &session, sizeof(session));
	srtp.key[sizeof(session)] = direction;
	return srtp;
}

static struct sl_leg leg_of(unsigned int session, unsigned int leg)
{
	bool secure = options.suite && leg == 1;

	return (struct sl_leg){
		.srtp_receive = secure ? key_of(session, SRTP_RECEIVE) : (struct sl_srtp){},
		.srtp_send = secure ? key_of(session, SRTP_SEND) : (struct sl_srtp){},
		.local = address_of(local_of(2 * session + leg), 0),
		.remote = address_of((0xc612u + leg) << 16 | session, 20000),
		.flags = SL_LEG_RECEIVE | SL_LEG_SEND,
		.source = !leg,
		.transport = SL_NO_LEG,
		.source_rule = options.latch ? SL_SOURCE_LATCH : SL_SOURCE_STRICT,
		.n_formats = 1,
		.formats = {{.name = "PCMU", .clock_hz = 8000, .pt = 0, .channels = 1}},
	};
}

static void make_flow(struct flow *flow, const struct sl_leg *leg, uint32_t ssrc)
{
	struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = htons(FRAME_BYTES - 14),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP};
	struct rte_udp_hdr udp = {.src_port = htons(leg->remote.port),
		.dst_port = htons(leg->local.port),
		.dgram_len = htons(8 + RTP_BYTES)};
	uint8_t *at = flow->frame;

	memcpy(&ip.src_addr, leg->remote.bytes, 4);
	memcpy(&ip.dst_addr, leg->local.bytes, 4);
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(at, MAC_BYTES NEXT_HOP "\x08", 14);
	memcpy(at + 14, &ip, sizeof(ip));
	memcpy(at + 34, &udp, sizeof(udp));
	at[42] = 0x80;
	ssrc = htonl(ssrc);
	memcpy(at + 50, &ssrc, sizeof(ssrc));
	for (unsigned int i = 54; i < FRAME_BYTES; i++)
		at[i] = (uint8_t)rte_rand();
	flow->context = NULL;
	flow->sequence = (uint16_t)rte_rand();
	flow->timestamp = (uint32_t)rte_rand();
}

// The far end of a leg with SRTP sends under the key that we receive with.
static struct srtp_context *context_of(unsigned int session)
{
	struct sl_srtp srtp = key_of(session, SRTP_RECEIVE);
	struct srtp_keying keying = {.suite = srtp.suite - 1, .direction = SRTP_SEND};
	struct srtp_context *context;

	memcpy(keying.key, srtp.key, sizeof(keying.key));
	context = srtp_context_create(far_end, &keying);
	must(context != NULL, "srtp_context_create");
	return context;
}

static void set_session(unsigned int i)
{
	struct sl_session session = {.n_legs = 2}, reply;
	const char *why = "";

	memcpy(session.id.bytes, &i, sizeof(i));
	for (unsigned int j = 0; j < 2; j++)
		session.legs[j] = leg_of(i, j);
	must(session_set(sessions, &session, NULL, &reply, &why) == 0, why);
	for (unsigned int j = 0; j < 2; j++)
		make_flow(&flows[2 * i + j], &reply.legs[j], (uint32_t)rte_rand());
	if (options.suite)
		flows[2 * i + 1].context = context_of(i);
}

static void shuffle(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		order[i] = i;
	for (unsigned int i = n - 1; i > 0; i--) {
		unsigned int j = (unsigned int)rte_rand_max(i + 1), other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
}

static struct rte_udp_hdr *udp_of(struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_udp_hdr *, 34);
}

// The next packet of a flow.
static void fill(struct rte_mbuf *mbuf, struct flow *flow)
{
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(mbuf, FRAME_BYTES);
	rte_be16_t sequence = htons(flow->sequence++);
	rte_be32_t timestamp = htonl(flow->timestamp);

	flow->timestamp += SAMPLES;
	memcpy(at, flow->frame, FRAME_BYTES);
	memcpy(at + 44, &sequence, sizeof(sequence));
	memcpy(at + 46, &timestamp, sizeof(timestamp));
}

static void encrypt(struct rte_mbuf *mbuf, struct flow *flow)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, 14);
	struct srtp_job job = {.context = flow->context,
		.packet = (uint8_t *)(udp_of(mbuf) + 1),
		.length = RTP_BYTES,
		.room = RTP_BYTES + SRTP_TRAILER_MAX};
	uint16_t more;

	srtp_protect_burst(far_end, &job, 1);
	must(job.status == SRTP_STATUS_OK, "protecting a packet");
	more = (uint16_t)(job.out_length - RTP_BYTES);
	rte_pktmbuf_append(mbuf, more);
	ip->total_length = htons((uint16_t)(FRAME_BYTES - 14 + more));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp_of(mbuf)->dgram_len = htons((uint16_t)(8 + job.out_length));
}

static void push_burst(void)
{
	struct rte_mbuf *mbufs[BURST_MAX];

	must(rte_pktmbuf_alloc_bulk(pool, mbufs, options.burst) == 0, "packet buffers");
	for (unsigned int i = 0; i < options.burst; i++) {
		struct flow *flow = &flows[order[next_flow]];

		fill(mbufs[i], flow);
		if (flow->context)
			encrypt(mbufs[i], flow);
		udp_of(mbufs[i])->dgram_cksum = rte_ipv4_udptcp_cksum(
			rte_pktmbuf_mtod_offset(mbufs[i], void *, 14), udp_of(mbufs[i]));
		next_flow = next_flow + 1 == 2 * options.sessions ? 0 : next_flow + 1;
	}
	rte_ring_enqueue_bulk(in, (void **)mbufs, options.burst, NULL);
}

// What came out, and whether the sums of the first packet are right; SRTP may have none.
static void pop_burst(void)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned int n = rte_ring_dequeue_burst(out, (void **)mbufs, BURST_MAX, NULL);
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	rte_be16_t checksum;

	must(n == options.burst, "relaying all packets");
	ip = rte_pktmbuf_mtod_offset(mbufs[0], struct rte_ipv4_hdr *, 14);
	udp = udp_of(mbufs[0]);
	checksum = udp->dgram_cksum;
	udp->dgram_cksum = 0;
	must(rte_ipv4_udptcp_cksum(ip, udp) == checksum || (options.suite && !checksum),
		"a right UDP checksum");
	must(rte_raw_cksum(ip, sizeof(*ip)) == 0xffff, "a right IP checksum");
	rte_pktmbuf_free_bulk(mbufs, n);
}

// Cycles a packet.
static double run_round(void)
{
	uint64_t cycles = 0;

	for (unsigned int i = 0; i < options.turns; i++) {
		uint64_t begin;

		push_burst();
		begin = rte_rdtsc_precise();
		turn(workers->workers[0]);
		cycles += rte_rdtsc_precise() - begin;
		pop_burst();
	}
	return (double)cycles / options.turns / options.burst;
}

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return first < second ? -1 : first > second;
}

// One turn with SRTP, after which a turn takes bursts of more than BURST_PLAIN (pipeline/rx.c).
static void warm_up(void)
{
	unsigned int burst = options.burst;

	options.burst = RTE_MIN(burst, (unsigned int)BURST_PLAIN);
	for (unsigned int i = 0; i < options.sessions; i++) {
		push_burst();
		turn(workers->workers[0]);
		pop_burst();
	}
	options.burst = burst;
	run_round();
}

static void print_stages(void)
{
#define STAGE_NAME(stage, packets) #stage,
	static const char *const names[] = {STAGES(STAGE_NAME)};
#undef STAGE_NAME
	const struct profile *profile = &workers->workers[0]->profile;
	double ns = 1e9 / (double)rte_get_tsc_hz() / options.turns / options.burst;

	workers_profile(workers, true);
	run_round();
	for (unsigned int i = 0; i < STAGES_N; i++)
		printf("  %-14s %6.1f ns\n", names[i], (double)profile->cycles[i] * ns);
}

static void run(void)
{
	static double rounds[ROUNDS_MAX];
	double ns = 1e9 / (double)rte_get_tsc_hz();

	warm_up();
	for (unsigned int i = 0; i < options.rounds; i++)
		rounds[i] = run_round();
	qsort(rounds, options.rounds, sizeof(rounds[0]), compare);
	printf("%u sessions, bursts of %u: best %.1f ns a packet, median %.1f ns\n",
		options.sessions, options.burst, rounds[0] * ns, rounds[options.rounds / 2] * ns);
	if (options.stages)
		print_stages();
}

static unsigned int number(const char *text, unsigned int max)
{
	unsigned long value = strtoul(text, NULL, 10);

	must(value > 0 && value <= max, "an option");
	return (unsigned int)value;
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {{"sessions", required_argument, NULL, 's'},
		{"burst", required_argument, NULL, 'b'}, {"rounds", required_argument, NULL, 'r'},
		{"turns", required_argument, NULL, 't'}, {"latch", no_argument, NULL, 'l'},
		{"suite", required_argument, NULL, 'u'}, {"stages", no_argument, NULL, 'g'}, {}};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 's')
			options.sessions = number(optarg, SESSIONS_MAX);
		else if (option == 'b')
			options.burst = number(optarg, BURST_MAX);
		else if (option == 'r')
			options.rounds = number(optarg, ROUNDS_MAX);
		else if (option == 'l')
			options.latch = true;
		else if (option == 'u')
			options.suite = number(optarg, N_SRTP_SUITES);
		else if (option == 'g')
			options.stages = true;
		else if (option == 't')
			options.turns = number(optarg, UINT32_MAX);
		else
			exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	start_eal();
	pool = rte_pktmbuf_pool_create(
		"packets", MBUFS, MBUF_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	must(pool != NULL, "pool");
	open_port();
	open_workers();
	far_end = srtp_engine_create(NULL, NULL);
	must(far_end != NULL, "srtp_engine_create");
	flows = aligned_alloc(RTE_CACHE_LINE_SIZE, 2 * options.sessions * sizeof(*flows));
	order = calloc(2 * options.sessions, sizeof(*order));
	must(flows && order, "memory");
	for (unsigned int i = 0; i < options.sessions; i++)
		set_session(i);
	shuffle(2 * options.sessions);
	run();
	return EXIT_SUCCESS;
}
