// The hysteresis of shedding. To restore a step costs at most a quarter more, so that is how far
// below the limit the load has to be for it.
#include "shed.h"

static void window_judge(struct shed *shed, uint16_t shed_at)
{
	if (shed_at == 0)
		return;
	if (shed->permille >= shed_at) {
		shed->n_calm = 0;
		shed->level += shed->level < SHED_LEVEL_MAX;
		return;
	}
	if (shed->permille >= shed_at - shed_at / 4)
		shed->n_calm = 0;
	else if (shed->level && ++shed->n_calm == SHED_CALM) {
		shed->n_calm = 0;
		shed->level--;
	}
}

void shed_spend(
	struct shed *shed, uint64_t cycles, uint64_t tsc, uint64_t window_tsc, uint16_t shed_at)
{
	uint64_t elapsed = tsc - shed->began_tsc, permille;

	shed->busy_tsc += cycles;
	if (elapsed < window_tsc)
		return;
	permille = shed->busy_tsc * 1000 / elapsed;
	shed->permille = permille > 1000 ? 1000 : (uint16_t)permille;
	window_judge(shed, shed_at);
	shed->began_tsc = tsc;
	shed->busy_tsc = 0;
}
