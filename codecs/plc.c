// Packet loss concealment by repeating the pitch, in the spirit of ITU-T G.711 Appendix I.
//
//   - When a loss begins, the pitch period P is where the last 20 ms correlate best with what came
//     66 to 200 times a second before.
//   - The last P samples are repeated. After 10 ms the last 2 P, after 20 ms the last 3 P, so that
//   a
//     long loss does not buzz. The last quarter of a cycle is cross-faded with what came before the
//     cycle, so it joins its own beginning; growing cross-fades likewise.
//   - From 10 ms on the level falls in a straight line, to silence at 60 ms.
//   - The first frame after the loss is cross-faded with what the concealment would have gone on
//     with, the longer the longer the loss was.
//
// Unlike Appendix I nothing is delayed by a quarter of a period to prepare the join at the start of
// a loss: the step between the last sample played and the cycle is bled off over that time instead.
#include "plc.h"

#include <string.h>

#define WINDOW	   160 // samples that are compared to find the pitch
#define GROW_EVERY 80  // 10 ms
#define FADE_BEGIN 80
#define FADE_END   480 // 60 ms
#define MERGE_MAX  80

void plc_init(struct plc *plc)
{
	memset(plc, 0, sizeof(*plc));
}

static void remember(struct plc *plc, const int16_t *pcm, unsigned int n)
{
	if (n >= PLC_HISTORY) {
		memcpy(plc->history, pcm + n - PLC_HISTORY, sizeof(plc->history));
		return;
	}
	memmove(plc->history, plc->history + n, (PLC_HISTORY - n) * sizeof(int16_t));
	memcpy(plc->history + PLC_HISTORY - n, pcm, n * sizeof(int16_t));
}

// How well the window matches itself `lag` samples before, looking at every `stride`th sample:
// the square of the normalised correlation, 0 where it is negative.
static float match(const int16_t *end, unsigned int lag, unsigned int stride)
{
	const int16_t *now = end - WINDOW, *before = now - lag;
	float correlation = 0, energy = 1;

	for (unsigned int i = 0; i < WINDOW; i += stride) {
		correlation += (float)now[i] * before[i];
		energy += (float)before[i] * before[i];
	}
	return correlation > 0 ? correlation * correlation / energy : 0;
}

// Coarse search over every other lag and sample, then the neighbours in full.
static uint16_t find_pitch(const int16_t *end)
{
	unsigned int coarse = PLC_PITCH_MAX, best;
	float score, best_score = 0;

	for (unsigned int lag = PLC_PITCH_MIN; lag <= PLC_PITCH_MAX; lag += 2) {
		score = match(end, lag, 2);
		if (score > best_score) {
			best_score = score;
			coarse = lag;
		}
	}
	best = coarse;
	best_score = match(end, coarse, 1);
	for (unsigned int lag = coarse - 1; lag <= coarse + 1; lag += 2) {
		if (lag < PLC_PITCH_MIN || lag > PLC_PITCH_MAX)
			continue;
		score = match(end, lag, 1);
		if (score > best_score) {
			best_score = score;
			best = lag;
		}
	}
	return (uint16_t)best;
}

static int fade(int from, int to, unsigned int at, unsigned int length)
{
	return from + (to - from) * (int)(at + 1) / (int)(length + 1);
}

// The next sample of a cycle.
static int cycle_next(const struct plc *plc, struct plc_cycle *cycle)
{
	const int16_t *begin = plc->source + PLC_HISTORY - cycle->length;
	unsigned int quarter = plc->pitch / 4u, tail = cycle->length - quarter;
	int sample = begin[cycle->at];

	if (cycle->at >= tail)
		sample = fade(sample, begin[cycle->at - cycle->length], cycle->at - tail, quarter);
	cycle->at++;
	if (cycle->at == cycle->length)
		cycle->at = 0;
	return sample;
}

static void begin_loss(struct plc *plc)
{
	memcpy(plc->source, plc->history, sizeof(plc->source));
	plc->pitch = find_pitch(plc->source + PLC_HISTORY);
	plc->cycle = (struct plc_cycle){.length = plc->pitch};
	plc->growing = 0;
	plc->step = (int16_t)((plc->source[PLC_HISTORY - 1] -
				      plc->source[PLC_HISTORY - 1 - plc->pitch]) /
			      2);
}

static void grow(struct plc *plc)
{
	plc->previous = plc->cycle;
	plc->cycle.length = (uint16_t)(plc->cycle.length + plc->pitch);
	plc->cycle.at = (uint16_t)(plc->cycle.at % plc->pitch);
	plc->growing = plc->pitch / 4u;
}

// What would be played next, at its level.
static int16_t synthesise(struct plc *plc)
{
	unsigned int quarter = plc->pitch / 4u;
	int sample = cycle_next(plc, &plc->cycle);

	if (plc->growing) {
		sample = fade(
			cycle_next(plc, &plc->previous), sample, quarter - plc->growing, quarter);
		plc->growing--;
	}
	if (plc->lost < quarter)
		sample += 2 * fade(plc->step, 0, plc->lost, quarter);
	if (plc->lost >= FADE_END)
		return 0;
	if (plc->lost > FADE_BEGIN)
		sample = sample * (FADE_END - plc->lost) / (FADE_END - FADE_BEGIN);
	if (sample > INT16_MAX)
		return INT16_MAX;
	return (int16_t)(sample < INT16_MIN ? INT16_MIN : sample);
}

void plc_conceal(struct plc *plc, int16_t *pcm, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (plc->lost == 0)
			begin_loss(plc);
		else if (plc->lost % GROW_EVERY == 0 && plc->lost < PLC_PERIODS * GROW_EVERY)
			grow(plc);
		pcm[i] = synthesise(plc);
		if (plc->lost < FADE_END)
			plc->lost++;
	}
	remember(plc, pcm, n);
}

void plc_receive(struct plc *plc, int16_t *pcm, unsigned int n)
{
	if (plc->lost) {
		unsigned int length = plc->pitch / 4u + plc->lost * 32u / 80u;

		if (length > MERGE_MAX)
			length = MERGE_MAX;
		if (length > n)
			length = n;
		for (unsigned int i = 0; i < length; i++)
			pcm[i] = (int16_t)fade(synthesise(plc), pcm[i], i, length);
		plc->lost = 0;
	}
	remember(plc, pcm, n);
}
