// Which keys of a session are refused, with a reason, and which of those that were taken is in
// force.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "leg.h"
#include "session_rig.h"
#include "session_state.h"

static struct rig rig;

static int set(const struct sl_session *wanted)
{
	struct sl_session session;
	const char *why = NULL;
	int rc = session_set(rig.sessions, wanted, NULL, &session, &why);

	if (rc && !why)
		fail_msg("no reason given for %d", rc);
	return rc;
}

static struct sl_srtp key_of(uint8_t suite, unsigned int key_bytes, uint8_t byte)
{
	struct sl_srtp key = {.suite = suite};

	memset(key.key, byte, key_bytes);
	return key;
}

// Both legs with keys of 16 bytes, and something wrong.
static void keys_that_make_no_sense_are_refused(void **)
{
	struct sl_session good = rig_session(1), bad;
	struct sl_srtp *key = &bad.legs[0].srtp_receive;
	unsigned int row = 0;

	good.legs[0].srtp_receive = key_of(SL_SRTP_AES_CM_128_HMAC_SHA1_80, 16, 1);
	good.legs[0].srtp_send = key_of(SL_SRTP_AES_CM_128_HMAC_SHA1_80, 16, 2);
	good.legs[1].srtp_receive = key_of(SL_SRTP_AEAD_AES_128_GCM, 16, 3);
	good.legs[1].srtp_send = key_of(SL_SRTP_AEAD_AES_256_GCM, 32, 4);

#define REFUSED(change)                                                      \
	do {                                                                 \
		bad = good;                                                  \
		change;                                                      \
		row++;                                                       \
		if (set(&bad) != -EINVAL)                                    \
			fail_msg("row %u: %s is not refused", row, #change); \
	} while (0)

	REFUSED(key->suite = SL_SRTP_NONE);
	REFUSED(key->suite = SL_SRTP_AEAD_AES_256_GCM + 1);
	REFUSED(key->suite = 0xff);
	REFUSED(memset(key, 0, sizeof(*key))); // one way only
	REFUSED(memset(key->key, 0, 16));
	REFUSED(key->key[16] = 1);
	REFUSED(key->suite = SL_SRTP_AEAD_AES_128_GCM; key->salt[12] = 1);
	REFUSED(key->mki_bytes = SL_SRTP_MKI_MAX + 1);
	REFUSED(key->mki[0] = 1);
	REFUSED(key->mki_bytes = 2; key->mki[2] = 1);
	REFUSED(key->flags = 0x80);
	REFUSED(key->reserved = 1);
	REFUSED(key->reserved2[5] = 1);
	REFUSED(key->resume.rtp_next = (UINT64_C(1) << 48) + 1);
	REFUSED(key->resume.rtcp_next = (UINT32_C(1) << 31) + 1);
	REFUSED(memcpy(key->key, bad.legs[0].srtp_send.key, 32)); // out and in
	REFUSED(memcpy(key->key, bad.legs[1].srtp_send.key, 32);
		key->suite = bad.legs[1].srtp_send.suite);
	REFUSED(bad.legs[1].srtp_send = bad.legs[0].srtp_send); // twice out
#undef REFUSED
	bad = good; // the far ends may agree on a key
	bad.legs[1].srtp_receive = bad.legs[0].srtp_receive;
	assert_int_equal(set(&bad), 0);
	assert_int_equal(set(&good), 0);
}

// A worker may have looked at a leg before a new key was published and send for it after: were the
// old key taken into use again, its next index might be one that it has had.
static void a_key_that_has_been_replaced_stays_so(void **)
{
	struct srtp_engine *engine = srtp_engine_create(NULL, NULL);
	struct sl_session session = rig_session(2);
	const struct leg_config *before, *after;
	struct srtp_context *replaced;
	struct leg *leg;

	session.legs[0].srtp_receive = key_of(SL_SRTP_AES_CM_128_HMAC_SHA1_80, 16, 11);
	session.legs[0].srtp_send = key_of(SL_SRTP_AES_CM_128_HMAC_SHA1_80, 16, 12);
	assert_int_equal(set(&session), 0);
	leg = session_find(rig.sessions, &session.id)->legs[0];
	before = leg_config(leg);
	replaced = leg_context(engine, leg, before, SRTP_SEND);
	session.legs[0].srtp_send = key_of(SL_SRTP_AES_CM_128_HMAC_SHA1_80, 16, 13);
	assert_int_equal(set(&session), 0);
	after = leg_config(leg);
	assert_ptr_equal(leg_context(engine, leg, before, SRTP_SEND), replaced);
	assert_ptr_not_equal(leg_context(engine, leg, after, SRTP_SEND), replaced);
	assert_ptr_equal(leg_context(engine, leg, before, SRTP_SEND), after->contexts[SRTP_SEND]);
	srtp_engine_destroy(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_that_make_no_sense_are_refused),
		cmocka_unit_test(a_key_that_has_been_replaced_stays_so),
	};
	int failed;

	rig_eal();
	rig_open(&rig, 1, 16, 10, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rig_close(&rig);
	return failed;
}
