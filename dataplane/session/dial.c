// Places for legs that are sent digits. See dial.h.
#include "dial.h"

#include <errno.h>
#include <string.h>

#include "leg.h"

// Nobody's, and the worker has done with whom it was before.
static bool is_free(const struct dial *dial)
{
	return !dial->leg && __atomic_load_n(&dial->n_done, __ATOMIC_ACQUIRE) == dial->n_put &&
	       !__atomic_load_n(&dial->busy, __ATOMIC_ACQUIRE);
}

static struct dial *take_place(struct dials *dials, struct leg *leg)
{
	unsigned int i = 0;

	while (i < DIALS_MAX && !is_free(&dials->dials[i]))
		i++;
	if (i == DIALS_MAX)
		return NULL;
	leg->dial = (uint8_t)i;
	leg->has_dial = true;
	__atomic_store_n(&dials->dials[i].leg, leg, __ATOMIC_RELEASE);
	if (i >= dials->n_used)
		__atomic_store_n(&dials->n_used, i + 1, __ATOMIC_RELEASE);
	return &dials->dials[i];
}

static_assert(DIALS_MAX <= UINT8_MAX + 1, "a leg says in a byte which place it has");

int dial_put(struct dials *dials, struct leg *leg, uint32_t format, struct dial_digit digit)
{
	struct dial *dial = leg->has_dial ? &dials->dials[leg->dial] : take_place(dials, leg);

	if (!dial ||
		dial->n_put - __atomic_load_n(&dial->n_done, __ATOMIC_ACQUIRE) >= SL_DTMF_QUEUE_MAX)
		return -ENOBUFS;
	__atomic_store_n(&dial->format, format, __ATOMIC_RELAXED);
	dial->queue[dial->n_put % SL_DTMF_QUEUE_MAX] = digit;
	__atomic_store_n(&dial->n_put, dial->n_put + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&dials->n_put, dials->n_put + 1, __ATOMIC_RELEASE);
	return 0;
}

void dial_change(struct dials *dials, struct leg *leg, uint32_t format)
{
	if (leg->has_dial && format)
		__atomic_store_n(&dials->dials[leg->dial].format, format, __ATOMIC_RELAXED);
	else
		dial_leave(dials, leg);
}

void dial_leave(struct dials *dials, struct leg *leg)
{
	if (leg->has_dial)
		__atomic_store_n(&dials->dials[leg->dial].leg, NULL, __ATOMIC_RELEASE);
	leg->has_dial = false;
}

void dial_reap(struct dials *dials, struct leg *leg)
{
	const struct dial *dial = &dials->dials[leg->dial];

	if (leg->has_dial && __atomic_load_n(&dial->n_done, __ATOMIC_ACQUIRE) == dial->n_put &&
		!__atomic_load_n(&dial->busy, __ATOMIC_ACQUIRE))
		dial_leave(dials, leg);
}
