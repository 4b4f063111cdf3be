// Socket addresses of peers and listeners, IPv4 or IPv6.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 64

// With the port, and without.
bool address_equal(const struct sockaddr *a, const struct sockaddr *b);
bool address_equal_host(const struct sockaddr *a, const struct sockaddr *b);
// "192.0.2.1:5060", "[2001:db8::1]:5060", or "?". `out` has ADDRESS_TEXT_SIZE bytes. Returns `out`.
const char *address_text(const struct sockaddr *address, char *out, size_t size);
// An IPv4 or IPv6 literal. Returns 0 or -EINVAL.
int address_parse(const char *host, uint16_t port, struct sockaddr_storage *out);
