// The reorder window: slots by sequence number, `next` is the lowest that was not taken yet. All
// held packets are within REORDER_SLOTS of it, so a slot says which sequence it is.
#include "reorder.h"

#include <rte_mbuf.h>
#include <string.h>

void reorder_init(struct reorder *window)
{
	memset(window, 0, sizeof(*window));
}

void reorder_empty(struct reorder *window)
{
	for (unsigned int i = 0; i < REORDER_SLOTS; i++) {
		rte_pktmbuf_free(window->slots[i].mbuf);
		window->slots[i].mbuf = NULL;
	}
	window->n_held = 0;
}

static struct reorder_packet *slot_of(struct reorder *window, uint16_t sequence)
{
	return &window->slots[sequence % REORDER_SLOTS];
}

static void begin(struct reorder *window, uint16_t sequence)
{
	reorder_empty(window);
	window->next = sequence;
	window->came = 0;
	window->started = true;
	window->jumped = false;
}

// Pass over the first n sequences, and drop what is held of them.
static void pass_over(struct reorder *window, unsigned int n)
{
	for (unsigned int i = 0; i < n && window->n_held; i++) {
		struct reorder_packet *slot = slot_of(window, (uint16_t)(window->next + i));

		if (!slot->mbuf)
			continue;
		rte_pktmbuf_free(slot->mbuf);
		slot->mbuf = NULL;
		window->n_held--;
		window->overflowed++;
	}
	window->next = (uint16_t)(window->next + n);
	window->came = n < 64 ? window->came << n : 0;
	window->skipped += n;
}

static enum reorder_result put_behind(struct reorder *window, unsigned int behind)
{
	uint64_t bit = behind <= 64 ? 1ull << (behind - 1) : 0;

	if (window->came & bit)
		return REORDER_DUPLICATE;
	window->came |= bit;
	return REORDER_LATE;
}

static enum reorder_result put_ahead(
	struct reorder *window, const struct reorder_packet *packet, unsigned int ahead)
{
	struct reorder_packet *slot;

	if (ahead >= REORDER_SLOTS)
		pass_over(window, ahead - (REORDER_SLOTS - 1));
	slot = slot_of(window, packet->view.sequence);
	if (slot->mbuf)
		return REORDER_DUPLICATE;
	*slot = *packet;
	window->n_held++;
	window->jumped = false;
	return REORDER_TAKEN;
}

enum reorder_result reorder_put(struct reorder *window, const struct reorder_packet *packet)
{
	uint16_t sequence = packet->view.sequence;
	int ahead = rtp_sequence_distance(window->next, sequence);

	if (!window->started)
		begin(window, sequence);
	else if (ahead < 0 && ahead > -RTP_MAX_MISORDER)
		return put_behind(window, (unsigned int)-ahead);
	else if (ahead >= 0 && ahead < RTP_MAX_DROPOUT)
		return put_ahead(window, packet, (unsigned int)ahead);
	else if (!window->jumped || sequence != window->jump_next) {
		window->jumped = true;
		window->jump_next = (uint16_t)(sequence + 1);
		return REORDER_STRAY;
	} else
		begin(window, sequence);
	put_ahead(window, packet, 0);
	return REORDER_RESTART;
}

bool reorder_ready(const struct reorder *window)
{
	return window->n_held >= REORDER_HOLD ||
	       (window->n_held && window->slots[window->next % REORDER_SLOTS].mbuf);
}

// Sequences from `next` to the first that is held; something is.
static unsigned int gap(const struct reorder *window)
{
	unsigned int n = 0;

	while (!window->slots[(window->next + n) % REORDER_SLOTS].mbuf)
		n++;
	return n;
}

const struct reorder_packet *reorder_head(const struct reorder *window, unsigned int *missing)
{
	if (window->n_held == 0)
		return NULL;
	*missing = gap(window);
	return &window->slots[(window->next + *missing) % REORDER_SLOTS];
}

uint64_t reorder_waits_since(const struct reorder *window)
{
	return window->slots[(window->next + gap(window)) % REORDER_SLOTS].put_tsc;
}

bool reorder_take(
	struct reorder *window, bool give_up, struct reorder_packet *packet, uint32_t *missing)
{
	struct reorder_packet *slot;
	unsigned int n_gap;

	if (window->n_held == 0)
		return false;
	n_gap = gap(window);
	if (n_gap && !give_up && window->n_held < REORDER_HOLD)
		return false;
	if (n_gap)
		pass_over(window, n_gap);
	slot = slot_of(window, window->next);
	*packet = *slot;
	slot->mbuf = NULL;
	window->n_held--;
	window->next++;
	window->came = window->came << 1 | 1;
	*missing = window->skipped;
	window->skipped = 0;
	return true;
}
