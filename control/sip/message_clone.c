// Copies of messages: one block of struct, header fields and text, with every slice moved along.
#include <stdlib.h>

#include "message.h"

#define AT(field) offsetof(struct sip_message, field)

// Every slice in struct sip_message that points into its text.
static const uint16_t slices[] = {AT(text), AT(body), AT(method_name), AT(uri),
	AT(request_uri.text), AT(request_uri.user), AT(request_uri.password), AT(request_uri.host),
	AT(request_uri.params), AT(request_uri.headers), AT(reason), AT(via.value),
	AT(via.transport), AT(via.host), AT(via.params), AT(via.branch), AT(via.received),
	AT(via.maddr), AT(from.value), AT(from.display), AT(from.uri), AT(from.params),
	AT(to.value), AT(to.display), AT(to.uri), AT(to.params), AT(from_tag), AT(to_tag),
	AT(call_id)};

static void move(struct slice *slice, const char *from, const char *to)
{
	if (slice->p)
		slice->p = to + (slice->p - from);
}

struct sip_message *message_clone(const struct sip_message *message)
{
	size_t headers_size = message->n_headers * sizeof(struct sip_header);
	struct sip_message *copy = malloc(sizeof(*copy) + headers_size + message->text.n);
	const char *from = message->text.p;
	char *to;

	if (!copy)
		return NULL;
	*copy = *message;
	copy->headers = (struct sip_header *)(copy + 1);
	to = (char *)copy->headers + headers_size;
	memcpy(copy->headers, message->headers, headers_size);
	memcpy(to, from, message->text.n);
	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
		move((struct slice *)((char *)copy + slices[i]), from, to);
	for (unsigned int i = 0; i < copy->n_headers; i++) {
		move(&copy->headers[i].name, from, to);
		move(&copy->headers[i].value, from, to);
	}
	return copy;
}

void message_destroy(struct sip_message *message)
{
	if (message)
		explicit_bzero((char *)message->text.p, message->text.n); // keys of media
	free(message);
}
