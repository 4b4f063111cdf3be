// Engines: choosing a backend, at start.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "srtp_engine.h"

#define STATUS_NAME(id, text) [SRTP_STATUS_##id] = text,
const char *const srtp_status_names[N_SRTP_STATUSES] = {SRTP_STATUSES(STATUS_NAME)};

static int engine_open(
	struct srtp_engine *engine, const struct srtp_backend *backend, const char *arch)
{
	engine->state = backend->open(arch);
	if (!engine->state)
		return -errno;
	engine->backend = backend;
	snprintf(engine->name, sizeof(engine->name), "%s %s", backend->name,
		backend->arch(engine->state));
	return 0;
}

struct srtp_engine *srtp_engine_create(const char *backend, const char *arch)
{
	struct srtp_engine *engine = aligned_alloc(64, (sizeof(*engine) + 63) & ~(size_t)63);
	int error = -ENOENT;

	if (!engine)
		return NULL;
	memset(engine, 0, sizeof(*engine));
	for (unsigned int i = 0; srtp_backends[i] && error && error != -ENOMEM; i++)
		if (!backend || !strcmp(backend, srtp_backends[i]->name))
			error = engine_open(engine, srtp_backends[i], arch);
	if (!error)
		return engine;
	free(engine);
	errno = -error;
	return NULL;
}

void srtp_engine_destroy(struct srtp_engine *engine)
{
	if (!engine)
		return;
	engine->backend->close(engine->state);
	free(engine);
}

void srtp_engine_set_spares(
	struct srtp_engine *engine, void *(*take_spare)(void *spares), void *spares)
{
	engine->take_spare = take_spare;
	engine->spares = spares;
}

const char *srtp_engine_name(const struct srtp_engine *engine)
{
	return engine->name;
}

uint64_t srtp_engine_count(const struct srtp_engine *engine, enum srtp_status status)
{
	return __atomic_load_n(&engine->counts[status], __ATOMIC_RELAXED);
}
