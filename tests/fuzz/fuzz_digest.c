// Challenges and credentials of digest authentication: every slice lies in the text, and what we
// write about what we read can be read again.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "digest_nonce.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice part, struct slice whole)
{
	if (part.p && (part.p < whole.p || part.p + part.n > whole.p + whole.n))
		abort();
}

static void check_answer(const struct digest_challenge *challenge)
{
	const struct digest_keys keys = {.user = "alice", .password = "secret"};
	struct digest_credentials again;
	char text[65536 + 1024];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	if (digest_answer(&b, &keys, challenge, SLICE("INVITE"), SLICE("sip:a@b"), 1))
		abort();
	if (b.overflow || digest_credentials_parse(builder_finish(&b), &again) ||
		!slice_equal(again.nonce, challenge->nonce) ||
		!slice_equal(again.realm, challenge->realm) || again.nc != challenge->has_qop)
		abort();
}

static void challenge(struct slice text)
{
	struct digest_challenge c;

	if (digest_challenge_parse(text, &c))
		return;
	check_inside(c.realm, text);
	check_inside(c.nonce, text);
	check_inside(c.opaque, text);
	check_answer(&c);
}

static void credentials(struct slice text, struct digest_nonces *nonces)
{
	char response[DIGEST_HEX_SIZE];
	struct digest_credentials c;

	if (digest_credentials_parse(text, &c))
		return;
	check_inside(c.username, text);
	check_inside(c.uri, text);
	check_inside(c.cnonce, text);
	if (digest_response(&c, SLICE("ha1"), SLICE("INVITE"), response) < 0)
		abort();
	if (digest_nonce_use(nonces, c.realm, c.nonce, c.nc, 0))
		abort(); // nobody can guess one
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest_nonces *nonces = digest_nonces_create(NULL, 60, 4);
	char *copy = malloc(size ? size : 1);
	struct slice text = {copy, size};

	if (size <= 65535) {
		memcpy(copy, data, size);
		challenge(text);
		credentials(text, nonces);
	}
	free(copy);
	digest_nonces_destroy(nonces);
	return 0;
}
