// A heartbeat: the datagram from anybody, and the text from one who has the key.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "beat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t written[BEAT_TEXT_MAX];
	static struct beat beat, again;
	size_t n;

	if (!beat_read(data, size, &beat)) {
		// What is taken can be written, and is then the same.
		n = beat_write(&beat, written);
		if (n > size || beat_read(written, n, &again) ||
			memcmp(&beat, &again, sizeof(beat)) != 0)
			__builtin_trap();
	}
	return 0;
}
