#include "traffic.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTORS   1024
#define BURST	      32
#define WINDOW	      128 // stable packets under way
#define LINK_WAIT_MS  20000
#define PAYLOAD_BYTES 160
#define MAGIC	      0x57ab1e00u
#define OUR_IP	      RTE_IPV4(192u, 0, 2, 1)
#define FAR_NET	      RTE_IPV4(198u, 51, 100, 0)
#define SSRC	      0x50a40000u // of stable far ends, and the stream's number

struct packet {
	struct rte_ether_hdr ethernet;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	uint8_t flags;
	uint8_t pt;
	rte_be16_t sequence;
	rte_be32_t timestamp;
	rte_be32_t ssrc;
	uint32_t payload[PAYLOAD_BYTES / 4]; // magic, stream, number, and what follows from these
} __rte_packed __rte_aligned(2);

// From far end A to B of a session, or back.
struct stream {
	uint16_t local_port; // where it is sent to
	uint16_t out_port;   // where it then comes from
	uint32_t out_ssrc;
	uint32_t sent;
	uint32_t received;
};

static struct stream streams[2 * STABLE_MAX];
static unsigned int n_streams, next_stream;
static struct rte_mempool *pool;
static uint16_t port;
struct traffic_totals traffic_totals;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "soak: %s failed\n", what);
	exit(EXIT_FAILURE);
}

struct far_address far_address(enum far_end end, unsigned int i, bool moved)
{
	return (struct far_address){
		.ip = FAR_NET + 1 + end, .port = (uint16_t)(FAR_PORT + 4 * i + (moved ? 2 : 0))};
}

static void start_eal(const char *program)
{
	char prefix[64];
	const char *arguments[] = {program, "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "--lcores=0", "-m128", "--log-level=error", prefix};
	char *argv[RTE_DIM(arguments)];

	snprintf(prefix, sizeof(prefix), "--file-prefix=soak-%d", getpid());
	for (size_t i = 0; i < RTE_DIM(arguments); i++)
		argv[i] = (char *)arguments[i];
	must(rte_eal_init(RTE_DIM(arguments), argv) >= 0, "EAL");
}

void traffic_start(const char *program, const char *socket)
{
	struct rte_eth_conf conf = {};
	struct rte_eth_link link = {};
	char arguments[256];

	start_eal(program);
	pool = rte_pktmbuf_pool_create(
		"packets", 8191, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	must(pool != NULL, "memory for packets");
	snprintf(arguments, sizeof(arguments), "role=client,socket=%s,socket-abstract=no", socket);
	must(rte_eal_hotplug_add("vdev", "net_memif0", arguments) == 0, "net_memif0");
	must(rte_eth_dev_get_port_by_name("net_memif0", &port) == 0, "net_memif0");
	must(rte_eth_dev_configure(port, 1, 1, &conf) == 0, "configure");
	must(rte_eth_rx_queue_setup(port, 0, DESCRIPTORS, 0, NULL, pool) == 0, "rx queue");
	must(rte_eth_tx_queue_setup(port, 0, DESCRIPTORS, 0, NULL) == 0, "tx queue");
	must(rte_eth_dev_start(port) == 0, "start");
	for (int i = 0; i < LINK_WAIT_MS && !link.link_status; i++) {
		rte_eth_link_get_nowait(port, &link);
		usleep(1000);
	}
	must(link.link_status, "the other end of the port");
}

void traffic_stop(void)
{
	rte_eth_dev_stop(port);
	rte_eth_dev_close(port);
}

void traffic_add_stable(unsigned int i, const uint16_t ports[2], const uint32_t ssrcs[2])
{
	for (unsigned int way = 0; way < 2; way++)
		streams[2 * i + way] = (struct stream){
			.local_port = ports[way], .out_port = ports[!way], .out_ssrc = ssrcs[!way]};
	n_streams = 2 * i + 2;
}

// ---- sending ----

static void fill_headers(struct packet *packet, struct far_address from, uint16_t local_port)
{
	const struct rte_ether_addr ours = {{2, 0, 0, 0, 0, 1}}, theirs = {{2, 0, 0, 0, 0, 2}};

	*packet = (struct packet){
		.ethernet = {.dst_addr = ours,
			.src_addr = theirs,
			.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)},
		.ip = {.version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = RTE_BE16(sizeof(*packet) - offsetof(struct packet, ip)),
			.time_to_live = 64,
			.next_proto_id = IPPROTO_UDP,
			.src_addr = rte_cpu_to_be_32(from.ip),
			.dst_addr = RTE_BE32(OUR_IP)},
		.udp = {.src_port = rte_cpu_to_be_16(from.port),
			.dst_port = rte_cpu_to_be_16(local_port),
			.dgram_len = RTE_BE16(sizeof(*packet) - offsetof(struct packet, udp))},
		.flags = 0x80,
	};
}

static void fill_rtp(struct packet *packet, uint8_t pt, uint32_t ssrc, uint32_t number)
{
	packet->pt = pt;
	packet->sequence = rte_cpu_to_be_16((uint16_t)number);
	packet->timestamp = rte_cpu_to_be_32(number * 160);
	packet->ssrc = rte_cpu_to_be_32(ssrc);
}

static void fill_payload(uint32_t *payload, uint32_t magic, uint32_t stream, uint32_t number)
{
	payload[0] = magic;
	payload[1] = stream;
	payload[2] = number;
	for (unsigned int i = 3; i < PAYLOAD_BYTES / 4; i++)
		payload[i] = (stream * 2654435761u + number) * (2 * i + 1);
}

static bool transmit(const struct packet *packet)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	struct packet *at;

	if (!mbuf)
		return false;
	at = (struct packet *)rte_pktmbuf_append(mbuf, sizeof(*packet));
	*at = *packet;
	at->ip.hdr_checksum = rte_ipv4_cksum(&at->ip);
	at->udp.dgram_cksum = rte_ipv4_udptcp_cksum(&at->ip, &at->udp);
	if (rte_eth_tx_burst(port, 0, &mbuf, 1) == 1)
		return true;
	rte_pktmbuf_free(mbuf);
	return false;
}

bool traffic_send_churn(enum far_end end, unsigned int i, uint16_t local_port, uint8_t pt,
	uint32_t ssrc, uint16_t sequence)
{
	struct packet packet;
	uint32_t payload[PAYLOAD_BYTES / 4];

	fill_headers(&packet, far_address(end, i, false), local_port);
	fill_rtp(&packet, pt, ssrc, sequence);
	fill_payload(payload, ~MAGIC, i, sequence);
	memcpy(packet.payload, payload, sizeof(payload));
	if (!transmit(&packet))
		return false;
	traffic_totals.churn_sent++;
	return true;
}

bool traffic_send_stable(void)
{
	struct stream *stream = &streams[next_stream];
	struct packet packet;
	uint32_t payload[PAYLOAD_BYTES / 4];

	if (traffic_totals.sent - traffic_totals.received - traffic_totals.wrong >= WINDOW)
		return false;
	fill_headers(&packet, far_address(STABLE_A + next_stream % 2, next_stream / 2, false),
		stream->local_port);
	fill_rtp(&packet, 0, SSRC + next_stream, stream->sent);
	fill_payload(payload, MAGIC, next_stream, stream->sent);
	memcpy(packet.payload, payload, sizeof(payload));
	if (!transmit(&packet))
		return false;
	stream->sent++;
	traffic_totals.sent++;
	next_stream = next_stream + 1 == n_streams ? 0 : next_stream + 1;
	return true;
}

// ---- receiving ----

// Whose the address is: index of the session, or -1.
static int session_at(uint16_t far_port)
{
	unsigned int i = (unsigned int)(far_port - FAR_PORT) / 4;

	return far_port < FAR_PORT || i >= CHURN_MAX ? -1 : (int)i;
}

static const char *check_headers(const struct packet *packet, const struct stream *stream)
{
	uint32_t sum;

	if (rte_be_to_cpu_32(packet->ip.src_addr) != OUR_IP ||
		rte_be_to_cpu_16(packet->udp.src_port) != stream->out_port)
		return "from another address or port";
	if (rte_ipv4_cksum(&packet->ip))
		return "IPv4 checksum";
	sum = (uint32_t)rte_raw_cksum(
		      &packet->udp, sizeof(*packet) - offsetof(struct packet, udp)) +
	      rte_ipv4_phdr_cksum(&packet->ip, 0);
	if ((sum & 0xffff) + (sum >> 16) != 0xffff)
		return "UDP checksum";
	return NULL;
}

static const char *check_stable(
	const struct packet *packet, unsigned int length, unsigned int index)
{
	struct stream *stream = &streams[index];
	struct packet expected;
	uint32_t payload[PAYLOAD_BYTES / 4];
	const char *why;

	if (index >= n_streams)
		return "to nobody";
	if (length != sizeof(*packet))
		return "another length";
	why = check_headers(packet, stream);
	if (why)
		return why;
	fill_rtp(&expected, stream->received ? 0 : 0x80, stream->out_ssrc, stream->received);
	fill_payload(payload, MAGIC, index, stream->received);
	stream->received++;
	if (packet->sequence != expected.sequence)
		return "lost or out of order";
	if (packet->flags != 0x80 || packet->pt != expected.pt ||
		packet->timestamp != expected.timestamp || packet->ssrc != expected.ssrc)
		return "RTP header";
	return memcmp(packet->payload, payload, sizeof(payload)) ? "payload" : NULL;
}

// At a far end that is not stable, nothing stable may be heard.
static const char *check_churn(const struct packet *packet, unsigned int length, int session)
{
	uint32_t magic;

	if (session < 0) {
		traffic_totals.strays++;
		return NULL;
	}
	traffic_totals.churn_received++;
	memcpy(&magic, packet->payload, sizeof(magic));
	return length >= sizeof(*packet) && magic == MAGIC ? "heard by another session" : NULL;
}

static void take(const struct packet *packet, unsigned int length)
{
	uint32_t end = rte_be_to_cpu_32(packet->ip.dst_addr) - FAR_NET - 1;
	uint16_t far_port = rte_be_to_cpu_16(packet->udp.dst_port);
	int session = session_at(far_port);
	bool stable = end <= STABLE_B && session >= 0 && (far_port & 3) == 0;
	const char *why;

	if (length < sizeof(*packet) - PAYLOAD_BYTES || far_port & 1)
		return; // RTCP
	if (end >= N_FAR_ENDS)
		session = -1;
	// What B hears is A's stream.
	why = stable ? check_stable(packet, length, 2 * (unsigned int)session + (end == STABLE_A))
		     : check_churn(packet, length, session);
	if (why) {
		traffic_totals.wrong++;
		if (!traffic_totals.why)
			traffic_totals.why = why;
	} else if (stable) {
		traffic_totals.received++;
	}
}

unsigned int traffic_receive(void)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned int n = rte_eth_rx_burst(port, 0, mbufs, BURST);

	for (unsigned int i = 0; i < n; i++)
		take(rte_pktmbuf_mtod(mbufs[i], const struct packet *), mbufs[i]->data_len);
	rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}
