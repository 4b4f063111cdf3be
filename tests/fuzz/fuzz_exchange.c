// A message between nodes: the datagram is sealed, so it is the text that who has the key may
// write.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "exchange_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct token_keys keys = {.keys = {{1, 2}, {3, 4}}, .n = 2};
	static struct exchange_message message, again;
	static uint8_t written[EXCHANGE_TEXT_HEAD_MAX + 65536];
	size_t n;

	if (!exchange_read(data, size, &message) && message.sip.n <= 65536) {
		// What is taken can be written, and is then the same.
		n = exchange_write(&message, written);
		if (n + message.sip.n != size || memcmp(written, data, n) != 0)
			__builtin_trap();
		memcpy(written + n, message.sip.p, message.sip.n);
		if (exchange_read(written, size, &again) || !slice_equal(again.sip, message.sip))
			__builtin_trap();
	}
	token_mark_read(&keys, (struct slice){(const char *)data, size});
	return 0;
}
