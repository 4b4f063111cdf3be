// RFC 2782, "Weight": a running sum over those of one priority, and a random number up to it.
#include "weighted.h"

#include "token.h"

uint32_t random_below(uint32_t limit)
{
	uint64_t number;

	token_random(&number, sizeof(number));
	return limit ? (uint32_t)(number % limit) : 0;
}

// The lists are short; stable, so that equal ones without weights stay as they were.
static void priorities_sort(struct weighted *list, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct weighted one = list[i];
		size_t at = i;

		for (; at && list[at - 1].priority > one.priority; at--)
			list[at] = list[at - 1];
		list[at] = one;
	}
}

static void move_to_front(struct weighted *list, size_t from)
{
	struct weighted one = list[from];

	for (; from; from--)
		list[from] = list[from - 1];
	list[0] = one;
}

// One of those of the first's priority comes to the front.
static void choose(struct weighted *list, size_t n, random_below_fn *below)
{
	uint64_t sum = 0, running = 0, point;
	size_t same = 0;

	for (; same < n && list[same].priority == list[0].priority; same++)
		sum += list[same].weight;
	if (!sum || same < 2)
		return;
	if (sum > UINT32_MAX)
		sum = UINT32_MAX;
	point = below((uint32_t)sum);
	for (size_t i = 0; i < same; i++) {
		running += list[i].weight;
		if (running > point) {
			move_to_front(list, i);
			return;
		}
	}
}

void weighted_order(struct weighted *list, size_t n, random_below_fn *below)
{
	priorities_sort(list, n);
	for (size_t i = 0; i + 1 < n; i++)
		choose(list + i, n - i, below);
}
