// The sessions that make a dataplane relay the benchmark's flows, set through its API.
#pragma once

#include "flows.h"

// Set `n` sessions of two PCMU legs on the dataplane at `socket`, media address `media_ip`; the
// remote ends are given, the local ones are filled in. Returns 0, or -1 having said why.
int relay_sessions_set(
	const char *socket, uint32_t media_ip, struct session_ends *ends, unsigned int n);
