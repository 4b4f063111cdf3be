// A configuration in use, and what there is because of it: listeners, ends of TLS, names of peers.
#pragma once

#include "resolver.h"

#include "call_private.h"

// tls_ends.c: certificates for the listeners of TLS and the connections to peers. Opened once the
// listeners are there, closed after them. Returns 0 or a negative errno with `error`.
int tls_ends_open(struct calls *calls, char *error, size_t error_size);
void tls_ends_free(struct tls_ends *ends);
// Go back to `before`, and have the listeners use what there is.
void tls_ends_undo(struct calls *calls, struct tls_ends *before);
void tls_ends_use(struct calls *calls);
void tls_ends_close(struct calls *calls);

// plan.c: a configuration, as long as anything uses it.
struct plan *plan_create(
	struct calls *calls, const struct calls_settings *settings, struct plan *before);
struct plan *plan_hold(struct plan *plan);
void plan_drop(struct plan *plan);
// The call looks into the present plan, or takes a trunk over from another call. Returns 0 or
// -ENOMEM.
int call_plan_add(struct call *call, struct plan *plan);
int call_plans_share(struct call *call, const struct call *of);
void call_plans_drop(struct call *call);
struct plan *call_plan_of(const struct call *call, const struct trunk *trunk);
// The hosts of all plans that are in use may talk to us, and nobody else.
int plans_admit(struct calls *calls);

// listeners.c: open those of the settings that are not open yet; undo that; and give each the realm
// that it is of by now, where those from `before` on are new.
int listeners_open(
	struct calls *calls, const struct calls_settings *settings, char *error, size_t error_size);
void listeners_undo(struct calls *calls, size_t before);
void listeners_assign(struct calls *calls, size_t before);
// Close the sockets of those that are of no realm any more, each as soon as nothing uses it.
void listeners_retire(struct calls *calls);

// The resolver, for whoever has a name; NULL without memory.
struct resolver *calls_resolver(struct calls *calls);
// What of a name is of use in a realm: all but the name, its port and transport.
struct resolver_question realm_question(const struct realm *realm);
// peers.c: the names among the peers of all trunks, resolved as long as it lives. Nothing is there
// where no peer is a name. Returns 0 or a negative errno.
int peers_start(struct calls *calls);
void peers_stop(struct calls *calls);
// Let the hosts of a trunk's peers talk to us.
int trunk_admit(const struct calls *calls, const struct trunk *trunk);
// tls_ends.c: what connections to the targets of a trunk's peers are to find there.
int tls_ends_expect(struct calls *calls, const struct trunk *trunk);
