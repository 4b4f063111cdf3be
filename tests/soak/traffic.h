// RTP over a memif port: streams that must come through whole, and others that only keep the
// dataplane busy. A stable stream is one direction of a session that nothing happens to; every
// packet of it names stream and number, and must come back at the other far end as the next one,
// from the right port, with the right SSRC and sums. Sending never outruns what comes back, so
// nothing is lost for want of room in a ring, however slow the machine is.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define STABLE_MAX 256	// sessions
#define CHURN_MAX  1024 // sessions
#define FAR_PORT   30000

enum far_end { STABLE_A, STABLE_B, CHURN_A, CHURN_B, N_FAR_ENDS };

// Far end `end` of session i is at 198.51.100.(1 + end), port FAR_PORT + 4 * i, or with `moved` two
// ports further.
struct far_address {
	uint32_t ip; // host byte order
	uint16_t port;
};

struct far_address far_address(enum far_end end, unsigned int i, bool moved);

struct traffic_totals {
	uint64_t sent;	   // of stable streams
	uint64_t received; // of these, in order and unaltered
	uint64_t wrong;	   // of these, altered, out of order, elsewhere
	uint64_t churn_sent;
	uint64_t churn_received;
	uint64_t strays; // sent to an address that is nobody's
	const char *why; // of the first that was wrong
};

extern struct traffic_totals traffic_totals;

// Initialises EAL (no hugepages) and opens the port; exits with a message where that fails.
void traffic_start(const char *program, const char *socket);
void traffic_stop(void);

// Session i is there: its legs' local ports and the SSRCs that they send as.
void traffic_add_stable(unsigned int i, const uint16_t ports[2], const uint32_t ssrcs[2]);

// A packet from a far end of a session of the other kind. False: the port takes nothing now.
bool traffic_send_churn(enum far_end end, unsigned int i, uint16_t local_port, uint8_t pt,
	uint32_t ssrc, uint16_t sequence);

// The next packet of the next stable stream; false: too much is under way, or the port is full.
bool traffic_send_stable(void);

// Returns how many packets came.
unsigned int traffic_receive(void);
