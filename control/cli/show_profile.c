// What each stage of the packet path costs.
#include <stdint.h>

#include "show.h"
#include "text_table.h"

static double number_of(const json_t *stage, const char *key)
{
	return json_number_value(json_object_get(stage, key));
}

void show_profile(const json_t *result, FILE *file)
{
	static const char *const heads[] = {
		"STAGE", ">PACKETS", ">CYCLES/PACKET", ">CYCLES", ">SHARE", NULL};
	struct table *table = table_create(heads);
	const json_t *stage;
	size_t i;

	json_array_foreach(result, i, stage)
	{
		const char *name = json_string_value(json_object_get(stage, "stage"));

		table_put(table, "%s", name ? name : "-");
		table_put(table, "%.0f", number_of(stage, "packets"));
		table_put(table, "%.1f", number_of(stage, "cycles_per_packet"));
		table_put(table, "%.0f", number_of(stage, "cycles"));
		table_put(table, "%.1f %%", 100 * number_of(stage, "share"));
	}
	table_print(table, file, "nothing was counted: sluicectl profile on");
	table_destroy(table);
}
