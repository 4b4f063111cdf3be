// Counters of the stages, "worker.<n>.stage.<name>_cycles" and "_packets", as a list in the order
// of the stages, over all workers.
#include <stdlib.h>
#include <string.h>

#include "admin_private.h"

// "<stage>" and what is counted of it, or false: it is another counter.
static bool split_name(const char *counter, char stage[64], const char **what)
{
	const char *name = strstr(counter, ".stage."), *end;

	if (!name)
		return false;
	name += strlen(".stage.");
	end = strrchr(name, '_');
	if (!end || end - name >= 64)
		return false;
	memcpy(stage, name, (size_t)(end - name));
	stage[end - name] = '\0';
	*what = end + 1;
	return true;
}

static json_t *stage_of(json_t *list, const char *name)
{
	json_t *stage;
	size_t i;

	json_array_foreach(
		list, i, stage) if (!strcmp(json_string_value(json_object_get(stage, "stage")),
					    name)) return stage;
	stage = json_pack("{s:s, s:i, s:i}", "stage", name, "packets", 0, "cycles", 0);
	json_array_append_new(list, stage);
	return stage;
}

static void add_share(json_t *list, json_int_t cycles)
{
	json_t *stage;
	size_t i;

	json_array_foreach(list, i, stage)
	{
		json_int_t packets = json_integer_value(json_object_get(stage, "packets"));
		double own = (double)json_integer_value(json_object_get(stage, "cycles"));

		json_object_set_new(
			stage, "cycles_per_packet", json_real(packets ? own / (double)packets : 0));
		json_object_set_new(stage, "share", json_real(cycles ? own / (double)cycles : 0));
	}
}

json_t *profile_json(const json_t *counters)
{
	json_t *list = json_array(), *stage, *value;
	json_int_t cycles = 0;
	const char *counter, *what;
	char name[64];

	json_object_foreach((json_t *)(uintptr_t)counters, counter, value)
	{
		if (!split_name(counter, name, &what))
			continue;
		stage = stage_of(list, name);
		json_object_set_new(stage, what,
			json_integer(json_integer_value(json_object_get(stage, what)) +
				     json_integer_value(value)));
		if (!strcmp(what, "cycles"))
			cycles += json_integer_value(value);
	}
	add_share(list, cycles);
	return list;
}
