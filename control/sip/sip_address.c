// Addresses: text to sockaddr and back, and comparison by what is said, not by all bytes.
#include "sip_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

int sip_address_parse(struct slice host, uint16_t port, struct sip_address *out)
{
	struct sip_address address = {0};
	char text[INET6_ADDRSTRLEN];

	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct slice){host.p + 1, host.n - 2};
	if (!host.n || host.n >= sizeof(text))
		return -EINVAL;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
		address.v4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1)
		address.v6.sin6_family = AF_INET6;
	else
		return -EINVAL;
	sip_address_port_set(&address, port);
	*out = address;
	return 0;
}

int sip_address_from(const struct sockaddr *sa, socklen_t length, struct sip_address *out)
{
	struct sip_address address = {0};

	if (sa->sa_family == AF_INET && length >= sizeof(address.v4))
		memcpy(&address.v4, sa, sizeof(address.v4));
	else if (sa->sa_family == AF_INET6 && length >= sizeof(address.v6))
		memcpy(&address.v6, sa, sizeof(address.v6));
	else
		return -EINVAL;
	*out = address;
	return 0;
}

socklen_t sip_address_length(const struct sip_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

uint16_t sip_address_port(const struct sip_address *address)
{
	return ntohs(
		address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

void sip_address_port_set(struct sip_address *address, uint16_t port)
{
	if (address->any.sa_family == AF_INET6)
		address->v6.sin6_port = htons(port);
	else
		address->v4.sin_port = htons(port);
}

bool sip_address_equal_host(const struct sip_address *a, const struct sip_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET6)
		return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(struct in6_addr)) == 0 &&
		       a->v6.sin6_scope_id == b->v6.sin6_scope_id;
	return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

bool sip_address_equal(const struct sip_address *a, const struct sip_address *b)
{
	return sip_address_equal_host(a, b) && sip_address_port(a) == sip_address_port(b);
}

// Decimal digits of up to five places; returns how many.
static size_t put_number(char *out, unsigned int number)
{
	char digits[5];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	for (size_t i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

struct slice sip_address_format_host(const struct sip_address *address, bool brackets, char *out)
{
	const uint8_t *bytes = (const uint8_t *)&address->v4.sin_addr;
	char text[INET6_ADDRSTRLEN];
	size_t n = 0;

	if (address->any.sa_family == AF_INET) { // by hand: several times in each message
		for (int i = 0; i < 4; i++) {
			n += put_number(out + n, bytes[i]);
			out[n++] = '.';
		}
		out[--n] = '\0';
		return (struct slice){out, n};
	}
	if (!inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof(text)))
		strcpy(text, "?");
	n = (size_t)snprintf(out, SIP_ADDRESS_TEXT_SIZE, brackets ? "[%s]" : "%s", text);
	return (struct slice){out, n};
}

struct slice sip_address_format(const struct sip_address *address, char *out)
{
	struct slice host = sip_address_format_host(address, true, out);
	size_t n = host.n;

	out[n++] = ':';
	n += put_number(out + n, sip_address_port(address));
	out[n] = '\0';
	return (struct slice){out, n};
}
