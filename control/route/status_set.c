// What stands in lists of statuses.
#include "status_set.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

// Three digits at `text`, or 0.
static unsigned int number_at(const char *text)
{
	unsigned int number = 0;

	for (int i = 0; i < 3; i++) {
		if (!isdigit((unsigned char)text[i]))
			return 0;
		number = number * 10 + (unsigned int)(text[i] - '0');
	}
	return number;
}

static int range_read(const char *text, unsigned int *first, unsigned int *last)
{
	size_t length = strlen(text);

	if (length == 3 && isdigit((unsigned char)text[0]) && !strcmp(text + 1, "xx")) {
		*first = (unsigned int)(text[0] - '0') * 100;
		*last = *first + 99;
		return 0;
	}
	if (length == 3)
		*first = *last = number_at(text);
	else if (length == 7 && text[3] == '-')
		*first = number_at(text), *last = number_at(text + 4);
	else
		return -EINVAL;
	return 0;
}

int status_set_add(struct status_set *set, const char *text)
{
	unsigned int first = 0, last = 0;

	if (range_read(text, &first, &last) || first < STATUS_MIN || last > STATUS_MAX ||
		first > last)
		return -EINVAL;
	for (unsigned int status = first; status <= last; status++)
		set->bits[status / 64] |= UINT64_C(1) << status % 64;
	return 0;
}
