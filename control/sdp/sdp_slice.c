// Words and numbers in slices of text that nobody has checked.
#include "sdp_slice.h"

#include <string.h>
#include <strings.h>

bool sdp_slice_equal(struct sdp_slice slice, const char *text)
{
	return slice.length == strlen(text) && !memcmp(slice.data, text, slice.length);
}

bool sdp_slice_equal_nocase(struct sdp_slice slice, const char *text)
{
	return slice.length == strlen(text) && !strncasecmp(slice.data, text, slice.length);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct sdp_slice sdp_slice_trim(struct sdp_slice slice)
{
	while (slice.length && is_blank(slice.data[0])) {
		slice.data++;
		slice.length--;
	}
	while (slice.length && is_blank(slice.data[slice.length - 1]))
		slice.length--;
	return slice;
}

struct sdp_slice sdp_slice_take(struct sdp_slice *rest, char separator)
{
	struct sdp_slice token = {rest->data, 0};

	while (token.length < rest->length && token.data[token.length] != separator &&
		!(separator == ' ' && token.data[token.length] == '\t'))
		token.length++;
	rest->data += token.length;
	rest->length -= token.length;
	if (rest->length) { // the separator
		rest->data++;
		rest->length--;
	}
	if (separator == ' ')
		*rest = sdp_slice_trim(*rest);
	return token;
}

struct sdp_slice sdp_slice_take_word(struct sdp_slice *rest)
{
	return sdp_slice_take(rest, ' ');
}

bool sdp_slice_number(struct sdp_slice slice, char end, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	uint32_t i;

	for (i = 0; i < slice.length && slice.data[i] >= '0' && slice.data[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(slice.data[i] - '0');

		if (digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (i == 0 || (i < slice.length && slice.data[i] != end))
		return false;
	*out = value;
	return true;
}
