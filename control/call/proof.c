// Who is who. Callers of a trunk with users prove who they are by digest (RFC 3261 22.3) before
// there is a call; trunks that ask us get what the configuration has for them. Nobody is told
// whether a user exists, and who fails too often is not heard for a while, unless it is a
// configured peer: one wrong password there must not silence all others behind the same address.
#include <errno.h>
#include <time.h>

#include "bans.h"
#include "call_private.h"
#include "digest_server.h"
#include "guard.h"
#include "hunt.h"
#include "outside.h"
#include "relay.h"
#include "users.h"

enum { NONCES_MAX = 100000, HOSTS_MAX = 65536 };

static uint64_t now_s(void)
{
	return now_realtime_ms() / 1000;
}

// Those who talk to us.

static struct slice domain_of(struct slice uri_text)
{
	struct uri uri;

	return uri_parse(uri_text, &uri) ? (struct slice){} : uri.host;
}

struct trunk *trunk_of_request(const struct calls *calls, const struct sip_message *request)
{
	const struct trunks *trunks = calls->settings.trunks;
	const struct realm *realm = calls_realm(calls, request->flow.listener);
	struct trunk *trunk =
		registrations_match(calls->registrations, realm, request->request_uri.user);

	// Of several accounts with one carrier it is the one whose Contact is called.
	if (!trunk)
		trunk = trunk_match(trunks, realm, &request->flow.remote.any);
	if (!trunk)
		trunk = trunk_of_domain(trunks, realm, domain_of(request->from.uri));
	return trunk ? trunk : trunk_of_domain(trunks, realm, request->request_uri.host);
}

bool proof_accepts(
	struct calls *calls, const struct listener *listener, const struct sockaddr *source)
{
	if (guard_denies(calls->settings.guard, source))
		return false;
	if (!trunks_are_open(calls->settings.trunks, calls_realm(calls, listener)))
		return guard_check(calls->settings.guard, source);
	return !bans_has(calls->bans, source, now_monotonic_ms());
}

unsigned int stranger_answer(const struct calls *calls, const struct sip_message *request)
{
	const struct realm *realm = calls_realm(calls, request->flow.listener);

	if (trunks_are_open(calls->settings.trunks, realm))
		return 0; // who it is is not a matter of addresses there
	return guard_answer(calls->settings.guard, &request->flow.remote.any);
}

void proof_failed(struct calls *calls, const struct trunk *trunk, const struct sip_message *request,
	struct slice user)
{
	const struct sockaddr *source = &request->flow.remote.any;
	bool is_peer = trunk_match(calls->settings.trunks, trunk->realm, source);
	char text[SIP_ADDRESS_TEXT_SIZE], quoted[CALL_NAME_MAX * 2];

	calls->counters.bad_proofs++;
	sip_address_format(&request->flow.remote, text);
	log_warn(&log_call, "bad_proof", "trunk=%s method=" SLICE_FMT " user=%s source=%s",
		trunk->name, SLICE_ARG(request->method_name),
		log_quote(quoted, sizeof(quoted), user.p, (int)user.n), text);
	if (!is_peer && bans_failed(calls->bans, source, now_monotonic_ms()))
		log_warn(&log_call, "banned", "source=%s seconds=%u", text,
			calls->settings.auth.ban_s);
}

bool proof_check(struct calls *calls, const struct trunk *trunk, struct transaction *transaction,
	const struct sip_message *request, bool is_proxy, struct slice *user)
{
	struct digest_credentials credentials;
	struct digest_server server;
	enum digest_verdict verdict;

	*user = (struct slice){};
	if (!trunk || !trunk->users)
		return true;
	if (trunk->users->forward.to) {
		if (register_forward_knows(calls, trunk, request, user))
			return true;
		transaction_reply(transaction, 403); // who registers first is known
		transaction_forget(transaction);
		return false;
	}
	server = (struct digest_server){.nonces = calls->nonces,
		.realm = trunk->users->domain,
		.is_proxy = is_proxy,
		.algorithms = trunk->users->algorithms,
		.ha1 = users_ha1,
		.arg = trunk->users->users};
	verdict = digest_verify(&server, request, now_s(), &credentials);
	if (verdict == DIGEST_RIGHT) {
		*user = credentials.username;
		return true;
	}
	if (verdict == DIGEST_WRONG)
		proof_failed(calls, trunk, request, credentials.username);
	if (verdict == DIGEST_MALFORMED) {
		transaction_reply(transaction, 400);
		return false;
	}
	calls->counters.challenges++;
	digest_ask(&server, transaction, verdict == DIGEST_STALE, now_s());
	// Nothing is kept of what strangers ask for (RFC 3261 8.2.7).
	if (!trunk_match(calls->settings.trunks, trunk->realm, &request->flow.remote.any))
		transaction_forget(transaction);
	return false;
}

// Those whom we talk to.

static const struct trunk *trunk_of_transaction(const struct calls *calls,
	const struct transaction *transaction, const struct sip_message *response)
{
	const struct owner *owner = transaction_user(transaction);
	const struct flow *flow = transaction_flow(transaction);
	const struct dialog *dialog;

	if (owner && owner->kind == OWNER_ATTEMPT)
		return attempt_trunk((const struct attempt *)owner);
	if (owner && owner->kind == OWNER_CONFIRM)
		return ((const struct confirm *)owner)->leg->trunk;
	if (owner && owner->kind == OWNER_FORWARD)
		return NULL; // the phone's to prove
	if (owner && owner->kind == OWNER_REGISTRATION)
		return registration_trunk(owner);
	if (owner && owner->kind == OWNER_RELAY)
		return relay_trunk(owner);
	if (owner && owner->kind == OWNER_LEG)
		return ((const struct leg *)owner)->trunk;
	dialog = dialog_find(calls->dialogs, response);
	if (dialog && dialog_trunk(dialog))
		return dialog_trunk(dialog);
	return trunk_match(
		calls->settings.trunks, calls_realm(calls, flow->listener), &flow->remote.any);
}

const struct digest_keys *proof_keys(
	void *arg, struct transaction *transaction, const struct sip_message *response)
{
	const struct trunk *trunk = trunk_of_transaction(arg, transaction, response);

	if (!trunk || !trunk->auth.user)
		return NULL;
	if (trunk->state)
		digest_memory_learn(&trunk->state->proof, &trunk->auth, response);
	return &trunk->auth;
}

uint32_t proof_next_cseq(void *arg, const struct sip_message *response)
{
	const struct calls *calls = arg;
	struct dialog *dialog = dialog_find(calls->dialogs, response);

	if (!dialog)
		return response->cseq + 1;
	dialog->local_cseq++;
	if (response->method == METHOD_INVITE)
		dialog->invite_cseq = dialog->local_cseq;
	return dialog->local_cseq;
}

// Life.

int proof_open(struct calls *calls)
{
	const struct calls_auth *auth = &calls->settings.auth;
	const struct bans_rules rules = {.failures = auth->failures,
		.failures_s = auth->failures_s,
		.ban_s = auth->ban_s,
		.hosts_max = HOSTS_MAX};

	calls->nonces = digest_nonces_create(auth->secret, auth->nonce_s, NONCES_MAX);
	calls->bans = bans_create(&rules);
	return calls->nonces && calls->bans ? 0 : -ENOMEM;
}

void proof_close(struct calls *calls)
{
	digest_nonces_destroy(calls->nonces);
	bans_destroy(calls->bans);
}
