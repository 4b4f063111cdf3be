// Packet loss concealment for 8,000 Hz speech without a model of its own (G.711).
#pragma once

#include <stdint.h>

#define PLC_PITCH_MIN 40  // 200 Hz
#define PLC_PITCH_MAX 120 // 66 Hz
#define PLC_PERIODS   3
#define PLC_HISTORY   (PLC_PERIODS * PLC_PITCH_MAX + PLC_PITCH_MAX / 4)

// A position in a cycle of `length` samples that ends where the loss began.
struct plc_cycle {
	uint16_t length;
	uint16_t at;
};

// State of one stream; relocatable.
struct plc {
	int16_t history[PLC_HISTORY]; // what was played last, newest last
	int16_t source[PLC_HISTORY];  // of it, when the loss began
	struct plc_cycle cycle;
	struct plc_cycle previous; // faded out while the cycle grows
	uint16_t pitch;
	uint16_t lost;	  // samples concealed in this loss, 0: none
	uint16_t growing; // samples of the cross-fade from `previous` that are left
	int16_t step;	  // between the last sample played and what the cycle goes on from
};

void plc_init(struct plc *plc);

// A frame came: smooth its beginning where a loss ends with it, and remember it.
void plc_receive(struct plc *plc, int16_t *pcm, unsigned int n);

// No frame came: make up n samples.
void plc_conceal(struct plc *plc, int16_t *pcm, unsigned int n);
