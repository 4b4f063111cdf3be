// See stall.h. The second number of schedstat is the time spent waiting on a run queue.
#include "stall.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static uint64_t read_waited_ns(const struct stall *stall)
{
	char text[128];
	ssize_t n = pread(stall->fd, text, sizeof(text) - 1, 0);
	uint64_t waited_ns;

	if (n <= 0)
		return stall->waited_ns;
	text[n] = '\0';
	return sscanf(text, "%*u %" SCNu64, &waited_ns) == 1 ? waited_ns : stall->waited_ns;
}

void stall_open(struct stall *stall)
{
	*stall = (struct stall){.fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)};
	stall->waited_ns = read_waited_ns(stall);
}

uint64_t stall_ask(struct stall *stall)
{
	uint64_t before_ns = stall->waited_ns;

	stall->waited_ns = read_waited_ns(stall);
	return stall->waited_ns - before_ns;
}
