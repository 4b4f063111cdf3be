// What parsing a SIP message costs, next to sofia-sip's parser on the same messages: those of a
// call as a carrier and a phone send them, a registration and a keep-alive. Both take the message
// from bytes to where every header field that the stack asks for has its value. In turns, the best
// time of each counts. Prints one object of JSON.
//
// Ours parses in place, so each round begins with a copy of the text, as does theirs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef SLUICE_SOFIA
#include <sofia-sip/msg.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#endif

#include "message.h"

#define VIA "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKnashds8-37a4;rport\r\n"
#define DIALOG                                                                                        \
	"From: \"Alice Liddell\" <sip:+4989654321@carrier.example.com;user=phone>;tag=9fxced76sl\r\n" \
	"To: <sip:+4930123456@gw.example.net;user=phone>"
#define CALL_ID "Call-ID: 3848276298220188511@carrier.example.com\r\n"
#define SDP                                                                                 \
	"Content-Type: application/sdp\r\nContent-Length: 213\r\n\r\n"                      \
	"v=0\r\no=- 20518 0 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"   \
	"m=audio 54400 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n" \
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"

static const char *const corpus[] = {
	"INVITE sip:+4930123456@gw.example.net:5060;user=phone SIP/2.0\r\n" VIA
	"Record-Route: <sip:192.0.2.10:5060;lr;ftag=9fxced76sl>\r\nMax-Forwards: 69\r\n" DIALOG
	"\r\n" CALL_ID "CSeq: 1 INVITE\r\n"
	"Contact: <sip:+4989654321@192.0.2.10:5060;transport=udp>\r\n"
	"P-Asserted-Identity: <sip:+4989654321@carrier.example.com;user=phone>\r\n"
	"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE, PRACK\r\n"
	"Supported: timer, replaces, 100rel\r\nSession-Expires: 1800;refresher=uac\r\n"
	"User-Agent: Carrier SBC 7.2.1\r\n" SDP,
	"SIP/2.0 100 Trying\r\n" VIA DIALOG "\r\n" CALL_ID "CSeq: 1 INVITE\r\n" EMPTY,
	"SIP/2.0 180 Ringing\r\n" VIA "Record-Route: <sip:192.0.2.10:5060;lr>\r\n" DIALOG
	";tag=b77f\r\n" CALL_ID "CSeq: 1 INVITE\r\nContact: <sip:bob@192.0.2.77:5060>\r\n"
	"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\n" EMPTY,
	"SIP/2.0 200 OK\r\n" VIA "Record-Route: <sip:192.0.2.10:5060;lr>\r\n" DIALOG
	";tag=b77f\r\n" CALL_ID "CSeq: 1 INVITE\r\nContact: <sip:bob@192.0.2.77:5060>\r\n"
	"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE, PRACK\r\n"
	"Supported: timer, replaces\r\nServer: Phone 4.5.6\r\n" SDP,
	"ACK sip:bob@192.0.2.77:5060 SIP/2.0\r\n" VIA "Max-Forwards: 70\r\n" DIALOG
	";tag=b77f\r\n" CALL_ID "CSeq: 1 ACK\r\n" EMPTY,
	"BYE sip:bob@192.0.2.77:5060 SIP/2.0\r\n" VIA "Max-Forwards: 70\r\n" DIALOG
	";tag=b77f\r\n" CALL_ID "CSeq: 2 BYE\r\nReason: Q.850;cause=16\r\n" EMPTY,
	"REGISTER sip:gw.example.net SIP/2.0\r\n" VIA "Max-Forwards: 70\r\n"
	"From: <sip:bob@gw.example.net>;tag=8712\r\nTo: <sip:bob@gw.example.net>\r\n" CALL_ID
	"CSeq: 18 REGISTER\r\nContact: <sip:bob@192.0.2.77:5060;ob>;expires=300;+sip.instance="
	"\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"\r\n"
	"Authorization: Digest username=\"bob\", realm=\"gw.example.net\", nonce=\"84a4cc6f30823\", "
	"uri=\"sip:gw.example.net\", response=\"7587245234b3434cc3412213e5f113a5\", "
	"algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, nc=00000001\r\n"
	"Supported: path, outbound, gruu\r\nUser-Agent: Phone 4.5.6\r\n" EMPTY,
	"OPTIONS sip:gw.example.net SIP/2.0\r\n" VIA "Max-Forwards: 70\r\n"
	"From: <sip:ping@192.0.2.10>;tag=77\r\nTo: <sip:gw.example.net>\r\n" CALL_ID
	"CSeq: 4711 OPTIONS\r\nAccept: application/sdp\r\n" EMPTY,
};

enum { N = sizeof(corpus) / sizeof(corpus[0]), ROUNDS = 20000, TURNS = 15 };

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void ours(const char *text, size_t n)
{
	static char copy[4096];
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message message;
	struct message_error error;

	memcpy(copy, text, n);
	if (message_parse(&message, headers, copy, n, &error)) {
		fprintf(stderr, "parse_bench: refused (%s): %s\n", error.reason, text);
		exit(1);
	}
}

#ifdef SLUICE_SOFIA
static void theirs(const char *text, size_t n)
{
	msg_t *message = msg_make(sip_default_mclass(), 0, text, (ssize_t)n);
	const sip_t *sip = message ? sip_object(message) : NULL;

	if (!sip || sip->sip_error || !sip->sip_cseq || !sip->sip_via) {
		fprintf(stderr, "parse_bench: sofia-sip refused: %s\n", text);
		exit(1);
	}
	msg_destroy(message);
}
#endif

// us a message
static double measure(void (*parse)(const char *text, size_t n), double best)
{
	double from = now_us(), took;

	for (int round = 0; round < ROUNDS / TURNS; round++)
		for (int i = 0; i < N; i++)
			parse(corpus[i], strlen(corpus[i]));
	took = (now_us() - from) / (ROUNDS / TURNS * N);
	return best > 0 && best < took ? best : took;
}

int main(void)
{
	double our_us = 0, their_us = 0;
	size_t bytes = 0;

	for (int turn = 0; turn < TURNS; turn++) {
		our_us = measure(ours, our_us);
#ifdef SLUICE_SOFIA
		their_us = measure(theirs, their_us);
#endif
	}
	for (int i = 0; i < N; i++)
		bytes += strlen(corpus[i]);
	printf("{\"messages\":%d,\"mean_bytes\":%zu,\"our_us\":%.3f,\"their_us\":%.3f}\n", N,
		bytes / N, our_us, their_us);
	return 0;
}
