// Time of message_parse() on a 1175-byte INVITE as a carrier sends it. For people: prints
// nanoseconds, judges nothing.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "message.h"

static const char invite_head[] =
	"INVITE sip:+4930123456@gw.example.net:5060;user=phone SIP/2.0\r\n"
	"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKnashds8-37a4;rport\r\n"
	"Record-Route: <sip:192.0.2.10:5060;lr;ftag=9fxced76sl>\r\n"
	"Max-Forwards: 69\r\n"
	"From: \"Alice Liddell\" <sip:+4989654321@carrier.example.com;user=phone>;tag=9fxced76sl\r\n"
	"To: <sip:+4930123456@gw.example.net;user=phone>\r\n"
	"Call-ID: 3848276298220188511@carrier.example.com\r\n"
	"CSeq: 1 INVITE\r\n"
	"Contact: <sip:+4989654321@192.0.2.10:5060;transport=udp>\r\n"
	"P-Asserted-Identity: <sip:+4989654321@carrier.example.com;user=phone>\r\n"
	"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE, PRACK\r\n"
	"Supported: timer, replaces, 100rel\r\n"
	"Session-Expires: 1800;refresher=uac\r\n"
	"User-Agent: Carrier SBC 7.2.1\r\n"
	"Content-Type: application/sdp\r\n"
	"Content-Length: ";
static const char sdp[] =
	"v=0\r\no=- 20518 0 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
	"m=audio 54400 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n"
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
	"a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

int main(void)
{
	enum { ROUNDS = 1000000 };
	static char text[2048];
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message message;
	struct message_error error;
	struct timespec from, to;
	size_t size = (size_t)snprintf(
		text, sizeof(text), "%s%zu\r\n\r\n%s", invite_head, sizeof(sdp) - 1, sdp);

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < ROUNDS; i++)
		if (message_parse(&message, headers, text, size, &error))
			return EXIT_FAILURE;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	printf("message_parse: %zu bytes, %u headers, %.0f ns\n", size, message.n_headers,
		((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
			ROUNDS);
	return EXIT_SUCCESS;
}
