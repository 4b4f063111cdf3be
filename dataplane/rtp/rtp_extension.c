// A header extension is a profile word and a list of elements; the profile says whether an element
// begins with one byte (id and length in it) or with two (RFC 8285 4.2, 4.3). rtp_parse() proved
// that the list as a whole lies within the packet; what an element says of itself is not to be
// believed, so a list ends where one would reach behind it.
#include "rtp_extension.h"

#include <stdbool.h>

#define EXTENSION_BIT	 0x10
#define ONE_BYTE_PROFILE 0xbede
#define TWO_BYTE_PROFILE 0x1000 // and four bits that mean nothing to us
#define ONE_BYTE_STOP	 15	// RFC 8285 4.2: nothing behind it is looked at

// What is left of a list, and the form of its elements.
struct elements {
	const uint8_t *at;
	const uint8_t *end;
	bool two_bytes;
};

struct element {
	const uint8_t *data;
	uint8_t id;
	uint8_t n_bytes;
};

static unsigned int fixed_bytes(const uint8_t *packet)
{
	return RTP_HEADER_BYTES + 4u * (packet[0] & 0x0f);
}

// Empty where there is no extension, or one that is not of RFC 8285.
static struct elements elements_of(const uint8_t *packet)
{
	const uint8_t *extension = packet + fixed_bytes(packet);
	struct elements elements = {};
	uint16_t profile;

	if (!(packet[0] & EXTENSION_BIT))
		return elements;
	profile = get_be16(extension);
	if (profile != ONE_BYTE_PROFILE && (profile & 0xfff0) != TWO_BYTE_PROFILE)
		return elements;
	elements.at = extension + 4;
	elements.end = elements.at + 4 * (size_t)get_be16(extension + 2);
	elements.two_bytes = profile != ONE_BYTE_PROFILE;
	return elements;
}

// The next element; false where there is none, or its length is a lie.
static bool element_next(struct elements *elements, struct element *element)
{
	size_t head = elements->two_bytes ? 2 : 1;

	while (elements->at < elements->end && *elements->at == 0) // padding
		elements->at++;
	if ((size_t)(elements->end - elements->at) < head)
		return false;
	if (elements->two_bytes) {
		element->id = elements->at[0];
		element->n_bytes = elements->at[1];
	} else {
		element->id = elements->at[0] >> 4;
		element->n_bytes = (uint8_t)((elements->at[0] & 0x0f) + 1);
		if (element->id == 0 || element->id == ONE_BYTE_STOP)
			return false;
	}
	element->data = elements->at + head;
	if (elements->end - element->data < element->n_bytes)
		return false;
	elements->at = element->data + element->n_bytes;
	return true;
}

const uint8_t *rtp_extension_find(const uint8_t *packet, uint8_t id, uint8_t *n_bytes)
{
	struct elements elements = elements_of(packet);
	struct element element;

	while (element_next(&elements, &element))
		if (element.id == id) {
			*n_bytes = element.n_bytes;
			return element.data;
		}
	return NULL;
}

struct writer {
	uint8_t *at;
	uint8_t *end;
	bool two_bytes;
};

static void element_write(struct writer *w, const struct element *element)
{
	size_t head = w->two_bytes ? 2 : 1;

	if ((size_t)(w->end - w->at) < head + element->n_bytes)
		return;
	if (w->two_bytes) {
		w->at[0] = element->id;
		w->at[1] = element->n_bytes;
	} else {
		w->at[0] = (uint8_t)(element->id << 4 | (element->n_bytes - 1));
	}
	memcpy(w->at + head, element->data, element->n_bytes);
	w->at += head + element->n_bytes;
}

uint16_t rtp_mid_write(
	const struct rtp_mid *mid, const uint8_t *packet, uint8_t out[RTP_HEADER_MAX])
{
	const struct element ours = {(const uint8_t *)mid->bytes, mid->id, mid->n_bytes};
	struct elements elements = elements_of(packet);
	unsigned int fixed = fixed_bytes(packet);
	uint8_t *begin = out + fixed + 4;
	size_t reserved = mid->id ? 2 + sizeof(mid->bytes) : 0;
	struct writer w = {begin, out + RTP_HEADER_MAX - reserved, elements.two_bytes};
	struct element element;

	memcpy(out, packet, fixed);
	while (element_next(&elements, &element)) // whoever has our id means something else by it
		if (element.id != mid->from_id && element.id != mid->id)
			element_write(&w, &element);
	w.end = out + RTP_HEADER_MAX;
	if (mid->id)
		element_write(&w, &ours);
	if (w.at == begin) {
		out[0] &= (uint8_t)~EXTENSION_BIT;
		return (uint16_t)fixed;
	}
	while ((w.at - begin) % 4)
		*w.at++ = 0;
	out[0] |= EXTENSION_BIT;
	put_be16(out + fixed, w.two_bytes ? TWO_BYTE_PROFILE : ONE_BYTE_PROFILE);
	put_be16(out + fixed + 2, (uint16_t)((w.at - begin) / 4));
	return (uint16_t)(w.at - out);
}
