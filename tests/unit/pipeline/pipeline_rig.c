#include "pipeline_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <rte_dev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "shard_log.h"

struct path path;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "rig: %s failed\n", what);
	abort();
}

static void create_rings(unsigned int i)
{
	char name[32];

	snprintf(name, sizeof(name), "in%u", i);
	path.in[i] = rte_ring_create(name, 1024, 0, 0);
	snprintf(name, sizeof(name), "out%u", i);
	path.out[i] = rte_ring_create(name, 1024, 0, 0);
	must(path.in[i] && path.out[i], "rings");
}

static const struct path_size usual_size = {
	.megabytes = "128", .sessions_max = 100, .n_udp_ports = 64, .n_addresses = {1, 1}};

void path_start(void)
{
	path_start_sized(&usual_size);
}

void path_start_sized(const struct path_size *size)
{
	rig_eal_with(size->megabytes);
	must(codecs_init() == 0, "codecs_init");
	path.pool = rte_pktmbuf_pool_create(
		"packets", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	must(path.pool != NULL, "pool");
	create_rings(0);
	create_rings(1);
	log_port.level = LOG_LEVEL_WARN;
	log_shard.level = LOG_LEVEL_ERROR;
}

// What is there beside rig_realms(): IPv6 on both ports, and VLANs on the second.
static void add_realms(struct realms *realms)
{
	const struct realm first = {.port = 0, .dscp = 46, .rtp_port_max = 20063};
	const struct realm second = {.port = 1, .dscp = 46, .rtp_port_max = 20063};
	const struct realm tagged = {.port = 1, .vlan = 7, .dscp = 34, .rtp_port_max = 20063};

	rig_realm_add(realms, first, OUR0_V6);
	rig_realm_add(realms, second, OUR1_V6);
	rig_realm_add(realms, tagged, OUR7);
	rig_realm_add(realms, tagged, OUR7_V6);
	memcpy(&realms->entries[realms->n - 1].next_hop, MAC_FAR7, 6); // of its own
}

static void add_addresses(struct realm *realm, unsigned int n)
{
	for (; realm->n_addresses < n; realm->n_addresses++) {
		struct sl_address *address = &realm->addresses[realm->n_addresses];

		*address = address[-1];
		address->bytes[3]++;
	}
}

static void open_ports(unsigned int n_workers, const struct path_size *size)
{
	static const char *const macs[2][2] = {{MAC_P0, MAC_FAR0}, {MAC_P1, MAC_FAR1}};
	struct port_config configs[2] = {};
	struct ports_config config = {configs, 2, &path.rig.realms, n_workers, path.pool};
	char error[256] = "";

	rig_realms(&path.rig.realms, size->n_udp_ports);
	for (unsigned int i = 0; i < 2; i++)
		add_addresses(&path.rig.realms.entries[i], size->n_addresses[i]);
	add_realms(&path.rig.realms);
	for (unsigned int i = 0; size->sharded && i < 3; i++)
		path.rig.realms.entries[i].shards[0] = 1;
	for (unsigned int i = 0; i < 2; i++) {
		char *name = configs[i].name;

		snprintf(name, sizeof(configs[i].name), "p%u", i);
		must(rte_eth_from_rings(name, &path.in[i], 1, &path.out[i], 1, 0) >= 0, "net_ring");
		snprintf(configs[i].vdev, sizeof(configs[i].vdev), "net_ring_p%u", i);
		memcpy(&configs[i].mac, macs[i][0], 6);
		memcpy(&configs[i].next_hop, macs[i][1], 6);
	}
	if (ports_open(path.ports, &config, error, sizeof(error)))
		must(false, error);
}

static void shard_event(void *, const struct sl_shard_event *event)
{
	must(path.n_shard_events < RTE_DIM(path.shard_events), "room for an event of a shard");
	path.shard_events[path.n_shard_events++] = *event;
}

static void open_shards(void)
{
	static const char names[][SL_SHARD_NAME_MAX] = {"s1"};
	const struct shards_config config = {.names = names,
		.n = RTE_DIM(names),
		.realms = &path.rig.realms,
		.ports = path.ports,
		.n_ports = 2,
		.hops = path.hops,
		.fence = &path.fence,
		.workers = path.workers,
		.rcu = path.rig.rcu,
		.event = shard_event};

	path.n_shard_events = 0;
	path.shards = shards_create(&config);
	must(path.shards != NULL, "shards_create");
}

void path_renew_shards(void)
{
	shards_destroy(path.shards);
	for (unsigned int i = 1; i < FENCE_SHARDS; i++)
		fence_close(&path.fence, i);
	open_shards();
}

void path_open(unsigned int n_workers)
{
	path_open_sized(n_workers, &usual_size);
}

void path_open_sized(unsigned int n_workers, const struct path_size *size)
{
	struct transcode_config engine = {.n_workers = n_workers,
		.streams_max = 64,
		.socket_id = SOCKET_ID_ANY,
		.pool = path.pool};
	struct sessions_config sessions = {.realms = &path.rig.realms,
		.n_workers = n_workers,
		.sessions_max = size->sessions_max,
		.event = rig_event,
		.context = &path.rig};
	struct workers_config workers = {.ports = path.ports,
		.n_ports = 2,
		.n_workers = n_workers,
		.pool = path.pool,
		.punts_per_second = PATH_PUNTS_PER_SECOND};

	memset(&path.fence, 0, sizeof(path.fence));
	path.shards = NULL;
	if (size->sharded)
		sessions.fence = workers.fence = &path.fence;
	open_ports(n_workers, size);
	path.n_pushed = path.n_popped = path.n_lies = 0;
	path.rig.n_events = 0;
	path.rig.rcu = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(n_workers), 64);
	must(path.rig.rcu && rte_rcu_qsbr_init(path.rig.rcu, n_workers) == 0, "RCU");
	path.hops = next_hops_create(path.ports, 2, &path.rig.realms);
	must(path.hops != NULL, "next_hops_create");
	path.transcode = transcode_create(&engine);
	must(path.transcode != NULL, "transcode_create");
	sessions.rcu = workers.rcu = path.rig.rcu;
	sessions.hops = path.hops;
	sessions.transcode = workers.transcode = path.transcode;
	path.sessions = workers.sessions = sessions_create(&sessions);
	must(path.sessions != NULL, "sessions_create");
	path.workers = workers_create(&workers);
	must(path.workers != NULL, "workers_create");
	if (size->sharded)
		open_shards();
}

void path_close(void)
{
	struct frame frame;

	void *mbuf;

	while (frame_pop(0, &frame) || frame_pop(1, &frame))
		;
	while (rte_ring_dequeue(path.in[0], &mbuf) == 0 || rte_ring_dequeue(path.in[1], &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	shards_destroy(path.shards);
	sessions_destroy(path.sessions);
	workers_destroy(path.workers);
	transcode_destroy(path.transcode);
	next_hops_destroy(path.hops);
	ports_close(path.ports, 2);
	must(rte_eal_hotplug_remove("vdev", "net_ring_p0") == 0, "removal of net_ring_p0");
	must(rte_eal_hotplug_remove("vdev", "net_ring_p1") == 0, "removal of net_ring_p1");
	rte_free(path.rig.rcu);
}

struct sl_session path_set(const struct sl_session *wanted)
{
	struct sl_session session = {};
	const char *why = "";

	if (session_set(path.sessions, wanted, NULL, &session, &why))
		must(false, why);
	return session;
}

void path_turn(void)
{
	unsigned int quiet = 0;

	while (quiet < 3) {
		unsigned int work = 0;

		for (unsigned int i = 0; i < path.workers->config.n_workers; i++)
			work += worker_turn(path.workers->workers[i]);
		quiet = work ? 0 : quiet + 1;
	}
}

// The clock is the TSC times a factor: a slightly larger factor is a later time.
void path_pass(unsigned int ms)
{
	unsigned __int128 ns_q32 = (unsigned __int128)ms * 1000000 << 32;

	clock_ns_q32 += (uint64_t)(ns_q32 / rte_rdtsc()) + 1; // rather more than less
	if (path.shards)
		shards_tick(path.shards, clock_now_ns());
	sessions_tick(path.sessions, clock_now_ns());
}

// What one worker knows of: came or made, less gone.
static uint64_t balance(const struct worker *worker)
{
	const struct worker_counters *c = &worker->counters;
	uint64_t in = c->rx_packets + c->taken_over + c->copied + c->reports + c->from_codec +
		      c->digits + c->injected;
	uint64_t out = c->tx_packets + c->handed_over + c->to_codec + c->punted;

	for (unsigned int reason = 0; reason < DROP_REASONS_N; reason++)
		out += c->drops[reason];
	return in - out;
}

const char *path_imbalance(void)
{
	uint64_t received = 0, sent = 0, handed_over = 0, taken_over = 0, inboxes = 0;

	for (unsigned int i = 0; i < path.workers->config.n_workers; i++) {
		const struct worker *worker = path.workers->workers[i];

		if (balance(worker))
			return "a worker's counters do not add up";
		received += worker->counters.rx_packets;
		sent += worker->counters.tx_packets;
		handed_over += worker->counters.handed_over;
		taken_over += worker->counters.taken_over;
		inboxes += rte_ring_count(worker->inbox);
	}
	if (handed_over != taken_over + inboxes)
		return "a packet got lost between workers";
	if (path.n_pushed != received + rte_ring_count(path.in[0]) + rte_ring_count(path.in[1]))
		return "a packet that came was not counted";
	if (path.n_popped + rte_ring_count(path.out[0]) + rte_ring_count(path.out[1]) != sent)
		return "a packet that went out was not counted, or counted twice";
	return NULL;
}

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t sum16(const uint8_t *bytes, unsigned int n)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t complement(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// Where the IP header of a frame begins, behind a VLAN tag or none.
static unsigned int ip_offset(const struct frame *frame)
{
	return frame->bytes[12] == 0x81 && frame->bytes[13] == 0x00 ? 18 : 14;
}

// Of UDP at `udp`, below a pseudo header whose addresses add up to `addresses`.
static void udp_checksum(uint8_t *udp, const struct frame *frame, uint32_t addresses)
{
	unsigned int udp_bytes = (unsigned int)udp[4] << 8 | udp[5];
	uint16_t checksum;

	put16(udp + 6, 0);
	if (udp_bytes > frame->length - (unsigned int)(udp - frame->bytes))
		return; // a lie; nobody will look at it
	checksum = complement(addresses + 17 + udp_bytes + sum16(udp, udp_bytes));
	put16(udp + 6, checksum ? checksum : 0xffff);
}

void frame_checksums(struct frame *frame)
{
	uint8_t *ip = frame->bytes + ip_offset(frame);

	if (ip[0] >> 4 == 6) {
		udp_checksum(ip + 40, frame, sum16(ip + 8, 32));
		return;
	}
	put16(ip + 10, 0);
	put16(ip + 10, complement(sum16(ip, 20)));
	udp_checksum(ip + 20, frame, sum16(ip + 12, 8));
}

static unsigned int build_link(uint8_t *bytes, const struct udp_packet *udp, unsigned int type)
{
	memcpy(bytes, udp->to_mac, 6);
	memcpy(bytes + 6, udp->from_mac, 6);
	if (udp->vlan) {
		put16(bytes + 12, 0x8100);
		put16(bytes + 14, udp->vlan);
	}
	put16(bytes + (udp->vlan ? 16 : 12), type);
	return udp->vlan ? 18 : 14;
}

// RFC 791
static unsigned int build_ipv4(uint8_t *ip, const struct udp_packet *udp)
{
	ip[0] = 0x45;
	ip[1] = udp->tos;
	put16(ip + 2, 28 + udp->payload_bytes);
	put16(ip + 6, 0x4000); // DF
	ip[8] = udp->ttl ? udp->ttl : 64;
	ip[9] = 17;
	must(inet_pton(AF_INET, udp->from, ip + 12) == 1, udp->from);
	must(inet_pton(AF_INET, udp->to, ip + 16) == 1, udp->to);
	return 20;
}

// RFC 8200 3
static unsigned int build_ipv6(uint8_t *ip, const struct udp_packet *udp)
{
	put32(ip, 6u << 28 | (uint32_t)udp->tos << 20 | udp->flow_label);
	put16(ip + 4, 8 + udp->payload_bytes);
	ip[6] = 17;
	ip[7] = udp->ttl ? udp->ttl : 64;
	must(inet_pton(AF_INET6, udp->from, ip + 8) == 1, udp->from);
	must(inet_pton(AF_INET6, udp->to, ip + 24) == 1, udp->to);
	return 40;
}

void frame_build(struct frame *frame, const struct udp_packet *udp)
{
	bool ipv6 = strchr(udp->from, ':');
	uint8_t *at = frame->bytes;

	memset(frame, 0, sizeof(*frame));
	at += build_link(at, udp, ipv6 ? 0x86dd : 0x0800);
	at += ipv6 ? build_ipv6(at, udp) : build_ipv4(at, udp);
	put16(at, udp->from_port);
	put16(at + 2, udp->to_port);
	put16(at + 4, 8 + udp->payload_bytes);
	memcpy(at + 8, udp->payload, udp->payload_bytes);
	frame->length = (unsigned int)(at - frame->bytes) + 8 + udp->payload_bytes;
	frame_checksums(frame);
}

unsigned int rtp_build(uint8_t *out, const struct rtp_packet *rtp)
{
	out[0] = 0x80;
	out[1] = (uint8_t)(rtp->marker << 7 | rtp->pt);
	put16(out + 2, rtp->sequence);
	put32(out + 4, rtp->timestamp);
	put32(out + 8, rtp->ssrc);
	memcpy(out + 12, rtp->payload, rtp->payload_bytes);
	return 12 + rtp->payload_bytes;
}

void frame_push(unsigned int port, const struct frame *frame)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(path.pool);
	char *at;

	must(mbuf != NULL, "a packet buffer");
	at = rte_pktmbuf_append(mbuf, (uint16_t)frame->length);
	must(at != NULL, "room for the frame");
	memcpy(at, frame->bytes, frame->length);
	mbuf_push(port, mbuf);
}

// Whether a sum of the frame is not what frame_checksums() makes it.
static bool is_lie(const struct rte_mbuf *mbuf)
{
	static struct frame frame;
	const uint8_t *bytes = rte_pktmbuf_mtod(mbuf, const uint8_t *);

	memset(&frame, 0, sizeof(frame));
	frame.length = RTE_MIN(mbuf->data_len, (uint16_t)FRAME_MAX);
	memcpy(frame.bytes, bytes, frame.length);
	frame_checksums(&frame);
	return memcmp(frame.bytes, bytes, frame.length);
}

void mbuf_push(unsigned int port, struct rte_mbuf *mbuf)
{
	path.n_lies += is_lie(mbuf);
	must(rte_ring_enqueue(path.in[port], mbuf) == 0, "room in the ring");
	path.n_pushed++;
}

bool frame_pop(unsigned int port, struct frame *frame)
{
	struct rte_mbuf *mbuf;

	if (rte_ring_dequeue(path.out[port], (void **)&mbuf))
		return false;
	path.n_popped++;
	must(mbuf->nb_segs == 1 && mbuf->data_len <= FRAME_MAX, "one segment");
	memset(frame, 0, sizeof(*frame));
	frame->length = mbuf->data_len;
	memcpy(frame->bytes, rte_pktmbuf_mtod(mbuf, void *), mbuf->data_len);
	rte_pktmbuf_free(mbuf);
	return true;
}

struct search {
	const char *name;
	uint64_t value;
	bool found;
};

static void match(void *context, const char *name, uint64_t value)
{
	struct search *search = context;

	if (strcmp(name, search->name))
		return;
	search->value = value;
	search->found = true;
}

uint64_t worker_counter(const char *name)
{
	struct search search = {.name = name};

	workers_counters(path.workers, match, &search);
	must(search.found, name);
	return search.value;
}

uint64_t drops(enum drop_reason reason)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < path.workers->config.n_workers; i++)
		sum += path.workers->workers[i]->counters.drops[reason];
	return sum;
}

uint64_t all_drops(void)
{
	uint64_t sum = 0;

	for (unsigned int reason = 0; reason < DROP_REASONS_N; reason++)
		sum += drops(reason);
	return sum;
}

unsigned int mbufs_in_use(void)
{
	return rte_mempool_in_use_count(path.pool);
}
