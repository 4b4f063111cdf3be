// The TSC's rate is measured by EAL at start and never changes after.
#include "clock.h"

uint64_t clock_ns_q32 = 1ULL << 32;

void clock_init(void)
{
	clock_ns_q32 = (uint64_t)(((unsigned __int128)1000000000 << 32) / rte_get_tsc_hz());
}
