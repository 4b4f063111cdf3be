// A nonce is hexadecimal: 4 bytes of seconds, 8 random ones, 16 of HMAC-SHA256 over both and the
// scope.
#include "digest_nonce.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "chars.h"
#include "hash.h"
#include "token.h"

enum {
	TIME_SIZE = 4,
	RANDOM_SIZE = 8,
	MAC_SIZE = 16,
	NONCE_BYTES = TIME_SIZE + RANDOM_SIZE + MAC_SIZE,
	WINDOW = 64,		// counts below the highest that may still come, out of order
	CLOCK_DIFFERENCE_S = 5, // of nodes
};

_Static_assert(2 * NONCE_BYTES == DIGEST_NONCE_SIZE, "two digits a byte");

struct used {
	struct hash_node node; // hash: the random part
	TAILQ_ENTRY(used) in_order;
	uint32_t made_s;
	uint32_t highest; // count
	uint64_t seen;	  // bit n: highest - n
};

struct digest_nonces {
	unsigned char secret[DIGEST_SECRET_SIZE];
	unsigned int lifetime_s;
	size_t n_max;
	uint32_t forgotten_s; // nonces made at this time or before are known, or not taken
	struct hash_table table;
	TAILQ_HEAD(, used) order; // of first use
};

static void mac(const struct digest_nonces *nonces, const unsigned char *bytes, struct slice scope,
	unsigned char out[MAC_SIZE])
{
	unsigned char text[TIME_SIZE + RANDOM_SIZE + 256], code[EVP_MAX_MD_SIZE];
	size_t n = scope.n < 256 ? scope.n : 256;

	memcpy(text, bytes, TIME_SIZE + RANDOM_SIZE);
	if (n)
		memcpy(text + TIME_SIZE + RANDOM_SIZE, scope.p, n);
	memset(code, 0, sizeof(code));
	HMAC(EVP_sha256(), nonces->secret, sizeof(nonces->secret), text,
		TIME_SIZE + RANDOM_SIZE + n, code, NULL);
	memcpy(out, code, MAC_SIZE);
}

void digest_nonce_make(const struct digest_nonces *nonces, struct slice scope, uint64_t now_s,
	char out[DIGEST_NONCE_SIZE])
{
	unsigned char bytes[NONCE_BYTES];

	for (int i = 0; i < TIME_SIZE; i++)
		bytes[i] = (unsigned char)(now_s >> 8 * (TIME_SIZE - 1 - i));
	token_random(bytes + TIME_SIZE, RANDOM_SIZE);
	mac(nonces, bytes, scope, bytes + TIME_SIZE + RANDOM_SIZE);
	chars_hex(bytes, sizeof(bytes), out);
}

static bool from_hex(struct slice text, unsigned char out[NONCE_BYTES])
{
	if (text.n != DIGEST_NONCE_SIZE || !chars_are(text, CHAR_HEX))
		return false;
	for (size_t i = 0; i < NONCE_BYTES; i++)
		out[i] = (unsigned char)(char_hex_value(text.p[2 * i]) << 4 |
					 char_hex_value(text.p[2 * i + 1]));
	return true;
}

struct nonce {
	uint32_t made_s;
	uint64_t id; // the random part
};

// Whether we (or another node) made it for the scope, not too long ago; its parts, if so.
static bool nonce_parse(const struct digest_nonces *nonces, struct slice scope, struct slice text,
	uint64_t now_s, struct nonce *out)
{
	unsigned char bytes[NONCE_BYTES], code[MAC_SIZE];

	if (!from_hex(text, bytes))
		return false;
	mac(nonces, bytes, scope, code);
	if (CRYPTO_memcmp(code, bytes + TIME_SIZE + RANDOM_SIZE, MAC_SIZE))
		return false;
	out->made_s = 0;
	for (int i = 0; i < TIME_SIZE; i++)
		out->made_s = out->made_s << 8 | bytes[i];
	memcpy(&out->id, bytes + TIME_SIZE, sizeof(out->id));
	return out->made_s <= now_s + CLOCK_DIFFERENCE_S &&
	       now_s <= (uint64_t)out->made_s + nonces->lifetime_s;
}

bool digest_nonce_is_valid(
	const struct digest_nonces *nonces, struct slice scope, struct slice nonce, uint64_t now_s)
{
	struct nonce parsed;

	return nonce_parse(nonces, scope, nonce, now_s, &parsed);
}

static void forget(struct digest_nonces *nonces, struct used *used)
{
	if (used->made_s > nonces->forgotten_s)
		nonces->forgotten_s = used->made_s;
	hash_remove(&nonces->table, &used->node);
	TAILQ_REMOVE(&nonces->order, used, in_order);
	free(used);
}

static struct used *find(const struct digest_nonces *nonces, uint64_t id, uint32_t made_s)
{
	struct hash_node *node = hash_first(&nonces->table, id);

	for (; node; node = hash_next(node)) {
		struct used *used = container_of(node, struct used, node);

		if (used->made_s == made_s)
			return used;
	}
	return NULL;
}

static struct used *add(struct digest_nonces *nonces, uint64_t id, uint32_t made_s, uint64_t now_s)
{
	struct used *used;

	// What has lived its time is valid no more, remembered or not.
	while ((used = TAILQ_FIRST(&nonces->order)) &&
		(nonces->table.n >= nonces->n_max || used->made_s + nonces->lifetime_s < now_s))
		forget(nonces, used);
	if (made_s <= nonces->forgotten_s)
		return NULL;
	used = calloc(1, sizeof(*used));
	if (!used)
		return NULL;
	used->made_s = made_s;
	hash_add(&nonces->table, &used->node, id);
	TAILQ_INSERT_TAIL(&nonces->order, used, in_order);
	return used;
}

// As of RFC 3711 3.3.2, which has the same task.
static bool count(struct used *used, uint32_t nc)
{
	uint32_t ahead = nc - used->highest, behind = used->highest - nc;

	if (nc > used->highest) {
		used->seen = (ahead < WINDOW ? used->seen << ahead : 0) | 1;
		used->highest = nc;
		return true;
	}
	if (behind >= WINDOW || used->seen & 1ull << behind)
		return false;
	used->seen |= 1ull << behind;
	return true;
}

bool digest_nonce_use(struct digest_nonces *nonces, struct slice scope, struct slice nonce,
	uint32_t nc, uint64_t now_s)
{
	struct nonce parsed;
	struct used *used;

	if (!nonce_parse(nonces, scope, nonce, now_s, &parsed))
		return false;
	used = find(nonces, parsed.id, parsed.made_s);
	if (!used)
		used = add(nonces, parsed.id, parsed.made_s, now_s);
	return used && count(used, nc ? nc : 1);
}

size_t digest_nonces_used(const struct digest_nonces *nonces)
{
	return nonces->table.n;
}

struct digest_nonces *digest_nonces_create(
	const void *secret, unsigned int lifetime_s, size_t n_max)
{
	struct digest_nonces *nonces = calloc(1, sizeof(*nonces));

	if (!nonces)
		return NULL;
	if (secret)
		memcpy(nonces->secret, secret, DIGEST_SECRET_SIZE);
	else
		token_random(nonces->secret, DIGEST_SECRET_SIZE);
	nonces->lifetime_s = lifetime_s;
	nonces->n_max = n_max;
	TAILQ_INIT(&nonces->order);
	if (hash_table_init(&nonces->table, 64)) {
		free(nonces);
		errno = ENOMEM;
		return NULL;
	}
	return nonces;
}

void digest_nonces_destroy(struct digest_nonces *nonces)
{
	struct used *used;

	if (!nonces)
		return;
	while ((used = TAILQ_FIRST(&nonces->order)))
		forget(nonces, used);
	hash_table_fini(&nonces->table);
	explicit_bzero(nonces->secret, sizeof(nonces->secret));
	free(nonces);
}
