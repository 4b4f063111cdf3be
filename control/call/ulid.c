// ULIDs: time and random bits in Crockford's base 32.
#include "ulid.h"

#include <errno.h>
#include <string.h>

#include "token.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct ulid ulid_create(uint64_t now_ms)
{
	struct ulid ulid;

	for (int i = 0; i < 6; i++)
		ulid.bytes[i] = (uint8_t)(now_ms >> (40 - 8 * i));
	token_random(ulid.bytes + 6, 10);
	return ulid;
}

// 26 digits hold 130 bits: the first carries only three.
void ulid_format(const struct ulid *ulid, char text[ULID_TEXT_SIZE])
{
	unsigned int bits = 0, n_bits = 2; // two leading zero bits

	for (int at = 0, byte = 0; at < ULID_TEXT_SIZE - 1; at++) {
		if (n_bits < 5) {
			bits = (bits << 8) | ulid->bytes[byte++];
			n_bits += 8;
		}
		n_bits -= 5;
		text[at] = digits[(bits >> n_bits) & 31];
	}
	text[ULID_TEXT_SIZE - 1] = '\0';
}

static int digit_value(char c)
{
	const char *found;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	found = c ? strchr(digits, c) : NULL;
	return found ? (int)(found - digits) : -1;
}

int ulid_parse(const char *text, size_t length, struct ulid *ulid)
{
	unsigned int bits = 0, n_bits = 0;
	struct ulid parsed;

	if (length != ULID_TEXT_SIZE - 1 || digit_value(text[0]) > 7)
		return -EINVAL;
	for (size_t at = 0, byte = 0; at < length; at++) {
		int value = digit_value(text[at]);

		if (value < 0)
			return -EINVAL;
		bits = (bits << 5) | (unsigned int)value;
		n_bits += at ? 5 : 3;
		if (n_bits >= 8) {
			n_bits -= 8;
			parsed.bytes[byte++] = (uint8_t)(bits >> n_bits);
		}
	}
	*ulid = parsed;
	return 0;
}
