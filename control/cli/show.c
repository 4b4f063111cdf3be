// Results as tables and paragraphs. Fields that are missing (of another version) show as "-" or 0:
// what is shown never depends on what the other end is trusted to send.
#include "show.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "text_table.h"

#define TIME_SIZE  32
#define SCORE_SIZE 32

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && text[0] ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const json_t *leg_of(const json_t *object, size_t index)
{
	return json_array_get(json_object_get(object, "legs"), index);
}

// "4.2 s", "1:05", "2:01:09", "3 d 4 h"
static const char *duration(json_int_t ms, char out[TIME_SIZE])
{
	json_int_t s = ms / 1000;

	if (s < 60)
		snprintf(out, TIME_SIZE, "%d.%d s", (int)s, (int)(ms % 1000 / 100));
	else if (s < 3600)
		snprintf(out, TIME_SIZE, "%d:%02d", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(out, TIME_SIZE, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
			(int)(s % 60));
	else
		snprintf(out, TIME_SIZE, "%lld d %d h", (long long)(s / 86400),
			(int)(s / 3600 % 24));
	return out;
}

static void put_text(FILE *file, const char *text)
{
	char clean[256];

	snprintf(clean, sizeof(clean), "%s", text);
	text_clean(clean);
	fputs(clean, file);
}

static void put_line(FILE *file, const char *name, const char *text)
{
	fprintf(file, "  %-12s ", name);
	put_text(file, text);
	fputc('\n', file);
}

void show_nothing(const json_t *, FILE *)
{
}

void show_reload(const json_t *result, FILE *file)
{
	const char *restart = text_of(result, "needs_restart");

	fputs("reloaded\n", file);
	if (strcmp(restart, "-") != 0) {
		fputs("needs a restart: ", file);
		put_text(file, restart);
		fputc('\n', file);
	}
}

void show_status(const json_t *result, FILE *file)
{
	const json_t *dataplane = json_object_get(result, "dataplane");
	const json_t *calls = json_object_get(result, "calls");
	const json_t *requests = json_object_get(result, "requests");
	const json_t *subscriptions = json_object_get(result, "subscriptions");
	const json_t *overload = json_object_get(result, "overload");
	char time[TIME_SIZE];

	put_text(file, text_of(result, "node"));
	fprintf(file, ": sluice-control %s, process %lld, up for %s\n", text_of(result, "version"),
		(long long)number_of(result, "pid"),
		duration(number_of(result, "uptime_ms"), time));
	if (json_is_true(json_object_get(result, "draining")))
		fputs("DRAINING: no new calls are taken\n", file);
	fprintf(file, "dataplane: %s, %lld sessions",
		json_is_true(json_object_get(dataplane, "up")) ? "connected" : "NOT CONNECTED",
		(long long)number_of(dataplane, "sessions"));
	if (number_of(dataplane, "adopted") || number_of(dataplane, "restored"))
		fprintf(file, " (%lld taken over at start, %lld set again after a restart)",
			(long long)number_of(dataplane, "adopted"),
			(long long)number_of(dataplane, "restored"));
	fprintf(file,
		"\ncalls: %lld active; %lld offered, %lld answered, %lld refused, %lld ended by "
		"media time-out\n",
		(long long)number_of(calls, "active"), (long long)number_of(calls, "invites"),
		(long long)number_of(calls, "answered"), (long long)number_of(calls, "refused"),
		(long long)number_of(calls, "media_timeouts"));
	if (number_of(requests, "relayed") || number_of(requests, "refused"))
		fprintf(file, "requests beside calls: %lld active; %lld relayed, %lld refused\n",
			(long long)number_of(requests, "active"),
			(long long)number_of(requests, "relayed"),
			(long long)number_of(requests, "refused"));
	if (number_of(subscriptions, "begun"))
		fprintf(file, "subscriptions: %lld active; %lld begun, %lld notifications\n",
			(long long)number_of(subscriptions, "active"),
			(long long)number_of(subscriptions, "begun"),
			(long long)number_of(subscriptions, "notifies"));
	if (json_is_true(json_object_get(overload, "now")))
		fprintf(file, "OVERLOAD: %lld new requests wait, the oldest for %lld ms\n",
			(long long)number_of(overload, "waiting"),
			(long long)number_of(overload, "waits_ms"));
	if (number_of(overload, "refused") || number_of(overload, "receive_overruns"))
		fprintf(file,
			"overload: %lld new requests refused so far, %lld datagrams not received\n",
			(long long)number_of(overload, "refused"),
			(long long)number_of(overload, "receive_overruns"));
	if (json_object_get(result, "cluster"))
		show_cluster_short(json_object_get(result, "cluster"), file);
	if (number_of(calls, "cdr_errors"))
		fprintf(file, "CDRs NOT WRITTEN: %lld\n",
			(long long)number_of(calls, "cdr_errors"));
}

void show_calls(const json_t *result, FILE *file)
{
	static const char *const heads[] = {
		"CALL", "STATE", "FROM", "TO", "TRUNKS", "CODECS", ">TIME", NULL};
	struct table *table = table_create(heads);
	char time[TIME_SIZE];
	const json_t *call;
	size_t i;

	json_array_foreach(result, i, call)
	{
		const json_t *a = leg_of(call, 0), *b = leg_of(call, 1);

		table_put(table, "%s", text_of(call, "call"));
		table_put(table, "%s", text_of(call, "state"));
		table_put(table, "%s", text_of(call, "from"));
		table_put(table, "%s", text_of(call, "to"));
		table_put(table, "%s > %s", text_of(a, "trunk"), text_of(b, "trunk"));
		table_put(table, "%s > %s", text_of(a, "codec"), text_of(b, "codec"));
		table_put(table, "%s", duration(number_of(call, "duration_ms"), time));
	}
	table_print(table, file, "no calls");
	table_destroy(table);
}

// "opus 111, telephone-event 101"
static const char *formats_text(const json_t *leg, char *out, size_t size)
{
	size_t i, length = 0;
	const json_t *format;

	out[0] = '\0';
	json_array_foreach(json_object_get(leg, "formats"), i, format)
	{
		if (length < size)
			length += (size_t)snprintf(out + length, size - length, "%s%s %lld",
				i ? ", " : "", text_of(format, "name"),
				(long long)number_of(format, "pt"));
	}
	return out[0] ? out : "-";
}

static const char *first_codec(const json_t *leg)
{
	return text_of(json_array_get(json_object_get(leg, "formats"), 0), "name");
}

// Loss in percent of what should have come.
static double loss_of(const json_t *leg)
{
	double lost = (double)number_of(leg, "lost");
	double expected = lost + (double)number_of(leg, "rx_packets");

	return expected > 0 ? 100 * lost / expected : 0;
}

static double ms_of(const json_t *object, const char *key)
{
	return (double)number_of(object, key) / 1000;
}

void show_sessions(const json_t *result, FILE *file)
{
	static const char *const heads[] = {"SESSION", ">AGE", "LEG", "CODEC", "REMOTE", ">RX",
		">TX", ">LOST", ">LOSS", ">JITTER", NULL};
	struct table *table = table_create(heads);
	const json_t *session, *leg;
	char time[TIME_SIZE];
	size_t i, j;

	json_array_foreach(result, i, session)
	{
		json_array_foreach(json_object_get(session, "legs"), j, leg)
		{
			table_put(table, "%s", j ? "" : text_of(session, "session"));
			table_put(
				table, "%s", j ? "" : duration(number_of(session, "age_ms"), time));
			table_put(table, "%s", text_of(leg, "leg"));
			table_put(table, "%s", first_codec(leg));
			table_put(table, "%s", text_of(leg, "source"));
			table_put(table, "%lld", (long long)number_of(leg, "rx_packets"));
			table_put(table, "%lld", (long long)number_of(leg, "tx_packets"));
			table_put(table, "%lld", (long long)number_of(leg, "lost"));
			table_put(table, "%.1f%%", loss_of(leg));
			table_put(table, "%.1f ms", ms_of(leg, "jitter_us"));
		}
	}
	table_print(table, file, "no sessions");
	table_destroy(table);
}

// RFC 3611 4.7.5: 127 means that it is not known.
static const char *score(json_int_t value, int parts, char out[SCORE_SIZE])
{
	if (value == 127)
		return "-";
	snprintf(out, SCORE_SIZE, "%.*f", parts > 1, (double)value / parts);
	return out;
}

// What the far end says of what it hears, where it has said anything.
static void show_rtcp(const json_t *leg, FILE *file)
{
	const json_t *voip = json_object_get(leg, "voip");
	char scores[3][SCORE_SIZE];

	fprintf(file, "  %-12s %lld received, %lld sent\n", "RTCP",
		(long long)number_of(leg, "rx_rtcp"), (long long)number_of(leg, "tx_rtcp"));
	if (number_of(leg, "rtt_us"))
		fprintf(file, "  %-12s %.1f ms\n", "round trip", ms_of(leg, "rtt_us"));
	if (number_of(leg, "remote_jitter_us") || number_of(leg, "remote_lost"))
		fprintf(file, "  %-12s lost %lld, %.1f%% of the last; jitter %.1f ms\n", "far end",
			(long long)number_of(leg, "remote_lost"),
			100 * (double)number_of(leg, "remote_fraction_lost") / 256,
			ms_of(leg, "remote_jitter_us"));
	if (!json_is_object(voip))
		return;
	fprintf(file,
		"  %-12s R factor %s, MOS %s listening, %s talking; loss %.1f%%, discarded "
		"%.1f%%\n",
		"VoIP metrics", score(number_of(voip, "r_factor"), 1, scores[0]),
		score(number_of(voip, "mos_lq"), 10, scores[1]),
		score(number_of(voip, "mos_cq"), 10, scores[2]),
		100 * (double)number_of(voip, "loss_rate") / 256,
		100 * (double)number_of(voip, "discard_rate") / 256);
}

static void show_srtp(const json_t *leg, const char *name, const char *key, FILE *file)
{
	const json_t *srtp = json_object_get(leg, key);

	if (!json_is_object(srtp))
		return;
	fprintf(file, "  %-12s ", name);
	put_text(file, text_of(srtp, "suite"));
	fprintf(file, ", next ROC %lld, sequence %lld, SRTCP index %lld\n",
		(long long)number_of(srtp, "roc"), (long long)number_of(srtp, "sequence"),
		(long long)number_of(srtp, "rtcp_index"));
}

// In one line, and only those that there are.
static void show_drops_of(const json_t *leg, FILE *file)
{
	static const struct {
		const char *key, *text;
	} kinds[] = {
		{"dropped_source", "from a wrong source"},
		{"dropped_auth", "not authentic"},
		{"dropped_replay", "replayed"},
		{"dropped_rate", "over the rate"},
		{"dropped_other", "for other reasons"},
	};
	const char *before = NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		json_int_t n = number_of(leg, kinds[i].key);

		if (!n)
			continue;
		if (!before)
			fprintf(file, "  %-12s ", "dropped");
		fprintf(file, "%s%lld %s", before ? before : "", (long long)n, kinds[i].text);
		before = ", ";
	}
	if (before)
		fputc('\n', file);
}

static void show_media_counts(const json_t *leg, FILE *file)
{
	json_int_t frames = number_of(leg, "transcoded") + number_of(leg, "concealed");

	fprintf(file,
		"  %-12s %lld packets, %lld bytes; lost %lld (%.1f%%), reordered %lld, "
		"duplicates %lld\n",
		"received", (long long)number_of(leg, "rx_packets"),
		(long long)number_of(leg, "rx_bytes"), (long long)number_of(leg, "lost"),
		loss_of(leg), (long long)number_of(leg, "reordered"),
		(long long)number_of(leg, "duplicates"));
	fprintf(file, "  %-12s %lld packets, %lld bytes\n", "sent",
		(long long)number_of(leg, "tx_packets"), (long long)number_of(leg, "tx_bytes"));
	fprintf(file, "  %-12s %.1f ms, at most %.1f ms\n", "jitter", ms_of(leg, "jitter_us"),
		ms_of(leg, "jitter_max_us"));
	show_quality(leg, file);
	show_rtcp(leg, file);
	show_drops_of(leg, file);
	if (frames)
		fprintf(file, "  %-12s %lld frames, %lld concealed, %.1f us each\n", "transcoded",
			(long long)number_of(leg, "transcoded"),
			(long long)number_of(leg, "concealed"),
			(double)number_of(leg, "transcode_ns") / 1000 / (double)frames);
}

static const char *direction_of(const json_t *leg)
{
	bool sends = json_is_true(json_object_get(leg, "sends"));
	bool receives = json_is_true(json_object_get(leg, "receives"));

	return sends && receives ? "both ways"
	       : sends		 ? "we only send"
	       : receives	 ? "we only receive"
				 : "neither way";
}

static void show_media(const json_t *leg, FILE *file)
{
	char formats[256], time[TIME_SIZE];

	put_line(file, "formats", formats_text(leg, formats, sizeof(formats)));
	put_line(file, "media", direction_of(leg));
	put_line(file, "local", text_of(leg, "local"));
	put_line(file, "signalled", text_of(leg, "remote"));
	if (json_is_true(json_object_get(leg, "latched")))
		put_line(file, "latched to", text_of(leg, "source"));
	show_srtp(leg, "SRTP in", "srtp_receive", file);
	show_srtp(leg, "SRTP out", "srtp_send", file);
	show_media_counts(leg, file);
	if (json_is_true(json_object_get(leg, "one_way")))
		put_line(file, "ONE WAY", "it is sent media and sends none");
	put_line(file, "idle for", duration(number_of(leg, "idle_ms"), time));
}

void show_session(const json_t *result, FILE *file)
{
	char time[TIME_SIZE];
	const json_t *leg;
	size_t i;

	fprintf(file, "session %s, %s old, worker %lld\n", text_of(result, "session"),
		duration(number_of(result, "age_ms"), time),
		(long long)number_of(result, "worker"));
	json_array_foreach(json_object_get(result, "legs"), i, leg)
	{
		fprintf(file, "leg %s\n", text_of(leg, "leg"));
		show_media(leg, file);
	}
}

static void show_dialog(const json_t *leg, FILE *file)
{
	static const struct {
		const char *name, *key;
	} lines[] = {
		{"state", "state"},
		{"codec", "codec"},
		{"peer", "peer"},
		{"Call-ID", "call_id"},
		{"local URI", "local_uri"},
		{"remote URI", "remote_uri"},
		{"contact", "remote_target"},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		put_line(file, lines[i].name, text_of(leg, lines[i].key));
}

void show_call(const json_t *result, FILE *file)
{
	const json_t *session = json_object_get(result, "session");
	char time[TIME_SIZE];
	const json_t *leg;
	size_t i;

	fprintf(file, "call %s: %s\n", text_of(result, "call"), text_of(result, "state"));
	put_line(file, "from", text_of(result, "from"));
	put_line(file, "to", text_of(result, "to"));
	put_line(file, "invited", text_of(result, "invited"));
	put_line(file, "ringing", text_of(result, "ringing"));
	put_line(file, "answered", text_of(result, "answered"));
	put_line(file, "lasts for", duration(number_of(result, "duration_ms"), time));
	json_array_foreach(json_object_get(result, "legs"), i, leg)
	{
		fprintf(file, "leg %s, trunk ", text_of(leg, "leg"));
		put_text(file, text_of(leg, "trunk"));
		fputc('\n', file);
		show_dialog(leg, file);
		if (leg_of(session, i))
			show_media(leg_of(session, i), file);
	}
	if (!json_is_object(session))
		fputs("no session in the dataplane\n", file);
}

static void show_pairs(const json_t *result, bool zeros, const char *none, FILE *file)
{
	static const char *const heads[] = {"COUNTER", ">VALUE", NULL};
	struct table *table = table_create(heads);
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)result, name, value)
	{
		if (!zeros && !json_integer_value(value))
			continue;
		table_put(table, "%s", name);
		table_put(table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	}
	table_print(table, file, none);
	table_destroy(table);
}

void show_counters(const json_t *result, FILE *file)
{
	show_pairs(result, true, "no counters", file);
}

void show_drops(const json_t *result, FILE *file)
{
	show_pairs(result, false, "nothing has been dropped", file);
}

static const char *join(const json_t *list, char *out, size_t size)
{
	size_t i, length = 0;
	const json_t *text;

	out[0] = '\0';
	json_array_foreach(list, i, text)
	{
		if (length < size)
			length += (size_t)snprintf(out + length, size - length, "%s%s",
				i ? " " : "", json_is_string(text) ? json_string_value(text) : "-");
	}
	return out;
}

static void put_limited(struct table *table, json_int_t value, json_int_t limit)
{
	if (limit)
		table_put(table, "%lld of %lld", (long long)value, (long long)limit);
	else
		table_put(table, "%lld", (long long)value);
}

// "198.51.100.1:5060", and what is wrong with it: "(down)", "(closed 12 s)".
static const char *peers_text(const json_t *list, char *out, size_t size)
{
	size_t i, length = 0;
	const json_t *peer;

	out[0] = '\0';
	json_array_foreach(list, i, peer)
	{
		const char *state = text_of(peer, "state");
		json_int_t left = number_of(peer, "seconds_left");

		if (length < size)
			length += (size_t)snprintf(out + length, size - length, "%s%s",
				i ? " " : "", text_of(peer, "address"));
		if (length < size && strcmp(state, "up") != 0 && strcmp(state, "-") != 0)
			length += (size_t)snprintf(out + length, size - length, " (%s", state);
		else
			continue;
		if (length < size && left)
			length += (size_t)snprintf(
				out + length, size - length, " %lld s", (long long)left);
		if (length < size)
			length += (size_t)snprintf(out + length, size - length, ")");
	}
	return out;
}

static void put_direction(struct table *table, const json_t *trunk, const char *key)
{
	const json_t *direction = json_object_get(trunk, key);

	put_limited(table, number_of(direction, "calls"), number_of(direction, "calls_max"));
}

void show_trunks(const json_t *result, FILE *file)
{
	static const char *const heads[] = {"TRUNK", "REALM", ">CALLS", ">IN", ">OUT", ">STARTED",
		">REFUSED", "CODECS", "PEERS", NULL};
	struct table *table = table_create(heads);
	char list[512];
	const json_t *trunk;
	size_t i;

	json_array_foreach(result, i, trunk)
	{
		table_put(table, "%s", text_of(trunk, "trunk"));
		table_put(table, "%s", text_of(trunk, "realm"));
		put_limited(table, number_of(trunk, "calls"), number_of(trunk, "calls_max"));
		put_direction(table, trunk, "in");
		put_direction(table, trunk, "out");
		table_put(table, "%lld", (long long)number_of(trunk, "started"));
		table_put(table, "%lld", (long long)number_of(trunk, "refused"));
		table_put(table, "%s", join(json_object_get(trunk, "codecs"), list, sizeof(list)));
		table_put(table, "%s",
			peers_text(json_object_get(trunk, "peers"), list, sizeof(list)));
	}
	table_print(table, file, "no trunks");
	table_destroy(table);
}

static const char *join_numbers(const json_t *list, json_int_t unit, char *out, size_t size)
{
	size_t i, length = 0;
	const json_t *number;

	out[0] = '\0';
	json_array_foreach(list, i, number)
	{
		if (length < size)
			length += (size_t)snprintf(out + length, size - length, "%s%lld",
				i ? " " : "", (long long)(json_integer_value(number) / unit));
	}
	return out;
}

static void put_cost(struct table *table, const json_t *codec, const char *ns, const char *streams)
{
	table_put(table, "%.2f", (double)number_of(codec, ns) / 1e3);
	table_put(table, "%lld", (long long)number_of(codec, streams));
}

void show_codecs(const json_t *result, FILE *file)
{
	static const char *const heads[] = {"CODEC", ">CLOCK", "KHZ", "FRAMES MS", ">ENCODE US",
		">A CORE", ">RUN", ">DECODE US", ">A CORE", ">RUN", NULL};
	struct table *table = table_create(heads);
	const json_t *codec;
	char list[64];
	size_t i;

	json_array_foreach(result, i, codec)
	{
		table_put(table, "%s", text_of(codec, "name"));
		table_put(table, "%lld", (long long)number_of(codec, "clock_hz"));
		table_put(table, "%s",
			join_numbers(
				json_object_get(codec, "sample_rates"), 1000, list, sizeof(list)));
		table_put(table, "%s",
			join_numbers(json_object_get(codec, "frames_ms"), 1, list, sizeof(list)));
		put_cost(table, codec, "encode_ns", "encode_streams_per_core");
		table_put(table, "%lld", (long long)number_of(codec, "encoders"));
		put_cost(table, codec, "decode_ns", "decode_streams_per_core");
		table_put(table, "%lld", (long long)number_of(codec, "decoders"));
	}
	table_print(table, file, "the dataplane does not transcode");
	table_destroy(table);
}
