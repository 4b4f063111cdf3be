// Answers to 401 and 407 (RFC 3261 22.1, 22.3): the request once more, with the next CSeq and a
// proof for each realm that asks and that we are known in.
//
// Subtle: a realm that refuses our proof means that our secret is wrong, and asking for it again
// would only lock us out: one answer to a realm, unless it says that only the nonce was stale, or
// was one of before (digest_memory.h). A proxy and the far end may both ask, one after the other;
// each answer stays in the request.
#include "chars.h"
#include "digest.h"
#include "sip_log.h"
#include "transaction_internal.h"

enum {
	ANSWERS_MAX = 4,    // to one request
	CHALLENGES_MAX = 4, // realms in one response
};

// The challenges that we can meet, one of each realm: the strongest.
struct choice {
	struct digest_challenge challenges[CHALLENGES_MAX];
	unsigned int n;
};

static void choose(struct choice *choice, const struct digest_challenge *challenge)
{
	for (unsigned int i = 0; i < choice->n; i++) {
		struct digest_challenge *other = &choice->challenges[i];

		if (!slice_equal(other->realm, challenge->realm))
			continue;
		if (challenge->algorithm > other->algorithm)
			*other = *challenge;
		return;
	}
	if (choice->n < CHALLENGES_MAX)
		choice->challenges[choice->n++] = *challenge;
}

static struct choice challenges_of(
	const struct sip_message *response, enum header_id id, const struct digest_keys *keys)
{
	const struct sip_header *header = message_header(response, id);
	struct choice choice = {0};
	struct digest_challenge challenge;

	for (; header; header = message_header_next(response, header))
		if (!digest_challenge_parse(header->value, &challenge) &&
			digest_keys_fit(keys, &challenge))
			choose(&choice, &challenge);
	return choice;
}

static bool is_for_realm(struct slice value, struct slice realm)
{
	struct digest_credentials credentials;

	return !digest_credentials_parse(value, &credentials) &&
	       slice_equal(credentials.realm, realm);
}

static bool was_answered(const struct sip_message *request, enum header_id id, struct slice realm)
{
	const struct sip_header *header = message_header(request, id);

	for (; header; header = message_header_next(request, header))
		if (is_for_realm(header->value, realm))
			return true;
	return false;
}

// Leaves out what has been answered in vain.
static void drop_refused(
	struct choice *choice, const struct sip_message *request, enum header_id id)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < choice->n; i++) {
		const struct digest_challenge *challenge = &choice->challenges[i];

		if (challenge->is_stale || !was_answered(request, id, challenge->realm))
			choice->challenges[kept++] = *challenge;
	}
	choice->n = kept;
}

static bool is_replaced(
	const struct sip_header *header, enum header_id id, const struct choice *choice)
{
	if (header->id != id)
		return false;
	for (unsigned int i = 0; i < choice->n; i++)
		if (is_for_realm(header->value, choice->challenges[i].realm))
			return true;
	return false;
}

// The request as it was, without Via, which client_again() writes.
static void headers_copy(struct builder *b, const struct sip_message *request, enum header_id id,
	const struct choice *choice, uint32_t cseq)
{
	for (unsigned int i = 0; i < request->n_headers; i++) {
		const struct sip_header *header = &request->headers[i];

		if (header->id == HEADER_CSEQ)
			builder_cseq(b, cseq, request->method_name);
		else if (header->id != HEADER_VIA && header->id != HEADER_CONTENT_LENGTH &&
			 !is_replaced(header, id, choice))
			builder_header_named(b, header->name, header->value);
	}
}

static int answers_write(struct builder *b, const struct sip_message *request, enum header_id id,
	const struct choice *choice, const struct digest_keys *keys)
{
	for (unsigned int i = 0; i < choice->n; i++) {
		char text[4096];
		struct builder value;
		int error;

		builder_init(&value, text, sizeof(text));
		error = digest_answer(&value, keys, &choice->challenges[i], request->method_name,
			request->uri, 1);
		if (error)
			return error;
		builder_header(b, id, builder_finish(&value));
	}
	return 0;
}

static struct slice request_write(struct transaction *t, const struct sip_message *request,
	enum header_id id, const struct choice *choice, const struct digest_keys *keys,
	uint32_t cseq)
{
	struct builder b;

	builder_init(&b, t->stack->scratch, sizeof(t->stack->scratch));
	builder_request_line(&b, request->method_name, request->uri);
	headers_copy(&b, request, id, choice, cseq);
	if (answers_write(&b, request, id, choice, keys))
		return (struct slice){0};
	builder_header_unsigned(&b, HEADER_CONTENT_LENGTH, request->body.n);
	builder_slice(&b, SLICE("\r\n"));
	builder_slice(&b, request->body);
	return builder_finish(&b);
}

static bool may_answer(const struct transaction *t, const struct sip_message *response)
{
	return (response->status == 401 || response->status == 407) && t->stack->user->keys &&
	       !t->is_private && !t->cancel_wanted && !transaction_is_final(t) &&
	       t->n_answers < ANSWERS_MAX;
}

bool client_authenticate(struct transaction *t, const struct sip_message *response)
{
	enum header_id id =
		response->status == 401 ? HEADER_WWW_AUTHENTICATE : HEADER_PROXY_AUTHENTICATE;
	const struct stack_user *user = t->stack->user;
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	const struct digest_keys *keys;
	struct sip_message request;
	struct choice choice;
	struct slice again;
	uint32_t cseq;

	if (!may_answer(t, response))
		return false;
	keys = user->keys(t->stack->arg, t, response);
	if (!keys || client_sent_parse(t, &request, headers))
		return false;
	choice = challenges_of(response, id, keys);
	id = id == HEADER_WWW_AUTHENTICATE ? HEADER_AUTHORIZATION : HEADER_PROXY_AUTHORIZATION;
	if (t->n_answers)
		drop_refused(&choice, &request, id);
	if (!choice.n)
		return false;
	cseq = user->next_cseq ? user->next_cseq(t->stack->arg, response) : response->cseq + 1;
	again = request_write(t, &request, id, &choice, keys, cseq);
	if (!again.n || client_again(t, again, response))
		return false;
	t->n_answers++;
	log_debug(&log_sip, "authenticated", "status=%u algorithm=%s", response->status,
		digest_algorithm_name(choice.challenges[0].algorithm).p);
	return true;
}

void transaction_credentials(const struct transaction *t, struct builder *b)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message request;

	if (!memmem(t->sent.p, t->sent.n, "uthorization: ", 14) ||
		client_sent_parse(t, &request, headers))
		return;
	builder_copy(b, &request, HEADER_AUTHORIZATION);
	builder_copy(b, &request, HEADER_PROXY_AUTHORIZATION);
}
