// Packet indices of RFC 3711 as pure functions: the estimate of Appendix A, and a window of the
// indices used so far. An index is 48 bits (ROC << 16 | sequence) for SRTP, 31 for SRTCP.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "srtp.h"

#define SRTP_INDEX_END	(UINT64_C(1) << 48)
#define SRTCP_INDEX_END (UINT32_C(1) << 31)
#define SRTCP_E_FLAG	(UINT32_C(1) << 31) // of the word that carries the index (3.4)

// The index nearest to `highest` that has the sequence number `sequence` (Appendix A). Negative
// where that lies before ROC 0, SRTP_INDEX_END or above where it lies beyond the last ROC.
static inline int64_t srtp_index_estimate(uint64_t highest, uint16_t sequence)
{
	int64_t index = (int64_t)(highest & ~UINT64_C(0xffff)) | sequence;
	int32_t distance = (int32_t)sequence - (uint16_t)highest;

	if (distance > 0x8000)
		return index - 0x10000;
	if (distance < -0x8000)
		return index + 0x10000;
	return index;
}

// The last SRTP_WINDOW indices: bit i of the whole says whether highest - i was used.
struct srtp_window {
	uint64_t bits[SRTP_WINDOW / 64];
};

#define SRTP_WINDOW_FULL ((struct srtp_window){{UINT64_MAX, UINT64_MAX}})

// OK, REPLAY or LATE.
static inline enum srtp_status srtp_window_check(
	const struct srtp_window *window, uint64_t highest, uint64_t index)
{
	uint64_t back;

	if (index > highest)
		return SRTP_STATUS_OK;
	back = highest - index;
	if (back >= SRTP_WINDOW)
		return SRTP_STATUS_LATE;
	return window->bits[back / 64] >> back % 64 & 1 ? SRTP_STATUS_REPLAY : SRTP_STATUS_OK;
}

// Mark `index`, which srtp_window_check() let pass. Returns the highest now.
static inline uint64_t srtp_window_add(struct srtp_window *window, uint64_t highest, uint64_t index)
{
	uint64_t ahead;

	if (index <= highest) {
		window->bits[(highest - index) / 64] |= UINT64_C(1) << (highest - index) % 64;
		return highest;
	}
	ahead = index - highest;
	if (ahead < 64) {
		window->bits[1] = window->bits[1] << ahead | window->bits[0] >> (64 - ahead);
		window->bits[0] = window->bits[0] << ahead | 1;
	} else {
		window->bits[1] = ahead < SRTP_WINDOW ? window->bits[0] << (ahead - 64) : 0;
		window->bits[0] = 1;
	}
	return index;
}
