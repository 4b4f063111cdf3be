// Bodies in parts: the first line is the Content-Type, the rest the body. What passes is written as
// a body that has the same parts again.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bodies.h"
#include "multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"application/isup", "application/qsig", "a/b"};
static const struct trunk trunk = {.name = "fuzz", .signalling = {.bodies = types, .n_bodies = 3}};

// A message whose header ends with `fields` (Content-Type and more) and the rest of it.
static bool receive(struct sip_message *message, struct sip_header *headers, char *text, int n)
{
	struct message_error error;

	return !message_parse(message, headers, text, (size_t)n, &error);
}

static unsigned int count(const struct sip_message *message)
{
	struct body_parts parts;
	struct body_part part;
	unsigned int n = 0;

	if (body_parts_begin(&parts, message))
		return 0;
	while (body_parts_next(&parts, &part) > 0) {
		if (part.body.n &&
			(part.body.p < message->body.p ||
				part.body.p + part.body.n > message->body.p + message->body.n))
			abort();
		body_part_is_required(&part);
		n++;
	}
	return n;
}

#define HEAD                                                                       \
	"INVITE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKa\r\n" \
	"From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"

static void rewrite(const struct sip_message *message, const char *description)
{
	static struct sip_header headers[MESSAGE_MAX_HEADERS];
	const struct passage passage = {.message = message, .from = &trunk, .to = &trunk};
	static char text[65536];
	struct sip_message again;
	struct builder b;

	builder_init(&b, text, sizeof(text));
	builder_text(&b, HEAD);
	bodies_write(&b, description, &passage);
	if (b.overflow)
		return; // header fields with what no line may have
	if (!receive(&again, headers, text, (int)b.n) ||
		bodies_check(&again, &trunk, &trunk) == 400 ||
		bodies_pass(&passage) != (count(&again) > (description[0] != '\0')) ||
		!slice_equal(message_sdp(&again), slice_of(description)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sip_header headers[MESSAGE_MAX_HEADERS];
	const char *input = (const char *)data, *line = memchr(data, '\n', size);
	struct sip_message message;
	size_t room = size + 1024;
	char *text;
	int n;

	if (!line || size > 8192)
		return 0;
	text = malloc(room);
	n = snprintf(text, room,
		HEAD "Content-Length: %zu\r\nContent-Type: ", size - (size_t)(line + 1 - input));
	memcpy(text + n, input, (size_t)(line - input));
	n += (int)(line - input);
	n += sprintf(text + n, "\r\n\r\n");
	memcpy(text + n, line + 1, size - (size_t)(line + 1 - input));
	n += (int)(size - (size_t)(line + 1 - input));
	if (receive(&message, headers, text, n)) {
		count(&message);
		bodies_check(&message, &trunk, NULL);
		bodies_are_kept_back(&message, NULL, &trunk);
		rewrite(&message, "");
		rewrite(&message, "v=0");
	}
	free(text);
	return 0;
}
