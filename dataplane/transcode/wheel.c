// Timers of streams. See wheel.h.
#include "wheel.h"

#include <stddef.h>

#define SLOTS_PER_S 1000

void wheel_init(struct wheel *wheel, uint64_t tsc_hz)
{
	for (unsigned int i = 0; i < WHEEL_SLOTS; i++)
		LIST_INIT(&wheel->slots[i]);
	wheel->at = 0;
	wheel->shift = 0;
	while (tsc_hz / SLOTS_PER_S >> (wheel->shift + 1))
		wheel->shift++;
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_tsc)
{
	uint64_t slot = due_tsc >> wheel->shift;

	if (timer->due_tsc == due_tsc)
		return;
	if (timer->due_tsc)
		LIST_REMOVE(timer, entry);
	timer->due_tsc = due_tsc;
	if (due_tsc == 0)
		return;
	if (slot < wheel->at)
		slot = wheel->at;
	LIST_INSERT_HEAD(&wheel->slots[slot % WHEEL_SLOTS], timer, entry);
}

struct wheel_timer *wheel_take(struct wheel *wheel, uint64_t now_tsc)
{
	uint64_t end = now_tsc >> wheel->shift;
	struct wheel_timer *timer;

	if (end > wheel->at + WHEEL_SLOTS) // one turn looks at all of them
		wheel->at = end - WHEEL_SLOTS;
	for (; wheel->at < end; wheel->at++) {
		LIST_FOREACH (timer, &wheel->slots[wheel->at % WHEEL_SLOTS], entry) {
			if (timer->due_tsc > now_tsc)
				continue;
			LIST_REMOVE(timer, entry);
			timer->due_tsc = 0;
			return timer;
		}
	}
	return NULL;
}
