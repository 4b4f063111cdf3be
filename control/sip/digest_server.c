// Judging credentials. Subtle: whoever is unknown takes the same way as who has a wrong password,
// so that neither the answer nor its time says which users there are; and a nonce is remembered
// only once the response is right, so that only who knows a secret can cost us memory.
#include "digest_server.h"

#include <errno.h>
#include <openssl/crypto.h>

// Stands in for the secret of a user that is not there. Nobody can have a hash of this form.
static struct slice ha1_of_nobody(enum digest_algorithm algorithm)
{
	static const char text[DIGEST_HEX_SIZE + 1] =
		"................................................................";

	return (struct slice){text, digest_hex_length(algorithm)};
}

static bool is_same_host(const struct uri *a, const struct uri *b)
{
	return a->scheme == b->scheme && slice_equal_nocase(a->host, b->host);
}

// RFC 7616 3.4.6: the two must name the same resource. Parameters are left to whoever is between.
static bool uri_agrees(const struct sip_message *request, struct slice text)
{
	struct uri uri;

	if (slice_equal(text, request->uri))
		return true;
	return !uri_parse(text, &uri) && is_same_host(&uri, &request->request_uri) &&
	       slice_equal(uri.user, request->request_uri.user);
}

static bool response_is_right(const struct digest_server *server, const struct sip_message *request,
	const struct digest_credentials *c)
{
	struct slice ha1 = server->ha1(server->arg, c->username, c->algorithm);
	bool is_known = ha1.n == digest_hex_length(c->algorithm);
	char wanted[DIGEST_HEX_SIZE], given[DIGEST_HEX_SIZE];
	bool is_equal;
	int n;

	if (!is_known)
		ha1 = ha1_of_nobody(c->algorithm);
	n = digest_response(c, ha1, request->method_name, wanted);
	if (n < 0 || (size_t)n != c->response.n)
		return false;
	for (int i = 0; i < n; i++) // hexadecimal digits of either case
		given[i] = (char)(c->response.p[i] | 0x20);
	is_equal = CRYPTO_memcmp(wanted, given, (size_t)n) == 0;
	return is_equal & is_known;
}

// What a nonce is good for: this realm, for that host.
static struct slice scope_of(
	const struct digest_server *server, const struct sip_message *request, struct builder *b)
{
	const struct sip_address *host = &request->flow.remote;

	builder_text(b, server->realm);
	builder_char(b, '\0');
	if (host->any.sa_family == AF_INET)
		builder_slice(b, (struct slice){(const char *)&host->v4.sin_addr,
					 sizeof(host->v4.sin_addr)});
	else if (host->any.sa_family == AF_INET6)
		builder_slice(b, (struct slice){(const char *)&host->v6.sin6_addr,
					 sizeof(host->v6.sin6_addr)});
	return builder_finish(b);
}

enum { SCOPE_SIZE = 512 };

static enum digest_verdict judge(const struct digest_server *server,
	const struct sip_message *request, uint64_t now_s, const struct digest_credentials *c)
{
	char text[SCOPE_SIZE];
	struct builder b;
	struct slice scope;

	builder_init(&b, text, sizeof(text));
	scope = scope_of(server, request, &b);
	if (!uri_agrees(request, c->uri))
		return DIGEST_MALFORMED;
	if (!digest_nonce_is_valid(server->nonces, scope, c->nonce, now_s))
		return DIGEST_STALE;
	if (!response_is_right(server, request, c))
		return DIGEST_WRONG;
	return digest_nonce_use(server->nonces, scope, c->nonce, c->nc, now_s) ? DIGEST_RIGHT
									       : DIGEST_STALE;
}

enum digest_verdict digest_verify(const struct digest_server *server,
	const struct sip_message *request, uint64_t now_s, struct digest_credentials *credentials)
{
	enum header_id id = server->is_proxy ? HEADER_PROXY_AUTHORIZATION : HEADER_AUTHORIZATION;
	const struct sip_header *header = message_header(request, id);
	bool is_malformed = false;

	for (; header; header = message_header_next(request, header)) {
		int error = digest_credentials_parse(header->value, credentials);

		is_malformed |= error == -EBADMSG;
		if (error || !slice_equal(credentials->realm, slice_of(server->realm)) ||
			!(server->algorithms & 1u << credentials->algorithm))
			continue;
		return judge(server, request, now_s, credentials);
	}
	return is_malformed ? DIGEST_MALFORMED : DIGEST_ABSENT;
}

static void challenge_write(struct builder *b, const struct digest_server *server,
	enum digest_algorithm algorithm, struct slice nonce, bool is_stale)
{
	builder_slice(b, header_name(server->is_proxy ? HEADER_PROXY_AUTHENTICATE
						      : HEADER_WWW_AUTHENTICATE));
	builder_text(b, ": Digest realm=\"");
	builder_text(b, server->realm);
	builder_text(b, "\", nonce=\"");
	builder_slice(b, nonce);
	builder_text(b, "\", algorithm=");
	builder_slice(b, digest_algorithm_name(algorithm));
	builder_text(b, ", qop=\"auth\"");
	if (is_stale)
		builder_text(b, ", stale=true");
	builder_text(b, "\r\n");
}

int digest_ask(const struct digest_server *server, struct transaction *transaction, bool is_stale,
	uint64_t now_s)
{
	char text[2048], nonce[DIGEST_NONCE_SIZE], scope_text[SCOPE_SIZE];
	struct builder b, scope;

	builder_init(&scope, scope_text, sizeof(scope_text));
	scope_of(server, transaction_request(transaction), &scope);
	builder_init(&b, text, sizeof(text));
	for (int i = DIGEST_ALGORITHMS - 1; i >= 0; i--) {
		if (!(server->algorithms & 1u << i))
			continue;
		digest_nonce_make(server->nonces, builder_finish(&scope), now_s, nonce);
		challenge_write(&b, server, (enum digest_algorithm)i,
			(struct slice){nonce, sizeof(nonce)}, is_stale);
	}
	return transaction_reply_with(
		transaction, server->is_proxy ? 407 : 401, (struct slice){0}, builder_finish(&b));
}
