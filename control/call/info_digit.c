// A digit in a SIP INFO. No standard says how; what everybody speaks is Cisco's
// application/dtmf-relay,
//
//   Signal=5
//   Duration=160
//
// and application/dtmf with the digit alone. '*' and '#' may be there by their event codes, 10 and
// 11 (RFC 4733 3.2), and so may the others.
#include <errno.h>
#include <stdio.h>

#include "call_digits.h"
#include "call_private.h"

// What the dataplane sends (SL_DTMF).
#define DURATION_DEFAULT_MS 160
#define DURATION_MIN_MS	    40
#define DURATION_MAX_MS	    5000

// "5", "*", "a", "11". False: nothing of the kind.
static bool digit_from(struct slice text, char *out)
{
	static const char digits[] = "0123456789*#ABCD!";
	const char *found;
	uint32_t code;

	if (!slice_to_u32(text, sizeof(digits) - 2, &code)) {
		*out = digits[code];
		return true;
	}
	if (text.n != 1)
		return false;
	*out = text.p[0] >= 'a' && text.p[0] <= 'd' ? (char)(text.p[0] - 'a' + 'A') : text.p[0];
	found = *out ? strchr(digits, *out) : NULL;
	return found != NULL;
}

static uint16_t duration_from(struct slice text)
{
	uint32_t ms;
	int err = slice_to_u32(text, DURATION_MAX_MS, &ms);

	if (err == -ERANGE)
		return DURATION_MAX_MS;
	if (err || !ms)
		return DURATION_DEFAULT_MS;
	return (uint16_t)(ms < DURATION_MIN_MS ? DURATION_MIN_MS : ms);
}

// Lines of "name=value".
static int relay_read(struct slice rest, struct info_digit *out)
{
	struct info_digit found = {.duration_ms = DURATION_DEFAULT_MS};

	while (rest.n) {
		struct slice value = slice_cut(&rest, '\n');
		struct slice name = slice_trim(slice_cut(&value, '='));

		value = slice_trim(value);
		if (slice_equal_nocase(name, SLICE("Signal"))) {
			if (found.digit || !digit_from(value, &found.digit))
				return -EBADMSG;
		} else if (slice_equal_nocase(name, SLICE("Duration"))) {
			found.duration_ms = duration_from(value);
		}
	}
	if (!found.digit)
		return -EBADMSG;
	*out = found;
	return 0;
}

int info_digit_read(const struct sip_message *info, struct info_digit *out)
{
	if (message_body_is(info, SLICE("application"), SLICE("dtmf-relay")))
		return relay_read(info->body, out);
	if (!message_body_is(info, SLICE("application"), SLICE("dtmf")))
		return -ENOENT;
	if (info->body.n && memchr(info->body.p, '=', info->body.n))
		return relay_read(info->body, out); // some mix up the two
	out->duration_ms = DURATION_DEFAULT_MS;
	return digit_from(slice_trim(info->body), &out->digit) ? 0 : -EBADMSG;
}

const char *info_digit_write(const struct info_digit *digit, char out[INFO_DIGIT_TEXT_MAX])
{
	snprintf(out, INFO_DIGIT_TEXT_MAX, "Signal=%c\r\nDuration=%u\r\n", digit->digit,
		digit->duration_ms);
	return out;
}
