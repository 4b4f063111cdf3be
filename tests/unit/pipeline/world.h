// Sessions of every kind side by side, and an oracle that knows to whom each of them may send. For
// fuzzing and for tests of mixed traffic: whatever comes in, what goes out goes from the port of a
// leg to that leg's far end, whole and with sums that are right, and every packet is accounted for.
#pragma once

#include "media.h"

#define WORLD_SLOTS 6

enum world_kind {
	WORLD_RELAYED,
	WORLD_G711, // from one law to the other
	WORLD_MUX,
	WORLD_LATCH,
	WORLD_TRANSPARENT,
	WORLD_TRANSCODED,
	WORLD_FORKED,	    // one leg feeds two, one of them through a codec
	WORLD_SECURE_LATCH, // SRTP on leg 0
	WORLD_SECURE,	    // and the following: SRTP of each suite, on both legs or one
	WORLD_IPV6 = WORLD_SECURE + 6,
	WORLD_IPV6_TO_IPV4,
	WORLD_TAGGED,	   // leg 1 in a VLAN
	WORLD_TAGGED_IPV6, // and the other is IPv4
	WORLD_OPAQUE,	   // not RTP
	WORLD_PUNTING,	   // STUN and DTLS go to control
	WORLD_BUNDLED,	   // legs 0 and 1 share a transport, and have a source each
	WORLD_POLICED,	   // leg 0 may send little
	N_WORLD_KINDS,
};

enum {			     // how a session differs from what its kind says
	WORLD_DEAF = 1 << 0, // leg 0 does not receive
	WORLD_MUTE = 1 << 1, // leg 1 does not send
	WORLD_MOVED = 1 << 2,
	WORLD_NO_REMOTE = 1 << 3, // of leg 1
	WORLD_LATCHING = 1 << 4,
	WORLD_MUXED = 1 << 5,
	WORLD_REKEYED = 1 << 6,
	WORLD_CODEC = 1 << 7, // Opus on leg 1
};

// Make of rig_session() what it says. Keys follow from `seed` and the one behind it.
void world_describe(struct sl_session *session, enum world_kind kind, uint8_t change, uint8_t seed);

// Create or replace the session of a slot, as far as there are ports.
void world_set(unsigned int slot, enum world_kind kind, uint8_t change);
void world_delete(unsigned int slot);
void world_end(void); // all of them, and everything that waited for it

// As it was set, with its ports; NULL where there is none.
const struct sl_session *world_session(unsigned int slot);

// The leg whose transport a leg has: mostly its own.
unsigned int world_transport(unsigned int slot, unsigned int leg);

// The next turn may move this leg to there: a packet from there has authenticated.
void world_prove(unsigned int slot, unsigned int leg, const struct sl_address *from);

// A frame from `from` to a leg's port, or with `rtcp` to the one behind it; whatever else `udp`
// says. Returns the port that it comes in at.
unsigned int world_build(
	struct frame *frame, unsigned int slot, unsigned int leg, struct udp_packet udp, bool rtcp);

// All that moves moves. NULL, or what is wrong with it. `n_out`, where not NULL, is how many
// packets came out.
const char *world_turn(unsigned int *n_out);

// The same after one turn of each worker: packets are left in rings and codecs.
const char *world_turn_once(void);
