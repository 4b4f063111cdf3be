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

// Leg 1 shares the transport of leg 0.
static void bundle_them(void)
{
	wanted.n_legs = 3;
	wanted.legs[2] = wanted.legs[1];
	wanted.legs[2].source = SL_NO_LEG;
	wanted.legs[0].flags |= SL_LEG_RTCP_MUX;
	wanted.legs[0].source = 1;
	wanted.legs[0].mid_extension = 3;
	strcpy(wanted.legs[0].mid, "0");
	wanted.legs[0].ssrcs[1] = 7;
	memset(&wanted.legs[1].local, 0, sizeof(wanted.legs[1].local));
	memset(&wanted.legs[1].remote, 0, sizeof(wanted.legs[1].remote));
	wanted.legs[1].transport = 0;
	wanted.legs[1].mid_extension = 3;
	strcpy(wanted.legs[1].mid, "1");
}

static void a_leg_that_shares_a_transport_has_nothing_of_one(void **)
{
	struct sl_leg *one = &wanted.legs[2];

	bundle_them();
	ACCEPTED();
	ACCEPTED(legs[1].mid_extension = legs[0].mid_extension = 0);
	ACCEPTED(legs[0].flags |= SL_LEG_PUNT | SL_LEG_RTCP_REDUCED);
	ACCEPTED(legs[1].flags |= SL_LEG_TRANSPARENT_SSRC | SL_LEG_HELD);
	ACCEPTED(legs[1].ssrcs[0] = 8);
	REFUSED(legs[1].transport = 1);
	REFUSED(legs[1].transport = 2); // without RTCP_MUX
	REFUSED(legs[1].transport = 3);
	REFUSED(legs[1].transport = 254);
	REFUSED(legs[0].transport = 1); // nobody has one
	REFUSED(legs[0].flags &= (uint16_t)~SL_LEG_RTCP_MUX);
	REFUSED(legs[1].local = one->local);
	REFUSED(legs[1].local.port = 20000);
	REFUSED(legs[1].remote = one->remote);
	REFUSED(legs[1].remote_rtcp = one->remote);
	REFUSED(legs[1].flags |= SL_LEG_RTCP_MUX);
	REFUSED(legs[1].flags |= SL_LEG_RTCP_REDUCED);
	REFUSED(legs[1].flags |= SL_LEG_PUNT);
	REFUSED(legs[1].flags |= SL_LEG_OPAQUE);
	REFUSED(legs[1].source_rule = SL_SOURCE_LATCH);
	REFUSED(legs[1].latch_window_ms = 1);
	REFUSED(legs[1].packets_per_second = 1);
	REFUSED(legs[1].bytes_per_second = 1);
	REFUSED(legs[1].dscp = 46);
	REFUSED(legs[1].srtp_send.key[0] = 1);
	REFUSED(legs[1].mid_extension = 4);
	REFUSED(legs[0].mid_extension = legs[1].mid_extension = 15);
	REFUSED(strcpy(legs[1].mid, "0"));
	REFUSED(memset(legs[1].mid, 'x', sizeof(legs[1].mid)));
	REFUSED(legs[1].ssrcs[3] = 7);
	REFUSED(legs[0].ssrc = legs[1].ssrc = 9);
	ACCEPTED(legs[1].mid[0] = legs[0].mid[0] = '\0');
	ACCEPTED(strcpy(legs[2].mid, "0")); // of another far end
	ACCEPTED(legs[2].ssrcs[0] = 7);
}

// Of what was taken for a session that is refused in the end, nothing stays.
static void a_refused_bundle_leaves_nothing_behind(void **)
{
	struct sessions_counts before, after;

	bundle_them();
	sessions_count(rig.sessions, &before);
	EXPECT(-EADDRNOTAVAIL, legs[2].local.bytes[3] = 77);
	EXPECT(-EOPNOTSUPP, strcpy(legs[1].formats[0].name, "VP8"));
	sessions_count(rig.sessions, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void a_leg_may_punt_whatever_its_source_rule(void **)
{
	ACCEPTED(legs[0].flags |= SL_LEG_PUNT);
	ACCEPTED({
		legs[0].flags |= SL_LEG_PUNT;
		legs[0].source_rule = SL_SOURCE_LATCH;
	});
	REFUSED(legs[0].flags |= 1 << 15);
}

static void all_flags_of_the_contract_are_known(void **)
{
	ACCEPTED(legs[0].formats[0].flags = SL_FORMAT_DTX | SL_FORMAT_MODE_CHANGE_NEIGHBOR |
					    SL_FORMAT_CBR | SL_FORMAT_VBR);
	REFUSED(legs[0].formats[0].flags = 1 << 5);
	ACCEPTED(legs[0].flags |= SL_LEG_QUALITY_REPORT | SL_LEG_DTMF_SEND | SL_LEG_NO_RTCP);
	REFUSED(legs[0].flags |= 1 << 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(opaque_legs_have_nothing_of_rtp),
		TEST(opaque_and_rtp_do_not_feed_each_other),
		TEST(a_leg_that_shares_a_transport_has_nothing_of_one),
		TEST(a_refused_bundle_leaves_nothing_behind),
		TEST(a_leg_may_punt_whatever_its_source_rule),
		TEST(all_flags_of_the_contract_are_known),
#undef TEST
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
