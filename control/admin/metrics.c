// See metrics.h. Samples are gathered, sorted by family and printed.
#include "metrics.h"

#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILY_SIZE 96
#define LABELS_SIZE 192

struct sample {
	char family[FAMILY_SIZE]; // without "sluice_" and ending
	char labels[LABELS_SIZE]; // as printed, with braces; empty: none
	bool is_gauge;
	uint64_t value;
	size_t number; // as they came: samples of a family keep their order
};

struct metrics {
	struct sample *samples;
	size_t n, room;
	bool is_short; // of memory
};

// What HELP says. `calls` and the like are as in the README; families that are not here speak for
// themselves.
static const struct {
	const char *family, *text;
} helps[] = {
	{"build_info", "Constant 1; the labels name version and node."},
	{"call_adopted", "Calls taken over from another node."},
	{"call_active", "Calls that are not over."},
	{"call_answered", "Calls that were answered."},
	{"call_cdr_errors", "CDRs that could not be written."},
	{"call_invites", "INVITEs that asked for a new call and passed the basic checks."},
	{"call_media_timeouts", "Calls ended because no media came."},
	{"call_one_way", "Times that a leg was sent media and sent none itself."},
	{"call_recovered", "Calls taken over from an earlier run of this process."},
	{"call_refused", "Calls that ended before an answer, for any reason."},
	{"cluster_beats_refused", "Heartbeats that were none of the cluster's, or repeated."},
	{"cluster_drops", "Shards given up, as another node has a newer epoch."},
	{"cluster_shards_owned", "Shards that are ours."},
	{"cluster_store_up", "1 while the store takes reads and writes."},
	{"cluster_unprotected", "Calls whose latest state the store does not have."},
	{"dataplane_up", "1 while the dataplane is connected and synchronised."},
	{"drops", "Packets dropped by the dataplane, by reason."},
	{"guard_refused", "SIP messages from sources that may not talk to us, left unanswered."},
	{"port_rx_missed", "Packets that the device dropped because a worker was too late."},
	{"request_active", "MESSAGE, PUBLISH and the like of no call that have no answer yet."},
	{"request_refused", "Those of no call that we or the far end refused."},
	{"request_relayed", "Those that passed from one trunk to another, in calls and outside."},
	{"sip_overload", "Requests answered with 503 for want of room for a transaction."},
	{"sip_overloaded", "1 while new requests are refused, and for two seconds after."},
	{"sip_retransmissions_in", "Requests and responses that came again and were absorbed."},
	{"sip_retransmissions_out", "Messages that we sent again, unanswered."},
	{"sip_shed", "New requests refused with 503 because they had waited too long."},
	{"sip_timeouts", "Transactions that ended without an answer."},
	{"sip_urgent", "Emergency calls that went before others that waited."},
	{"sip_waiting", "New requests that wait for their turn."},
	{"sip_waits_ms", "How long the oldest of them has waited."},
	{"start_time_seconds", "When this process was started, in Unix time."},
	{"subscription_active", "Subscriptions from one trunk to another."},
	{"subscription_begun", "Subscriptions that the notifier has accepted."},
	{"subscription_notifies", "NOTIFYs of subscriptions that went to the subscriber."},
	{"subscription_notifies_refused", "NOTIFYs that belong to no subscription: 481."},
	{"table_sessions", "Media sessions in the dataplane."},
	{"transcoder_load_permille", "How busy a transcoder is, of 1000."},
	{"transport_receive_overruns",
		"Datagrams of SIP that the kernel dropped, since its queue was full."},
	{"trunk_calls", "Calls of a trunk that are not over."},
	{"trunk_calls_refused", "Calls that a limit of the trunk refused."},
	{"trunk_calls_started", "Calls of a trunk."},
	{"worker_late_turns",
		"Turns of a worker that began more than 100 us after the one before."},
};

struct metrics *metrics_create(void)
{
	return calloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics *metrics)
{
	if (metrics)
		free(metrics->samples);
	free(metrics);
}

static struct sample *sample_new(struct metrics *metrics)
{
	if (metrics->n == metrics->room) {
		size_t room = metrics->room ? 2 * metrics->room : 256;
		struct sample *more = realloc(metrics->samples, room * sizeof(*more));

		if (!more) {
			metrics->is_short = true;
			return NULL;
		}
		metrics->samples = more;
		metrics->room = room;
	}
	metrics->samples[metrics->n] = (struct sample){.number = metrics->n};
	return &metrics->samples[metrics->n++];
}

// A name of a metric has letters, digits and underscores.
static void family_set(struct sample *sample, const char *first, const char *rest)
{
	static const char gauge[] = "_now";
	size_t length;

	snprintf(sample->family, sizeof(sample->family), "%s%s%s", first, *first ? "_" : "", rest);
	for (char *at = sample->family; *at; at++)
		if ((*at < 'a' || *at > 'z') && (*at < 'A' || *at > 'Z') &&
			(*at < '0' || *at > '9'))
			*at = '_';
	length = strlen(sample->family);
	if (length < sizeof(gauge) || strcmp(sample->family + length - 4, gauge) != 0)
		return;
	sample->family[length - 4] = '\0';
	sample->is_gauge = true;
}

// Append LABEL="VALUE"; backslash, quote and line feed are escaped.
static void label_add(struct sample *sample, const char *label, const char *value, size_t length)
{
	size_t at = strlen(sample->labels);
	char *out = sample->labels;
	int n;

	if (at)
		at--; // the closing brace
	n = snprintf(out + at, LABELS_SIZE - at, "%c%s=\"", at ? ',' : '{', label);
	at += (size_t)n;
	for (size_t i = 0; i < length && at + 5 < LABELS_SIZE; i++) {
		if (value[i] == '\\' || value[i] == '"' || value[i] == '\n')
			out[at++] = '\\';
		out[at++] = value[i] == '\n' ? 'n' : value[i];
	}
	memcpy(out + at, "\"}", 3);
}

// "worker.0.stage.parse_cycles" from "parse_cycles" on: the stage is a label as well.
static const char *label_of_stage(struct sample *sample, const char *rest)
{
	static const char stage[] = "stage.";
	const char *end;

	if (strncmp(rest, stage, strlen(stage)) != 0)
		return rest;
	rest += strlen(stage);
	end = strrchr(rest, '_');
	if (!end)
		return rest;
	label_add(sample, "stage", rest, (size_t)(end - rest));
	return end + 1;
}

// PREFIX.VALUE.REST, where VALUE goes into a label.
static bool add_indexed(struct sample *sample, const char *name)
{
	static const char *const prefixes[] = {"worker", "transcoder", "port"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i]);
		const char *value = name + length + 1, *end;
		char first[32];

		if (strncmp(name, prefixes[i], length) != 0 || name[length] != '.')
			continue;
		end = strchr(value, '.');
		if (!end)
			return false;
		label_add(sample, prefixes[i], value, (size_t)(end - value));
		snprintf(first, sizeof(first), "%s%s", prefixes[i],
			strncmp(end + 1, "stage.", 6) ? "" : "_stage");
		family_set(sample, first, label_of_stage(sample, end + 1));
		return true;
	}
	return false;
}

void metrics_add(struct metrics *metrics, const char *name, uint64_t value)
{
	static const char drop[] = "drop.";
	struct sample *sample = sample_new(metrics);

	if (!sample)
		return;
	sample->value = value;
	if (!strncmp(name, drop, strlen(drop))) {
		family_set(sample, "", "drops");
		label_add(sample, "reason", name + strlen(drop), strlen(name) - strlen(drop));
	} else if (!add_indexed(sample, name)) {
		family_set(sample, "", name);
	}
}

void metrics_add_labelled(struct metrics *metrics, const char *family, const char *label,
	const char *label_value, uint64_t value)
{
	struct sample *sample = sample_new(metrics);

	if (!sample)
		return;
	sample->value = value;
	family_set(sample, "", family);
	label_add(sample, label, label_value, strlen(label_value));
}

static int compare(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;
	int order = strcmp(a->family, b->family);

	if (order)
		return order;
	return a->number < b->number ? -1 : a->number > b->number;
}

static void print_head(const struct sample *sample, struct evbuffer *out)
{
	const char *ending = sample->is_gauge ? "" : "_total";

	for (size_t i = 0; i < sizeof(helps) / sizeof(helps[0]); i++)
		if (!strcmp(helps[i].family, sample->family))
			evbuffer_add_printf(out, "# HELP sluice_%s%s %s\n", sample->family, ending,
				helps[i].text);
	evbuffer_add_printf(out, "# TYPE sluice_%s%s %s\n", sample->family, ending,
		sample->is_gauge ? "gauge" : "counter");
}

int metrics_print(struct metrics *metrics, struct evbuffer *out)
{
	bool is_short = metrics->is_short;

	if (metrics->n)
		qsort(metrics->samples, metrics->n, sizeof(*metrics->samples), compare);
	for (size_t i = 0; i < metrics->n; i++) {
		const struct sample *sample = &metrics->samples[i];

		if (i == 0 || strcmp(sample->family, sample[-1].family) != 0)
			print_head(sample, out);
		if (evbuffer_add_printf(out, "sluice_%s%s%s %" PRIu64 "\n", sample->family,
			    sample->is_gauge ? "" : "_total", sample->labels, sample->value) < 0)
			is_short = true;
	}
	return is_short ? -ENOMEM : 0;
}
