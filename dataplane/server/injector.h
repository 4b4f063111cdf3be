// SL_INJECT: packets of control's from the ports of legs.
#pragma once

#include "port.h"
#include "session.h"
#include "worker.h"

struct injector;

// `hops` NULL: nobody can be sent to. NULL: no memory.
struct injector *injector_create(
	struct next_hops *hops, const struct sessions *sessions, struct worker_shared *workers);
void injector_destroy(struct injector *injector);

// Send one. Returns 0 or the error to answer with (sl_api.h).
int injector_send(struct injector *injector, const struct sl_datagram *datagram);
