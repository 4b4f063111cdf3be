#include "call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct sl_session wanted;

static void describe(void)
{
	wanted = rig_session(1);
	wanted.legs[0].local.port = LOCAL0;
	wanted.legs[1].local.port = LOCAL1;
	wanted.legs[0].ssrc = 0xaaaa0000;
	wanted.legs[1].ssrc = 0xbbbb0000;
}

int call_setup(void **)
{
	path_open(1);
	describe();
	return 0;
}

int call_setup_two_workers(void **)
{
	path_open(2);
	describe();
	return 0;
}

int call_teardown(void **)
{
	const char *imbalance = path_imbalance();

	path_close();
	if (imbalance)
		fail_msg("%s", imbalance);
	assert_int_equal(mbufs_in_use(), 0); // nothing leaks, whatever the test did
	return 0;
}

struct sl_session_report report_now(void)
{
	struct sl_session_report report;

	session_report(session_find(path.sessions, &wanted.id), &report);
	return report;
}
