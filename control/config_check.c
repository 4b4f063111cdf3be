// Checks of single values of the configuration, and the one line that says what is wrong.
#include "config_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "yaml_file.h"

int check_failed(const struct check *check, const char *where, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(check->error, check->error_size, "%s:%d: %s: %s", check->name,
		yaml_text_line(check->text, check->length, where), where, text);
	return -EINVAL;
}

int check_memory(const struct check *check)
{
	snprintf(check->error, check->error_size, "%s: out of memory", check->name);
	return -ENOMEM;
}

const char *check_where(char out[CHECK_WHERE_SIZE], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out, CHECK_WHERE_SIZE, format, args);
	va_end(args);
	return out;
}

int check_range(
	const struct check *check, const char *where, uint32_t value, uint32_t least, uint32_t most)
{
	if (value < least || value > most)
		return check_failed(check, where, "expected %u to %u, not %u", least, most, value);
	return 0;
}

// Names end up in logs, file names and on command lines.
int check_name(const struct check *check, const char *where, const char *name)
{
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")])
		return check_failed(check, where,
			"expected a name of letters, digits, '-', '_' and '.', not '%s'", name);
	return 0;
}

int check_path(const struct check *check, const char *where, const char *path)
{
	if (path[0] != '/')
		return check_failed(check, where, "expected an absolute path, not '%s'", path);
	return 0;
}

int check_ip(
	const struct check *check, const char *where, const char *text, struct sdp_address *out)
{
	*out = sdp_address_parse(text, strlen(text));
	if (!out->family || sdp_address_is_any(out))
		return check_failed(
			check, where, "expected an IPv4 or IPv6 address of a host, not '%s'", text);
	return 0;
}

// What may stand in the user part of a SIP URI as it is (RFC 3261 section 25.1, user).
int check_number(const struct check *check, const char *where, const char *number)
{
	for (const char *at = number; *at; at++)
		if (!strchr("0123456789+*#-_.!~'()&=$,", *at) &&
			!((*at | 0x20) >= 'a' && (*at | 0x20) <= 'z'))
			return check_failed(check, where,
				"expected digits or other characters of a telephone number, not "
				"'%s'",
				number);
	return 0;
}
