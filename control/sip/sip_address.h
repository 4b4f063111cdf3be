// An IPv4 or IPv6 address and port: sockaddr in as little as it takes.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "slice.h"

struct sip_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

enum { SIP_ADDRESS_TEXT_SIZE = 64 }; // enough for sip_address_format() with its NUL

// Numeric hosts only ("192.0.2.1", "2001:db8::1", brackets allowed). Returns 0 or -EINVAL.
int sip_address_parse(struct slice host, uint16_t port, struct sip_address *out);
int sip_address_from(const struct sockaddr *sa, socklen_t length, struct sip_address *out);

socklen_t sip_address_length(const struct sip_address *address);
uint16_t sip_address_port(const struct sip_address *address);
void sip_address_port_set(struct sip_address *address, uint16_t port);
bool sip_address_equal(const struct sip_address *a, const struct sip_address *b);
bool sip_address_equal_host(const struct sip_address *a, const struct sip_address *b);

// "192.0.2.1:5060" or "[2001:db8::1]:5060"; _host: without port, `brackets` as a URI wants them.
// `out` has SIP_ADDRESS_TEXT_SIZE bytes; returned slice points into it, a NUL follows.
struct slice sip_address_format(const struct sip_address *address, char *out);
struct slice sip_address_format_host(const struct sip_address *address, bool brackets, char *out);
