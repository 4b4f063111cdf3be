// Two doors to one clock: what is linked statically (ours, and it may ask for any clock) comes in
// by
// __wrap_clock_gettime(), shared libraries (libevent, c-ares) by the program's own clock_gettime().
#include "virtual_time.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

static uint64_t now_ns = UINT64_C(1767225600) * 1000000000; // 2026, after some certificates' birth

static struct timespec virtual_now(void)
{
	return (struct timespec){
		.tv_sec = (time_t)(now_ns / 1000000000), .tv_nsec = (long)(now_ns % 1000000000)};
}

void virtual_time_pass(uint64_t ms)
{
	now_ns += ms * 1000000;
}

int __wrap_clock_gettime(clockid_t, struct timespec *now)
{
	*now = virtual_now();
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	// The rest is for those who measure the machine: libFuzzer, DPDK.
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, clock, now);
	*now = virtual_now();
	return 0;
}
