// Two network namespaces joined by a veth pair, for tests that need a real kernel interface:
//
//     ours                        theirs
//   near 10.9.0.1/24  --veth--  far 10.9.0.2/24, 10.9.0.3/24
//        2001:db8:9::1/64           2001:db8:9::2/64
//
// The namespaces have no name: they go with the process, however it ends.
#pragma once

#include <stdbool.h>

#define NEAR  "10.9.0.1"
#define NEAR6 "2001:db8:9::1"
#define FAR   "10.9.0.2"
#define FAR2  "10.9.0.3"

struct lab {
	int ours; // namespaces
	int theirs;
};

// Leaves the process in `ours`. false where it may not (no root, no veth): skip the test.
bool lab_open(struct lab *lab);
void lab_enter(int netns);

// Run a command with the shell in `netns`; the test fails where it does. Returns to `ours`.
void lab_run(const struct lab *lab, int netns, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// Open a socket in `netns`.
int lab_socket(const struct lab *lab, int netns, int domain, int type, int protocol);
