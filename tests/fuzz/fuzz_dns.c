// An answer of a DNS server; the first byte chooses what was asked for.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR};
	static struct dns_answer answer;

	if (!size || dns_answer_parse(data + 1, size - 1, types[data[0] & 3], &answer))
		return 0;
	if (answer.n > DNS_RECORDS_MAX || answer.ttl_s < 1 || answer.ttl_s > DNS_TTL_MAX_S)
		__builtin_trap();
	for (size_t i = 0; i < answer.n; i++)
		if (strlen(answer.records[i].name) >= DNS_NAME_SIZE)
			__builtin_trap();
	return 0;
}
