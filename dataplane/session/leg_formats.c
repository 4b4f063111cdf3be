// A hash table of chains. What is compared comes first in the struct.
#include "leg_formats.h"

#include <rte_jhash.h>
#include <stddef.h>
#include <string.h>

#define KEY_BYTES offsetof(struct leg_formats, next)

void leg_formats_init(struct leg_formats_table *table, int socket_id)
{
	slab_init(&table->memory, sizeof(struct leg_formats), socket_id);
	memset(table->buckets, 0, sizeof(table->buckets));
}

void leg_formats_fini(struct leg_formats_table *table)
{
	slab_fini(&table->memory);
}

struct leg_formats *leg_formats_take(
	struct leg_formats_table *table, const struct leg_formats *wanted)
{
	struct leg_formats **bucket =
		&table->buckets[rte_jhash(wanted, KEY_BYTES, 0) % LEG_FORMATS_BUCKETS];
	struct leg_formats *formats = *bucket;

	while (formats && memcmp(formats, wanted, KEY_BYTES))
		formats = formats->next;
	if (formats)
		return leg_formats_hold(formats);
	formats = slab_take(&table->memory);
	if (!formats)
		return NULL;
	memcpy(formats, wanted, KEY_BYTES);
	formats->next = *bucket;
	formats->bucket = bucket;
	*bucket = formats;
	return leg_formats_hold(formats);
}

struct leg_formats *leg_formats_hold(struct leg_formats *formats)
{
	formats->n_configs++;
	return formats;
}

void leg_formats_release(struct leg_formats *formats)
{
	struct leg_formats **link;

	if (!formats || --formats->n_configs)
		return;
	for (link = formats->bucket; *link != formats; link = &(*link)->next)
		;
	*link = formats->next;
	slab_return(formats);
}
