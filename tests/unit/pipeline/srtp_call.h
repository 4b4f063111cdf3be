// A call of which both sides are SRTP: far end 0 sends, far end 1 judges what arrives.
#pragma once

#include "call.h"
#include "srtp_peer.h"

#define SUITE SL_SRTP_AES_CM_128_HMAC_SHA1_80

extern srtp_t sender;	// far end 0
extern srtp_t receiver; // far end 1

// For cmocka.
int srtp_call_setup(void **state);
int srtp_call_teardown(void **state);

#define SRTP_TEST(name) cmocka_unit_test_setup_teardown(name, srtp_call_setup, srtp_call_teardown)

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
