// Lines with keys, read and written. The subtle thing: keys are secret while they are text, so the
// conversions take the same time and touch the same memory whatever the key is: no tables, and no
// branch on a character.
#include "sdp_crypto.h"

#include <string.h>

#include "sdp_slice.h"

#define SECRET_MAX   (SDP_CRYPTO_KEY_MAX + SDP_CRYPTO_SALT_MAX)
#define LIFETIME_MAX (UINT64_C(1) << 48) // RFC 3711 9.2
#define WINDOW_MIN   64			 // RFC 4568 6.3.7

static const struct {
	const char *name;
	uint8_t key_bytes, salt_bytes;
} suites[] = {[SDP_SUITE_NONE] = {"", 0, 0},
#define X(name, key, salt) [SDP_SUITE_##name] = {#name, key, salt},
	SDP_SUITES(X)
#undef X
};

const char *sdp_suite_name(enum sdp_suite suite)
{
	return suites[suite].name;
}

size_t sdp_suite_key_bytes(enum sdp_suite suite)
{
	return suites[suite].key_bytes;
}

size_t sdp_suite_salt_bytes(enum sdp_suite suite)
{
	return suites[suite].salt_bytes;
}

static enum sdp_suite suite_find(struct sdp_slice name)
{
	for (int i = SDP_SUITE_NONE + 1; i < SDP_SUITES_END; i++)
		if (sdp_slice_equal_nocase(name, suites[i].name))
			return (enum sdp_suite)i;
	return SDP_SUITE_NONE;
}

enum sdp_suite sdp_suite_find(const char *name)
{
	return suite_find((struct sdp_slice){name, (uint32_t)strlen(name)});
}

// All ones where a < b, else 0; both are small.
static int mask_below(int a, int b)
{
	return (a - b) >> 31;
}

static int mask_within(int c, int first, int last)
{
	return ~mask_below(c, first) & ~mask_below(last, c);
}

// Six bits, or a negative number.
static int sextet_of(char letter)
{
	int c = (unsigned char)letter, value = -1;

	value += mask_within(c, 'A', 'Z') & (c - 'A' + 1);
	value += mask_within(c, 'a', 'z') & (c - 'a' + 27);
	value += mask_within(c, '0', '9') & (c - '0' + 53);
	value += mask_within(c, '+', '+') & 63;
	value += mask_within(c, '/', '/') & 64;
	return value;
}

static char letter_of(unsigned int sextet)
{
	int value = (int)sextet, c = value + 'A';

	c += mask_below(25, value) & ('a' - 'Z' - 1);
	c += mask_below(51, value) & ('0' - 'z' - 1);
	c += mask_below(61, value) & ('+' - '9' - 1);
	c += mask_below(62, value) & ('/' - '+' - 1);
	return (char)c;
}

// Exactly `length` bytes (RFC 4648): padded or not, but with nothing in the bits that are left
// over, so that a key has one text.
static bool base64_read(struct sdp_slice text, uint8_t *out, size_t length)
{
	size_t n_letters = (length * 4 + 2) / 3, n_padded = (length + 2) / 3 * 4, n = 0;
	unsigned int bits = 0, n_bits = 0;
	int bad = 0;

	if (text.length != n_letters && text.length != n_padded)
		return false;
	for (size_t i = n_letters; i < text.length; i++)
		if (text.data[i] != '=')
			return false;
	for (size_t i = 0; i < n_letters; i++) {
		int sextet = sextet_of(text.data[i]);

		bad |= sextet;
		bits = bits << 6 | (unsigned int)(sextet & 0x3f);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	return bad >= 0 && !(bits & ((1u << n_bits) - 1));
}

static char *base64_write(char *out, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i += 3) {
		unsigned int left = (unsigned int)(length - i);
		unsigned int group = (unsigned int)bytes[i] << 16;

		if (left > 1)
			group |= (unsigned int)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		*out++ = letter_of(group >> 18);
		*out++ = letter_of(group >> 12 & 0x3f);
		*out++ = left > 1 ? letter_of(group >> 6 & 0x3f) : '=';
		*out++ = left > 2 ? letter_of(group & 0x3f) : '=';
	}
	return out;
}

static bool lifetime_is_valid(struct sdp_slice text)
{
	uint64_t number;

	if (text.length > 2 && !memcmp(text.data, "2^", 2))
		return sdp_slice_number(
			(struct sdp_slice){text.data + 2, text.length - 2}, 0, 48, &number);
	return sdp_slice_number(text, 0, LIFETIME_MAX, &number) && number;
}

// A decimal number of any size into `length` octets, high first.
static bool mki_value(struct sdp_slice digits, uint8_t *out, size_t length)
{
	if (!digits.length)
		return false;
	for (uint32_t i = 0; i < digits.length; i++) {
		unsigned int carry = (unsigned int)(digits.data[i] - '0');

		if (carry > 9)
			return false;
		for (size_t octet = length; octet-- > 0;) {
			carry += out[octet] * 10u;
			out[octet] = (uint8_t)carry;
			carry >>= 8;
		}
		if (carry)
			return false;
	}
	return true;
}

// VALUE:LENGTH
static bool parse_mki(struct sdp_slice text, struct sdp_crypto *out)
{
	struct sdp_slice value = sdp_slice_take(&text, ':');
	uint64_t length;

	if (!sdp_slice_number(text, 0, SDP_CRYPTO_MKI_MAX, &length) || !length)
		return false;
	out->mki_bytes = (uint8_t)length;
	return mki_value(value, out->mki, length);
}

static bool has_colon(struct sdp_slice text)
{
	return text.length && memchr(text.data, ':', text.length);
}

static bool has_bar(struct sdp_slice text)
{
	return text.length && memchr(text.data, '|', text.length);
}

static bool parse_secret(struct sdp_slice text, struct sdp_crypto *out)
{
	static const uint8_t zeros[SDP_CRYPTO_KEY_MAX];
	size_t n_key = suites[out->suite].key_bytes, n_salt = suites[out->suite].salt_bytes;
	uint8_t secret[SECRET_MAX];
	bool good = base64_read(text, secret, n_key + n_salt);

	if (good) {
		memcpy(out->key, secret, n_key);
		memcpy(out->salt, secret + n_key, n_salt);
		good = memcmp(out->key, zeros, n_key) != 0;
	}
	explicit_bzero(secret, sizeof(secret));
	return good;
}

// inline:KEY||SALT[|LIFETIME][|MKI:LENGTH]. With several keys the packets' MKI would choose: they
// stand behind ";", which is no letter of base64, digit or bar, and so the line is refused.
static bool parse_key(struct sdp_slice text, struct sdp_crypto *out)
{
	struct sdp_slice method = sdp_slice_take(&text, ':');
	bool one_more = has_bar(text), two_more;
	struct sdp_slice secret = sdp_slice_take(&text, '|');

	if (!sdp_slice_equal_nocase(method, "inline") || !parse_secret(secret, out))
		return false;
	if (!one_more)
		return true;
	two_more = has_bar(text);
	if (!two_more && has_colon(text))
		return parse_mki(text, out);
	if (!lifetime_is_valid(sdp_slice_take(&text, '|')))
		return false;
	return !two_more || parse_mki(text, out);
}

// KDR, UNENCRYPTED_SRTP, UNENCRYPTED_SRTCP, UNAUTHENTICATED_SRTP, FEC_ORDER and FEC_KEY are known
// and refused; others are refused because they are not known (RFC 4568 6.3). WSH is a hint about
// what may come out of order; our window is larger than what it must be at least.
static bool session_parameter_is_acceptable(struct sdp_slice text)
{
	struct sdp_slice name = sdp_slice_take(&text, '=');
	uint64_t window;

	if (name.length > 1 && name.data[0] == '-')
		return true;
	return sdp_slice_equal_nocase(name, "WSH") &&
	       sdp_slice_number(text, 0, UINT32_MAX, &window) && window >= WINDOW_MIN;
}

static bool parse(struct sdp_slice value, struct sdp_crypto *out)
{
	struct sdp_slice tag = sdp_slice_take_word(&value);
	uint64_t number;

	if (tag.length > 9 || !sdp_slice_number(tag, 0, 999999999, &number))
		return false;
	out->tag = (uint32_t)number;
	out->suite = (uint8_t)suite_find(sdp_slice_take_word(&value));
	if (out->suite == SDP_SUITE_NONE || !parse_key(sdp_slice_take_word(&value), out))
		return false;
	while (value.length)
		if (!session_parameter_is_acceptable(sdp_slice_take_word(&value)))
			return false;
	return true;
}

bool sdp_crypto_parse(struct sdp_slice value, struct sdp_crypto *out)
{
	*out = (struct sdp_crypto){};
	if (parse(value, out))
		return true;
	sdp_crypto_wipe(out);
	return false;
}

static char *put_text(char *out, const char *text)
{
	size_t n = strlen(text);

	memcpy(out, text, n);
	return out + n;
}

static char *put_number(char *out, uint32_t number)
{
	if (number >= 10)
		out = put_number(out, number / 10);
	*out++ = (char)('0' + number % 10);
	return out;
}

const char *sdp_crypto_text(const struct sdp_crypto *crypto, char out[SDP_CRYPTO_TEXT_MAX])
{
	size_t n_key = suites[crypto->suite].key_bytes, n_salt = suites[crypto->suite].salt_bytes;
	uint8_t secret[SECRET_MAX];
	char *at = put_number(out, crypto->tag);

	*at++ = ' ';
	at = put_text(at, suites[crypto->suite].name);
	at = put_text(at, " inline:");
	memcpy(secret, crypto->key, n_key);
	memcpy(secret + n_key, crypto->salt, n_salt);
	at = base64_write(at, secret, n_key + n_salt);
	*at = '\0';
	explicit_bzero(secret, sizeof(secret));
	return out;
}

void sdp_crypto_make(struct sdp_crypto *out, enum sdp_suite suite, sdp_random_fn *random)
{
	*out = (struct sdp_crypto){.suite = (uint8_t)suite};
	random(out->key, suites[suite].key_bytes);
	random(out->salt, suites[suite].salt_bytes);
}

bool sdp_crypto_same_key(const struct sdp_crypto *a, const struct sdp_crypto *b)
{
	unsigned int difference = 0;

	if (a->suite == SDP_SUITE_NONE || b->suite == SDP_SUITE_NONE)
		return false;
	for (size_t i = 0; i < sizeof(a->key); i++)
		difference |= a->key[i] ^ b->key[i];
	return !difference;
}

void sdp_crypto_wipe(struct sdp_crypto *crypto)
{
	explicit_bzero(crypto, sizeof(*crypto));
}
