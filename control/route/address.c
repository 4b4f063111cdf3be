// sockaddr as the configuration and the callers of control/route have it, on the functions of the
// SIP stack.
#include "address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sip_address.h"

static bool address_from(const struct sockaddr *address, struct sip_address *out)
{
	socklen_t length = address->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
			   : address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							    : 0;

	return length && sip_address_from(address, length, out) == 0;
}

bool address_equal(const struct sockaddr *a, const struct sockaddr *b)
{
	struct sip_address first, second;

	return address_from(a, &first) && address_from(b, &second) &&
	       sip_address_equal(&first, &second);
}

bool address_equal_host(const struct sockaddr *a, const struct sockaddr *b)
{
	struct sip_address first, second;

	return address_from(a, &first) && address_from(b, &second) &&
	       sip_address_equal_host(&first, &second);
}

const char *address_text(const struct sockaddr *address, char *out, size_t size)
{
	char text[SIP_ADDRESS_TEXT_SIZE] = "?";
	struct sip_address from;

	if (address_from(address, &from))
		sip_address_format(&from, text);
	snprintf(out, size, "%s", text);
	return out;
}

int address_parse(const char *host, uint16_t port, struct sockaddr_storage *out)
{
	struct sip_address address;
	int rc = sip_address_parse(slice_of(host), port, &address);

	if (rc)
		return rc;
	*out = (struct sockaddr_storage){};
	memcpy(out, &address, sip_address_length(&address));
	return 0;
}
