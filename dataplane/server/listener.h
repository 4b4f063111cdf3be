// The listening socket.
#pragma once

#include <stddef.h>
#include <sys/types.h>

// Listen on `path` with mode 0600. Replaces a socket that nobody listens on. Returns a descriptor,
// or -1 with `error` saying what.
int listener_open(const char *path, char *error, size_t error_size);

// The next client, not blocking: a descriptor and its process, or a negative errno: -EAGAIN none
// waits, -EACCES it is neither of our user nor root (and was turned away).
int listener_accept(int listener, pid_t *pid);
