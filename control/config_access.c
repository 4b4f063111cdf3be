// Rules of access in the configuration.
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "config_file.h"
#include "config_private.h"

#define CALLS_PER_S_MAX 100000

static int read_nets(const struct check *check, const char *key, char *const *texts, uint32_t n,
	struct access_net **out, size_t *n_out)
{
	char where[CHECK_WHERE_SIZE];

	*out = calloc(n ? n : 1, sizeof(**out));
	if (!*out)
		return check_memory(check);
	for (uint32_t i = 0; i < n; i++) {
		if (access_net_parse(texts[i], &(*out)[i]))
			return check_failed(check, check_where(where, "access.%s[%u]", key, i + 1),
				"expected a network as 192.0.2.0/24 or 2001:db8::/32, or an "
				"address, not '%s'",
				texts[i]);
		++*n_out;
	}
	return 0;
}

static int read_unknown(const struct check *check, const char *text, unsigned int *out)
{
	struct slice digits = slice_of(text);
	uint32_t status;

	if (!strcmp(text, "silence"))
		return 0;
	if (digits.n != 3 || slice_to_u32(digits, 699, &status) || status < 400)
		return check_failed(check, "access.unknown",
			"expected silence, or a status from 400 to 699, not '%s'", text);
	*out = status;
	return 0;
}

int config_read_access(const struct check *check, struct config *config)
{
	const struct file_access *from = config->file->access;
	struct access_rules *rules = &config->access;
	int rc;

	if (!from)
		return 0;
	rc = read_nets(check, "deny", from->deny, from->deny_count, &rules->deny, &rules->n_deny);
	if (!rc)
		rc = read_nets(check, "allow", from->allow, from->allow_count, &rules->allow,
			&rules->n_allow);
	if (!rc)
		rc = read_unknown(check, from->unknown, &rules->unknown);
	if (!rc)
		rc = check_range(
			check, "access.calls_per_s", *from->calls_per_s, 0, CALLS_PER_S_MAX);
	rules->calls_per_s = *from->calls_per_s;
	return rc;
}
