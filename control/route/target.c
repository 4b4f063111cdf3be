// What is known of an address, from OPTIONS and from calls.
#include "target.h"

#include <stdio.h>
#include <stdlib.h>

struct target *target_take(struct target_list *list, enum realm_transport transport,
	const struct sockaddr_storage *address)
{
	struct target *target;

	LIST_FOREACH (target, list, in_trunk)
		if (target->transport == transport &&
			address_equal((const struct sockaddr *)&target->address,
				(const struct sockaddr *)address))
			return target_hold(target);
	target = calloc(1, sizeof(*target));
	if (!target)
		return NULL;
	target->transport = transport;
	target->address = *address;
	LIST_INSERT_HEAD(list, target, in_trunk);
	return target_hold(target);
}

struct target *target_hold(struct target *target)
{
	target->refs++;
	return target;
}

void target_host_set(struct target *target, const char *host, uint16_t port)
{
	char *text;

	if ((port ? asprintf(&text, "%s:%u", host, port) : asprintf(&text, "%s", host)) < 0)
		return;
	free(target->host);
	target->host = text;
}

void target_return(struct target *target)
{
	if (!target || --target->refs)
		return;
	LIST_REMOVE(target, in_trunk);
	free(target->host);
	free(target);
}

bool target_probed(struct target *target, const struct health_rules *rules, unsigned int status,
	uint64_t now_ms)
{
	bool alive = status && status_set_has(&rules->alive, status);

	target->status = status;
	target->probed_ms = now_ms;
	if (alive)
		target_answered(target);
	if (alive != target->is_down) {
		target->in_row = 0; // as expected
		return false;
	}
	if (++target->in_row < (alive ? rules->successes : rules->fails))
		return false;
	target->is_down = !alive;
	target->in_row = 0;
	return true;
}

void target_failed(struct target *target, uint32_t backoff_ms, uint64_t now_ms)
{
	uint64_t most_ms = (uint64_t)backoff_ms * BACKOFF_TIMES_MAX;
	uint64_t next_ms = target->backoff_ms ? (uint64_t)target->backoff_ms * 2 : backoff_ms;

	target->failed++;
	target->backoff_ms = (uint32_t)(next_ms < most_ms ? next_ms : most_ms);
	target->failed_ms = now_ms + target->backoff_ms;
}

void target_close(struct target *target, uint32_t retry_after_s, uint64_t now_ms)
{
	uint64_t s = retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S;

	target->closed_ms = now_ms + s * 1000;
}

void target_answered(struct target *target)
{
	target->backoff_ms = 0;
	target->failed_ms = 0;
}

enum target_fitness target_fitness(const struct target *target, uint64_t now_ms)
{
	if (target->is_down || target->closed_ms > now_ms)
		return TARGET_UNFIT;
	return target->failed_ms > now_ms ? TARGET_LAST : TARGET_FIT;
}

const char *target_state(const struct target *target, uint64_t now_ms)
{
	if (target->is_down)
		return "down";
	if (target->closed_ms > now_ms)
		return "closed";
	return target->failed_ms > now_ms ? "failing" : "up";
}
