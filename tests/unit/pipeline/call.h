// The call that most tests of the pipeline are about: rig_session(1) on ports that are known.
#pragma once

#include "media.h"

extern struct sl_session wanted; // not set yet

// For cmocka. After each test every packet must be accounted for, and none may have leaked.
int call_setup(void **state);
int call_setup_two_workers(void **state);
int call_teardown(void **state);

struct sl_session_report report_now(void);

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, call_setup, call_teardown)
