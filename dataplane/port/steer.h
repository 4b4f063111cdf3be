// Steering of a kernel interface: the XDP program (steer.bpf.c) that gives us the media and leaves
// the rest to the kernel. The af_xdp driver loads and attaches the program from a file name; we
// make that file, clear the way before, fill the map of media addresses after, and detach at last.
#pragma once

#include <stddef.h>

#include "port.h"

extern const unsigned char steer_object[]; // steer.bpf.c, compiled
extern const size_t steer_object_size;

// An anonymous file that holds the program; close it when the driver has loaded it. Name it to the
// driver as /proc/self/fd/N. Returns the descriptor or a negative errno.
int steer_object_open(void);

// Detach our program where a process that is gone left it, native or generic. Returns the number of
// programs detached, -EEXIST where the interface has somebody else's, or a negative errno.
int steer_detach(unsigned int ifindex);

// Start steering: tell the attached program the media addresses of the realms on ports[port], with
// their VLANs and port ranges. Returns 0 or a negative errno (-ENOENT: our program is not
// attached).
int steer_configure(unsigned int ifindex, const struct realms *realms, unsigned int port);
