// Time of the dataplane: nanoseconds of the TSC, the same on every lcore, without a system call.
#pragma once

#include <rte_cycles.h>
#include <stdint.h>

extern uint64_t clock_ns_q32; // nanoseconds per tick, << 32. Set by clock_init(), then only read

void clock_init(void); // main lcore, after EAL is up

static inline uint64_t clock_from_tsc(uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)tsc * clock_ns_q32) >> 32);
}

static inline uint64_t clock_now_ns(void)
{
	return clock_from_tsc(rte_rdtsc());
}

// The same in units of an RTP clock; wraps as an RTP timestamp does. (In 64 bits microseconds times
// 48 kHz last for 12 years of uptime, and a jump there would cost one jitter sample.)
static inline uint32_t clock_rtp_ticks(uint64_t now_ns, uint32_t clock_hz)
{
	return (uint32_t)(now_ns / 1000 * clock_hz / 1000000);
}
