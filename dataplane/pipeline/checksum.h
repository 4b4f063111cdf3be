// Internet checksums (RFC 1071): sums of 16-bit words as they are in memory, kept in 64 bits and
// folded once, at the end.
//
// What arrives with a checksum brings the sum of its payload along, and then no payload is read for
// the checksum of what we send: the sum is what the checksum says without the headers, and goes on
// with each word that a stage changes (RFC 1624). So a payload that was damaged on its way to us
// leaves with a checksum that still says so.
#pragma once

#include <rte_byteorder.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SUM_UNKNOWN 0 // of a payload, which is then added up where a sum is needed

// Zero as these sums go (a multiple of 0xffff), and more than 15 words of 32 bits, which can be
// taken away from it.
#define SUM_ZERO (0xffffULL << 20)

static inline uint32_t sum_word(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

// Eight 16-bit words at a time, as the sums of the even and of the odd ones.
typedef uint32_t words_vector __attribute__((vector_size(16)));

static inline words_vector words_load(const uint8_t *bytes)
{
	words_vector words;

	memcpy(&words, bytes, sizeof(words));
	return (words & 0xffff) + (words >> 16);
}

// What is left, less than a vector.
static inline uint64_t words_rest(const uint8_t *bytes, unsigned int n)
{
	uint32_t words[3] = {};
	uint16_t half = 0;
	uint64_t sum;

	if (n & 8) {
		memcpy(words, bytes, 8);
		bytes += 8;
	}
	if (n & 4) {
		memcpy(&words[2], bytes, 4);
		bytes += 4;
	}
	sum = (uint64_t)words[0] + words[1] + words[2];
	if (n & 2) {
		memcpy(&half, bytes, 2);
		bytes += 2;
	}
	sum += half;
	return n & 1 ? sum + rte_le_to_cpu_16(*bytes) : sum;
}

// Sum of 16-bit words as they are in memory, of up to 64 kB, not folded.
static inline uint64_t sum_bytes(const uint8_t *bytes, unsigned int n)
{
	words_vector sum = {}, more = {};

	for (; n >= 64; n -= 64, bytes += 64) {
		sum += words_load(bytes) + words_load(bytes + 16);
		more += words_load(bytes + 32) + words_load(bytes + 48);
	}
	for (; n >= 16; n -= 16, bytes += 16)
		sum += words_load(bytes);
	sum += more;
	return (uint64_t)sum[0] + sum[1] + sum[2] + sum[3] + words_rest(bytes, n);
}

// Whether a sum, which is not 0 itself, comes to zero: to a multiple of 0xffff, which are just
// those that stay below the quotient when multiplied by the inverse of 0xffff modulo 2^64.
static inline bool sum_is_zero(uint64_t sum)
{
	return sum * 0xfffefffefffeffff <= UINT64_MAX / 0xffff;
}

// Each half of a word plus the other and the carry of that: the upper half is the sum carried
// around the end.
static inline uint16_t sum_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}
