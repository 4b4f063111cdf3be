// See cause.h.
#include "cause.h"

enum { NORMAL_CLEARING = 16, INTERWORKING = 127, CAUSE_MAX = 127 };

static unsigned int cause_of_status(unsigned int status)
{
	static const struct {
		uint16_t status;
		uint8_t cause;
	} table[] = {
		{400, 41}, {401, 21}, {402, 21}, {403, 21}, {404, 1}, {405, 63}, {406, 79},
		{407, 21}, {408, 102}, {410, 22}, {415, 79}, {480, 18}, {481, 41}, {482, 25},
		{483, 25}, {484, 28}, {485, 1}, {486, 17}, {487, NORMAL_CLEARING}, {488, 65},
		{500, 41}, {501, 79}, {502, 38}, {503, 41}, {504, 102}, {600, 17}, {603, 21},
		{604, 1}, {606, 65}, // 488, 606: no such media, as bearer capabilities are
	};

	if (status < 300)
		return NORMAL_CLEARING;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].cause;
	return INTERWORKING;
}

unsigned int cause_of(const struct sip_message *message, unsigned int status)
{
	struct message_values it;
	struct reason reason;
	struct slice value;

	if (!message)
		return cause_of_status(status);
	it = message_values(message, HEADER_REASON);
	while (message_values_next(&it, &value) > 0)
		if (!reason_parse(value, &reason) && reason.cause && reason.cause <= CAUSE_MAX &&
			slice_equal_nocase(reason.protocol, SLICE("Q.850")))
			return reason.cause;
	return cause_of_status(status);
}
