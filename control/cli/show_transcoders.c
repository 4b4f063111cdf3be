// How busy the transcode lcores are, and what they do about it.
#include <stdint.h>

#include "show.h"
#include "text_table.h"

#define NAME_SIZE 64

// Of transcoder `i`, by the dataplane's counters; NULL: there is no such transcoder.
static const json_t *counter_of(const json_t *counters, unsigned int i, const char *name)
{
	char key[NAME_SIZE];

	snprintf(key, sizeof(key), "transcoder.%u.%s", i, name);
	return json_object_get(counters, key);
}

static double number_of(const json_t *counters, unsigned int i, const char *name)
{
	return json_number_value(counter_of(counters, i, name));
}

void show_transcoders(const json_t *result, FILE *file)
{
	static const char *const heads[] = {">TRANSCODER", ">STREAMS", ">BUSY", ">EXPECTED",
		">QUALITY STEPS SHED", ">STREAMS REFUSED", ">DROPPED", NULL};
	struct table *table = table_create(heads);

	for (unsigned int i = 0; counter_of(result, i, "streams_now"); i++) {
		table_put(table, "%u", i);
		table_put(table, "%.0f", number_of(result, i, "streams_now"));
		table_put(table, "%.1f %%", number_of(result, i, "load_permille_now") / 10);
		table_put(table, "%.1f %%", number_of(result, i, "expected_permille_now") / 10);
		table_put(table, "%.0f", number_of(result, i, "shed_level_now"));
		table_put(table, "%.0f", number_of(result, i, "refused"));
		table_put(table, "%.0f", number_of(result, i, "dropped"));
	}
	table_print(table, file, "the dataplane does not transcode");
	table_destroy(table);
}
