// Bodies of events, and the header fields of a NOTIFY: a body never grows by more than our host for
// each URI, and what is to be one line is one.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_body.h"
#include "subscription.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void body_check(struct slice body)
{
	struct slice hidden = event_body_hide(body, SLICE("gateway"));

	// "im:x", the shortest, becomes "im:gateway".
	if (!hidden.p || hidden.n > body.n + body.n / 4 * 6)
		abort();
	free((char *)hidden.p);
}

static void headers_check(struct slice lines)
{
	static struct sip_header headers[MESSAGE_MAX_HEADERS];
	static char text[8192];
	struct sip_message message;
	struct message_error error;
	struct builder b;
	char out[512];
	int n = snprintf(text, sizeof(text),
		"NOTIFY sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKa\r\n"
		"From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 NOTIFY\r\n");

	memcpy(text + n, lines.p, lines.n);
	memcpy(text + n + lines.n, "\r\n\r\n", 4);
	if (message_parse(&message, headers, text, (size_t)n + lines.n + 4, &error))
		return;
	builder_init(&b, out, sizeof(out));
	subscription_state_write(&b, &message, 3600);
	if (!b.overflow && (b.n < 2 || memchr(out, '\r', b.n) != out + b.n - 2))
		abort();
	if (expires_read(&message, 100, 3600) > 3600)
		abort();
	event_package(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = {(const char *)data, size};

	if (size > 4096)
		return 0;
	body_check(all);
	headers_check(all);
	return 0;
}
