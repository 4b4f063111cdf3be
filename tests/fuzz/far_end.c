// Messages are made of the texts of those received, by string functions: nothing of the parser
// under test is used but for digests. What is subtle: a zero byte (and so an input that has ended)
// always means what is ordinary, so that most messages are right.
#include "far_end.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "builder.h"
#include "digest.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define FIELD_MAX   1024
#define DOMAIN	    "fuzz.example"

static char gateway[16];

static void need(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "far_end: %s\n", what);
	abort();
}

void far_end_open(struct far_end *far, const char *gateway_ip, const char *ip, unsigned int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	memset(far, 0, sizeof(*far));
	snprintf(gateway, sizeof(gateway), "%s", gateway_ip);
	snprintf(far->ip, sizeof(far->ip), "%s", ip);
	far->port = port;
	far->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	inet_pton(AF_INET, ip, &address.sin_addr);
	need(far->fd >= 0, "no socket");
	need(!bind(far->fd, (struct sockaddr *)&address, sizeof(address)), "the address is taken");
}

void far_end_close(struct far_end *far)
{
	close(far->fd);
}

void far_end_forget(struct far_end *far)
{
	while (recv(far->fd, far->sent.text, 1, 0) >= 0)
		;
	far->n_kept = far->cseq = far->n_calls = 0;
	far->invite.length = far->sent.length = 0;
}

unsigned int far_end_receive(struct far_end *far)
{
	unsigned int n = 0;

	for (;; n++) {
		struct far_message *message = &far->kept[far->n_kept % FAR_KEPT];
		ssize_t length = recv(far->fd, message->text, sizeof(message->text) - 1, 0);

		if (length < 0)
			return n;
		message->length = (size_t)length;
		message->text[length] = 0;
		far->n_kept++;
	}
}

// ---- writing ----

struct writer {
	char text[FAR_MESSAGE_MAX];
	size_t n;
};

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct writer *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->text + w->n, sizeof(w->text) - w->n, format, args);
	va_end(args);
	if (n > 0)
		w->n += (size_t)n < sizeof(w->text) - w->n ? (size_t)n : sizeof(w->text) - w->n - 1;
}

static const char *choose(struct input *input, const char *const *list, size_t n)
{
	return list[take(input) % n];
}

// What is inside of a message: pieces of grammar where a random byte would hardly make one.
static const char *const pieces[] = {"\r\n", ",", ";", "<", ">", "\"", ";tag=", ";lr", "sip:", "0",
	"4294967295", "-1", " ", ":", "=", "SIP/2.0", ";branch=z9hG4bK", "@", "%00", "\r\n ",
	"multipart/mixed", "sdp", "m=audio 0 RTP/AVP 0\r\n", "a=inactive\r\n", "INVITE", "CANCEL"};

static void mutate_once(struct writer *w, struct input *input)
{
	uint8_t kind = take(input);
	size_t at = ((size_t)take(input) << 8 | take(input)) % w->n, n = kind / 4 % 32 + 1;
	const char *piece;

	switch (kind % 4) {
	case 0:
		w->text[at] = (char)take(input);
		break;
	case 1: // without some bytes
		n = n < w->n - at ? n : w->n - at;
		memmove(w->text + at, w->text + at + n, w->n - at - n);
		w->n -= n;
		break;
	case 2: // with something put in
		piece = choose(input, pieces, N_OF(pieces));
		n = strlen(piece);
		if (w->n + n >= sizeof(w->text))
			break;
		memmove(w->text + at + n, w->text + at, w->n - at);
		memcpy(w->text + at, piece, n);
		w->n += n;
		break;
	default:
		w->n = at + 1;
	}
}

static void send_text(struct far_end *far, struct writer *w, struct input *input)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5060)};
	uint8_t mutations = take(input);

	for (unsigned int i = mutations > 224 ? mutations % 8 : 0; i > 0 && w->n; i--)
		mutate_once(w, input);
	inet_pton(AF_INET, gateway, &to.sin_addr);
	sendto(far->fd, w->text, w->n, 0, (struct sockaddr *)&to, sizeof(to));
	memcpy(far->sent.text, w->text, w->n);
	far->sent.length = w->n;
}

// ---- bodies ----

#define SDP_BEGIN "v=0\r\no=- 1 %u IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
#define PCMU \
	"m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
#define T38 "m=image 4010 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
#define KEY "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"

static const char *const descriptions[] = {
	PCMU,
	PCMU "a=sendonly\r\n",
	PCMU "a=inactive\r\n",
	"m=audio 4000 RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=ptime:30\r\n",
	"m=audio 0 RTP/AVP 0\r\n",
	"m=audio 4000 RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\n" KEY,
	PCMU "a=rtcp-mux\r\na=rtcp:4005\r\n" KEY,
	T38,
	PCMU T38,
	"m=audio 0 RTP/AVP 0\r\n" T38,
	PCMU "m=video 4020 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n",
	PCMU PCMU,
	"m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n",
	"",
};

static void put_description(struct writer *w, struct input *input, unsigned int version)
{
	char body[2048];
	int n = snprintf(body, sizeof(body), SDP_BEGIN, version);

	snprintf(body + n, sizeof(body) - (size_t)n, "%s",
		choose(input, descriptions, N_OF(descriptions)));
	put(w, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
		body);
}

static void put_typed(struct writer *w, const char *type, const char *body)
{
	put(w, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", type, strlen(body), body);
}

// `usual`: what an ordinary message of its kind has.
static void put_body(struct writer *w, struct input *input, unsigned int version, bool usual)
{
	switch (take(input) % 16) {
	case 1:
		usual = !usual;
		break;
	case 2:
		put_typed(w, "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
		return;
	case 3:
		put_typed(w, "message/sipfrag", "SIP/2.0 200 OK\r\n");
		return;
	case 4:
		put_typed(w, "text/plain", "hello");
		return;
	}
	if (usual)
		put_description(w, input, version);
	else
		put(w, "Content-Length: 0\r\n\r\n");
}

// ---- what is read of a message ----

// A header field's value; "" where there is none.
static const char *field(const struct far_message *message, const char *name, char out[FIELD_MAX])
{
	size_t length = strlen(name), n = 0;

	out[0] = 0;
	for (const char *p = strstr(message->text, "\r\n"); p; p = strstr(p + 2, "\r\n")) {
		if (!strncmp(p, "\r\n\r\n", 4))
			break;
		if (strncmp(p + 2, name, length) || p[2 + length] != ':')
			continue;
		p += 2 + length + 1;
		p += *p == ' ';
		while (p[n] && p[n] != '\r' && n < FIELD_MAX - 1)
			n++;
		memcpy(out, p, n);
		out[n] = 0;
		break;
	}
	return out;
}

static bool is_response(const struct far_message *message)
{
	return !strncmp(message->text, "SIP/2.0 ", 8);
}

// What is between < and > of a Contact.
static const char *target_of(const struct far_message *message, char out[FIELD_MAX])
{
	char contact[FIELD_MAX];
	char *begin = strchr(field(message, "Contact", contact), '<'), *end;

	snprintf(out, FIELD_MAX, "sip:%s", gateway);
	if (begin && (end = strchr(begin, '>'))) {
		*end = 0;
		snprintf(out, FIELD_MAX, "%s", begin + 1);
	}
	return out;
}

// One of those kept; 0 is the newest. NULL: there is none.
static const struct far_message *chosen(const struct far_end *far, struct input *input)
{
	unsigned int n = far->n_kept < FAR_KEPT ? far->n_kept : FAR_KEPT;

	return n ? &far->kept[(far->n_kept - 1 - take(input) % n) % FAR_KEPT] : NULL;
}

static const struct far_message *newest(const struct far_end *far, bool response, unsigned int skip)
{
	unsigned int n = far->n_kept < FAR_KEPT ? far->n_kept : FAR_KEPT;

	for (unsigned int i = 0; i < n; i++) {
		const struct far_message *message = &far->kept[(far->n_kept - 1 - i) % FAR_KEPT];

		if (is_response(message) == response && !skip--)
			return message;
	}
	return NULL;
}

// ---- requests ----

static const char *const extras[] = {
	"",
	"Supported: 100rel, timer, replaces\r\nAllow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO\r\n",
	"Require: 100rel\r\n",
	"Session-Expires: 90;refresher=uac\r\nMin-SE: 90\r\nSupported: timer\r\n",
	"Session-Expires: 40\r\nSupported: timer\r\n",
	"Record-Route: <sip:198.51.100.1;lr>, <sip:198.51.100.2;lr>\r\n",
	"Refer-To: <sip:2000@127.0.0.1>\r\n",
	"Refer-To: <sip:2000@127.0.0.1>\r\nRefer-Sub: false\r\nSupported: norefersub\r\n",
	"Event: refer\r\nSubscription-State: active;expires=60\r\n",
	"Require: teleport\r\n",
	"Reason: Q.850;cause=16\r\n",
	"Max-Forwards: 0\r\n",
	"Diversion: <sip:9@x>;reason=unconditional\r\nHistory-Info: <sip:9@x>;index=1\r\n",
	"Privacy: id\r\nP-Asserted-Identity: <sip:+49@x>\r\n",
	"Expires: 1\r\n",
	"Info-Package: x\r\nRecv-Info: x\r\n",
	"Replaces: a;to-tag=b;from-tag=c\r\n",
	"Proxy-Authorization: Digest username=\"alice\", realm=\"" DOMAIN
	"\", nonce=\"x\", uri=\"sip:x\", response=\"y\"\r\n",
	"Authorization: Digest x\r\n",
	"Subject:\r\n",
	"Route: <sip:127.0.0.1;lr>\r\n",
	"Event: presence\r\nExpires: 600\r\nAccept: application/pidf+xml\r\n",
	"Event: presence\r\nExpires: 0\r\n",
	"Event: presence\r\nSubscription-State: active;expires=600\r\n",
	"Event: presence\r\nSubscription-State: terminated\r\n",
	"SIP-If-Match: 1\r\nEvent: presence\r\n",
	"Path: <sip:198.51.100.1;lr>\r\nSupported: path, gruu, outbound\r\n",
};

static void put_extra(struct writer *w, struct input *input)
{
	put(w, "%s", choose(input, extras, N_OF(extras)));
}

static void put_begin(struct far_end *far, struct writer *w, const char *method, const char *uri)
{
	static unsigned int n_branches;

	put(w, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;rport;branch=z9hG4bK%u\r\n", method, uri,
		far->ip, far->port, ++n_branches);
	put(w, "Max-Forwards: 70\r\nContact: <sip:me@%s:%u>\r\n", far->ip, far->port);
}

void far_end_invite(struct far_end *far, struct input *input)
{
	struct writer w = {};
	uint8_t number = take(input), flags = take(input);
	char uri[64];

	far->n_calls += !(flags & 1); // 1: as the call before, by another way
	snprintf(uri, sizeof(uri), "sip:%u%s@%s", 1 + number % 8, number % 8 == 7 ? "alice" : "000",
		gateway);
	put_begin(far, &w, "INVITE", uri);
	put(&w, "From: <sip:alice@" DOMAIN ">;tag=f%u\r\nTo: <%s>\r\nCall-ID: c%u-%u\r\n",
		far->n_calls, uri, far->n_calls, far->port);
	far->cseq++;
	put(&w, "CSeq: %u INVITE\r\n", far->cseq);
	put_extra(&w, input);
	if (flags & 2)
		put_extra(&w, input);
	put_body(&w, input, 1, !(flags & 4));
	send_text(far, &w, input);
	far->invite = far->sent;
	far->invite.text[far->invite.length < FAR_MESSAGE_MAX ? far->invite.length
							      : FAR_MESSAGE_MAX - 1] = 0;
}

static const char *const methods[] = {"BYE", "ACK", "INVITE", "UPDATE", "PRACK", "INFO", "REFER",
	"OPTIONS", "NOTIFY", "MESSAGE", "SUBSCRIBE", "CANCEL", "NONSENSE", "PUBLISH"};

// As the end of the dialog that it is on, whether it was called or has called.
static void put_dialog(struct writer *w, const struct far_message *message, unsigned int tag)
{
	char from[FIELD_MAX], to[FIELD_MAX], call_id[FIELD_MAX];

	field(message, "From", from);
	field(message, "To", to);
	put(w, "Call-ID: %s\r\n", field(message, "Call-ID", call_id));
	if (is_response(message))
		put(w, "From: %s\r\nTo: %s\r\n", from, to);
	else if (strstr(to, ";tag="))
		put(w, "From: %s\r\nTo: %s\r\n", to, from);
	else
		put(w, "From: %s;tag=t%u\r\nTo: %s\r\n", to, tag, from);
}

static void put_rack(struct writer *w, const struct far_message *message)
{
	char rseq[FIELD_MAX], cseq[FIELD_MAX];

	if (field(message, "RSeq", rseq)[0])
		put(w, "RAck: %s %s\r\n", rseq, field(message, "CSeq", cseq));
}

static void put_replaces(struct writer *w, const struct far_message *message)
{
	char call_id[FIELD_MAX], to[FIELD_MAX], from[FIELD_MAX];
	const char *to_tag = strstr(field(message, "To", to), ";tag=");
	const char *from_tag = strstr(field(message, "From", from), ";tag=");

	put(w, "Refer-To: <sip:2000@%s?Replaces=%s%%3Bto-tag%%3D%s%%3Bfrom-tag%%3D%s>\r\n", gateway,
		field(message, "Call-ID", call_id), to_tag ? to_tag + 5 : "x",
		from_tag ? from_tag + 5 : "x");
}

void far_end_request(struct far_end *far, struct input *input)
{
	const char *method = choose(input, methods, N_OF(methods));
	const struct far_message *message = chosen(far, input), *other;
	struct writer w = {};
	char uri[FIELD_MAX], cseq[FIELD_MAX];
	uint8_t flags = take(input);

	if (!message)
		return;
	put_begin(far, &w, method, target_of(message, uri));
	put_dialog(&w, message, flags % 4);
	if (!strcmp(method, "ACK"))
		put(&w, "CSeq: %lu ACK\r\n", strtoul(field(message, "CSeq", cseq), NULL, 10));
	else
		put(&w, "CSeq: %u %s\r\n", far->cseq += flags & 16 ? 0 : 1, method);
	if (!strcmp(method, "PRACK"))
		put_rack(&w, message);
	if (!strcmp(method, "REFER") && (flags & 32) && (other = chosen(far, input)))
		put_replaces(&w, other);
	else if (!strcmp(method, "REFER") && !(flags & 64))
		put(&w, "Refer-To: <sip:%u000@%s>\r\n", 1 + flags % 8, gateway);
	put_extra(&w, input);
	put_body(&w, input, 2 + flags / 4 % 4, !strcmp(method, "INVITE"));
	send_text(far, &w, input);
}

// CANCEL, or the ACK of a refusal: what they have of the INVITE is copied.
void far_end_cancel(struct far_end *far, struct input *input)
{
	static const char *const either[] = {"CANCEL", "ACK"};
	const char *method = choose(input, either, N_OF(either));
	const struct far_message *response = newest(far, true, take(input) % 4);
	bool has_tag = method == either[1] && response;
	struct writer w = {};
	char value[FIELD_MAX];
	size_t uri_length;

	if (!far->invite.length || !strstr(far->invite.text, " SIP/2.0"))
		return;
	uri_length = strcspn(far->invite.text + strcspn(far->invite.text, " ") + 1, " ");
	put(&w, "%s %.*s SIP/2.0\r\n", method, (int)uri_length,
		far->invite.text + strcspn(far->invite.text, " ") + 1);
	put(&w, "Via: %s\r\n", field(&far->invite, "Via", value));
	put(&w, "Max-Forwards: 70\r\nFrom: %s\r\n", field(&far->invite, "From", value));
	put(&w, "To: %s\r\n", field(has_tag ? response : &far->invite, "To", value));
	put(&w, "Call-ID: %s\r\n", field(&far->invite, "Call-ID", value));
	put(&w, "CSeq: %lu %s\r\nContent-Length: 0\r\n\r\n",
		strtoul(field(&far->invite, "CSeq", value), NULL, 10), method);
	send_text(far, &w, input);
}

void far_end_outside(struct far_end *far, struct input *input)
{
	const char *method = choose(input, methods, N_OF(methods));
	struct writer w = {};
	char uri[64];

	snprintf(uri, sizeof(uri), "sip:%u000@%s", 1 + take(input) % 8, gateway);
	put_begin(far, &w, method, uri);
	put(&w, "From: <sip:alice@" DOMAIN ">;tag=o\r\nTo: <%s>\r\nCall-ID: o%u\r\nCSeq: %u %s\r\n",
		uri, far->port, ++far->cseq, method);
	put_extra(&w, input);
	put_body(&w, input, 1, false);
	send_text(far, &w, input);
}

static void put_proof(struct writer *w, const struct far_message *refusal, const char *method)
{
	static const struct digest_keys keys = {.user = "alice", .password = "secret"};
	struct digest_challenge challenge;
	char value[FIELD_MAX], answer[FIELD_MAX];
	struct builder b;

	field(refusal, "WWW-Authenticate", value);
	if (!value[0] || digest_challenge_parse(slice_of(value), &challenge))
		return;
	builder_init(&b, answer, sizeof(answer));
	if (!digest_answer(&b, &keys, &challenge, slice_of(method), SLICE("sip:" DOMAIN), 1) &&
		!b.overflow)
		put(w, "Authorization: %.*s\r\n", (int)b.n, answer);
}

void far_end_register(struct far_end *far, struct input *input)
{
	static const char *const parameters[] = {"", ";expires=60", ";q=0.5", ";expires=0",
		";+sip.instance=\"<urn:uuid:1>\";reg-id=1"};
	const struct far_message *refusal = newest(far, true, 0);
	uint8_t flags = take(input);
	struct writer w = {};

	put(&w, "REGISTER sip:" DOMAIN " SIP/2.0\r\n");
	put(&w, "Via: SIP/2.0/UDP %s:%u;rport;branch=z9hG4bKr%u\r\nMax-Forwards: 70\r\n", far->ip,
		far->port, ++far->cseq);
	put(&w, "From: <sip:alice@" DOMAIN ">;tag=r\r\nTo: <sip:alice@" DOMAIN ">\r\n");
	put(&w, "Call-ID: r%u\r\nCSeq: %u REGISTER\r\n", far->port, far->cseq);
	if (flags & 1)
		put(&w, "Contact: *\r\nExpires: 0\r\n");
	else
		put(&w, "Contact: <sip:alice@%s:%u>%s\r\n", far->ip, far->port,
			choose(input, parameters, N_OF(parameters)));
	if (refusal && !(flags & 2))
		put_proof(&w, refusal, "REGISTER");
	put_extra(&w, input);
	put(&w, "Content-Length: 0\r\n\r\n");
	send_text(far, &w, input);
}

// ---- responses ----

static const char *const statuses[] = {"200 OK", "180 Ringing", "183 Progress", "100 Trying",
	"486 Busy", "487 Terminated", "503 Unavailable\r\nRetry-After: 1",
	"302 Moved\r\nContact: <sip:3000@x>", "481 Gone", "491 Pending", "422 Small\r\nMin-SE: 120",
	"401 Who\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"y\"", "408 Timeout", "500 Error",
	"202 Accepted", "199 Early", "420 Bad\r\nUnsupported: timer", "699 Odd", "199 Early",
	"488 No"};

static void put_copied(struct writer *w, const struct far_message *message, const char *name)
{
	char value[FIELD_MAX];

	if (field(message, name, value)[0])
		put(w, "%s: %s\r\n", name, value);
}

void far_end_reply(struct far_end *far, struct input *input)
{
	uint8_t skip = take(input), flags, rseq;
	const struct far_message *request = newest(far, false, skip % FAR_KEPT);
	const char *status = choose(input, statuses, N_OF(statuses));
	struct writer w = {};
	char to[FIELD_MAX];

	if (!request)
		return;
	flags = take(input);
	rseq = flags & 4 ? take(input) : 0;
	put(&w, "SIP/2.0 %s\r\n", status);
	put_copied(&w, request, "Via");
	put_copied(&w, request, "Record-Route");
	put_copied(&w, request, "From");
	put(&w, "To: %s", field(request, "To", to));
	if (!strstr(to, ";tag=") && strncmp(status, "100", 3))
		put(&w, ";tag=t%u", flags % 4);
	put(&w, "\r\n");
	put_copied(&w, request, "Call-ID");
	put_copied(&w, request, "CSeq");
	put(&w, "Contact: <sip:me@%s:%u>\r\n", far->ip, far->port);
	if (rseq)
		put(&w, "Require: 100rel\r\nRSeq: %u\r\n", rseq);
	put_extra(&w, input);
	put_body(&w, input, 1 + flags / 32, !!strstr(request->text, "INVITE sip:") == !(flags & 8));
	send_text(far, &w, input);
}

void far_end_repeat(struct far_end *far, struct input *input)
{
	struct writer w = {.n = far->sent.length};

	memcpy(w.text, far->sent.text, far->sent.length);
	if (w.n)
		send_text(far, &w, input);
}
