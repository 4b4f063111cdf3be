// The messages of a call as a ladder: our process in the middle, far ends on both sides in the
// order in which they appear.
//
//              192.0.2.2:5060           sluice      198.51.100.2:5060
//     0.000 s  ├──── INVITE sdp ──────────►│                        │
#include <string.h>

#include "show.h"
#include "text_table.h"

#define WIDTH	  30 // of a column
#define PEERS_MAX 6
#define LABEL_MAX 24

struct ladder {
	const char *peers[PEERS_MAX];
	size_t n_peers;
	size_t us; // our column: behind the first far end
	FILE *file;
};

static const char *text_in(const json_t *message, const char *key)
{
	const char *text = json_string_value(json_object_get(message, key));

	return text ? text : "";
}

static size_t column_of(const struct ladder *ladder, const char *peer)
{
	for (size_t i = 0; i < ladder->n_peers; i++)
		if (!strcmp(ladder->peers[i], peer))
			return i + (i >= ladder->us);
	return ladder->n_peers; // one too many: the last column is for the rest
}

static void find_peers(struct ladder *ladder, const json_t *messages)
{
	const json_t *message;
	size_t i, j;

	json_array_foreach(messages, i, message)
	{
		const char *peer = text_in(message, "remote");

		for (j = 0; j < ladder->n_peers && strcmp(ladder->peers[j], peer) != 0; j++)
			;
		if (j == ladder->n_peers && j < PEERS_MAX)
			ladder->peers[ladder->n_peers++] = peer;
	}
	ladder->us = 1;
}

// "INVITE sdp", "200 OK (INVITE) sdp": as much as there is room for.
static void label_write(const json_t *message, char out[LABEL_MAX])
{
	static const char response[] = "SIP/2.0 ";
	const char *text = text_in(message, "text"), *cseq = strcasestr(text, "\nCSeq:"),
		   *body = strstr(text, "\r\n\r\n"), *method = "";
	size_t n_method = 0;
	bool has_sdp = body && strstr(body, "v=0");

	if (strncmp(text, response, strlen(response)) != 0) {
		snprintf(out, LABEL_MAX, "%.*s%s", (int)strcspn(text, " \r\n"), text,
			has_sdp ? " sdp" : "");
	} else {
		if (cseq) {
			method = cseq + strlen("\nCSeq:");
			method += strspn(method, " 0123456789");
			n_method = strcspn(method, " \r\n");
		}
		snprintf(out, LABEL_MAX, "%.3s %.*s%s", text + strlen(response), (int)n_method,
			method, has_sdp ? " sdp" : "");
	}
	text_clean(out);
}

static void put_times(struct ladder *ladder, const char *what, size_t n)
{
	while (n--)
		fputs(what, ladder->file);
}

// From one column to its neighbour or beyond, over the lines of those between.
static void put_arrow(struct ladder *ladder, const json_t *message, size_t n_columns)
{
	size_t peer = column_of(ladder, text_in(message, "remote"));
	bool rightwards = !strcmp(text_in(message, "direction"), "out") == (peer > ladder->us);
	size_t from = peer < ladder->us ? peer : ladder->us;
	size_t to = peer < ladder->us ? ladder->us : peer, n_label, room;
	char label[LABEL_MAX];

	label_write(message, label);
	n_label = strlen(label);
	for (size_t i = 0; i < from; i++) {
		fputs("│", ladder->file);
		put_times(ladder, " ", WIDTH - 1);
	}
	room = (to - from) * WIDTH - 1 - n_label - 4; // without arrow head and spaces
	fputs("│", ladder->file);
	fputs(rightwards ? "─" : "◄", ladder->file);
	put_times(ladder, "─", room / 2);
	fprintf(ladder->file, " %s ", label);
	put_times(ladder, "─", room - room / 2);
	fputs(rightwards ? "►" : "─", ladder->file);
	for (size_t i = to; i < n_columns; i++) {
		fputs("│", ladder->file);
		if (i + 1 < n_columns)
			put_times(ladder, " ", WIDTH - 1);
	}
	fputc('\n', ladder->file);
}

static void put_head(struct ladder *ladder, size_t n_columns)
{
	fprintf(ladder->file, "%11s", "");
	for (size_t i = 0; i < n_columns; i++) {
		const char *name = i == ladder->us	  ? "sluice"
				   : i < ladder->us	  ? ladder->peers[i]
				   : i <= ladder->n_peers ? ladder->peers[i - 1]
							  : "others";

		fprintf(ladder->file, "%-*s", i + 1 < n_columns ? WIDTH : 0, name);
	}
	fputc('\n', ladder->file);
}

static double seconds_between(const json_t *first, const json_t *message)
{
	return (double)(json_integer_value(json_object_get(message, "at_us")) -
			json_integer_value(json_object_get(first, "at_us"))) /
	       1e6;
}

void show_trace(const json_t *messages, FILE *file)
{
	struct ladder ladder = {.file = file};
	const json_t *message;
	size_t i, n_columns;

	find_peers(&ladder, messages);
	n_columns = ladder.n_peers + 1;
	put_head(&ladder, n_columns);
	json_array_foreach(messages, i, message)
	{
		fprintf(file, "%9.3f  ", seconds_between(json_array_get(messages, 0), message));
		put_arrow(&ladder, message, n_columns);
	}
}

// Lines of strangers: control characters are replaced.
static void put_text(FILE *file, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\r\n");
		char line[1024];

		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		text_clean(line);
		fprintf(file, "    %s\n", line);
		text += length;
		text += *text == '\r';
		text += *text == '\n';
	}
}

void show_messages(const json_t *messages, FILE *file)
{
	const json_t *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		fprintf(file, "%.3f s, %s %s by %s, %lld bytes\n\n",
			seconds_between(json_array_get(messages, 0), message),
			!strcmp(text_in(message, "direction"), "out") ? "to" : "from",
			text_in(message, "remote"), text_in(message, "transport"),
			json_integer_value(json_object_get(message, "bytes")));
		put_text(file, text_in(message, "text"));
		fputc('\n', file);
	}
}
