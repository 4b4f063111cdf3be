// Offer/answer cases: each is played through control/sdp. A case is text:
//
//   # what the case shows
//   a: codecs=PCMU,opus ptime=20 events mux family=4     the policy of each leg
//      video, text, image: relayed; events: or dtmf=auto, dtmf=inband, dtmf=info
//      mux: offer it, mux=accept; srtp=optional, srtp=required suites=NAME,NAME
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
// it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "negotiate.h"

struct play {
	struct sdp_policy policies[2];
	struct sdp_encoding encodings[16];
	const struct sdp_encoding *transcoders[17];
	struct negotiation n, snapshot;
	char *at; // in the case's text
	struct golden_text *out;
	char description[GOLDEN_TEXT_MAX]; // of the far end, CRLF
};

// Keys that a person can tell apart: all bytes of the first are 1, of its salt 2, and so on.
static uint8_t n_keys_made;

static void random_bytes(void *out, size_t length)
{
	memset(out, ++n_keys_made, length);
}

static void init(struct play *play, uint64_t id_a, uint64_t id_b)
{
	negotiation_init(&play->n, &(struct negotiation_settings){
					   .policies = {&play->policies[0], &play->policies[1]},
					   .transcoders = play->transcoders,
					   .random = random_bytes,
					   .ids = {id_a, id_b},
				   });
}

static char *next_line(struct play *play)
{
	return golden_line(&play->at);
}

static void parse_encoding(const char *text, struct sdp_encoding *out)
{
	if (sdp_encoding_parse(text, out))
		golden_die("unknown codec", text);
}

static void parse_suites(struct sdp_policy *policy, char *names)
{
	char *save;

	for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		enum sdp_suite suite = sdp_suite_find(name);

		if (suite == SDP_SUITE_NONE)
			golden_die("unknown suite", name);
		policy->suites[policy->n_suites++] = (uint8_t)suite;
	}
}

static void parse_dtmf(struct sdp_policy *policy, const char *text)
{
	static const char *const names[] = {
		[SDP_DTMF_AUTO] = "auto", [SDP_DTMF_INBAND] = "inband", [SDP_DTMF_INFO] = "info"};

	for (uint8_t i = SDP_DTMF_AUTO; i <= SDP_DTMF_INFO; i++)
		if (!strcmp(text, names[i]))
			policy->dtmf = i;
	if (!policy->dtmf)
		golden_die("unknown way of DTMF", text);
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
		} else if (!strcmp(word, "dtx")) {
			policy->dtx = true;
		} else if (!strcmp(word, "events")) {
			policy->dtmf = SDP_DTMF_EVENTS;
		} else if (!strcmp(word, "video")) {
			policy->relays |= SDP_RELAY_VIDEO;
		} else if (!strcmp(word, "text")) {
			policy->relays |= SDP_RELAY_TEXT;
		} else if (!strcmp(word, "image")) {
			policy->relays |= SDP_RELAY_IMAGE;
		} else if (!strncmp(word, "dtmf=", 5)) {
			parse_dtmf(policy, word + 5);
		} else if (!strcmp(word, "mux")) {
			policy->rtcp_mux = SDP_MUX_OFFER;
		} else if (!strcmp(word, "mux=accept")) {
			policy->rtcp_mux = SDP_MUX_ACCEPT;
		} else if (!strncmp(word, "srtp=", 5)) {
			policy->srtp = !strcmp(word + 5, "required") ? SDP_SRTP_REQUIRED
								     : SDP_SRTP_OPTIONAL;
		} else if (!strncmp(word, "suites=", 7)) {
			parse_suites(policy, word + 7);
		} else {
			golden_die("unknown word in a policy", word);
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

		golden_put(play->out, "%s\n", line);
		if (!strncmp(line, "a: ", 3))
			parse_policy(&play->policies[0], line + 3);
		else if (!strncmp(line, "b: ", 3))
			parse_policy(&play->policies[1], line + 3);
		else if (!strncmp(line, "transcode: ", 11))
			parse_transcoders(play, line + 11);
		else if (line[0] && line[0] != '#')
			golden_die("unknown line in the head", line);
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
static void read_body(struct play *play, struct golden_text *body)
{
	size_t length = 0;

	while (in_body(play)) {
		const char *line = next_line(play);

		golden_put(body, "%s\n", line);
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
		return ": refused";
	case -EBUSY:
		return ": refused, an exchange is under way";
	case -EPROTO:
		return ": refused, fits no offer of ours";
	default:
		return ": refused for another reason";
	}
}

static void play_description(struct play *play, int leg, const char *verb)
{
	static struct golden_text body;
	struct sdp sdp;
	unsigned int line;
	const char *note = "";
	int rc;

	body.length = 0;
	read_body(play, &body);
	rc = sdp_parse(&sdp, play->description, strlen(play->description), &line);
	if (rc) {
		golden_put(play->out, "--- %c %s: %s in line %u\n%s", 'a' + leg, verb,
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
	golden_put(play->out, "--- %c %s%s", 'a' + leg, verb, note);
	if (note == verdict(-EOPNOTSUPP))
		golden_put(play->out, ": %s",
			sdp_warning_text(negotiation_warning(&play->n, leg, &sdp)));
	golden_put(play->out, "\n%s", body.data);
}

static void play_told(struct play *play, int leg)
{
	static const struct negotiation_local locals[2][2] = {
		{{{{192, 0, 2, 1}, 4}, 10000}, {{{198, 51, 100, 1}, 4}, 20000}},
		{{{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, 6}, 10000},
			{{{0x20, 0x01, 0x0d, 0xb8, [15] = 2}, 6}, 20000}},
	};
	bool v6 = play->n.legs[leg].family == 6;
	struct negotiation_local local = locals[v6][leg];
	char text[NEGOTIATION_TEXT_MAX];
	int rc;

	skip_body(play);
	for (uint16_t i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		local.relay_ports[i] = (uint16_t)(local.port + 10 + 2 * i);
	rc = negotiation_write(&play->n, leg, &local, text, sizeof(text));
	if (rc < 0) {
		golden_put(play->out, "--- %c is told: nothing yet\n\n", 'a' + leg);
		return;
	}
	golden_put(play->out, "--- %c is told\n", 'a' + leg);
	for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
		golden_put(play->out, "%s\n", line);
	golden_put(play->out, "\n");
}

static void put_summary_format(struct golden_text *out, const struct media_summary_format *format)
{
	const struct sdp_fmtp *params = &format->params;

	golden_put(out, "  %s pt=%u", format->encoding.name, format->send_pt);
	if (format->receive_pt != format->send_pt)
		golden_put(out, " receive_pt=%u", format->receive_pt);
	golden_put(out, " clock=%u", format->encoding.clock_hz);
	if (params->playback_hz)
		golden_put(out, " playback_hz=%u", params->playback_hz);
	if (params->bitrate_max)
		golden_put(out, " bitrate_max=%u", params->bitrate_max);
	if (params->mode_set)
		golden_put(out, " mode_set=0x%x", params->mode_set);
	if (params->mode_change_period > 1)
		golden_put(out, " mode_change_period=%u", params->mode_change_period);
	golden_put(out, "%s%s", params->octet_align ? " octet-align" : "",
		params->mode_change_neighbor ? " mode-change-neighbor" : "");
	golden_put(out, "%s%s%s\n", params->fec ? " fec" : "", params->dtx ? " dtx" : "",
		params->cbr ? " cbr" : "");
}

static void put_key(struct golden_text *out, const char *what, const struct sdp_crypto *key)
{
	char text[SDP_CRYPTO_TEXT_MAX];

	if (key->suite == SDP_SUITE_NONE)
		return;
	golden_put(out, "  %s %s", what, strchr(sdp_crypto_text(key, text), ' ') + 1);
	if (key->mki_bytes)
		golden_put(out, " mki=");
	for (uint8_t i = 0; i < key->mki_bytes; i++)
		golden_put(out, "%02x", key->mki[i]);
	golden_put(out, "\n");
}

static void put_relay(struct golden_text *out, const struct media_summary *media, int i)
{
	const struct media_summary_relay *relay = &media->relays[i];
	char address[48];

	if (!relay->legs[0].on && !relay->legs[1].on)
		return;
	golden_put(out, "relay %d%s%s\n", i, relay->opaque ? " opaque" : "",
		media->relays_agreed[i] ? "" : ", not agreed");
	for (int j = 0; j < 2; j++) {
		const struct media_summary_relay_leg *leg = &relay->legs[j];

		golden_put(out, "%c:%s%s%s%s", 'a' + j, leg->on ? "" : " off",
			leg->send ? " send" : "", leg->receive ? " receive" : "",
			leg->rtcp_mux ? " mux" : "");
		sdp_address_text(&leg->remote, address, sizeof(address));
		golden_put(out, " remote=%s:%u pts=", address, leg->remote_port);
		for (uint8_t k = 0; k < leg->n_formats; k++)
			golden_put(out, "%s%u", k ? "," : "", leg->formats[k].pt);
		golden_put(out, "\n");
		put_key(out, "receives", &leg->srtp_receive);
		put_key(out, "sends", &leg->srtp_send);
	}
}

static void play_media(struct play *play)
{
	static const char *const digits[] = {
		[MEDIA_DIGITS_NONE] = "",
		[MEDIA_DIGITS_EVENTS] = "",
		[MEDIA_DIGITS_INBAND] = " digits=inband",
		[MEDIA_DIGITS_INFO] = " digits=info",
	};
	struct media_summary media;
	char address[48];

	skip_body(play);
	negotiation_media(&play->n, &media);
	golden_put(play->out, "--- media\n%s\n",
		!media.agreed	   ? "not agreed"
		: media.transcoded ? "transcoded"
				   : "relayed");
	for (int i = 0; i < 2; i++) {
		const struct media_summary_leg *leg = &media.legs[i];

		golden_put(play->out, "%c:%s%s%s%s%s%s ptime=%u", 'a' + i, leg->send ? " send" : "",
			leg->receive ? " receive" : "", leg->rtcp_mux ? " mux" : "",
			leg->rtcp_reduced ? " rsize" : "", leg->no_rtcp ? " no-rtcp" : "",
			digits[leg->digits], leg->ptime_ms);
		sdp_address_text(&leg->remote, address, sizeof(address));
		golden_put(play->out, " remote=%s:%u", address, leg->remote_port);
		sdp_address_text(&leg->remote_rtcp, address, sizeof(address));
		if (leg->remote_rtcp_port)
			golden_put(play->out, " rtcp=%s:%u", address, leg->remote_rtcp_port);
		golden_put(play->out, "\n");
		put_key(play->out, "receives", &leg->srtp_receive);
		put_key(play->out, "sends", &leg->srtp_send);
		for (uint8_t j = 0; j < leg->n_formats; j++)
			put_summary_format(play->out, &leg->formats[j]);
	}
	for (int i = 0; i < NEGOTIATION_RELAYS_MAX; i++)
		put_relay(play->out, &media, i);
	golden_put(play->out, "\n");
}

// A record brings back the same negotiation: what follows in the case is played on the copy.
static void play_record(struct play *play)
{
	uint8_t record[NEGOTIATION_RECORD_MAX];
	int length = negotiation_save(&play->n, record, sizeof(record));

	init(play, 7, 7);
	if (length < 0 || negotiation_load(&play->n, record, (size_t)length))
		golden_die("record", "does not load");
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
		golden_put(play->out, "--- %s%s\n\n", heading,
			verdict(negotiation_make_offer(&play->n, heading[9] - 'a')));
	else
		golden_die("unknown step", heading);
	if (strncmp(heading, "we offer ", 9))
		golden_put(play->out, "--- %s\n\n", heading);
}

static void render(char *text, struct golden_text *out)
{
	static struct play play;
	char *line;

	play = (struct play){.at = text, .out = out};
	parse_head(&play);
	n_keys_made = 0;
	init(&play, 1000, 2000);
	while ((line = next_line(&play))) {
		if (strncmp(line, "--- ", 4))
			golden_die("no heading", line);
		play_step(&play, line + 4);
	}
}

int main(int argc, char **argv)
{
	return golden_main(argc, argv, ".txt", render);
}
