// Registrations: of users with us, and of ours with trunks.
#include "show.h"
#include "text_table.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && text[0] ? text : "-";
}

void show_bindings(const json_t *result, FILE *file)
{
	static const char *const heads[] = {
		"USER", "CONTACT", "FROM", "VIA", "NAT", ">SECONDS", ">Q", "AGENT", NULL};
	struct table *table = table_create(heads);
	const json_t *binding;
	size_t i;

	json_array_foreach(result, i, binding)
	{
		table_put(table, "%s", text_of(binding, "aor"));
		table_put(table, "%s", text_of(binding, "contact"));
		table_put(table, "%s", text_of(binding, "source"));
		table_put(table, "%s", text_of(binding, "transport"));
		table_put(
			table, "%s", json_is_true(json_object_get(binding, "nat")) ? "yes" : "no");
		table_put(table, "%lld",
			(long long)json_integer_value(json_object_get(binding, "expires_s")));
		table_put(table, "%.1f", json_number_value(json_object_get(binding, "q")));
		table_put(table, "%s", text_of(binding, "agent"));
	}
	table_print(table, file, "nobody is registered");
	table_destroy(table);
}

void show_registrations(const json_t *result, FILE *file)
{
	static const char *const heads[] = {"TRUNK", "USER", "DOMAIN", "REGISTERED", "STATE",
		">SECONDS", "PEER", ">STATUS", NULL};
	struct table *table = table_create(heads);
	const json_t *registration;
	size_t i;

	json_array_foreach(result, i, registration)
	{
		table_put(table, "%s", text_of(registration, "trunk"));
		table_put(table, "%s%s", text_of(registration, "user"),
			json_is_true(json_object_get(registration, "bulk")) ? " (bulk)" : "");
		table_put(table, "%s", text_of(registration, "domain"));
		table_put(table, "%s",
			json_is_true(json_object_get(registration, "registered")) ? "yes" : "NO");
		table_put(table, "%s", text_of(registration, "state"));
		table_put(table, "%lld",
			(long long)json_integer_value(json_object_get(registration, "expires_s")));
		table_put(table, "%s", text_of(registration, "peer"));
		table_put(table, "%lld",
			(long long)json_integer_value(json_object_get(registration, "status")));
	}
	table_print(table, file, "no registrations");
	table_destroy(table);
}
