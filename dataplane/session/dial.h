// Digits that control has sent to far ends as telephone events (SL_DTMF), on their way from main to
// the workers that send them (pipeline/dial.c).
//
// Each worker has so many places; one is a leg's from its first digit until the last one is over.
// Main gives places away and takes them back; the worker never keeps a pointer to a leg from one
// turn to the next, it reads `leg` again. So removal is as for everything else: unlink
// (dial_leave), wait for readers, free.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dtmf.h"
#include "sl_api.h"

#define DIALS_MAX 256 // legs of a worker at once

struct leg;
struct sessions;

struct dial_digit {
	uint8_t code; // RFC 4733
	uint16_t duration_ms;
};

struct dial {
	struct leg *leg; // main: rw, worker: ro. NULL: nobody's, or the leg is gone
	uint32_t n_put;	 // digits, ever. main: rw, worker: ro
	uint32_t n_done; // of them. worker: rw, main: ro
	uint32_t format; // dial_format(). main: rw, worker: ro
	bool busy;	 // worker: rw, main: ro
	struct dial_digit queue[SL_DTMF_QUEUE_MAX];

	// worker
	bool is_sending;
	bool ends;	     // its last packet was made in the turn before
	bool marks;	     // a talk spurt begins with the next packet
	uint8_t n_ends;	     // times that the end has been sent
	uint16_t newest;     // sequence of the source's newest packet, sent or left out
	uint64_t begun_ns;   // the digit
	uint64_t due_ns;     // its next packet, or when the next digit may begin
	uint64_t settled_ns; // when nothing will be known of it any more
	uint32_t out_start;  // its timestamp
	struct dtmf_mapper mapper;
};

struct dials {
	uint32_t n_put;	 // of all legs. main: rw, worker: ro
	uint32_t n_used; // no place from here on was ever used. main: rw, worker: ro
	struct dial dials[DIALS_MAX];
};

// Payload type and clock of the events.
static inline uint32_t dial_format(uint8_t pt, uint32_t clock_hz)
{
	return (uint32_t)pt << 24 | clock_hz;
}

static inline uint8_t dial_pt(uint32_t format)
{
	return (uint8_t)(format >> 24);
}

static inline uint32_t dial_clock_hz(uint32_t format)
{
	return format & 0xffffff;
}

// main, all of these. Returns 0, or -ENOBUFS where too many digits of the leg wait, or too many
// legs have some.
int dial_put(struct dials *dials, struct leg *leg, uint32_t format, struct dial_digit digit);
// The leg has a new configuration; `format` 0: its far end takes no events any more.
void dial_change(struct dials *dials, struct leg *leg, uint32_t format);
// The leg goes. What it has not been sent is forgotten.
void dial_leave(struct dials *dials, struct leg *leg);
// Take the leg's place back, if all is sent.
void dial_reap(struct dials *dials, struct leg *leg);
