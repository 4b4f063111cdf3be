// The sending half: a flow file becomes frames. What they have in common with what must come back
// is worked out here, once.
#include "flows.h"

#include <arpa/inet.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SAMPLES_PER_PACKET 160
#define HUGE		   (2ul << 20)

struct rtp_header {
	uint8_t version;
	uint8_t pt;
	rte_be16_t sequence;
	rte_be32_t timestamp;
	rte_be32_t ssrc;
} __rte_packed;

struct end {
	bool ipv6;
	uint8_t ip[16];
	rte_be16_t port;
};

// A line of the flow file.
struct line {
	struct end from, to, back_from, back_to;
	unsigned int vlan, back_vlan;
	char key[128], back_key[128];
};

static struct end parse_end(char *text)
{
	struct end end = {.ipv6 = *text == '['};
	char *port = strrchr(text, ':');

	if (!port || (end.ipv6 && port[-1] != ']'))
		die("'%s' is no address and port", text);
	port[end.ipv6 ? -1 : 0] = '\0';
	end.port = rte_cpu_to_be_16((uint16_t)atoi(port + 1));
	if (inet_pton(end.ipv6 ? AF_INET6 : AF_INET, text + end.ipv6, end.ip) != 1)
		die("'%s' is no address", text);
	return end;
}

static bool read_line(FILE *file, struct line *line)
{
	char from[64], to[64], back_from[64], back_to[64];
	int n = fscanf(file, "%63s %63s %63s %63s %u %u %127s %127s\n", from, to, back_from,
		back_to, &line->vlan, &line->back_vlan, line->key, line->back_key);

	if (n != 8) {
		if (n != EOF)
			die("a line of the flow file has %d of 8 words", n);
		return false;
	}
	line->from = parse_end(from);
	line->to = parse_end(to);
	line->back_from = parse_end(back_from);
	line->back_to = parse_end(back_to);
	return true;
}

// The peer swaps addresses and knows nothing of sessions.
static void swap_back(struct line *line)
{
	line->back_from = line->to;
	line->back_to = line->from;
	line->back_vlan = line->vlan;
	snprintf(line->back_key, sizeof(line->back_key), "%s", line->key);
}

uint8_t payload_patterns[PATTERN_BYTES];

static void make_patterns(void)
{
	for (unsigned int i = 0; i < PATTERN_BYTES; i++)
		payload_patterns[i] = (uint8_t)(i * 167 + (i >> 8) * 29 + 1);
}

static unsigned int write_link(uint8_t *at, const struct flows *flows, const struct line *line)
{
	rte_be16_t type =
		line->from.ipv6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	struct rte_ether_hdr ethernet = {
		.dst_addr = flows->theirs, .src_addr = flows->ours, .ether_type = type};
	struct rte_vlan_hdr vlan = {
		.vlan_tci = rte_cpu_to_be_16((uint16_t)line->vlan), .eth_proto = type};

	if (line->vlan)
		ethernet.ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	memcpy(at, &ethernet, sizeof(ethernet));
	if (!line->vlan)
		return sizeof(ethernet);
	memcpy(at + sizeof(ethernet), &vlan, sizeof(vlan));
	return sizeof(ethernet) + sizeof(vlan);
}

static unsigned int write_ip(uint8_t *at, const struct line *line, uint16_t udp_bytes)
{
	struct rte_ipv4_hdr ip4 = {.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(udp_bytes + sizeof(ip4))),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP};
	struct rte_ipv6_hdr ip6 = {.vtc_flow = RTE_BE32(6u << 28),
		.payload_len = rte_cpu_to_be_16(udp_bytes),
		.proto = IPPROTO_UDP,
		.hop_limits = 64};

	if (line->from.ipv6) {
		memcpy(ip6.src_addr, line->from.ip, 16);
		memcpy(ip6.dst_addr, line->to.ip, 16);
		memcpy(at, &ip6, sizeof(ip6));
		return sizeof(ip6);
	}
	memcpy(&ip4.src_addr, line->from.ip, 4);
	memcpy(&ip4.dst_addr, line->to.ip, 4);
	ip4.hdr_checksum = rte_ipv4_cksum(&ip4);
	memcpy(at, &ip4, sizeof(ip4));
	return sizeof(ip4);
}

// RFC 768: pseudo header and header, without the checksum; the length counts twice.
static uint64_t udp_sum(const struct end *from, const struct end *to, uint16_t udp_bytes)
{
	unsigned int ip_bytes = from->ipv6 ? 16 : 4;

	return words_sum(from->ip, ip_bytes) + words_sum(to->ip, ip_bytes) + from->port + to->port +
	       RTE_BE16(IPPROTO_UDP) + 2u * rte_cpu_to_be_16(udp_bytes);
}

static void write_rtp(uint8_t *rtp, const struct flow_tx *tx, uint32_t flow, uint32_t count)
{
	struct rtp_header header = {.version = 2 << 6,
		.sequence = rte_cpu_to_be_16((uint16_t)(tx->first_sequence + count)),
		.timestamp = rte_cpu_to_be_32(count * SAMPLES_PER_PACKET),
		.ssrc = rte_cpu_to_be_32(0x51000000 + flow)};
	struct payload payload = {.flow = flow, .count = count};

	memcpy(payload.pattern, payload_pattern(flow), sizeof(payload.pattern));
	memcpy(rtp, &header, sizeof(header));
	memcpy(rtp + sizeof(header), &payload, sizeof(payload));
}

static void set_checksum(uint8_t *rtp, uint64_t sum)
{
	uint16_t checksum = (uint16_t)~words_fold(sum);

	checksum = checksum ? checksum : 0xffff;
	memcpy(rtp - 2, &checksum, sizeof(checksum));
}

// Every packet of a flow that is sent as SRTP.
static void protect_frames(
	struct flow_tx *tx, struct srtp_crypto *crypto, uint32_t flow, const struct flows *flows)
{
	unsigned int trailer = srtp_crypto_trailer(crypto);
	uint8_t head[FRAME_ROOM];

	memcpy(head, tx->frame, tx->rtp_at);
	for (unsigned int i = 0; i < flows->n_frames; i++) {
		uint8_t *rtp = tx->frame + (size_t)i * flows->n_protected * FRAME_ROOM + tx->rtp_at;

		memcpy(rtp - tx->rtp_at, head, tx->rtp_at);
		write_rtp(rtp, tx, flow, i);
		srtp_crypto_protect(crypto, rtp, RTP_BYTES + PAYLOAD_BYTES);
		set_checksum(rtp, tx->sum + words_sum(rtp, RTP_BYTES + PAYLOAD_BYTES + trailer));
	}
}

static void make_tx(struct flows *flows, struct flow_tx *tx, const struct line *line, uint32_t flow)
{
	struct srtp_crypto *crypto = *line->key == '-' ? NULL : srtp_crypto_create(line->key);
	unsigned int trailer = crypto ? srtp_crypto_trailer(crypto) : 0;
	uint16_t udp_bytes =
		(uint16_t)(sizeof(struct rte_udp_hdr) + RTP_BYTES + PAYLOAD_BYTES + trailer);
	struct rte_udp_hdr udp = {.src_port = line->from.port,
		.dst_port = line->to.port,
		.dgram_len = rte_cpu_to_be_16(udp_bytes)};
	unsigned int at = write_link(tx->frame, flows, line);

	if (*line->key != '-' && !crypto)
		die("'%s' is no key", line->key);
	at += write_ip(tx->frame + at, line, udp_bytes);
	memcpy(tx->frame + at, &udp, sizeof(udp));
	tx->rtp_at = (uint16_t)(at + sizeof(udp));
	tx->length = (uint16_t)(at + udp_bytes);
	tx->first_sequence = (uint16_t)(flow * 31 % 1000);
	tx->protected = crypto;
	tx->sum = udp_sum(&line->from, &line->to, udp_bytes);
	if (crypto) {
		protect_frames(tx, crypto, flow, flows);
		return;
	}
	write_rtp(tx->frame + tx->rtp_at, tx, flow, 0);
	// Of what flow_frame() writes, nothing is in the sum.
	tx->sum += words_sum(tx->frame + tx->rtp_at, RTP_BYTES + PAYLOAD_BYTES) -
		   rte_cpu_to_be_16(tx->first_sequence);
}

static void make_rx(struct flows *flows, const struct line *line, uint32_t flow)
{
	struct flow_rx *rx = &flows->rx[flow];
	struct srtp_crypto *key =
		*line->back_key == '-' ? NULL : srtp_crypto_create(line->back_key);
	unsigned int trailer = key ? srtp_crypto_trailer(key) : 0;
	uint16_t udp_bytes =
		(uint16_t)(sizeof(struct rte_udp_hdr) + RTP_BYTES + PAYLOAD_BYTES + trailer);
	unsigned int ip_bytes = line->back_from.ipv6 ? 16 : 4;
	unsigned int at = (line->back_vlan ? 18 : 14) + (line->back_from.ipv6 ? 40 : 20);

	rx->rtp_at = (uint8_t)(at + sizeof(struct rte_udp_hdr));
	rx->length = (uint16_t)(at + udp_bytes);
	rx->addresses_bytes = (uint8_t)(2 * ip_bytes);
	rx->protected = key;
	rx->sum = words_fold(udp_sum(&line->back_from, &line->back_to, udp_bytes) +
			     words_sum(payload_pattern(flow), PAYLOAD_BYTES - 16));
	memcpy(rx->ends, line->back_from.ip, ip_bytes);
	memcpy(rx->ends + ip_bytes, line->back_to.ip, ip_bytes);
	memcpy(rx->ends + 2 * ip_bytes, &line->back_from.port, 2);
	memcpy(rx->ends + 2 * ip_bytes + 2, &line->back_to.port, 2);
	flows->back_keys[flow] = key;
	if (key) {
		uint16_t low;

		memcpy(&low, line->back_to.ip + ip_bytes - 2, sizeof(low));
		if (flows->by_address[low] != UINT32_MAX)
			die("two flows of SRTP go to addresses that end alike");
		flows->by_address[low] = flow;
	}
}

static void *take_memory(size_t bytes)
{
	void *memory = aligned_alloc(HUGE, (bytes + HUGE) & ~(HUGE - 1));

	if (!memory)
		die("no %zu bytes of memory", bytes);
	madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

static void count_flows(struct flows *flows, FILE *file)
{
	struct line line;

	for (; read_line(file, &line); flows->n++)
		flows->n_protected += *line.key != '-';
	rewind(file);
}

// A random order that is the same every time.
static unsigned int *shuffle(unsigned int n)
{
	unsigned int *order = calloc(n, sizeof(*order));
	uint64_t state = 88172645463325252ULL;

	for (unsigned int i = 0; order && i < n; i++) {
		unsigned int j;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		j = (unsigned int)(state % (i + 1));
		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

// Protected packets lie nearly in the order of sending: number 0 of every flow, number 1 of every
// flow ...
void flows_load(struct flows *flows, const char *path, unsigned int n_frames, bool swapped)
{
	FILE *file = fopen(path, "r");
	unsigned int n_protected = 0;
	unsigned int *order;
	struct line line;
	uint8_t *frames;

	if (!file)
		die("%s: %m", path);
	count_flows(flows, file);
	flows->n_frames = n_frames;
	make_patterns();
	order = shuffle(flows->n);
	frames = take_memory((size_t)flows->n * FRAME_ROOM);
	if (flows->n_protected)
		flows->protected_frames =
			take_memory((size_t)flows->n_protected * n_frames * FRAME_ROOM);
	flows->tx = take_memory(flows->n * sizeof(*flows->tx));
	flows->rx = take_memory(flows->n * sizeof(*flows->rx));
	flows->back_keys = calloc(flows->n + 1, sizeof(struct srtp_crypto *));
	flows->by_address = malloc((UINT16_MAX + 1) * sizeof(*flows->by_address));
	if (!order || !flows->n || !flows->back_keys || !flows->by_address)
		die("no flows in %s, or no memory for them", path);
	memset(flows->by_address, 0xff, (UINT16_MAX + 1) * sizeof(*flows->by_address));
	for (uint32_t flow = 0; flow < flows->n && read_line(file, &line); flow++) {
		struct flow_tx *tx = &flows->tx[order[flow]];

		if (swapped)
			swap_back(&line);
		tx->frame = frames + (size_t)order[flow] * FRAME_ROOM;
		if (*line.key != '-')
			tx->frame = flows->protected_frames + (size_t)n_protected++ * FRAME_ROOM;
		make_tx(flows, tx, &line, flow);
		make_rx(flows, &line, flow);
	}
	fclose(file);
	free(order);
}

void flows_begin(struct flows *flows, uint32_t first)
{
	flows->first = first;
	for (unsigned int i = 0; i < flows->n; i++) {
		if (!flows->tx[i].protected)
			flows->tx[i].count = first;
		if (!flows->rx[i].protected)
			flows->rx[i].count = first;
	}
}

uint32_t flows_next(const struct flows *flows)
{
	uint32_t next = 0;

	for (unsigned int i = 0; i < flows->n; i++)
		next = RTE_MAX(next, flows->tx[i].count);
	return next;
}

static uint8_t *next_protected(const struct flows *flows, struct flow_tx *tx)
{
	if (tx->count == flows->n_frames)
		return NULL;
	return tx->frame + (size_t)tx->count++ * flows->n_protected * FRAME_ROOM;
}

uint8_t *flow_frame(const struct flows *flows, struct flow_tx *tx, uint64_t due_tsc)
{
	uint8_t *rtp = tx->frame + tx->rtp_at;
	rte_be16_t sequence = rte_cpu_to_be_16((uint16_t)(tx->first_sequence + tx->count));
	rte_be32_t timestamp = rte_cpu_to_be_32(tx->count * SAMPLES_PER_PACKET);

	if (tx->protected)
		return next_protected(flows, tx);
	memcpy(rtp + 2, &sequence, sizeof(sequence));
	memcpy(rtp + 4, &timestamp, sizeof(timestamp));
	memcpy(rtp + RTP_BYTES + offsetof(struct payload, count), &tx->count, sizeof(tx->count));
	memcpy(rtp + RTP_BYTES + offsetof(struct payload, due_tsc), &due_tsc, sizeof(due_tsc));
	// Words of 32 bits are two of 16, see words_sum().
	set_checksum(rtp,
		tx->sum + sequence + timestamp + tx->count + (uint32_t)due_tsc + (due_tsc >> 32));
	tx->count++;
	return tx->frame;
}
