// Writes a session description into a bounded buffer. Text that does not fit is noticed once, at
// the end: until then writing goes on into nothing.
#include "sdp_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct text {
	char *out;
	size_t size, length; // length may run past size
};

static void __attribute__((format(printf, 2, 3))) put(struct text *text, const char *format, ...)
{
	size_t room = text->length < text->size ? text->size - text->length : 0;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(room ? text->out + text->length : NULL, room, format, args);
	va_end(args);
	text->length += n > 0 ? (size_t)n : 0;
}

static void put_format(struct text *text, const struct sdp_write_format *format)
{
	put(text, "a=rtpmap:%u %s/%u", format->pt, format->name, format->clock_hz);
	if (format->channels > 1)
		put(text, "/%u", format->channels);
	put(text, "\r\n");
	if (format->fmtp && format->fmtp[0])
		put(text, "a=fmtp:%u %s\r\n", format->pt, format->fmtp);
}

static void put_media(struct text *text, const struct sdp_write_media *media)
{
	static const char *const directions[] = {
		[SDP_INACTIVE] = "inactive",
		[SDP_SENDONLY] = "sendonly",
		[SDP_RECVONLY] = "recvonly",
		[SDP_SENDRECV] = "sendrecv",
	};

	put(text, "m=%s %u %s", media->type, media->port, media->proto);
	if (!media->port) {
		put(text, " %s\r\n", media->rejected_format);
		return;
	}
	for (size_t i = 0; i < media->n_formats; i++)
		put(text, " %u", media->formats[i].pt);
	put(text, "\r\n");
	for (size_t i = 0; i < media->n_formats; i++)
		put_format(text, &media->formats[i]);
	if (media->ptime_ms)
		put(text, "a=ptime:%u\r\n", media->ptime_ms);
	if (media->maxptime_ms)
		put(text, "a=maxptime:%u\r\n", media->maxptime_ms);
	if (media->rtcp_mux)
		put(text, "a=rtcp-mux\r\n");
	put(text, "a=%s\r\n", directions[media->direction]);
}

int sdp_write(const struct sdp_description *description, char *out, size_t size)
{
	struct text text = {.out = out, .size = size};
	const char *type = description->address.family == 6 ? "IP6" : "IP4";
	char address[48];

	sdp_address_text(&description->address, address, sizeof(address));
	put(&text, "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
		description->session_id, description->version, type, address, type, address);
	for (size_t i = 0; i < description->n_media; i++)
		put_media(&text, &description->media[i]);
	return text.length < size ? (int)text.length : -ENOBUFS;
}
