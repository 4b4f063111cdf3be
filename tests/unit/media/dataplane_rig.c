#include "dataplane_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "log_server.h"
#include "pipeline_rig.h"
#include "server.h"

static struct server *server;
static bool has_eal;
static bool has_path;

void dataplane_start(const char *socket_path)
{
	char error[256];

	if (!has_eal)
		path_start();
	has_eal = true;
	log_server.level = LOG_LEVEL_ERROR;
	if (!has_path)
		path_open(1);
	has_path = true;
	const struct server_config config = {
		.path = socket_path,
		.sessions = path.sessions,
		.sessions_max = 100,
		.workers = path.workers,
	};
	server = server_create(&config, error, sizeof(error));
	assert_non_null(server);
}

void dataplane_stop(bool keep_sessions)
{
	server_destroy(server);
	server = NULL;
	if (has_path && !keep_sessions)
		path_close();
	has_path = has_path && keep_sessions;
}

void dataplane_turn(void)
{
	if (server)
		server_poll(server);
}

unsigned int dataplane_n_sessions(void)
{
	struct sessions_counts counts;

	sessions_count(path.sessions, &counts);
	return counts.sessions;
}

bool dataplane_is_clean(void)
{
	struct sessions_counts counts;

	for (int i = 0; i < 3; i++) { // unlinked, out of the workers' sight, freed
		sessions_tick(path.sessions, clock_now_ns());
		path_turn();
	}
	path.rig.n_events = 0;
	sessions_count(path.sessions, &counts);
	return !counts.sessions && !counts.legs && !counts.ports_used && !counts.deferred;
}
