// See netns.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"

static int netns_create(void)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

void lab_enter(int netns)
{
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

void lab_run(const struct lab *lab, int netns, const char *format, ...)
{
	char command[512];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	lab_enter(netns);
	status = system(command);
	lab_enter(lab->ours);
	if (status)
		fail_msg("%s: status %d", command, status);
}

int lab_socket(const struct lab *lab, int netns, int domain, int type, int protocol)
{
	int fd;

	lab_enter(netns);
	fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	lab_enter(lab->ours);
	assert_true(fd >= 0);
	return fd;
}

bool lab_open(struct lab *lab)
{
	lab->theirs = netns_create();
	lab->ours = netns_create();
	if (lab->ours < 0 || lab->theirs < 0)
		return false;
	if (system("ip link add near type veth peer name far 2>/dev/null"))
		return false;
	lab_run(lab, lab->ours,
		"ip link set far netns /proc/%d/fd/%d && ip addr add " NEAR "/24 dev near && "
		"ip addr add " NEAR6 "/64 dev near nodad && "
		"ip link set near up && ip link set lo up",
		getpid(), lab->theirs);
	lab_run(lab, lab->theirs,
		"ethtool -K far tx off >/dev/null; ip addr add " FAR "/24 dev far && "
		"ip addr add " FAR2 "/24 dev far && "
		"ip addr add 2001:db8:9::2/64 dev far nodad && ip link set far up && ip link set lo up");
	return true;
}
