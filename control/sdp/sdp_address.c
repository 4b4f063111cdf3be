// IP addresses as session descriptions have them: without a port.
#include <arpa/inet.h>
#include <string.h>

#include "sdp.h"

struct sdp_address sdp_address_parse(const char *text, size_t length)
{
	struct sdp_address address = {};
	char buffer[INET6_ADDRSTRLEN];

	if (length >= sizeof(buffer))
		return address;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
	if (inet_pton(AF_INET, buffer, address.bytes) == 1)
		address.family = 4;
	else if (inet_pton(AF_INET6, buffer, address.bytes) == 1)
		address.family = 6;
	return address;
}

// Without printf: descriptions are written for each leg of each call.
static const char *ipv4_text(const uint8_t *bytes, char *out)
{
	char *at = out;

	for (int i = 0; i < 4; i++) {
		if (bytes[i] >= 100)
			*at++ = (char)('0' + bytes[i] / 100);
		if (bytes[i] >= 10)
			*at++ = (char)('0' + bytes[i] / 10 % 10);
		*at++ = (char)('0' + bytes[i] % 10);
		*at++ = i < 3 ? '.' : '\0';
	}
	return out;
}

const char *sdp_address_text(const struct sdp_address *address, char *out, size_t size)
{
	if (address->family == 4 && size >= sizeof("255.255.255.255"))
		return ipv4_text(address->bytes, out);
	if (!address->family || !inet_ntop(address->family == 4 ? AF_INET : AF_INET6,
					address->bytes, out, (socklen_t)size))
		out[0] = '\0';
	return out;
}

static size_t address_length(const struct sdp_address *address)
{
	return address->family == 4 ? 4 : address->family == 6 ? 16 : 0;
}

bool sdp_address_equal(const struct sdp_address *a, const struct sdp_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, address_length(a));
}

bool sdp_address_is_any(const struct sdp_address *address)
{
	static const uint8_t zeros[16];

	return address->family && !memcmp(address->bytes, zeros, address_length(address));
}
