// A record as it comes back from the store: anything may be in it, also in a heartbeat.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct store_place place = {"s1", "call"};
	static uint8_t again[STORE_RECORD_MAX], secret[STORE_SECRET_MAX];
	const struct store_item item = {"node", data, size};
	struct store_record record;
	struct store_node node;
	int length;

	store_node_parse(&item, &node);
	if (store_record_parse(data, size, &record))
		return 0;
	if (record.body + record.body_length + record.sealed_length != data + size)
		__builtin_trap();
	if (store_record_open(NULL, &place, data, &record, secret, sizeof(secret)) > 0)
		__builtin_trap(); // there is no key
	// What is taken can be written, and is then the same.
	length = store_record_build(NULL, &place,
		&(struct store_record_content){.kind = record.kind,
			.expires_ms = record.expires_ms,
			.body = record.body,
			.body_length = record.body_length},
		again, sizeof(again));
	if (length > 0 &&
		(store_record_parse(again, (size_t)length, &record) ||
			memcmp(record.body, again + STORE_RECORD_HEADER, record.body_length)))
		__builtin_trap();
	return 0;
}
