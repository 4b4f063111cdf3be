// SRTP keys in offer and answer (RFC 4568 7.1). Each leg has keys of ours and one of its far end's;
// none is ever used on the other leg. The subtle thing: a key of ours that was in use and gave way
// to another must not come back, because the count of its packets is lost, and the same numbers
// under the same key give the cipher away (RFC 3711 9.1).
//
// Besides RTP/SAVP, phones do "optional" SRTP: keys on an RTP/AVP line, where an answer with a key
// means SRTP and one without means RTP. RFC 4568 does not know that; RFC 5939 would do it properly,
// and nobody speaks it. Where a policy says optional, that is what we offer.
#include "negotiate_crypto.h"

#include <string.h>

bool proto_is_rtp(struct sdp_slice proto, bool *secure)
{
	static const struct {
		const char *name;
		bool secure;
	} protos[] = {
		{"RTP/AVP", false},
		{"RTP/AVPF", false},
		{"RTP/SAVP", true},
		{"RTP/SAVPF", true},
	};

	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (sdp_slice_equal_nocase(proto, protos[i].name)) {
			*secure = protos[i].secure;
			return true;
		}
	return false;
}

bool proto_has_feedback(struct sdp_slice proto)
{
	return sdp_slice_equal_nocase(proto, "RTP/AVPF") ||
	       sdp_slice_equal_nocase(proto, "RTP/SAVPF");
}

static bool policy_has_suite(const struct sdp_policy *policy, uint8_t suite)
{
	for (uint8_t i = 0; i < policy->n_suites; i++)
		if (policy->suites[i] == suite)
			return true;
	return false;
}

// A far end that sends with a key of ours, by mistake or by a trick, would make two streams of one
// key.
static bool keys_have(const struct negotiation_keys *keys, const struct sdp_crypto *crypto)
{
	if (sdp_crypto_same_key(&keys->ours, crypto))
		return true;
	for (uint8_t i = 0; i < keys->n_offered; i++)
		if (sdp_crypto_same_key(&keys->offered[i], crypto))
			return true;
	return false;
}

static bool is_ours(const struct negotiation *n, const struct sdp_crypto *crypto)
{
	for (int leg = 0; leg < 2; leg++) {
		if (keys_have(&n->legs[leg].keys, crypto))
			return true;
		for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
			if (keys_have(&n->legs[leg].relays[i].keys, crypto))
				return true;
	}
	return false;
}

static bool tag_is_repeated(
	const struct sdp *sdp, const struct sdp_media *media, const struct sdp_attribute *last)
{
	struct sdp_crypto crypto, other;
	const struct sdp_attribute *at = NULL;
	bool repeated = false;

	sdp_crypto_parse(last->value, &crypto);
	while (!repeated && (at = sdp_attribute_next(sdp, media, SDP_A_CRYPTO, at)) && at != last)
		repeated = sdp_crypto_parse(at->value, &other) && other.tag == crypto.tag;
	sdp_crypto_wipe(&crypto);
	sdp_crypto_wipe(&other);
	return repeated;
}

// The first line that suits, in the offerer's order (RFC 4568 7.1.2).
static bool read_offered(const struct negotiation *n, int from, const struct sdp *sdp,
	const struct sdp_media *media, struct sdp_crypto *out)
{
	const struct sdp_attribute *at = NULL;

	while ((at = sdp_attribute_next(sdp, media, SDP_A_CRYPTO, at)))
		if (sdp_crypto_parse(at->value, out) &&
			policy_has_suite(n->policies[from], out->suite) && !is_ours(n, out) &&
			!tag_is_repeated(sdp, media, at))
			return true;
	sdp_crypto_wipe(out);
	return false;
}

// Which of our offered keys an answer is about, or -1.
static int find_offered(const struct negotiation_keys *keys, const struct sdp_crypto *answer)
{
	for (uint8_t i = 0; i < keys->n_offered; i++)
		if (keys->offered[i].suite == answer->suite && keys->offered[i].tag == answer->tag)
			return i;
	return -1;
}

// Exactly one line, with tag and suite of one of ours (RFC 4568 7.1.3).
static bool read_answered(const struct negotiation *n, const struct negotiation_keys *keys,
	const struct sdp *sdp, const struct sdp_media *media, struct sdp_crypto *out)
{
	const struct sdp_attribute *at = sdp_attribute_next(sdp, media, SDP_A_CRYPTO, NULL);
	bool good = at && !sdp_attribute_next(sdp, media, SDP_A_CRYPTO, at) &&
		    sdp_crypto_parse(at->value, out) && find_offered(keys, out) >= 0 &&
		    !is_ours(n, out);

	if (!good)
		sdp_crypto_wipe(out);
	return good;
}

bool crypto_read_offer(const struct negotiation *n, int from, const struct sdp *sdp,
	const struct sdp_media *media, struct sdp_crypto *out)
{
	const struct sdp_policy *policy = n->policies[from];
	bool must;

	*out = (struct sdp_crypto){};
	if (!proto_is_rtp(media->proto, &must))
		return false;
	if (policy->srtp == SDP_SRTP_NEVER)
		return !must;
	return read_offered(n, from, sdp, media, out) ||
	       (!must && policy->srtp == SDP_SRTP_OPTIONAL);
}

bool crypto_read_answer(const struct negotiation *n, int from, const struct negotiation_keys *keys,
	const struct sdp *sdp, const struct sdp_media *media, struct sdp_crypto *out)
{
	bool must;

	*out = (struct sdp_crypto){};
	if (!proto_is_rtp(media->proto, &must))
		return false;
	if (!keys->n_offered)
		return !must;
	if (read_answered(n, keys, sdp, media, out))
		return true;
	// An answer with a key that is of no use is not one without.
	return !must && n->policies[from]->srtp != SDP_SRTP_REQUIRED &&
	       !sdp_attribute_next(sdp, media, SDP_A_CRYPTO, NULL);
}

static void offered_forget(struct negotiation_keys *keys)
{
	explicit_bzero(keys->offered, sizeof(keys->offered));
	keys->n_offered = 0;
}

static void offer_suite(struct negotiation *n, struct negotiation_keys *keys, uint8_t suite)
{
	struct sdp_crypto *key = &keys->offered[keys->n_offered++];

	if (keys->ours.suite == suite)
		*key = keys->ours;
	else
		sdp_crypto_make(key, (enum sdp_suite)suite, n->random);
	key->tag = keys->n_offered;
}

void crypto_offer(struct negotiation *n, int to, struct negotiation_keys *keys, bool in_use)
{
	const struct sdp_policy *policy = n->policies[to];
	bool is_plain = in_use && keys->theirs.suite == SDP_SUITE_NONE;

	offered_forget(keys);
	// What has been agreed to be plain stays so.
	if (policy->srtp == SDP_SRTP_NEVER || (is_plain && policy->srtp == SDP_SRTP_OPTIONAL))
		return;
	if (policy_has_suite(policy, keys->ours.suite))
		offer_suite(n, keys, keys->ours.suite);
	for (uint8_t i = 0; i < policy->n_suites; i++)
		if (policy->suites[i] != keys->ours.suite)
			offer_suite(n, keys, policy->suites[i]);
}

void crypto_answer(struct negotiation *n, struct negotiation_keys *keys)
{
	offered_forget(keys);
	if (keys->theirs.suite == SDP_SUITE_NONE)
		sdp_crypto_wipe(&keys->ours);
	else if (keys->ours.suite != keys->theirs.suite)
		sdp_crypto_make(&keys->ours, (enum sdp_suite)keys->theirs.suite, n->random);
	keys->ours.tag = keys->theirs.tag;
}

void crypto_answered(struct negotiation_keys *keys, const struct sdp_crypto *theirs)
{
	int chosen = theirs->suite == SDP_SUITE_NONE ? -1 : find_offered(keys, theirs);

	keys->theirs = *theirs;
	if (chosen < 0) {
		sdp_crypto_wipe(&keys->ours);
		return;
	}
	// Another answer to the same offer may change its mind, but not back.
	for (uint8_t i = 0; i < keys->n_offered; i++)
		if (i != chosen && sdp_crypto_same_key(&keys->offered[i], &keys->ours))
			sdp_crypto_wipe(&keys->offered[i]);
	keys->ours = keys->offered[chosen];
}

void negotiation_wipe(struct negotiation *n)
{
	for (int leg = 0; leg < 2; leg++) {
		explicit_bzero(&n->legs[leg].keys, sizeof(n->legs[leg].keys));
		for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
			explicit_bzero(
				&n->legs[leg].relays[i].keys, sizeof(struct negotiation_keys));
	}
}
