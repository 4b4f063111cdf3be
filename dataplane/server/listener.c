// A socket file outlives a killed process, so an existing one is tried: if somebody answers it is
// theirs, if nobody does it is replaced.
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static int fail(char *error, size_t error_size, const char *path, const char *what)
{
	snprintf(error, error_size, "socket %s: %s", path, what);
	return -1;
}

static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool alive;

	if (fd < 0)
		return true;
	alive = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		errno != ECONNREFUSED;
	close(fd);
	return alive;
}

// The file is gone, or was a dead socket and is gone now.
static int clear_path(const struct sockaddr_un *address, char *error, size_t error_size)
{
	const char *path = address->sun_path;
	struct stat status;

	if (lstat(path, &status) < 0)
		return 0;
	if (!S_ISSOCK(status.st_mode))
		return fail(
			error, error_size, path, "there is a file of that name that is no socket");
	if (is_alive(address))
		return fail(error, error_size, path, "another process listens there already");
	if (unlink(path) < 0)
		return fail(error, error_size, path, strerror(errno));
	return 0;
}

static void make_folder(const char *path)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];

	snprintf(copy, sizeof(copy), "%s", path);
	mkdir(dirname(copy), 0755); // bind() will say what is wrong with it
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	int saved = errno;

	umask(mask);
	errno = saved;
	return rc;
}

int listener_open(const char *path, char *error, size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(error, error_size, path, "the path is too long");
	strcpy(address.sun_path, path);
	make_folder(path);
	if (clear_path(&address, error, error_size))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(error, error_size, path, strerror(errno));
	if (bind_private(fd, &address) < 0 || listen(fd, BACKLOG) < 0) {
		fail(error, error_size, path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int listener_accept(int listener, pid_t *pid)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
		(peer.uid != geteuid() && peer.uid != 0)) {
		close(fd);
		return -EACCES;
	}
	*pid = peer.pid;
	return fd;
}
