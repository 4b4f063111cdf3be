// Which combinations of streams a session may have: opaque legs, shared transports, punts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "session_rig.h"

static struct rig rig;
static struct sl_session wanted;

static int setup(void **)
{
	rig_open(&rig, 1, 64, 10, NULL);
	wanted = rig_session(1);
	return 0;
}

static int teardown(void **)
{
	rig_close(&rig);
	return 0;
}

static int set(const struct sl_session *session)
{
	struct sl_session answer;
	const char *why = NULL;
	int rc = session_set(rig.sessions, session, NULL, &answer, &why);

	if (rc && !why)
		fail_msg("no reason given for %d", rc);
	return rc;
}

#define EXPECT(rc, change)                                                         \
	do {                                                                       \
		struct sl_session bad = wanted;                                    \
		struct sl_leg *legs = bad.legs;                                    \
                                                                                   \
		(void)legs;                                                        \
		change;                                                            \
		if (set(&bad) != (rc))                                             \
			fail_msg("line %d: %s: %d", __LINE__, #change, set(&bad)); \
	} while (0)

#define REFUSED(change)	 EXPECT(-EINVAL, change)
#define ACCEPTED(change) EXPECT(0, change)

static void opaque_legs_have_nothing_of_rtp(void **)
{
	for (unsigned int i = 0; i < 2; i++) {
		wanted.legs[i].flags |= SL_LEG_OPAQUE;
		wanted.legs[i].n_formats = 0;
	}
	ACCEPTED();
	ACCEPTED(legs[0].source_rule = SL_SOURCE_LATCH);
	ACCEPTED(legs[0].flags |= SL_LEG_HELD);
	ACCEPTED(legs[0].source = SL_NO_LEG);
	REFUSED(legs[0].n_formats = 1);
	REFUSED(legs[0].flags |= SL_LEG_RTCP_MUX);
	REFUSED(legs[0].flags |= SL_LEG_RTCP_REDUCED);
	REFUSED(legs[0].flags |= SL_LEG_TRANSPARENT_SSRC);
	REFUSED(legs[0].flags |= SL_LEG_PUNT);
	REFUSED({
		memset(legs[0].srtp_send.key, 1, 16);
		memset(legs[0].srtp_receive.key, 2, 16);
		legs[0].srtp_send.suite = legs[0].srtp_receive.suite =
			SL_SRTP_AES_CM_128_HMAC_SHA1_80;
	});
}

static void opaque_and_rtp_do_not_feed_each_other(void **)
{
	struct sl_leg rtp = wanted.legs[1];

	wanted.legs[0].flags |= SL_LEG_OPAQUE;
	wanted.legs[0].n_formats = 0;
	REFUSED();
	wanted.legs[1] = wanted.legs[0];
	wanted.legs[1].source = 0;
	ACCEPTED();
	wanted.legs[2] = rtp;
	wanted.n_legs = 3;
	REFUSED(legs[2].source = 0);
	ACCEPTED(legs[2].source = SL_NO_LEG);
	ACCEPTED(legs[2].source = 2); // an echo beside them
	REFUSED(legs[0].source = 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(opaque_legs_have_nothing_of_rtp),
		TEST(opaque_and_rtp_do_not_feed_each_other),
#undef TEST
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
