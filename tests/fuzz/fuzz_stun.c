// STUN keep-alives: whatever comes is answered within bounds or not at all, and an answer is one.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1), out[STUN_ANSWER_MAX], again[STUN_ANSWER_MAX];
	struct sip_address source;
	struct slice answer;

	memcpy(copy, data, size);
	sip_address_parse(SLICE("2001:db8::1"), 5060, &source);
	answer = stun_answer((struct slice){copy, size}, &source, out);
	if (answer.p && (answer.n < 32 || answer.n > STUN_ANSWER_MAX || answer.n % 4 ||
				memcmp(out + 4, copy + 4, 16)))
		abort();
	if (answer.p && stun_answer(answer, &source, again).p)
		abort(); // two of us would never stop
	free(copy);
	return 0;
}
