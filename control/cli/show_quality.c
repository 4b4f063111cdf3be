// How the media of a leg sounds, and what its jitter buffer does.
#include "show.h"

static long long number_of(const json_t *leg, const char *key)
{
	return json_integer_value(json_object_get(leg, key));
}

// MOS and R, where there was something to judge by.
void show_quality(const json_t *leg, FILE *file)
{
	static const struct {
		const char *key, *text;
	} kinds[] = {
		{"quality", "received"},
		{"quality_now", "now"},
		{"quality_worst", "worst"},
		{"quality_sent", "sent"},
	};
	const char *before = NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const json_t *quality = json_object_get(leg, kinds[i].key);

		if (!json_is_object(quality))
			continue;
		if (!before)
			fprintf(file, "  %-12s ", "MOS (R)");
		fprintf(file, "%s%s %.2f (%.1f)", before ? before : "", kinds[i].text,
			json_number_value(json_object_get(quality, "mos")),
			json_number_value(json_object_get(quality, "r")));
		before = ", ";
	}
	if (before)
		fputc('\n', file);
	if (number_of(leg, "jitter_target_ms"))
		fprintf(file, "  %-12s %lld ms, to be %lld ms; late %lld, left out %lld\n",
			"buffer", number_of(leg, "jitter_buffer_ms"),
			number_of(leg, "jitter_target_ms"), number_of(leg, "late"),
			number_of(leg, "discarded"));
}
