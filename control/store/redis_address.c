// Addresses of servers as configuration and sentinels write them.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "redis_link.h"

int redis_address_parse(const char *text, struct redis_address *address)
{
	struct redis_address parsed = {.port = 0};
	const char *colon, *host = text;
	size_t length;
	char *end;
	long port;

	if (!strncmp(text, "unix:/", 6)) {
		if (strlen(text + 5) >= 108) // sun_path of unix(7)
			return -EINVAL;
		strcpy(parsed.host, text + 5);
		*address = parsed;
		return 0;
	}
	colon = strrchr(text, ':');
	if (!colon || colon == text)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (*host == '[' && colon[-1] == ']') {
		host++;
		length -= 2;
	} else if (memchr(host, ':', length)) {
		return -EINVAL; // IPv6 wants brackets
	}
	port = strtol(colon + 1, &end, 10);
	if (!length || length >= sizeof(parsed.host) || end == colon + 1 || *end || port < 1 ||
		port > 65535)
		return -EINVAL;
	memcpy(parsed.host, host, length);
	parsed.port = (int)port;
	*address = parsed;
	return 0;
}

bool redis_address_equal(const struct redis_address *a, const struct redis_address *b)
{
	return a->port == b->port && !strcmp(a->host, b->host);
}

bool store_address_is_good(const char *text)
{
	struct redis_address address;

	return !redis_address_parse(text, &address);
}
