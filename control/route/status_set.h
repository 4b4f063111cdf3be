// A set of SIP statuses, as the configuration writes them: "503", "5xx", "400-407".
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { STATUS_MIN = 100, STATUS_MAX = 699 };

struct status_set {
	uint64_t bits[(STATUS_MAX + 64) / 64];
};

static inline bool status_set_has(const struct status_set *set, unsigned int status)
{
	return status <= STATUS_MAX && set->bits[status / 64] >> status % 64 & 1;
}

// Add what `text` says. Returns 0 or -EINVAL.
int status_set_add(struct status_set *set, const char *text);
