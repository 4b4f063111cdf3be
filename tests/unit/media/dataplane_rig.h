// The dataplane's real API server and sessions, in this process and under the test's control: its
// main loop turns only when it is asked to. (Apart from the test: its headers and control/media's
// have a name in common.)
#pragma once

#include <stdbool.h>

// What a restart leaves: nothing; or, where only the connection broke, the sessions.
void dataplane_start(const char *socket_path);
void dataplane_stop(bool keep_sessions);
void dataplane_turn(void);
unsigned int dataplane_n_sessions(void);
// After the workers have turned: no session, nothing that was one's, and nothing that is to be
// freed.
bool dataplane_is_clean(void);
// Before the first start: the first addresses are of shard "s1". Somebody claims one of them.
void dataplane_use_shards(void);
void dataplane_is_claimed(void);
