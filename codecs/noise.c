// Comfort noise. White noise goes through the all-pole lattice of the reflection coefficients; its
// power gain is 1 / product of (1 - k^2), which gives the excitation for a wanted level. Noise is
// watched by its autocorrelation, smoothed, and Levinson's recursion yields the same coefficients.
#include "noise.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define FULL_SCALE	 32768.0f
#define SMOOTH_RMS	 0.002f // per sample: a new level is there after some 50 ms at 8,000 Hz
#define SILENCE_BELOW_DB 6.0f	// above the floor
#define TILT_CHANGE	 0.5f
#define TILT_BELOW_DB	 3.0f // above the floor the tilt does not count
#define LOUDEST_DB	 -40.0f
#define QUIETEST_DB	 -75.0f // speech is not quieter
#define FLOOR_LEAST_DB	 -90.0f // digital silence: the first noise above it is still none
#define WINDOW_MS	 1000
#define HANG_MS		 200
#define RESEND_MS	 100 // at the earliest
#define CHANGE_DB	 3
#define SMOOTH		 0.1f // of the autocorrelation, per frame

// RFC 3389 3.2: k = 258 * (N - 127) / 32768
static float coefficient(uint8_t index)
{
	return 258.0f * ((float)index - 127) / 32768;
}

int noise_parse(const uint8_t *payload, size_t n_bytes, struct noise_shape *shape)
{
	if (n_bytes == 0 || payload[0] & 0x80)
		return -EBADMSG;
	*shape = (struct noise_shape){.level = payload[0]};
	for (size_t i = 1; i < n_bytes && shape->n < NOISE_ORDER; i++) {
		if (payload[i] == 255) // reserved
			return -EBADMSG;
		shape->k[shape->n++] = coefficient(payload[i]);
	}
	return 0;
}

size_t noise_build(const struct noise_shape *shape, uint8_t payload[NOISE_BYTES_MAX])
{
	payload[0] = shape->level & 0x7f;
	for (unsigned int i = 0; i < shape->n; i++) {
		long index = 127 + lrintf(shape->k[i] * 32768 / 258);

		payload[1 + i] = (uint8_t)(index < 0 ? 0 : index > 254 ? 254 : index);
	}
	return 1u + shape->n;
}

void noise_maker_init(struct noise_maker *maker, uint32_t seed)
{
	*maker = (struct noise_maker){.random = seed | 1};
}

// Uniform, of variance 1.
static float white(struct noise_maker *maker)
{
	maker->random = maker->random * 1664525u + 1013904223u;
	return (float)(int32_t)maker->random * (1.7320508f / 2147483648.0f);
}

void noise_make(struct noise_maker *maker, const struct noise_shape *shape, int16_t *pcm, size_t n)
{
	float rms = FULL_SCALE * powf(10, -(float)shape->level / 20), gain = 1;

	for (unsigned int i = 0; i < shape->n; i++)
		gain *= 1 - shape->k[i] * shape->k[i];
	gain = sqrtf(gain > 0 ? gain : 0);
	for (size_t at = 0; at < n; at++) {
		float f;

		maker->rms += (rms - maker->rms) * SMOOTH_RMS;
		f = white(maker) * gain;
		for (int i = shape->n - 1; i >= 0; i--) {
			f -= shape->k[i] * maker->b[i];
			maker->b[i + 1] = shape->k[i] * f + maker->b[i];
		}
		maker->b[0] = f;
		f *= maker->rms;
		pcm[at] = (int16_t)lrintf(f > INT16_MAX	  ? INT16_MAX
					  : f < INT16_MIN ? INT16_MIN
							  : f);
	}
}

void noise_watch_init(struct noise_watch *watch)
{
	*watch = (struct noise_watch){.lowest_db = {LOUDEST_DB, LOUDEST_DB}};
}

static void correlate(const int16_t *pcm, size_t n, float r[NOISE_ORDER + 1])
{
	for (unsigned int lag = 0; lag <= NOISE_ORDER; lag++) {
		float sum = 0;

		for (size_t i = lag; i < n; i++)
			sum += (float)pcm[i] * pcm[i - lag];
		r[lag] = sum / (float)n;
	}
}

static float level_db(float mean_square)
{
	return 10 * log10f(mean_square / (FULL_SCALE * FULL_SCALE) + 1e-13f);
}

// Levinson's recursion
static void shape_of(const float r[NOISE_ORDER + 1], struct noise_shape *shape)
{
	float a[NOISE_ORDER + 1] = {1}, error = r[0] * 1.0001f + 1e-3f, level = -level_db(r[0]);

	*shape = (struct noise_shape){
		.level = (uint8_t)lrintf(level > 127 ? 127 : level), .n = NOISE_ORDER};
	for (int m = 1; m <= NOISE_ORDER; m++) {
		float sum = r[m], k, next[NOISE_ORDER + 1];

		for (int i = 1; i < m; i++)
			sum += a[i] * r[m - i];
		k = -sum / error;
		k = k > 0.99f ? 0.99f : k < -0.99f ? -0.99f : k;
		memcpy(next, a, sizeof(next));
		for (int i = 1; i < m; i++)
			next[i] = a[i] + k * a[m - i];
		next[m] = k;
		memcpy(a, next, sizeof(a));
		error *= 1 - k * k;
		shape->k[m - 1] = k;
	}
}

// The lowest level of late, within bounds.
static float follow_floor(struct noise_watch *w, float db, unsigned int frame_ms)
{
	float floor_db, most = LOUDEST_DB - SILENCE_BELOW_DB;

	w->window_ms = (uint16_t)(w->window_ms + frame_ms);
	if (w->window_ms > WINDOW_MS) {
		w->window_ms = 0;
		w->lowest_db[1] = w->lowest_db[0];
		w->lowest_db[0] = db;
	}
	if (db < w->lowest_db[0])
		w->lowest_db[0] = db;
	floor_db = w->lowest_db[0] < w->lowest_db[1] ? w->lowest_db[0] : w->lowest_db[1];
	floor_db = floor_db > most ? most : floor_db;
	return floor_db < FLOOR_LEAST_DB ? FLOOR_LEAST_DB : floor_db;
}

static bool is_speech(struct noise_watch *w, float db, float tilt, unsigned int frame_ms)
{
	float floor_db = follow_floor(w, db, frame_ms);

	if (db > floor_db + SILENCE_BELOW_DB && db > QUIETEST_DB)
		return true;
	return db > floor_db + TILT_BELOW_DB && db > QUIETEST_DB && w->silent &&
	       fabsf(tilt - w->tilt) > TILT_CHANGE;
}

static bool has_changed(const struct noise_watch *w, const struct noise_shape *shape)
{
	int change = (int)shape->level - w->sent.level;

	return w->since_ms >= RESEND_MS && (change >= CHANGE_DB || change <= -CHANGE_DB ||
						   fabsf(shape->k[0] - w->sent.k[0]) > TILT_CHANGE);
}

enum noise_verdict noise_watch_frame(struct noise_watch *w, const int16_t *pcm, size_t n,
	unsigned int frame_ms, struct noise_shape *shape)
{
	float r[NOISE_ORDER + 1], tilt;
	bool begins;

	correlate(pcm, n, r);
	tilt = r[0] > 0 ? -r[1] / r[0] : 0;
	if (is_speech(w, level_db(r[0]), tilt, frame_ms)) {
		w->quiet_ms = 0;
		w->silent = false;
		return NOISE_SPEECH;
	}
	for (unsigned int i = 0; i <= NOISE_ORDER; i++)
		w->r[i] = w->quiet_ms == 0 ? r[i] : w->r[i] + (r[i] - w->r[i]) * SMOOTH;
	w->tilt = w->r[0] > 0 ? -w->r[1] / w->r[0] : 0;
	if (w->quiet_ms < HANG_MS) {
		w->quiet_ms = (uint16_t)(w->quiet_ms + frame_ms);
		return NOISE_SPEECH;
	}
	begins = !w->silent;
	w->silent = true;
	w->since_ms = (uint16_t)(w->since_ms < 60000 ? w->since_ms + frame_ms : w->since_ms);
	shape_of(w->r, shape);
	if (!begins && !has_changed(w, shape))
		return NOISE_SILENCE;
	w->sent = *shape;
	w->since_ms = 0;
	return NOISE_SEND;
}
