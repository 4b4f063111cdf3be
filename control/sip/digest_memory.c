// See digest_memory.h.
#include "digest_memory.h"

#include "message.h"

static void learn_from(struct digest_memory *memory, const struct digest_keys *keys,
	const struct sip_header *header, enum digest_algorithm *strongest)
{
	struct digest_challenge challenge;

	if (header->value.n > sizeof(memory->text) ||
		digest_challenge_parse(header->value, &challenge) ||
		!digest_keys_fit(keys, &challenge) ||
		(memory->id && challenge.algorithm <= *strongest))
		return;
	*strongest = challenge.algorithm;
	memory->id = header->id == HEADER_WWW_AUTHENTICATE ? HEADER_AUTHORIZATION
							   : HEADER_PROXY_AUTHORIZATION;
	memory->n = (uint16_t)header->value.n;
	memcpy(memory->text, header->value.p, header->value.n);
}

void digest_memory_learn(struct digest_memory *memory, const struct digest_keys *keys,
	const struct sip_message *response)
{
	enum header_id id =
		response->status == 401 ? HEADER_WWW_AUTHENTICATE : HEADER_PROXY_AUTHENTICATE;
	const struct sip_header *header = message_header(response, id);
	enum digest_algorithm strongest = DIGEST_MD5;

	*memory = (struct digest_memory){.nc = 1};
	for (; header; header = message_header_next(response, header))
		learn_from(memory, keys, header, &strongest);
}

void digest_memory_proved(struct digest_memory *memory)
{
	memory->is_proved = memory->id != 0;
}

void digest_memory_write(struct digest_memory *memory, const struct digest_keys *keys,
	struct slice method, struct slice uri, struct builder *b)
{
	struct digest_challenge challenge;
	struct builder value;
	char text[2048];

	if (!memory->is_proved || !keys->user ||
		digest_challenge_parse((struct slice){memory->text, memory->n}, &challenge) ||
		!digest_keys_fit(keys, &challenge))
		return;
	builder_init(&value, text, sizeof(text));
	if (!digest_answer(&value, keys, &challenge, method, uri, ++memory->nc))
		builder_header(b, memory->id, builder_finish(&value));
}
