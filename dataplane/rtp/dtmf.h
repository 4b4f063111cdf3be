// Telephone events (RFC 4733): the payload, and a mapper that carries events from a stream with one
// clock into a stream with another.
//
// What is subtle: an event is known by the timestamp at which it began, and every packet of it
// repeats that. So the mapper keeps one output timestamp per event, however the packets come, and
// what would make a receiver hear a second or a longer digit (an update behind the end, a shorter
// duration, a packet of the event before) is dropped. Events that do not fit 16 bits of duration
// are cut into segments and put together again (RFC 4733 2.5.1.3): 65,535 ticks are 8.2 s at
// 8,000 Hz, but only 1.4 s at 48,000 Hz.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTMF_BYTES	4 // of one event
#define DTMF_EVENTS_MAX 8 // in one payload that we take (RFC 4733 2.5.1.5)

struct dtmf_event {
	uint8_t code;	   // 0..9, 10 *, 11 #, 12..15 A..D, others (RFC 4733 7)
	uint8_t volume;	   // -dBm0, 0..63
	bool end;	   // E bit
	uint16_t duration; // in clock units
};

// Events of a payload in order, at most `events_max`. Returns their number or -EBADMSG.
int dtmf_parse(const uint8_t *payload, size_t n_bytes, struct dtmf_event *events, int events_max);
void dtmf_build(uint8_t payload[DTMF_BYTES], const struct dtmf_event *event);

// State of one direction of one stream. Set up with dtmf_mapper_init().
struct dtmf_mapper {
	uint32_t from_hz;
	uint32_t to_hz;
	uint32_t start;	       // incoming timestamp of the event
	uint32_t segment;      // incoming timestamp of its latest segment
	uint32_t out_start;    // outgoing timestamp of the event
	uint32_t duration;     // incoming, of all segments
	uint32_t out_segments; // full ones that were announced
	uint8_t code;
	uint8_t volume;
	bool known; // there is, or was, an event
	bool ended;
};

// One outgoing packet of an event.
struct dtmf_output {
	uint32_t timestamp; // outgoing
	bool marker;	    // first packet of the event
	struct dtmf_event event;
};

#define DTMF_OUTPUTS_MAX 4 // of one incoming event

void dtmf_mapper_init(struct dtmf_mapper *mapper, uint32_t from_hz, uint32_t to_hz);

// Whether dtmf_map() would take this for the first packet of an event.
bool dtmf_is_new(
	const struct dtmf_mapper *mapper, uint32_t timestamp, const struct dtmf_event *event);

// End the event under way as far as it was heard, for its end is lost. False: there is none.
bool dtmf_end(struct dtmf_mapper *mapper, struct dtmf_output *out);

// Map one event of a packet with `timestamp` (for a further event of one payload: plus the
// durations before it). `out_timestamp` is what `timestamp` is in the output stream; it counts
// where the event is new, and later packets of the event keep to it. Writes the packets to send
// to `out` and returns their number: 0 where it must not be sent, 1, or more where a segment ends.
unsigned int dtmf_map(struct dtmf_mapper *mapper, uint32_t timestamp,
	const struct dtmf_event *event, uint32_t out_timestamp,
	struct dtmf_output out[DTMF_OUTPUTS_MAX]);
