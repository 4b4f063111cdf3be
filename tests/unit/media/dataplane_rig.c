#include "dataplane_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address_claim.h"
#include "clock.h"
#include "log_server.h"
#include "pipeline_rig.h"
#include "server.h"

static struct server *server;
static bool has_eal;
static bool has_path;
static bool has_shards;

void dataplane_use_shards(void)
{
	has_shards = true;
}

void dataplane_start(const char *socket_path)
{
	static struct path_size size = {
		.megabytes = "128", .sessions_max = 100, .n_udp_ports = 64, .n_addresses = {1, 1}};
	char error[256];

	if (!has_eal)
		path_start();
	has_eal = true;
	log_server.level = LOG_LEVEL_ERROR;
	size.sharded = has_shards;
	if (!has_path)
		path_open_sized(1, &size);
	has_path = true;
	const struct server_config config = {
		.path = socket_path,
		.sessions = path.sessions,
		.sessions_max = 100,
		.workers = path.workers,
		.shards = path.shards,
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

void dataplane_is_claimed(void)
{
	const struct claim claim = {.address = rig_address("192.0.2.1", 0), .mac = {{2, 9}}};

	shards_claimed(path.shards, &claim);
	for (unsigned int i = 0; i < path.n_shard_events; i++)
		server_shard_event(server, &path.shard_events[i]);
	path.n_shard_events = 0;
}
