// The reorder window: a list by sequence number, `next` is the lowest that was not taken yet. All
// held packets are within REORDER_SLOTS of it. Nearly every packet is taken before another comes,
// or goes to the end of the list.
#include "reorder.h"

#include <assert.h>
#include <rte_mbuf.h>
#include <string.h>

void reorder_init(struct reorder *window)
{
	memset(window, 0, sizeof(*window));
}

static_assert(sizeof(struct reorder_packet) <= RTE_PKTMBUF_HEADROOM,
	"there is room before a packet's data");

// Where a packet is noted: at the begin of its buffer.
static struct reorder_packet *note(const struct reorder_packet *packet)
{
	struct reorder_packet *at = packet->mbuf->buf_addr;

	assert(rte_pktmbuf_headroom(packet->mbuf) >= sizeof(*at));
	*at = *packet;
	return at;
}

// Take the first out of the list; there is one.
static struct rte_mbuf *pull(struct reorder *window)
{
	struct rte_mbuf *mbuf = window->first->mbuf;

	window->first = window->first->next;
	if (!window->first)
		window->last = NULL;
	window->n_held--;
	return mbuf;
}

void reorder_empty(struct reorder *window)
{
	while (window->first)
		rte_pktmbuf_free(pull(window));
}

// How far a packet that is held is ahead of `next`.
static unsigned int ahead_of(const struct reorder *window, const struct reorder_packet *held)
{
	return (uint16_t)(held->view.sequence - window->next);
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
	while (window->first && ahead_of(window, window->first) < n) {
		rte_pktmbuf_free(pull(window));
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
	struct reorder_packet **link = &window->first, *noted;

	if (ahead >= REORDER_SLOTS) {
		pass_over(window, ahead - (REORDER_SLOTS - 1));
		ahead = REORDER_SLOTS - 1;
	}
	if (window->last && ahead_of(window, window->last) < ahead)
		link = &window->last->next;
	while (*link && ahead_of(window, *link) < ahead)
		link = &(*link)->next;
	if (*link && ahead_of(window, *link) == ahead)
		return REORDER_DUPLICATE;
	noted = note(packet);
	noted->next = *link;
	*link = noted;
	if (!noted->next)
		window->last = noted;
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
	       (window->n_held && ahead_of(window, window->first) == 0);
}

const struct reorder_packet *reorder_head(const struct reorder *window, unsigned int *missing)
{
	if (window->n_held)
		*missing = ahead_of(window, window->first);
	return window->first;
}

uint64_t reorder_waits_since(const struct reorder *window)
{
	return window->first->put_tsc;
}

bool reorder_take(
	struct reorder *window, bool give_up, struct reorder_packet *packet, uint32_t *missing)
{
	unsigned int n_gap;

	if (window->n_held == 0)
		return false;
	n_gap = ahead_of(window, window->first);
	if (n_gap && !give_up && window->n_held < REORDER_HOLD)
		return false;
	if (n_gap)
		pass_over(window, n_gap);
	*packet = *window->first;
	pull(window);
	window->next++;
	window->came = window->came << 1 | 1;
	*missing = window->skipped;
	window->skipped = 0;
	return true;
}
