// JSON into a buffer, one value at a time.
#include "json_text.h"

#include <string.h>

static void put(struct json_text *json, const char *bytes, size_t n)
{
	if (json->overflow || n > json->size - json->n) {
		json->overflow = true;
		return;
	}
	memcpy(json->p + json->n, bytes, n);
	json->n += n;
}

static void put_char(struct json_text *json, char c)
{
	put(json, &c, 1);
}

static void put_escaped(struct json_text *json, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	const char text[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	put(json, text, sizeof(text));
}

// Bytes of the UTF-8 character at `text`, 0 where it is none (RFC 3629 4, as far as JSON readers
// care: no overlong forms, no surrogates).
static size_t utf8_length(const unsigned char *text)
{
	unsigned int low = 0x80, high = 0xbf;
	size_t n = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void put_string(struct json_text *json, const char *value)
{
	const unsigned char *c = (const unsigned char *)value;
	size_t n;

	put_char(json, '"');
	while (*c) {
		if (*c == '"' || *c == '\\')
			put_char(json, '\\');
		n = *c >= ' ' && *c < 0x7f ? 1 : utf8_length(c);
		if (n)
			put(json, (const char *)c, n);
		else
			put_escaped(json, *c);
		c += n ? n : 1;
	}
	put_char(json, '"');
}

static void key_put(struct json_text *json, const char *key)
{
	if (json->comma)
		put_char(json, ',');
	json->comma = true;
	if (!key)
		return;
	put_char(json, '"');
	put(json, key, strlen(key)); // ours: nothing to escape
	put(json, "\":", 2);
}

void json_text_open(struct json_text *json, const char *key, char bracket)
{
	key_put(json, key);
	put_char(json, bracket);
	json->comma = false;
}

void json_text_close(struct json_text *json, char bracket)
{
	put_char(json, bracket);
	json->comma = true;
}

void json_text_string(struct json_text *json, const char *key, const char *value)
{
	key_put(json, key);
	if (value)
		put_string(json, value);
	else
		put(json, "null", 4);
}

void json_text_number(struct json_text *json, const char *key, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	key_put(json, key);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(json, digits + at, sizeof(digits) - at);
}

void json_text_decimal(
	struct json_text *json, const char *key, uint32_t value, unsigned int n_decimals)
{
	char digits[16];
	size_t at = sizeof(digits);

	key_put(json, key);
	do {
		if (sizeof(digits) - at == n_decimals)
			digits[--at] = '.';
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value || sizeof(digits) - at < n_decimals + 2);
	put(json, digits + at, sizeof(digits) - at);
}

void json_text_bool(struct json_text *json, const char *key, bool value)
{
	key_put(json, key);
	put(json, value ? "true" : "false", value ? 4 : 5);
}

void json_text_members(struct json_text *json, const char *members)
{
	if (!members || !members[0])
		return;
	key_put(json, NULL);
	put(json, members, strlen(members));
}
