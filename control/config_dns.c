// Names in the configuration, and whom to ask for them.
#include <stdio.h>
#include <string.h>

#include "config_check.h"
#include "config_private.h"
#include "config_schema.h"
#include "uri.h"

bool config_is_name(const char *address)
{
	struct sockaddr_storage parsed;

	return address_parse(address, 1, &parsed) && uri_host_valid(slice_of(address), false) &&
	       address[strspn(address, "0123456789.")];
}

bool config_realm_listens(const struct realm *realm, enum realm_transport transport)
{
	for (size_t i = 0; i < realm->n_listeners; i++)
		if (realm->listeners[i].transport == transport)
			return true;
	return false;
}

// "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353"
static int server_read(const char *text, char *out, size_t size)
{
	struct sockaddr_storage address;
	struct slice host;
	char name[64];
	uint16_t port;
	bool ipv6;

	if (!address_parse(text, 53, &address)) {
		snprintf(out, size, strchr(text, ':') ? "[%s]:53" : "%s:53", text);
		return 0;
	}
	if (uri_hostport_parse(slice_of(text), &host, &port, &ipv6) || host.n >= sizeof(name))
		return -1;
	snprintf(name, sizeof(name), SLICE_FMT, SLICE_ARG(host));
	if (address_parse(name, port, &address))
		return -1;
	snprintf(out, size, "%s", text);
	return 0;
}

int config_read_dns(const struct check *check, struct config *config)
{
	const struct file_dns *from = config->file->dns;
	char where[CHECK_WHERE_SIZE], server[64];

	for (uint32_t i = 0; from && i < from->servers_count; i++) {
		size_t used = strlen(config->dns_servers);

		if (server_read(from->servers[i], server, sizeof(server)))
			return check_failed(check, check_where(where, "dns.servers[%u]", i + 1),
				"expected an IP address, or one with a port, not '%s'",
				from->servers[i]);
		snprintf(config->dns_servers + used, sizeof(config->dns_servers) - used, "%s%s",
			used ? "," : "", server);
	}
	return 0;
}
