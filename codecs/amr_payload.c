// RFC 4867 section 4: CMR, then a table of contents with an entry a frame, then the frames. Both
// layouts are the same fields; octet-aligned, each field begins at an octet. So both are read and
// written bit by bit position, and the octet-aligned one rounds the position up after each field.
#include "amr_payload.h"

#include <errno.h>
#include <string.h>

#define N_TYPES	    16
#define CMR_BITS    4
#define TOC_BITS    6
#define MORE_FRAMES 0x20 // F of the table of contents' six bits

// Speech bits by frame type (3GPP TS 26.101 and 26.201, table 1); NONE: reserved. The narrow band's
// 9 to 11 are the silence of other codecs: skipped, as nothing here can decode them.
#define NONE 0xffff
static const uint16_t frame_bits[][N_TYPES] = {
	[AMR_NARROW] = {95, 103, 118, 134, 148, 159, 204, 244, 39, 43, 38, 37, NONE, NONE, NONE, 0},
	[AMR_WIDE] = {132, 177, 253, 285, 317, 365, 397, 461, 477, 40, NONE, NONE, NONE, NONE, 0,
		0},
};

uint8_t amr_n_modes(enum amr_band band)
{
	return band == AMR_WIDE ? 9 : 8;
}

size_t amr_frame_bytes(enum amr_band band, uint8_t type)
{
	uint16_t bits = type < N_TYPES ? frame_bits[band][type] : NONE;

	return bits == NONE ? 0 : 1 + (bits + 7u) / 8;
}

static size_t field_end(const struct amr_layout *layout, size_t at)
{
	return layout->octet_align ? (at + 7) & ~(size_t)7 : at;
}

// Up to 8 bits at bit position `at`, which lie within `n` octets.
static uint8_t read_bits(const uint8_t *bytes, size_t n, size_t at, unsigned int n_bits)
{
	unsigned int window = (unsigned int)bytes[at / 8] << 8;

	if (at / 8 + 1 < n)
		window |= bytes[at / 8 + 1];
	return (uint8_t)(window >> (16 - at % 8 - n_bits) & ((1u << n_bits) - 1));
}

// The octets behind are zero still.
static void write_bits(uint8_t *bytes, size_t at, unsigned int n_bits, uint8_t value)
{
	unsigned int window = (unsigned int)value << (16 - at % 8 - n_bits);

	bytes[at / 8] |= (uint8_t)(window >> 8);
	if (window & 0xff)
		bytes[at / 8 + 1] |= (uint8_t)window;
}

static void read_frame(
	const uint8_t *bytes, size_t n, size_t at, unsigned int n_bits, uint8_t *speech)
{
	for (; n_bits >= 8; n_bits -= 8, at += 8)
		*speech++ = read_bits(bytes, n, at, 8);
	if (n_bits)
		*speech = (uint8_t)(read_bits(bytes, n, at, n_bits) << (8 - n_bits));
}

static void write_frame(uint8_t *bytes, size_t at, unsigned int n_bits, const uint8_t *speech)
{
	for (; n_bits >= 8; n_bits -= 8, at += 8)
		write_bits(bytes, at, 8, *speech++);
	if (n_bits)
		write_bits(bytes, at, n_bits, (uint8_t)(*speech >> (8 - n_bits)));
}

// What comes before the frames.
struct contents {
	uint8_t entries[AMR_FRAMES_MAX]; // six bits each
	uint8_t n;
	size_t end; // bit position behind it
};

static int read_contents(
	const struct amr_layout *layout, const uint8_t *bytes, size_t n, struct contents *out)
{
	size_t at = field_end(layout, CMR_BITS);

	out->n = 0;
	do {
		if (out->n == AMR_FRAMES_MAX || at + TOC_BITS > n * 8)
			return -EBADMSG;
		out->entries[out->n++] = read_bits(bytes, n, at, TOC_BITS);
		at = field_end(layout, at + TOC_BITS);
	} while (out->entries[out->n - 1] & MORE_FRAMES);
	out->end = at;
	return 0;
}

static unsigned int entry_bits(const struct amr_layout *layout, uint8_t entry)
{
	return frame_bits[layout->band][entry >> 1 & 0x0f];
}

// The payload has to end in the octet that the last frame ends in.
static int check_length(const struct amr_layout *layout, const struct contents *contents, size_t n)
{
	size_t at = contents->end;

	for (uint8_t i = 0; i < contents->n; i++) {
		unsigned int bits = entry_bits(layout, contents->entries[i]);

		if (bits == NONE)
			return -EBADMSG;
		at = field_end(layout, at + bits);
	}
	return (at + 7) / 8 == n ? 0 : -EBADMSG;
}

int amr_payload_parse(
	const struct amr_layout *layout, const uint8_t *bytes, size_t n, struct amr_payload *out)
{
	struct contents contents;
	size_t at;

	if (n == 0 || read_contents(layout, bytes, n, &contents) ||
		check_length(layout, &contents, n))
		return -EBADMSG;
	at = contents.end;
	out->request = bytes[0] >> 4;
	out->n_frames = contents.n;
	for (uint8_t i = 0; i < contents.n; i++) {
		uint8_t entry = contents.entries[i];
		unsigned int bits = entry_bits(layout, entry);

		out->frames[i].bytes[0] = (uint8_t)((entry & ~MORE_FRAMES) << 2);
		read_frame(bytes, n, at, bits, out->frames[i].bytes + 1);
		at = field_end(layout, at + bits);
	}
	return 0;
}

size_t amr_payload_build(
	const struct amr_layout *layout, const struct amr_payload *payload, uint8_t *out)
{
	size_t at = field_end(layout, CMR_BITS);

	memset(out, 0, 1 + AMR_FRAMES_MAX * AMR_FRAME_BYTES_MAX);
	write_bits(out, 0, CMR_BITS, payload->request);
	for (uint8_t i = 0; i < payload->n_frames; i++) {
		uint8_t more = i + 1 < payload->n_frames ? MORE_FRAMES : 0;

		write_bits(out, at, TOC_BITS, more | payload->frames[i].bytes[0] >> 2);
		at = field_end(layout, at + TOC_BITS);
	}
	for (uint8_t i = 0; i < payload->n_frames; i++) {
		const struct amr_frame *frame = &payload->frames[i];
		unsigned int bits = frame_bits[layout->band][amr_frame_type(frame)];

		write_frame(out, at, bits, frame->bytes + 1);
		at = field_end(layout, at + bits);
	}
	return (at + 7) / 8;
}
