// The header of records, and what of them is authenticated.
#include "store_record.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "store_keys.h"
#include "store_private.h"

static void put16(uint8_t *at, uint16_t value)
{
	value = htobe16(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}

// Header and body, then shard and key, each with its NUL: no other split yields the same bytes.
static void bind_to(struct store_part parts[3], const struct store_place *place, const void *data,
	size_t length)
{
	parts[0] = (struct store_part){data, length};
	parts[1] = (struct store_part){place->shard, strlen(place->shard) + 1};
	parts[2] = (struct store_part){place->key, strlen(place->key) + 1};
}

int store_record_build(struct store_keys *keys, const struct store_place *place,
	const struct store_record_content *content, uint8_t *buffer, size_t size)
{
	size_t open = STORE_RECORD_HEADER + content->body_length;
	size_t sealed = content->secret_length ? content->secret_length + STORE_SEAL_OVERHEAD : 0;
	struct store_part parts[3];

	if (content->secret_length > STORE_SECRET_MAX || content->body_length > STORE_RECORD_MAX ||
		open + sealed > STORE_RECORD_MAX)
		return -EMSGSIZE;
	if (open + sealed > size)
		return -ENOBUFS;
	if (sealed && !keys)
		return -ENOKEY;
	memset(buffer, 0, STORE_RECORD_HEADER);
	memcpy(buffer, "SR", 2);
	buffer[2] = STORE_RECORD_VERSION;
	buffer[3] = STORE_RECORD_HEADER;
	put16(buffer + 4, sealed ? STORE_RECORD_SEALED : 0);
	put16(buffer + 6, content->kind);
	put32(buffer + 8, (uint32_t)content->body_length);
	put32(buffer + 12, (uint32_t)sealed);
	put64(buffer + 16, store_wall_ms());
	put64(buffer + 24, content->expires_ms);
	put32(buffer + 32, sealed ? store_keys_sealing_id(keys) : 0);
	if (content->body_length)
		memcpy(buffer + STORE_RECORD_HEADER, content->body, content->body_length);
	bind_to(parts, place, buffer, open);
	if (sealed && store_seal(keys, parts, 3,
			      &(struct store_part){content->secret, content->secret_length},
			      buffer + open))
		return -EIO;
	return (int)(open + sealed);
}

static int parse_header(const uint8_t *at, size_t length, struct store_record *record)
{
	size_t header;

	if (length < 4 || memcmp(at, "SR", 2))
		return -EBADMSG;
	if (at[2] > STORE_RECORD_VERSION)
		return -ENOTSUP;
	header = at[3];
	if (at[2] != STORE_RECORD_VERSION || header < STORE_RECORD_HEADER || length < header)
		return -EBADMSG;
	record->flags = get16(at + 4);
	record->kind = get16(at + 6);
	record->body_length = get32(at + 8);
	record->sealed_length = get32(at + 12);
	record->written_ms = get64(at + 16);
	record->expires_ms = get64(at + 24);
	record->key_id = get32(at + 32);
	record->body = at + header;
	if (record->flags & STORE_RECORD_MUST_UNDERSTAND)
		return -ENOTSUP;
	length -= header;
	if (record->body_length > length || record->sealed_length != length - record->body_length)
		return -EBADMSG;
	record->sealed = record->body + record->body_length;
	return 0;
}

int store_record_parse(const void *data, size_t length, struct store_record *record)
{
	struct store_record parsed = {0};
	bool sealed;
	int result = parse_header(data, length, &parsed);

	if (result)
		return result;
	sealed = parsed.flags & STORE_RECORD_SEALED;
	if (sealed != (parsed.sealed_length != 0) ||
		(sealed && (parsed.sealed_length <= STORE_SEAL_OVERHEAD ||
				   parsed.sealed_length > STORE_SECRET_MAX + STORE_SEAL_OVERHEAD)))
		return -EBADMSG;
	if (parsed.expires_ms && parsed.expires_ms <= store_wall_ms())
		return -ETIME;
	*record = parsed;
	return 0;
}

int store_record_open(struct store_keys *keys, const struct store_place *place, const void *data,
	const struct store_record *record, uint8_t *secret, size_t size)
{
	struct store_part parts[3];
	int result;

	if (!record->sealed_length)
		return 0;
	if (!keys)
		return -ENOKEY;
	if (size < record->sealed_length - STORE_SEAL_OVERHEAD)
		return -ENOBUFS;
	bind_to(parts, place, data, (size_t)(record->sealed - (const uint8_t *)data));
	result = store_open(keys, record->key_id, parts, 3,
		&(struct store_part){record->sealed, record->sealed_length}, secret);
	return result ? result : (int)(record->sealed_length - STORE_SEAL_OVERHEAD);
}
