// A real redis-server of a test's own: in a folder of its own, on a free loopback port and a unix
// socket, started, stopped, killed and asked through a blocking connection.
#pragma once

#include <hiredis/hiredis.h>
#include <sys/types.h>

struct redis_rig {
	char folder[64];
	char socket[96];  // "unix:/..."
	char address[32]; // "127.0.0.1:port"
	int port;
	pid_t pid;
	char conf[96];	      // of a sentinel, which writes it, too; else empty
	const char *password; // of redis_do()
};

// Options are appended to the command line, up to NULL. Fails the test where it does not start.
void redis_start(struct redis_rig *redis, const char *const options[]);
// A sentinel instead, whose file begins with `conf`.
void redis_start_sentinel(struct redis_rig *redis, const char *conf);
// Again, in the same folder and on the same port, with what its files hold.
void redis_restart(struct redis_rig *redis, const char *const options[]);
void redis_kill(struct redis_rig *redis, int signal); // and wait, where that ends it
void redis_stop(struct redis_rig *redis);	      // and remove its folder
// One command of up to six words, apart by blanks. The reply is the caller's.
redisReply *redis_do(struct redis_rig *redis, const char *command);
void redis_do_ok(struct redis_rig *redis, const char *command); // no error reply
long long redis_number(struct redis_rig *redis, const char *command);
int free_port(void);
