// Which trunk a request comes from, and whether it may bring another call.
#include "trunk.h"

#include <errno.h>
#include <string.h>

static bool has_peer(const struct trunk *trunk, const struct sockaddr *source,
	bool (*equal)(const struct sockaddr *, const struct sockaddr *))
{
	for (size_t i = 0; i < trunk->n_peers; i++)
		if (equal((const struct sockaddr *)&trunk->peers[i].address, source))
			return true;
	return false;
}

struct trunk *trunk_match(
	const struct trunks *trunks, const struct realm *realm, const struct sockaddr *source)
{
	struct trunk *by_host = NULL;

	for (size_t i = 0; i < trunks->n; i++) {
		struct trunk *trunk = &trunks->list[i];

		if (trunk->realm != realm || !has_peer(trunk, source, address_equal_host))
			continue;
		if (has_peer(trunk, source, address_equal))
			return trunk;
		if (!by_host)
			by_host = trunk;
	}
	return by_host;
}

bool trunk_is_secure(const struct trunk *trunk)
{
	for (size_t i = 0; i < trunk->n_peers; i++)
		if (trunk->peers[i].transport != REALM_TLS)
			return false;
	return true;
}

struct trunk *trunk_find(const struct trunks *trunks, const char *name)
{
	for (size_t i = 0; i < trunks->n; i++)
		if (!strcmp(trunks->list[i].name, name))
			return &trunks->list[i];
	return NULL;
}

// The bucket holds one second's worth of calls and starts full; the first use sets its clock.
static bool take_allowance(struct trunk *trunk, uint64_t now_ms)
{
	struct trunk_load *load = &trunk->load;
	uint64_t full = (uint64_t)trunk->limits.calls_per_s * 1000;
	uint64_t elapsed_ms = now_ms - load->allowance_at_ms;

	if (!full)
		return true;
	if (!load->allowance_at_ms || elapsed_ms >= 1000)
		load->allowance = full;
	else
		load->allowance += elapsed_ms * trunk->limits.calls_per_s;
	if (load->allowance > full)
		load->allowance = full;
	load->allowance_at_ms = now_ms;
	if (load->allowance < 1000)
		return false;
	load->allowance -= 1000;
	return true;
}

int trunk_call_start(struct trunk *trunk, uint64_t now_ms)
{
	int rc = 0;

	if (trunk->limits.calls && trunk->load.calls >= trunk->limits.calls)
		rc = -EBUSY;
	else if (!take_allowance(trunk, now_ms))
		rc = -EAGAIN;
	if (rc) {
		trunk->load.refused++;
		return rc;
	}
	trunk->load.calls++;
	trunk->load.started++;
	return 0;
}

void trunk_call_stop(struct trunk *trunk)
{
	if (trunk->load.calls)
		trunk->load.calls--;
}
