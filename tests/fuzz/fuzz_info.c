// Bodies of INFO: the first octet chooses the content type, the rest is the body.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_digits.h"
#include "call_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"application/dtmf-relay", "application/dtmf", "text/plain"};

static struct sip_message *info_make(
	char *text, size_t room, uint8_t type, const uint8_t *body, size_t n)
{
	static struct sip_header headers[MESSAGE_MAX_HEADERS];
	static struct sip_message message;
	struct message_error error;
	int head = snprintf(text, room,
		"INFO sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKa\r\n"
		"From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INFO\r\n"
		"Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
		types[type % 3], n);

	memcpy(text + head, body, n);
	if (message_parse(&message, headers, text, (size_t)head + n, &error))
		abort();
	return &message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char written[INFO_DIGIT_TEXT_MAX], *text;
	struct info_digit digit, again;
	struct sip_message *info;
	size_t room = 1024 + size;

	if (!size || size > 4096)
		return 0;
	text = malloc(room);
	info = info_make(text, room, data[0], data + 1, size - 1);
	if (!info_digit_read(info, &digit)) {
		info_digit_write(&digit, written);
		info = info_make(text, room, 0, (const uint8_t *)written, strlen(written));
		if (info_digit_read(info, &again) || again.digit != digit.digit ||
			again.duration_ms != digit.duration_ms || digit.duration_ms < 40 ||
			digit.duration_ms > 5000)
			abort();
	}
	free(text);
	return 0;
}
