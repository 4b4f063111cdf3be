// Whatever arrives on the API socket: parsed as a message, and all parts of its payload taken out.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sl_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int touch(const void *bytes, size_t length)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += ((const uint8_t *)bytes)[i];
	return sum;
}

static void look_into(const struct sl_message *message)
{
	const struct sl_session_report *report;
	const struct sl_session *session;
	const struct sl_counter *counters;
	const void *record;
	volatile unsigned int sum = 0;
	size_t n;

	sum += touch(message->payload, message->payload_length);
	session = sl_payload_session(message, &record);
	if (session)
		sum += touch(record, session->record_length) +
		       touch(session->legs, session->n_legs * sizeof(*session->legs));
	report = sl_payload_report(message, &record);
	if (report)
		sum += touch(record, report->session.record_length);
	counters = sl_payload_counters(message, &n);
	for (size_t i = 0; counters && i < n; i++)
		sum += (unsigned int)strlen(counters[i].name);
	sl_payload_welcome(message);
	sl_payload_event(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_message message;
	void *packet = aligned_alloc(16, (size + 16) & ~(size_t)15);

	if (!packet)
		abort();
	memcpy(packet, data, size);
	if (sl_message_parse(packet, size, &message) == 0)
		look_into(&message);
	free(packet);
	return 0;
}
