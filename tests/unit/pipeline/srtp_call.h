// A call of which both sides are SRTP: far end 0 sends, far end 1 judges what arrives.
#pragma once

#include "media.h"
#include "srtp_peer.h"

#define LOCAL0	 20000
#define LOCAL1	 20010
#define NAT	 "198.51.100.77"
#define STRANGER "198.51.100.78"
#define UDP_DATA 42
#define SUITE	 SL_SRTP_AES_CM_128_HMAC_SHA1_80

extern struct sl_session wanted; // not set yet
extern srtp_t sender;		 // far end 0
extern srtp_t receiver;		 // far end 1

// For cmocka.
int call_setup(void **state);
int call_teardown(void **state);

// Another far end, or the same one with other keys.
void meet_sender(void);
void meet_receiver(void);

// An SRTP packet of far end 0.
struct wire {
	uint8_t bytes[FRAME_MAX];
	unsigned int length;
};

struct wire wire(uint16_t sequence);
void push_from(const char *from, uint16_t from_port, const struct wire *wire);

// Whether one packet came out, and far end 1 takes it.
bool arrives(void);
bool passes_from(const char *from, uint16_t from_port, const struct wire *wire);
bool passes(const struct wire *wire); // from FAR0, the signalled address
bool next_passes(uint16_t sequence);

struct sl_session_report report_now(void);
