// Starting and stopping redis-server. A child dies with its test (PR_SET_PDEATHSIG).
#include "redis_rig.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void run_server(const struct redis_rig *redis, const char *const options[])
{
	char port[8];
	const char *const usual[] = {"--bind", "127.0.0.1", "--port", port, "--unixsocket",
		redis->socket + 5, "--dir", redis->folder, "--save", "", "--logfile", "log",
		"--enable-debug-command", "yes"};
	const char *argv[48] = {"redis-server"};
	size_t n = 1, i;

	snprintf(port, sizeof(port), "%d", redis->port);
	if (redis->conf[0]) {
		argv[n++] = redis->conf;
		argv[n++] = "--sentinel";
	}
	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		argv[n++] = usual[i];
	while (*options && n < 47)
		argv[n++] = *options++;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[0], (char **)argv);
	_exit(127);
}

static redisContext *reach(const struct redis_rig *redis)
{
	redisContext *context = redisConnectUnix(redis->socket + 5);

	if (context && !context->err) {
		redisSetTimeout(context, (struct timeval){.tv_sec = 10});
		return context;
	}
	if (context)
		redisFree(context);
	return NULL;
}

void redis_restart(struct redis_rig *redis, const char *const options[])
{
	redisContext *context = NULL;
	int i;

	unlink(redis->socket + 5);
	redis->pid = fork();
	assert_true(redis->pid >= 0);
	if (!redis->pid)
		run_server(redis, options);
	for (i = 0; i < 500 && !(context = reach(redis)); i++) {
		assert_int_equal(waitpid(redis->pid, NULL, WNOHANG), 0); // or is it not installed?
		usleep(20000);
	}
	assert_non_null(context);
	redisFree(context);
}

static void prepare(struct redis_rig *redis)
{
	*redis = (struct redis_rig){.port = free_port()};
	strcpy(redis->folder, "/tmp/sluice-redis-XXXXXX");
	assert_non_null(mkdtemp(redis->folder));
	snprintf(redis->socket, sizeof(redis->socket), "unix:%s/socket", redis->folder);
	snprintf(redis->address, sizeof(redis->address), "127.0.0.1:%d", redis->port);
}

void redis_start(struct redis_rig *redis, const char *const options[])
{
	prepare(redis);
	redis_restart(redis, options);
}

void redis_start_sentinel(struct redis_rig *redis, const char *conf)
{
	static const char *const none[] = {NULL};
	FILE *file;

	prepare(redis);
	snprintf(redis->conf, sizeof(redis->conf), "%s/sentinel.conf", redis->folder);
	file = fopen(redis->conf, "we");
	assert_non_null(file);
	assert_true(fputs(conf, file) >= 0);
	assert_int_equal(fclose(file), 0);
	redis_restart(redis, none);
}

void redis_kill(struct redis_rig *redis, int signal)
{
	if (!redis->pid)
		return;
	kill(redis->pid, signal);
	if (signal == SIGSTOP || signal == SIGCONT)
		return;
	waitpid(redis->pid, NULL, 0);
	redis->pid = 0;
}

void redis_stop(struct redis_rig *redis)
{
	char command[128];

	redis_kill(redis, SIGKILL);
	snprintf(command, sizeof(command), "rm -rf '%s'", redis->folder);
	assert_int_equal(system(command), 0);
}

static redisReply *do_once(struct redis_rig *redis, const char *command)
{
	redisContext *context = reach(redis);
	redisReply *reply;

	assert_non_null(context);
	if (redis->password)
		freeReplyObject(redisCommand(context, "AUTH %s", redis->password));
	reply = redisCommand(context, command);
	redisFree(context);
	return reply;
}

redisReply *redis_do(struct redis_rig *redis, const char *command)
{
	redisReply *reply = NULL;
	int i;

	// A sentinel hangs up on all clients of a server whose role it changes.
	for (i = 0; i < 5 && !reply; i++)
		reply = do_once(redis, command);
	assert_non_null(reply);
	return reply;
}

void redis_do_ok(struct redis_rig *redis, const char *command)
{
	redisReply *reply = redis_do(redis, command);

	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", command, reply->str);
	freeReplyObject(reply);
}

long long redis_number(struct redis_rig *redis, const char *command)
{
	redisReply *reply = redis_do(redis, command);
	long long number = reply->type == REDIS_REPLY_STRING ? atoll(reply->str) : reply->integer;

	freeReplyObject(reply);
	return number;
}
