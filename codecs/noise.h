// Comfort noise (RFC 3389): its payload, noise made from it, and when and what to send of it.
//
// A payload is a level and reflection coefficients, k1 = -r1/r0 (negative where low frequencies
// prevail), of a model of up to NOISE_ORDER here; further ones are not looked at.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_ORDER	10
#define NOISE_BYTES_MAX (1 + NOISE_ORDER)

struct noise_shape {
	uint8_t level; // -dBov, 0 to 127: 0 is a square wave of full scale
	uint8_t n;     // coefficients
	float k[NOISE_ORDER];
};

// 0 or -EBADMSG.
int noise_parse(const uint8_t *payload, size_t n_bytes, struct noise_shape *shape);
// Returns the bytes written.
size_t noise_build(const struct noise_shape *shape, uint8_t payload[NOISE_BYTES_MAX]);

// Noise that goes on from one call to the next; it takes a new shape without a step.
struct noise_maker {
	uint32_t random;
	float rms; // present
	float b[NOISE_ORDER + 1];
};

void noise_maker_init(struct noise_maker *maker, uint32_t seed);
void noise_make(struct noise_maker *maker, const struct noise_shape *shape, int16_t *pcm, size_t n);

// Tells silence from speech, frame by frame: silence is what is at most 6 dB above the lowest level
// of the last one or two seconds, and of its spectral tilt; louder than -40 dBov never is, so that
// music is not taken for it. It begins 200 ms after the last speech.
struct noise_watch {
	float lowest_db[2];	  // dBov, in the second under way and in the one before
	uint16_t window_ms;	  // of the one under way
	float tilt;		  // k1 of the noise
	float r[NOISE_ORDER + 1]; // autocorrelation of the noise, smoothed
	uint16_t quiet_ms;
	bool silent;
	struct noise_shape sent; // last
	uint16_t since_ms;	 // it was sent
};

enum noise_verdict {
	NOISE_SPEECH,  // encode the frame
	NOISE_SILENCE, // send nothing
	NOISE_SEND,    // send *shape: silence begins, or has changed
};

void noise_watch_init(struct noise_watch *watch);
enum noise_verdict noise_watch_frame(struct noise_watch *watch, const int16_t *pcm, size_t n,
	unsigned int frame_ms, struct noise_shape *shape);
