// The engine of a thread: a backend's state, and what a burst in work needs.
#pragma once

#include "srtp_backend.h"

// A packet that waits for its tag to be checked.
struct srtp_attempt {
	struct srtp_job *job;
	struct srtp_context *context; // one of job->context and those that it took over
	uint8_t number;		      // which of the ways to read the packet this is
	uint8_t status;		      // of the first way
};

struct srtp_engine {
	const struct srtp_backend *backend;
	void *state;
	void *(*take_spare)(void *spares); // srtp_engine_set_spares()
	void *spares;
	uint64_t counts[N_SRTP_STATUSES]; // owner: rw, others: ro
	struct srtp_op ops[SRTP_CHUNK];
	struct srtp_attempt attempts[SRTP_CHUNK];
	char name[32];
};
