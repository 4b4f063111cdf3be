// Plays each offer/answer case of a folder through control/sdp and renders it again with what came
// out; the test passes where that is the file itself. A case is text:
//
//   # what the case shows
//   a: codecs=PCMU,opus ptime=20 events mux family=4     the policy of each leg
//   b: codecs=opus
//   transcode: PCMU PCMA opus                            what the dataplane can
//   --- a offers           the lines that follow are the far end's description; the verdict of a
//                          refused or refreshing one is part of the heading ("a offers: refused
//                          ...")
//   --- b is told          our description for leg b (expected)
//   --- b answers          as "offers"
//   --- a is told
//   --- media              what media is to do (expected)
//   --- we offer b         a late offer: no body
//   --- a offers, answered here
//   --- snapshot / rolled back / saved and loaded
//
// With --update the files are rewritten with what came out: read the difference before committing
// it.
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "negotiate.h"

#define TEXT_MAX 65536

struct text {
	char data[TEXT_MAX];
	size_t length;
};

struct play {
	struct sdp_policy policies[2];
	struct sdp_encoding encodings[16];
	const struct sdp_encoding *transcoders[17];
	struct negotiation n, snapshot;
	char *at; // in the case's text
	struct text out;
	char description[TEXT_MAX]; // of the far end, CRLF
};

static void __attribute__((noreturn)) die(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s\n", what, detail);
	exit(2);
}

static void __attribute__((format(printf, 2, 3))) put(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text->length += (size_t)vsnprintf(
		text->data + text->length, sizeof(text->data) - text->length, format, args);
	va_end(args);
	if (text->length >= sizeof(text->data))
		die("case", "too much text");
}

static char *next_line(struct play *play)
{
	char *line = play->at, *end = strchr(line, '\n');

	if (!*line)
		return NULL;
	if (!end)
		die("case", "last line has no line end");
	*end = '\0';
	play->at = end + 1;
	return line;
}

static void parse_encoding(const char *text, struct sdp_encoding *out)
{
	if (sdp_encoding_parse(text, out))
		die("unknown codec", text);
}

static void parse_policy(struct sdp_policy *policy, char *text)
{
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		if (!strncmp(word, "codecs=", 7)) {
			char *save, *name = strtok_r(word + 7, ",", &save);

			for (; name; name = strtok_r(NULL, ",", &save))
				parse_encoding(name, &policy->codecs[policy->n_codecs++]);
		} else if (!strncmp(word, "ptime=", 6)) {
			policy->ptime_ms = (uint8_t)atoi(word + 6);
		} else if (!strncmp(word, "family=", 7)) {
			policy->address_family = (uint8_t)atoi(word + 7);
		} else if (!strcmp(word, "events")) {
			policy->telephone_event = true;
		} else if (!strcmp(word, "mux")) {
			policy->rtcp_mux = true;
		} else {
			die("unknown word in a policy", word);
		}
	}
}

static void parse_transcoders(struct play *play, char *text)
{
	size_t n = 0;

	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		parse_encoding(word, &play->encodings[n]);
		play->transcoders[n] = &play->encodings[n];
		n++;
	}
}

static void parse_head(struct play *play)
{
	while (*play->at && strncmp(play->at, "---", 3)) {
		char *line = next_line(play);

		put(&play->out, "%s\n", line);
		if (!strncmp(line, "a: ", 3))
			parse_policy(&play->policies[0], line + 3);
		else if (!strncmp(line, "b: ", 3))
			parse_policy(&play->policies[1], line + 3);
		else if (!strncmp(line, "transcode: ", 11))
			parse_transcoders(play, line + 11);
		else if (line[0] && line[0] != '#')
			die("unknown line in the head", line);
	}
}

static bool in_body(const struct play *play)
{
	return *play->at && strncmp(play->at, "---", 3);
}

static void skip_body(struct play *play)
{
	while (in_body(play))
		next_line(play);
}

// Copy the body out and, with CRLF, into play->description.
static void read_body(struct play *play, struct text *body)
{
	size_t length = 0;

	while (in_body(play)) {
		const char *line = next_line(play);

		put(body, "%s\n", line);
		if (line[0])
			length += (size_t)sprintf(play->description + length, "%s\r\n", line);
	}
	play->description[length] = '\0';
}

static const char *verdict(int rc)
{
	switch (rc) {
	case 0:
		return "";
	case -EOPNOTSUPP:
		return ": refused, no common audio";
	case -EBUSY:
		return ": refused, an exchange is under way";
	case -EPROTO:
		return ": refused, fits no offer of ours";
	default:
		return ": refused";
	}
}

static void play_description(struct play *play, int leg, const char *verb)
{
	static struct text body;
	struct sdp sdp;
	unsigned int line;
	const char *note = "";
	int rc;

	body.length = 0;
	read_body(play, &body);
	rc = sdp_parse(&sdp, play->description, strlen(play->description), &line);
	if (rc) {
		put(&play->out, "--- %c %s: %s in line %u\n%s", 'a' + leg, verb,
			rc == -E2BIG ? "too large" : "malformed", line, body.data);
		return;
	}
	if (!strcmp(verb, "answers")) {
		note = verdict(negotiation_take_answer(&play->n, leg, &sdp));
	} else if (!strcmp(verb, "offers, answered here")) {
		note = verdict(negotiation_answer_here(&play->n, leg, &sdp));
	} else {
		bool refresh = negotiation_is_refresh(&play->n, leg, &sdp);

		rc = negotiation_take_offer(&play->n, leg, &sdp);
		note = rc == 0 && refresh ? ": a refresh" : verdict(rc);
	}
	put(&play->out, "--- %c %s%s\n%s", 'a' + leg, verb, note, body.data);
}

static void play_told(struct play *play, int leg)
{
	static const struct negotiation_local locals[2][2] = {
		{{{{192, 0, 2, 1}, 4}, 10000}, {{{198, 51, 100, 1}, 4}, 20000}},
		{{{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, 6}, 10000},
			{{{0x20, 0x01, 0x0d, 0xb8, [15] = 2}, 6}, 20000}},
	};
	bool v6 = play->policies[leg].address_family == 6;
	char text[NEGOTIATION_TEXT_MAX];
	int rc = negotiation_write(&play->n, leg, &locals[v6][leg], text, sizeof(text));

	skip_body(play);
	if (rc < 0) {
		put(&play->out, "--- %c is told: nothing yet\n\n", 'a' + leg);
		return;
	}
	put(&play->out, "--- %c is told\n", 'a' + leg);
	for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
		put(&play->out, "%s\n", line);
	put(&play->out, "\n");
}

static void put_summary_format(struct text *out, const struct media_summary_format *format)
{
	const struct sdp_fmtp *params = &format->params;

	put(out, "  %s pt=%u", format->encoding.name, format->send_pt);
	if (format->receive_pt != format->send_pt)
		put(out, " receive_pt=%u", format->receive_pt);
	put(out, " clock=%u", format->encoding.clock_hz);
	if (params->playback_hz)
		put(out, " playback_hz=%u", params->playback_hz);
	if (params->bitrate_max)
		put(out, " bitrate_max=%u", params->bitrate_max);
	put(out, "%s%s%s\n", params->fec ? " fec" : "", params->dtx ? " dtx" : "",
		params->cbr ? " cbr" : "");
}

static void play_media(struct play *play)
{
	struct media_summary media;
	char address[48];

	skip_body(play);
	negotiation_media(&play->n, &media);
	put(&play->out, "--- media\n%s\n",
		!media.agreed	   ? "not agreed"
		: media.transcoded ? "transcoded"
				   : "relayed");
	for (int i = 0; i < 2; i++) {
		const struct media_summary_leg *leg = &media.legs[i];

		put(&play->out, "%c:%s%s%s ptime=%u", 'a' + i, leg->send ? " send" : "",
			leg->receive ? " receive" : "", leg->rtcp_mux ? " mux" : "", leg->ptime_ms);
		sdp_address_text(&leg->remote, address, sizeof(address));
		put(&play->out, " remote=%s:%u", address, leg->remote_port);
		sdp_address_text(&leg->remote_rtcp, address, sizeof(address));
		if (leg->remote_rtcp_port)
			put(&play->out, " rtcp=%s:%u", address, leg->remote_rtcp_port);
		put(&play->out, "\n");
		for (uint8_t j = 0; j < leg->n_formats; j++)
			put_summary_format(&play->out, &leg->formats[j]);
	}
	put(&play->out, "\n");
}

// A record brings back the same negotiation: what follows in the case is played on the copy.
static void play_record(struct play *play)
{
	const struct sdp_policy *policies[2] = {&play->policies[0], &play->policies[1]};
	uint8_t record[NEGOTIATION_RECORD_MAX];
	int length = negotiation_save(&play->n, record, sizeof(record));

	negotiation_init(&play->n, policies, play->transcoders, (uint64_t[2]){7, 7});
	if (length < 0 || negotiation_load(&play->n, record, (size_t)length))
		die("record", "does not load");
}

static void play_step(struct play *play, char *heading)
{
	int leg = heading[0] - 'a';
	char *colon = strchr(heading, ':');

	if (colon)
		*colon = '\0';
	if (!strcmp(heading, "media")) {
		play_media(play);
		return;
	}
	if (!strcmp(heading + 1, " offers") || !strcmp(heading + 1, " answers") ||
		!strcmp(heading + 1, " offers, answered here")) {
		play_description(play, leg, heading + 2);
		return;
	}
	if (!strcmp(heading + 1, " is told")) {
		play_told(play, leg);
		return;
	}
	skip_body(play);
	if (!strcmp(heading, "snapshot"))
		play->snapshot = play->n;
	else if (!strcmp(heading, "rolled back"))
		negotiation_rollback(&play->n, &play->snapshot);
	else if (!strcmp(heading, "saved and loaded"))
		play_record(play);
	else if (!strncmp(heading, "we offer ", 9))
		put(&play->out, "--- %s%s\n\n", heading,
			verdict(negotiation_make_offer(&play->n, heading[9] - 'a')));
	else
		die("unknown step", heading);
	if (strncmp(heading, "we offer ", 9))
		put(&play->out, "--- %s\n\n", heading);
}

static void load(const char *path, char *out)
{
	FILE *file = fopen(path, "r");
	size_t length;

	if (!file)
		die(path, strerror(errno));
	length = fread(out, 1, TEXT_MAX - 1, file);
	out[length] = '\0';
	fclose(file);
}

static void save(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		die(path, strerror(errno));
}

static bool compare(const char *path, const char *expected, const char *got)
{
	unsigned int line = 1;

	if (!strcmp(expected, got))
		return true;
	for (const char *a = expected, *b = got; *a && *a == *b; a++, b++)
		line += *a == '\n';
	fprintf(stderr, "%s: differs from line %u on; it came out as:\n%s", path, line, got);
	return false;
}

static bool run_case(const char *path, bool update)
{
	static char text[TEXT_MAX], expected[TEXT_MAX];
	static struct play play;
	const struct sdp_policy *policies[2] = {&play.policies[0], &play.policies[1]};
	char *line;

	load(path, text);
	memcpy(expected, text, sizeof(text));
	play = (struct play){.at = text};
	parse_head(&play);
	negotiation_init(&play.n, policies, play.transcoders, (uint64_t[2]){1000, 2000});
	while ((line = next_line(&play))) {
		if (strncmp(line, "--- ", 4))
			die("no heading", line);
		play_step(&play, line + 4);
	}
	if (update)
		save(path, play.out.data);
	return update || compare(path, expected, play.out.data);
}

static int is_case(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && !strcmp(dot, ".txt");
}

// Reports in TAP, one line a case.
int main(int argc, char **argv)
{
	bool update = argc == 3 && !strcmp(argv[1], "--update");
	const char *folder = argv[argc - 1];
	struct dirent **cases;
	int n = argc == 2 || update ? scandir(folder, &cases, is_case, alphasort) : -1;

	if (n <= 0)
		die("usage", "golden_sdp [--update] FOLDER-OF-CASES");
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, cases[i]->d_name);
		printf("%s %d - %s\n", run_case(path, update) ? "ok" : "not ok", i + 1,
			cases[i]->d_name);
		free(cases[i]);
	}
	free(cases);
	return 0;
}
