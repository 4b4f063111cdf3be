// The cluster as people see it: who is there, who has which shard, how the store is.
#include "show.h"

#include <string.h>

#include "text_table.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && text[0] ? text : "-";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void show_nodes(const json_t *nodes, FILE *file)
{
	static const char *const heads[] = {"NODE", "STATE", ">HEARD MS AGO", ">CALLS", NULL};
	struct table *table = table_create(heads);
	const json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node)
	{
		table_put(table, "%s", text_of(node, "name"));
		table_put(table, "%s%s", text_of(node, "state"),
			is_true(node, "draining") ? ", draining" : "");
		if (json_object_get(node, "heard_ms_ago"))
			table_put(table, "%lld", number_of(node, "heard_ms_ago"));
		else
			table_put(table, "-");
		table_put(table, "%lld", number_of(node, "calls"));
	}
	table_print(table, file, "no nodes");
	table_destroy(table);
}

static void show_shards(const json_t *shards, FILE *file)
{
	static const char *const heads[] = {"SHARD", "OWNER", ">EPOCH", "NODES", "CLAIM", NULL};
	struct table *table = table_create(heads);
	const json_t *shard, *name;
	size_t i, j;

	json_array_foreach(shards, i, shard)
	{
		char nodes[512] = "";
		size_t n = 0;

		json_array_foreach(json_object_get(shard, "nodes"), j, name)
		{
			const char *text = json_string_value(name);

			if (n < sizeof(nodes))
				n += (size_t)snprintf(nodes + n, sizeof(nodes) - n, "%s%s",
					j ? " " : "", text ? text : "-");
		}
		table_put(table, "%s", text_of(shard, "name"));
		table_put(table, "%s", text_of(shard, "owner"));
		table_put(table, "%lld", number_of(shard, "epoch"));
		table_put(table, "%s", nodes);
		table_put(table, "%s", is_true(shard, "ours") ? "ours" : text_of(shard, "claim"));
	}
	table_print(table, file, "no shards");
	table_destroy(table);
}

static void show_store(const json_t *store, FILE *file)
{
	char why[64];

	snprintf(why, sizeof(why), "%s", text_of(store, "ill"));
	text_clean(why);
	if (is_true(store, "up"))
		fprintf(file, "store: up");
	else
		fprintf(file, "store: AWAY");
	if (strcmp(why, "none") != 0)
		fprintf(file, " (%s)", why);
	fprintf(file, " for %lld s; %lld records of ours", number_of(store, "for_ms") / 1000,
		number_of(store, "records"));
	if (number_of(store, "unprotected"))
		fprintf(file, ", %lld of them UNPROTECTED", number_of(store, "unprotected"));
	fputc('\n', file);
}

void show_cluster(const json_t *result, FILE *file)
{
	show_nodes(json_object_get(result, "nodes"), file);
	fputc('\n', file);
	show_shards(json_object_get(result, "shards"), file);
	fputc('\n', file);
	show_store(json_object_get(result, "store"), file);
}

void show_cluster_short(const json_t *result, FILE *file)
{
	const json_t *nodes = json_object_get(result, "nodes"),
		     *shards = json_object_get(result, "shards"), *each;
	unsigned int n_there = 0, n_ours = 0, n_lost = 0;
	size_t i;

	json_array_foreach(nodes, i, each) n_there +=
		!strcmp(text_of(each, "state"), "us") || !strcmp(text_of(each, "state"), "alive");
	json_array_foreach(shards, i, each)
	{
		n_ours += is_true(each, "ours");
		n_lost += !strcmp(text_of(each, "owner"), "-");
	}
	fprintf(file, "cluster: %u of %zu nodes there; %u of %zu shards ours", n_there,
		json_array_size(nodes), n_ours, json_array_size(shards));
	if (n_lost)
		fprintf(file, ", %u NOBODY'S", n_lost);
	fputs("; ", file);
	show_store(json_object_get(result, "store"), file);
}
