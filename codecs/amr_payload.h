// The RTP payload formats of AMR and AMR-WB (RFC 4867): bandwidth-efficient and octet-aligned, any
// number of frames, mode requests. Pure functions.
//
// Not here, because never agreed to: CRC, robust sorting, interleaving, several channels.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMR_FRAMES_MAX	    6  // of a payload: 120 ms
#define AMR_FRAME_BYTES_MAX 61 // with its header octet
#define AMR_NO_REQUEST	    15
#define AMR_NO_DATA	    15 // frame type of both bands: nothing was sent for this frame

enum amr_band { AMR_NARROW, AMR_WIDE };

struct amr_layout {
	enum amr_band band;
	bool octet_align;
};

// A frame as storage has it (RFC 4867 5.3), which is what the libraries take and give: an octet of
// frame type and quality bit, then the speech bits, filled up with zeros.
struct amr_frame {
	uint8_t bytes[AMR_FRAME_BYTES_MAX];
};

struct amr_payload {
	uint8_t request; // mode that the sender wants to receive, AMR_NO_REQUEST: none
	uint8_t n_frames;
	struct amr_frame frames[AMR_FRAMES_MAX];
};

static inline uint8_t amr_frame_type(const struct amr_frame *frame)
{
	return frame->bytes[0] >> 3 & 0x0f;
}

// The quality bit: 0 says that the frame was damaged on its way to the sender.
static inline bool amr_frame_is_good(const struct amr_frame *frame)
{
	return frame->bytes[0] & 1 << 2;
}

static inline uint8_t amr_frame_header(uint8_t type, bool is_good)
{
	return (uint8_t)(type << 3 | is_good << 2);
}

// Speech modes of a band: frame types 0 .. n - 1. The next one describes silence (SID).
uint8_t amr_n_modes(enum amr_band band);

// Octets that a frame of this type has in storage, the header too; 0: there is no such type.
size_t amr_frame_bytes(enum amr_band band, uint8_t type);

// 0, or -EBADMSG where it is malformed: reserved frame types, more than AMR_FRAMES_MAX frames, too
// short or too long. Nothing was written then.
int amr_payload_parse(
	const struct amr_layout *layout, const uint8_t *bytes, size_t n, struct amr_payload *out);

// Bytes written, at most 1 + AMR_FRAMES_MAX * AMR_FRAME_BYTES_MAX. The frames must be well-formed.
size_t amr_payload_build(
	const struct amr_layout *layout, const struct amr_payload *payload, uint8_t *out);
