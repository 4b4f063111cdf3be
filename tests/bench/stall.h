// Whether somebody else had our CPU. The kernel counts how long a thread was ready to run and did
// not (/proc/thread-self/schedstat); asking costs a system call, so ask where time is missing.
#pragma once

#include <stdint.h>

struct stall {
	int fd;
	uint64_t waited_ns; // as last read
};

// On the thread that will ask. A kernel that does not count gives zeros.
void stall_open(struct stall *stall);

// Nanoseconds that the thread has been kept waiting since it last asked.
uint64_t stall_ask(struct stall *stall);
