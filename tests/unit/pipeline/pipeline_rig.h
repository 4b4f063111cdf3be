// A whole packet path without lcores: two ports whose devices are rings in our hands, sessions,
// the transcoder, and workers whose turns the test calls. Frames go in and come out as bytes.
//
//   frame_push(0, ...) -> [ring] -> p0  worker_turn()  p1 -> [ring] -> frame_pop(1, ...)
#pragma once

#include "session_rig.h"
#include "shards.h"
#include "worker.h"

#define FRAME_MAX	      2048
#define PATH_PUNTS_PER_SECOND 1000

struct path {
	struct rig rig;
	struct port ports[2];
	struct rte_mempool *pool;
	struct rte_ring *in[2];
	struct rte_ring *out[2];
	struct next_hops *hops;
	struct transcode *transcode;
	struct sessions *sessions;
	struct worker_shared *workers;
	struct fence fence;
	struct shards *shards; // NULL: none
	struct sl_shard_event shard_events[16];
	unsigned int n_shard_events;
	uint64_t n_pushed;
	uint64_t n_popped;
	uint64_t n_lies; // frames pushed whose checksums were wrong, see mbuf_push()
};

extern struct path path;

void path_start(void); // once a process: EAL, devices
void path_open(unsigned int n_workers);

// With room for more than most tests need.
struct path_size {
	const char *megabytes;
	unsigned int sessions_max;
	unsigned int n_udp_ports;    // of each address
	unsigned int n_addresses[2]; // of each of the first two realms: the last byte counts up
	bool sharded; // the first addresses of both, and IPv6 of the first port, are shard "s1"
};

void path_start_sized(const struct path_size *size);
void path_open_sized(unsigned int n_workers, const struct path_size *size);
void path_close(void);
void path_renew_shards(void); // all inactive, as at the start

// Set a session; the test fails where it is refused. `ports` gets the local ports of its legs.
struct sl_session path_set(const struct sl_session *wanted);

// All workers and transcoders, a few times, until nothing moves.
void path_turn(void);

// Time passes for everything that asks clock_now_ns(), and main does what it does meanwhile.
void path_pass(unsigned int ms);

// Between turns every packet must be accounted for: what came in and what was made is what went
// out, what was dropped for a reason and what is on its way inside. NULL: so it is; else what is
// wrong.
const char *path_imbalance(void);

struct frame {
	unsigned int length;
	uint8_t bytes[FRAME_MAX];
};

// What a UDP packet is made of. frame_build() knows nothing of the code under test: it writes the
// bytes of the RFCs one by one.
struct udp_packet {
	const char *to_mac; // of six bytes
	const char *from_mac;
	const char *from; // IPv4 or IPv6
	const char *to;
	uint16_t from_port;
	uint16_t to_port;
	uint8_t tos;   // IPv6: the traffic class
	uint8_t ttl;   // the hop limit; 0: 64
	uint16_t vlan; // 0: no tag
	uint32_t flow_label;
	const uint8_t *payload;
	unsigned int payload_bytes;
};

struct rtp_packet {
	uint8_t pt;
	bool marker;
	uint16_t sequence;
	uint32_t timestamp;
	uint32_t ssrc;
	const uint8_t *payload;
	unsigned int payload_bytes;
};

void frame_build(struct frame *frame, const struct udp_packet *udp);
unsigned int rtp_build(uint8_t *out, const struct rtp_packet *rtp);
void frame_checksums(struct frame *frame); // again, after the bytes were changed

void frame_push(unsigned int port, const struct frame *frame);
void mbuf_push(unsigned int port, struct rte_mbuf *mbuf); // counts those that lie
bool frame_pop(unsigned int port, struct frame *frame);	  // false: nothing came out

uint64_t drops(enum drop_reason reason);
uint64_t all_drops(void);
uint64_t worker_counter(const char *name); // "worker.0.copied"
unsigned int mbufs_in_use(void);

#define MAC_P0	 "\x02\x00\x00\x00\x01\x00"
#define MAC_P1	 "\x02\x00\x00\x00\x01\x01"
#define MAC_FAR0 "\x02\x00\x00\x00\x02\x00"
#define MAC_FAR1 "\x02\x00\x00\x00\x02\x01"
#define MAC_FAR7 "\x02\x00\x00\x00\x02\x07"

// Beside 192.0.2.1 and 203.0.113.1 (rig_realms()). The last two are on port 1, VLAN 7.
#define OUR0_V6 "2001:db8:1::1"
#define OUR1_V6 "2001:db8:2::1"
#define OUR7	"203.0.113.129"
#define OUR7_V6 "2001:db8:7::1"
