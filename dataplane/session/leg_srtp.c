// Keys of legs: made, adopted, retired, wiped. Which thread may do what is in the header.
#include "leg_srtp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "slab.h"

static_assert(SL_SRTP_KEY_MAX == SRTP_KEY_MAX && SL_SRTP_SALT_MAX == SRTP_SALT_MAX &&
		      SL_SRTP_MKI_MAX <= SRTP_MKI_MAX,
	"a key of the API fits");
// A suite of the API is one of the library's, plus one, since 0 means none.
#define SAME_SUITE(id, ...) \
	static_assert(SL_SRTP_##id == SRTP_SUITE_##id + 1, "the API and the library agree");
SRTP_SUITES(SAME_SUITE)
#undef SAME_SUITE

static void wipe(void *memory, size_t bytes)
{
	explicit_bzero(memory, bytes);
}

static struct srtp_context *create_context(struct srtp_engine *engine, const struct sl_srtp *wanted,
	enum srtp_direction direction, unsigned int max_ssrcs)
{
	struct srtp_keying keying = {
		.suite = (enum srtp_suite)(wanted->suite - 1),
		.direction = direction,
		.mki_bytes = wanted->mki_bytes,
		.max_ssrcs = (uint8_t)max_ssrcs,
		.plain_srtcp = wanted->flags & SL_SRTP_PLAIN_RTCP,
	};
	const struct srtp_indices resume = {.rtp_next = wanted->resume.rtp_next,
		.rtcp_next = wanted->resume.rtcp_next,
		.ssrc = wanted->resume.ssrc};
	struct srtp_context *context;
	int rc = 0;

	memcpy(keying.key, wanted->key, sizeof(wanted->key));
	memcpy(keying.salt, wanted->salt, sizeof(wanted->salt));
	memcpy(keying.mki, wanted->mki, wanted->mki_bytes);
	context = srtp_context_create(engine, &keying);
	wipe(&keying, sizeof(keying));
	if (context && (resume.rtp_next || resume.rtcp_next))
		rc = srtp_context_import(context, &resume, 1);
	if (rc == 0)
		return context;
	srtp_context_destroy(context);
	errno = -rc;
	return NULL;
}

struct leg_key *leg_key_create(struct srtp_engine *engine, const struct sl_srtp *wanted,
	enum srtp_direction direction, unsigned int max_ssrcs)
{
	struct leg_key *key = calloc(1, sizeof(*key));

	if (!key)
		return NULL;
	key->context = create_context(engine, wanted, direction, max_ssrcs);
	if (!key->context) {
		free(key);
		return NULL;
	}
	key->wanted = *wanted;
	key->n_configs = 1;
	return key;
}

struct leg_key *leg_key_hold(struct leg_key *key)
{
	if (key)
		key->n_configs++;
	return key;
}

void leg_key_release(struct leg_key *key)
{
	if (!key || --key->n_configs)
		return;
	if (!key->adopted)
		srtp_context_destroy(key->context);
	wipe(key, sizeof(*key));
	free(key);
}

// Flags that are about the change of keys say nothing about the key.
bool leg_key_is(const struct leg_key *key, const struct sl_srtp *wanted)
{
	const struct sl_srtp *has;

	if (!key || wanted->suite == SL_SRTP_NONE)
		return !key && wanted->suite == SL_SRTP_NONE;
	has = &key->wanted;
	return has->suite == wanted->suite && has->mki_bytes == wanted->mki_bytes &&
	       ((has->flags ^ wanted->flags) & ~SL_SRTP_RESTART) == 0 &&
	       !memcmp(has->key, wanted->key, sizeof(has->key)) &&
	       !memcmp(has->salt, wanted->salt, sizeof(has->salt)) &&
	       !memcmp(has->mki, wanted->mki, sizeof(has->mki));
}

void leg_srtp_forget(struct sl_srtp *wanted)
{
	wipe(wanted->key, sizeof(wanted->key));
	wipe(wanted->salt, sizeof(wanted->salt));
}

void leg_srtp_reap(struct leg_srtp *srtp)
{
	if (__atomic_load_n(&srtp->retired, __ATOMIC_RELAXED))
		srtp_context_destroy(__atomic_exchange_n(&srtp->retired, NULL, __ATOMIC_ACQUIRE));
}

void leg_srtp_destroy(struct leg_srtp *both)
{
	for (struct leg_srtp *srtp = both; srtp && srtp < both + 2; srtp++) {
		leg_srtp_reap(srtp);
		srtp_context_destroy(srtp->context);
	}
	slab_return(both);
}

void leg_srtp_adopt(struct leg_srtp *srtp, struct leg_key *key)
{
	key->adopted = true;
	if (srtp->context) {
		srtp_context_take_over(
			key->context, srtp->context, key->wanted.flags & SL_SRTP_RESTART);
		srtp->overlaps = true;
	}
	srtp->context = key->context;
}

// Where main has not come by for the last one yet, this one waits.
void leg_srtp_retire(struct leg_srtp *srtp)
{
	struct srtp_context *old;

	if (__atomic_load_n(&srtp->retired, __ATOMIC_RELAXED))
		return;
	old = srtp_context_detach_old(srtp->context, false);
	if (!old)
		return;
	srtp->overlaps = false;
	__atomic_store_n(&srtp->retired, old, __ATOMIC_RELEASE);
}
