// One request, one response; all numbers are big-endian.
//
// Subtle: a request may demand what we do not know (comprehension-required attributes); it is then
// told so (420), and not the mapped address.
#include "stun.h"

#include <endian.h>

enum {
	HEADER_SIZE = 20,
	MAGIC = 0x2112a442, // RFC 8489 5
	BINDING_REQUEST = 0x0001,
	BINDING_SUCCESS = 0x0101,
	BINDING_ERROR = 0x0111,
	ERROR_CODE = 0x0009,
	UNKNOWN_ATTRIBUTES = 0x000a,
	XOR_MAPPED_ADDRESS = 0x0020,
	FINGERPRINT = 0x8028,
	FINGERPRINT_SIZE = 8, // with its header
	FINGERPRINT_XOR = 0x5354554e,
	OPTIONAL = 0x8000, // attributes from here on may be ignored
	UNKNOWN_MAX = 8,
};

struct request {
	bool has_fingerprint;
	uint16_t unknown[UNKNOWN_MAX];
	unsigned int n_unknown;
};

static uint16_t get16(const char *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return be16toh(value);
}

static uint32_t get32(const char *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return be32toh(value);
}

static char *put16(char *p, unsigned int value)
{
	uint16_t big = htobe16((uint16_t)value);

	return (char *)memcpy(p, &big, sizeof(big)) + sizeof(big);
}

static char *put32(char *p, uint32_t value)
{
	value = htobe32(value);
	return (char *)memcpy(p, &value, sizeof(value)) + sizeof(value);
}

// That of ITU V.42, bit by bit: there are few of these messages and they are short (14.7).
static uint32_t crc32_of(const char *data, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned char)data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

// ---- the request

static bool is_binding_request(struct slice data)
{
	return data.n >= HEADER_SIZE && get16(data.p) == BINDING_REQUEST &&
	       get32(data.p + 4) == MAGIC && get16(data.p + 2) == data.n - HEADER_SIZE &&
	       data.n % 4 == 0;
}

// Attributes: type, length, value, padded to four bytes. A fingerprint is the last one and right.
static bool read_attributes(struct slice data, struct request *request)
{
	for (size_t at = HEADER_SIZE; at < data.n;) {
		uint16_t type = get16(data.p + at), length = get16(data.p + at + 2);
		size_t end = at + 4 + (length + 3u) / 4 * 4;

		if (end > data.n || request->has_fingerprint)
			return false;
		if (type == FINGERPRINT) {
			if (length != 4 ||
				get32(data.p + at + 4) != (crc32_of(data.p, at) ^ FINGERPRINT_XOR))
				return false;
			request->has_fingerprint = true;
		} else if (type < OPTIONAL && request->n_unknown < UNKNOWN_MAX) {
			request->unknown[request->n_unknown++] = type;
		}
		at = end;
	}
	return true;
}

// ---- the response

// 14.2: the port and the address, hidden from gateways that rewrite what looks like one.
static char *put_mapped_address(char *p, const struct sip_address *source, const char *header)
{
	bool v6 = source->any.sa_family == AF_INET6;
	const char *address =
		v6 ? (const char *)&source->v6.sin6_addr : (const char *)&source->v4.sin_addr;

	p = put16(p, XOR_MAPPED_ADDRESS);
	p = put16(p, v6 ? 20 : 8);
	p = put16(p, v6 ? 2 : 1);
	p = put16(p, sip_address_port(source) ^ MAGIC >> 16);
	for (size_t i = 0; i < (v6 ? 16 : 4); i++)
		*p++ = (char)(address[i] ^ header[4 + i]); // cookie and transaction id
	return p;
}

static char *put_unknown(char *p, const struct request *request)
{
	static const char reason[] = "Unknown Attribute";

	p = put16(p, ERROR_CODE);
	p = put16(p, 4 + sizeof(reason) - 1);
	p = put32(p, 4 << 8 | 20);
	memset(p, 0, (sizeof(reason) + 2) / 4 * 4);
	memcpy(p, reason, sizeof(reason) - 1);
	p += (sizeof(reason) + 2) / 4 * 4;
	p = put16(p, UNKNOWN_ATTRIBUTES);
	p = put16(p, 2 * request->n_unknown);
	for (unsigned int i = 0; i < request->n_unknown; i++)
		p = put16(p, request->unknown[i]);
	return request->n_unknown % 2 ? put16(p, 0) : p;
}

struct slice stun_answer(struct slice data, const struct sip_address *source, char *out)
{
	struct request request = {0};
	char *p = out + HEADER_SIZE;

	if (!is_binding_request(data) || !read_attributes(data, &request))
		return (struct slice){0};
	put16(out, request.n_unknown ? BINDING_ERROR : BINDING_SUCCESS);
	memcpy(out + 4, data.p + 4, HEADER_SIZE - 4);
	p = request.n_unknown ? put_unknown(p, &request) : put_mapped_address(p, source, out);
	put16(out + 2, (unsigned int)(p - out) - HEADER_SIZE +
			       (request.has_fingerprint ? FINGERPRINT_SIZE : 0));
	if (request.has_fingerprint) {
		uint32_t crc = crc32_of(out, (size_t)(p - out));

		p = put16(p, FINGERPRINT);
		p = put16(p, 4);
		p = put32(p, crc ^ FINGERPRINT_XOR);
	}
	return (struct slice){out, (size_t)(p - out)};
}
