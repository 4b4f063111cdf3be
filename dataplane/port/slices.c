// Greedy: at each port the largest aligned block that begins there and ends within the slice.
#include "slices.h"

unsigned int port_slice_patterns(
	const struct port_slice *slice, struct port_pattern patterns[PORT_PATTERNS_MAX])
{
	unsigned int n = 0;

	for (uint32_t first = slice->first, block; first < slice->end; first += block) {
		for (block = 1; first % (2 * block) == 0 && first + 2 * block <= slice->end;)
			block *= 2;
		patterns[n++] = (struct port_pattern){
			.port = (uint16_t)first, .mask = (uint16_t) ~(block - 1)};
	}
	return n;
}
