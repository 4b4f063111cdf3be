// The record of a call as it comes back from the dataplane: anything may be in it.
#include <stddef.h>
#include <stdint.h>

#include "call_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct call_fixture fixture;
	static bool ready;
	uint8_t record[SL_RECORD_MAX];
	struct ulid id = {{0}};
	struct call *call;

	if (!ready)
		call_fixture_init(&fixture, NULL);
	ready = true;
	log_call.level = (enum log_level)0;
	call = call_create(fixture.calls, &id);
	// What is taken must be fit to be saved again.
	if (call && !record_restore(call, data, size) && !record_save(call, record, sizeof(record)))
		__builtin_trap();
	if (call)
		call_forget(call);
	return 0;
}
