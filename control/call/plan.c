// One configuration as calls use it: held by the calls that began under it and their attempts, so
// that another one can take its place at any time. And how it does.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "call_private.h"
#include "call_shards.h"
#include "cdr_file.h"
#include "guard.h"
#include "outside.h"
#include "plan.h"

struct plan {
	LIST_ENTRY(plan) link;
	struct calls *calls;
	unsigned int refs;
	struct trunks *trunks;
	void (*release)(void *config);
	void *config;
};

int trunk_admit(const struct calls *calls, const struct trunk *trunk)
{
	int err = 0;

	for (size_t i = 0; i < trunk->n_peers; i++)
		for (size_t j = 0; !err && j < trunk->peers[i].n_targets; j++) {
			const struct target *target = trunk->peers[i].targets[j].target;

			err = guard_allow(
				calls->settings.guard, (const struct sockaddr *)&target->address);
		}
	return err;
}

int plans_admit(struct calls *calls)
{
	const struct plan *plan;
	int err = 0;

	guard_clear(calls->settings.guard);
	LIST_FOREACH (plan, &calls->plans, link)
		for (size_t i = 0; !err && i < plan->trunks->n; i++)
			err = trunk_admit(calls, &plan->trunks->list[i]);
	return err;
}

static int trunks_open(struct trunks *trunks, const struct plan *before)
{
	for (size_t i = 0; i < trunks->n; i++) {
		const struct trunk *same =
			before ? trunk_find(before->trunks, trunks->list[i].name) : NULL;
		int err = trunk_open(&trunks->list[i], same ? same->state : NULL);

		if (err)
			return err;
	}
	return 0;
}

// Names lead where they led, until DNS says more.
static void names_keep(struct trunk *trunk, const struct trunk *before)
{
	struct peer_address list[64];

	for (size_t i = 0; i < trunk->n_peers; i++)
		for (size_t j = 0; trunk->peers[i].host && j < before->n_peers; j++) {
			const struct trunk_peer *old = &before->peers[j];
			size_t n = 0;

			if (!old->host || strcmp(old->host, trunk->peers[i].host) != 0)
				continue;
			for (; n < old->n_targets && n < 64; n++)
				list[n] = (struct peer_address){old->targets[n].target->address,
					old->targets[n].target->transport, old->targets[n].priority,
					old->targets[n].weight};
			trunk_peer_resolved(trunk, &trunk->peers[i], list, n);
		}
}

static void trunks_close(struct trunks *trunks)
{
	for (size_t i = 0; i < trunks->n; i++)
		trunk_close(&trunks->list[i]);
}

struct plan *plan_create(
	struct calls *calls, const struct calls_settings *settings, struct plan *before)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	*plan = (struct plan){.calls = calls, .refs = 1, .trunks = settings->trunks};
	if (trunks_open(plan->trunks, before)) {
		trunks_close(plan->trunks);
		free(plan);
		errno = ENOMEM;
		return NULL;
	}
	for (size_t i = 0; before && i < plan->trunks->n; i++) {
		const struct trunk *same = trunk_find(before->trunks, plan->trunks->list[i].name);

		if (same)
			names_keep(&plan->trunks->list[i], same);
	}
	plan->release = settings->release;
	plan->config = settings->config;
	LIST_INSERT_HEAD(&calls->plans, plan, link);
	return plan;
}

struct plan *plan_hold(struct plan *plan)
{
	plan->refs++;
	return plan;
}

void plan_drop(struct plan *plan)
{
	struct calls *calls = plan ? plan->calls : NULL;

	if (!plan || --plan->refs)
		return;
	LIST_REMOVE(plan, link);
	trunks_close(plan->trunks);
	if (plan->release)
		plan->release(plan->config);
	free(plan);
	if (!LIST_EMPTY(&calls->plans) && plans_admit(calls))
		log_error(&log_call, "no_memory", "what=guard");
}

int call_plan_add(struct call *call, struct plan *plan)
{
	struct plan **grown;

	for (size_t i = 0; i < call->n_plans; i++)
		if (call->plans[i] == plan)
			return 0;
	grown = realloc(call->plans, (call->n_plans + 1) * sizeof(struct plan *));
	if (!grown)
		return -ENOMEM;
	call->plans = grown;
	call->plans[call->n_plans++] = plan_hold(plan);
	return 0;
}

int call_plans_share(struct call *call, const struct call *of)
{
	int err = 0;

	for (size_t i = 0; !err && i < of->n_plans; i++)
		err = call_plan_add(call, of->plans[i]);
	return err;
}

struct plan *call_plan_of(const struct call *call, const struct trunk *trunk)
{
	for (size_t i = 0; i < call->n_plans; i++) {
		const struct trunks *trunks = call->plans[i]->trunks;

		if (trunk >= trunks->list && trunk < trunks->list + trunks->n)
			return call->plans[i];
	}
	return call->plans[0];
}

void call_plans_drop(struct call *call)
{
	while (call->n_plans)
		plan_drop(call->plans[--call->n_plans]);
	free(call->plans);
	call->plans = NULL;
}

struct trunks *calls_trunks(const struct calls *calls)
{
	return calls->settings.trunks;
}

// What hangs on trunks and listeners is made anew; what of that fails is said and done without.
static void follow(struct calls *calls, size_t n_listeners_before)
{
	struct probes *probes;

	guard_rules_set(calls->settings.guard, calls->settings.access);
	cdr_file_rules_set(calls->cdr, &calls->settings.cdr);
	listeners_assign(calls, n_listeners_before);
	listeners_retire(calls);
	calls_timeouts_set(calls);
	if (plans_admit(calls))
		log_error(&log_call, "no_memory", "what=guard");
	probes = probes_start(calls);
	probes_stop(calls->probes);
	calls->probes = probes;
	register_keepalive(calls);
	if (registrations_follow(calls))
		log_error(&log_call, "no_memory", "what=registrations");
	peers_stop(calls);
	if (peers_start(calls))
		log_error(&log_call, "no_memory", "what=names");
}

// Parts of the process, and what is read at the start only, stay.
static void settings_take(struct calls *calls, const struct calls_settings *settings)
{
	struct event_base *base = calls->settings.base;
	struct guard *guard = calls->settings.guard;

	calls->settings = *settings;
	calls->settings.base = base;
	calls->settings.guard = guard;
}

int calls_reload(
	struct calls *calls, const struct calls_settings *settings, char *error, size_t error_size)
{
	struct calls_settings before = calls->settings;
	size_t n_listeners = calls->n_listeners;
	struct plan *plan, *old = calls->plan;
	struct tls_ends *ends = calls->tls_ends;
	int err;

	snprintf(error, error_size, "out of memory");
	plan = plan_create(calls, settings, old);
	if (!plan)
		return -ENOMEM;
	err = listeners_open(calls, settings, error, error_size);
	if (!err) {
		settings_take(calls, settings);
		listeners_assign(calls, n_listeners);
		calls->tls_ends = NULL;
		err = tls_ends_open(calls, error, error_size);
	}
	if (err) {
		tls_ends_undo(calls, ends);
		settings_take(calls, &before);
		listeners_undo(calls, n_listeners);
		listeners_assign(calls, n_listeners);
		tls_ends_use(calls);
		plan->release = NULL; // still the caller's
		plan_drop(plan);
		return err;
	}
	tls_ends_free(ends);
	calls->plan = plan;
	follow(calls, calls->n_listeners);
	stack_overload_set(
		calls->stack, settings->overload_wait_ms, settings->overload_retry_after_s);
	shards_bind(calls);
	plan_drop(old);
	log_info(&log_call, "reloaded", "trunks=%zu routes=%zu realms=%zu", settings->trunks->n,
		settings->routes->n, settings->n_realms);
	return 0;
}
