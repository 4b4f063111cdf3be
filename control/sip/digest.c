// Digest authentication: parser, hashes, writer. Subtle: values come from whoever can send us a
// message, so each name counts once, and what is not understood is left out, not guessed.
#include "digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "chars.h"
#include "token.h"

static const struct {
	struct slice name;
	const EVP_MD *(*hash)(void);
	size_t size; // bytes
} algorithms[DIGEST_ALGORITHMS] = {
	[DIGEST_MD5] = {SLICE("MD5"), EVP_md5, 16},
	[DIGEST_SHA256] = {SLICE("SHA-256"), EVP_sha256, 32},
	[DIGEST_SHA512_256] = {SLICE("SHA-512-256"), EVP_sha512_256, 32},
};

struct slice digest_algorithm_name(enum digest_algorithm algorithm)
{
	return algorithms[algorithm].name;
}

int digest_algorithm_find(struct slice name, enum digest_algorithm *out)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		if (slice_equal_nocase(name, algorithms[i].name)) {
			*out = (enum digest_algorithm)i;
			return 0;
		}
	}
	return -ENOTSUP;
}

size_t digest_hex_length(enum digest_algorithm algorithm)
{
	return 2 * algorithms[algorithm].size;
}

// ---- reading

enum field {
	FIELD_REALM,
	FIELD_NONCE,
	FIELD_OPAQUE,
	FIELD_ALGORITHM,
	FIELD_QOP,
	FIELD_STALE,
	FIELD_USERNAME,
	FIELD_URI,
	FIELD_RESPONSE,
	FIELD_CNONCE,
	FIELD_NC,
	FIELDS,
};

static const struct slice field_names[FIELDS] = {SLICE("realm"), SLICE("nonce"), SLICE("opaque"),
	SLICE("algorithm"), SLICE("qop"), SLICE("stale"), SLICE("username"), SLICE("uri"),
	SLICE("response"), SLICE("cnonce"), SLICE("nc")};

// `value` becomes what is between its quotes. Without them it must be fit to be put between quotes.
static bool unquote(struct slice *value)
{
	if (!value->n || value->p[0] != '"')
		return chars_are(*value, CHAR_VISIBLE) && !memchr(value->p, '"', value->n) &&
		       !memchr(value->p, '\\', value->n);
	if (chars_quoted(*value) != value->n)
		return false;
	*value = (struct slice){value->p + 1, value->n - 2};
	return true;
}

// "name = value" into its place. Unknown names are passed over (RFC 7616 3.3).
static int field_take(struct slice text, struct slice fields[FIELDS])
{
	struct slice rest = text, name = slice_trim(slice_cut(&rest, '='));
	struct slice value = slice_trim(rest);

	if (!chars_are(name, CHAR_TOKEN) || !rest.p || !unquote(&value))
		return -EBADMSG;
	for (int i = 0; i < FIELDS; i++) {
		if (!slice_equal_nocase(name, field_names[i]))
			continue;
		if (fields[i].p)
			return -EBADMSG;
		fields[i] = value;
	}
	return 0;
}

static int fields_parse(struct slice text, struct slice fields[FIELDS])
{
	struct slice rest = slice_trim(text), scheme = slice_cut(&rest, ' '), field;
	int more;

	if (!slice_equal_nocase(scheme, SLICE("Digest")))
		return chars_are(scheme, CHAR_TOKEN) ? -ENOTSUP : -EBADMSG;
	memset(fields, 0, sizeof(*fields) * FIELDS);
	while ((more = list_next(&rest, &field)) > 0) {
		int error = field_take(field, fields);

		if (error)
			return error;
	}
	return more ? more : fields[FIELD_REALM].p && fields[FIELD_NONCE].n ? 0 : -EBADMSG;
}

static int algorithm_parse(const struct slice fields[FIELDS], enum digest_algorithm *out)
{
	*out = DIGEST_MD5; // 3.3
	return fields[FIELD_ALGORITHM].p ? digest_algorithm_find(fields[FIELD_ALGORITHM], out) : 0;
}

static bool has_auth(struct slice list)
{
	while (list.p)
		if (slice_equal_nocase(slice_trim(slice_cut(&list, ',')), SLICE("auth")))
			return true;
	return false;
}

int digest_challenge_parse(struct slice value, struct digest_challenge *out)
{
	struct slice fields[FIELDS];
	struct digest_challenge challenge;
	int error = fields_parse(value, fields);

	if (error)
		return error;
	challenge = (struct digest_challenge){
		.realm = fields[FIELD_REALM],
		.nonce = fields[FIELD_NONCE],
		.opaque = fields[FIELD_OPAQUE],
		.has_qop = fields[FIELD_QOP].p,
		.is_stale = slice_equal_nocase(fields[FIELD_STALE], SLICE("true")),
	};
	if (algorithm_parse(fields, &challenge.algorithm) ||
		(challenge.has_qop && !has_auth(fields[FIELD_QOP])))
		return -ENOTSUP;
	*out = challenge;
	return 0;
}

// 8 hexadecimal digits, not 0.
static int nc_parse(struct slice text, uint32_t *out)
{
	uint32_t nc = 0;

	if (text.n != 8 || !chars_are(text, CHAR_HEX))
		return -EBADMSG;
	for (size_t i = 0; i < text.n; i++)
		nc = nc << 4 | char_hex_value(text.p[i]);
	*out = nc;
	return nc ? 0 : -EBADMSG;
}

int digest_credentials_parse(struct slice value, struct digest_credentials *out)
{
	struct slice fields[FIELDS];
	struct digest_credentials credentials;
	int error = fields_parse(value, fields);

	if (error)
		return error;
	credentials = (struct digest_credentials){
		.username = fields[FIELD_USERNAME],
		.realm = fields[FIELD_REALM],
		.nonce = fields[FIELD_NONCE],
		.uri = fields[FIELD_URI],
		.response = fields[FIELD_RESPONSE],
		.has_qop = fields[FIELD_QOP].p,
	};
	if (algorithm_parse(fields, &credentials.algorithm))
		return -ENOTSUP;
	if (!credentials.username.n || !credentials.uri.n ||
		credentials.response.n != digest_hex_length(credentials.algorithm) ||
		!chars_are(credentials.response, CHAR_HEX))
		return -EBADMSG;
	if (credentials.has_qop) {
		if (!slice_equal_nocase(fields[FIELD_QOP], SLICE("auth")))
			return -ENOTSUP;
		credentials.nc_text = fields[FIELD_NC];
		credentials.cnonce = fields[FIELD_CNONCE];
		if (!credentials.cnonce.n || nc_parse(credentials.nc_text, &credentials.nc))
			return -EBADMSG;
	}
	*out = credentials;
	return 0;
}

// ---- hashes

// H(part:part:...) in hexadecimal.
static int hash_parts(enum digest_algorithm algorithm, const struct slice *parts, size_t n,
	char out[DIGEST_HEX_SIZE])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned int size = 0;
	bool ok = context && EVP_DigestInit_ex(context, algorithms[algorithm].hash(), NULL);

	for (size_t i = 0; ok && i < n; i++)
		ok = (!i || EVP_DigestUpdate(context, ":", 1)) &&
		     EVP_DigestUpdate(context, parts[i].p ? parts[i].p : "", parts[i].n);
	ok = ok && EVP_DigestFinal_ex(context, hash, &size);
	EVP_MD_CTX_free(context);
	if (!ok)
		return -ENOTSUP;
	chars_hex(hash, size, out);
	explicit_bzero(hash, sizeof(hash));
	return (int)(2 * size);
}

int digest_ha1(enum digest_algorithm algorithm, struct slice user, struct slice realm,
	struct slice password, char out[DIGEST_HEX_SIZE])
{
	const struct slice parts[] = {user, realm, password};

	return hash_parts(algorithm, parts, 3, out);
}

int digest_response(const struct digest_credentials *c, struct slice ha1, struct slice method,
	char out[DIGEST_HEX_SIZE])
{
	const struct slice a2[] = {method, c->uri};
	char hash[DIGEST_HEX_SIZE];
	int n = hash_parts(c->algorithm, a2, 2, hash);
	struct slice ha2 = {hash, n < 0 ? 0 : (size_t)n};
	const struct slice with_qop[] = {ha1, c->nonce, c->nc_text, c->cnonce, SLICE("auth"), ha2};
	const struct slice without[] = {ha1, c->nonce, ha2};

	if (n < 0)
		return n;
	return c->has_qop ? hash_parts(c->algorithm, with_qop, 6, out)
			  : hash_parts(c->algorithm, without, 3, out);
}

// ---- answering

bool digest_keys_fit(const struct digest_keys *keys, const struct digest_challenge *challenge)
{
	if (keys->realm && !slice_equal_nocase(slice_of(keys->realm), challenge->realm))
		return false;
	return keys->password || keys->ha1[challenge->algorithm];
}

static int ha1_of(const struct digest_keys *keys, const struct digest_challenge *challenge,
	char out[DIGEST_HEX_SIZE])
{
	const char *ha1 = keys->ha1[challenge->algorithm];
	size_t n = digest_hex_length(challenge->algorithm);

	if (keys->password)
		return digest_ha1(challenge->algorithm, slice_of(keys->user), challenge->realm,
			slice_of(keys->password), out);
	if (!ha1 || strlen(ha1) != n)
		return -ENOTSUP;
	memcpy(out, ha1, n);
	return (int)n;
}

static void field_write(struct builder *b, const char *name, struct slice value, bool quoted)
{
	builder_text(b, name);
	builder_text(b, quoted ? "=\"" : "=");
	builder_slice(b, value);
	if (quoted)
		builder_char(b, '"');
}

static void credentials_write(
	struct builder *b, const struct digest_credentials *c, struct slice opaque)
{
	field_write(b, "Digest username", c->username, true);
	field_write(b, ", realm", c->realm, true);
	field_write(b, ", nonce", c->nonce, true);
	field_write(b, ", uri", c->uri, true);
	field_write(b, ", response", c->response, true);
	field_write(b, ", algorithm", algorithms[c->algorithm].name, false);
	if (opaque.p)
		field_write(b, ", opaque", opaque, true);
	if (!c->has_qop)
		return;
	field_write(b, ", qop", SLICE("auth"), false);
	field_write(b, ", cnonce", c->cnonce, true);
	field_write(b, ", nc", c->nc_text, false);
}

int digest_answer(struct builder *b, const struct digest_keys *keys,
	const struct digest_challenge *challenge, struct slice method, struct slice uri,
	uint32_t nc)
{
	char ha1[DIGEST_HEX_SIZE], response[DIGEST_HEX_SIZE], cnonce[TOKEN_SIZE], nc_text[9];
	struct digest_credentials c = {.username = slice_of(keys->user),
		.realm = challenge->realm,
		.nonce = challenge->nonce,
		.uri = uri,
		.algorithm = challenge->algorithm,
		.has_qop = challenge->has_qop};
	int n = ha1_of(keys, challenge, ha1);

	if (n < 0)
		return n;
	token_make(cnonce);
	snprintf(nc_text, sizeof(nc_text), "%08x", nc);
	if (c.has_qop) {
		c.cnonce = (struct slice){cnonce, sizeof(cnonce)};
		c.nc_text = slice_of(nc_text);
	}
	n = digest_response(&c, (struct slice){ha1, (size_t)n}, method, response);
	explicit_bzero(ha1, sizeof(ha1));
	if (n < 0)
		return n;
	c.response = (struct slice){response, (size_t)n};
	credentials_write(b, &c, challenge->opaque);
	return 0;
}
