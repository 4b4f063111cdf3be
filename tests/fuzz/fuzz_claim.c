// A frame of ARP or IPv6 that may claim an address. What is read is an address and a MAC, and says
// the same when it is built again.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "address_claim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t frame[CLAIM_BYTES_MAX];
	struct claim claim, again;
	uint8_t *copy = malloc(size + 1);

	if (!copy)
		abort();
	memcpy(copy, data, size); // its end is the sanitizer's to watch
	if (claim_parse(copy, size, &claim)) {
		size_t length = claim_build(frame, &claim, 0);

		if (length > sizeof(frame) || !claim_parse(frame, length, &again) ||
			memcmp(&claim.address, &again.address, sizeof(claim.address)) ||
			memcmp(&claim.mac, &again.mac, sizeof(claim.mac)))
			abort();
	}
	free(copy);
	return 0;
}
