// Digest authentication, the end that asks (RFC 3261 22.2, 22.3): as a registrar with 401, as
// whoever passes a call on with 407. Who the users are is the caller's to know.
#pragma once

#include "digest.h"
#include "digest_nonce.h"
#include "transaction.h"

enum digest_verdict {
	DIGEST_RIGHT,
	DIGEST_ABSENT,	  // nothing that concerns the realm: challenge
	DIGEST_STALE,	  // its nonce is used up, or was never ours: challenge, it may repeat
	DIGEST_WRONG,	  // unknown user or wrong secret, which nobody can tell apart: challenge
	DIGEST_MALFORMED, // 400
};

struct digest_server {
	struct digest_nonces *nonces;
	const char *realm;
	bool is_proxy;		 // Proxy-Authorization and 407 instead of Authorization and 401
	unsigned int algorithms; // bit mask of what is offered and taken

	// The H(A1) of a user in hexadecimal, or an absent slice where there is none.
	struct slice (*ha1)(void *arg, struct slice user, enum digest_algorithm algorithm);
	void *arg;
};

// Judge a request. What has no valid nonce, given to that very host, is stale and no more is said
// of it: so nobody can try secrets without having been asked, nor have somebody else banned for it.
// `credentials`, where DIGEST_RIGHT or DIGEST_WRONG came back, are those that were judged, slices
// of the request. `now_s` as in digest_nonce.h.
enum digest_verdict digest_verify(const struct digest_server *server,
	const struct sip_message *request, uint64_t now_s, struct digest_credentials *credentials);

// Answer 401 or 407 with one challenge for each algorithm, the strongest first (RFC 8760 2.4).
int digest_ask(const struct digest_server *server, struct transaction *transaction, bool is_stale,
	uint64_t now_s);
