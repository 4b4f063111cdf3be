// Writes a session description into a bounded buffer. Text that does not fit is noticed once, at
// the end: until then writing goes on into nothing.
#include "sdp_write.h"

#include <errno.h>
#include <string.h>

struct text {
	char *out;
	size_t size, length; // length may run past size
};

static void put_bytes(struct text *text, const char *words, size_t n)
{
	if (n && text->length < text->size && n < text->size - text->length)
		memcpy(text->out + text->length, words, n);
	text->length += n;
}

static void put(struct text *text, const char *words)
{
	put_bytes(text, words, strlen(words));
}

static void put_number(struct text *text, uint64_t number)
{
	char digits[21]; // of 2^64, and the NUL
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	put(text, digits + at);
}

// "a=ptime:20"
static void put_numbered(struct text *text, const char *words, uint64_t number)
{
	put(text, words);
	put_number(text, number);
	put(text, "\r\n");
}

static void put_format(struct text *text, const struct sdp_write_format *format)
{
	put(text, "a=rtpmap:");
	put_number(text, format->pt);
	put(text, " ");
	put(text, format->name);
	put(text, "/");
	put_number(text, format->clock_hz);
	if (format->channels > 1) {
		put(text, "/");
		put_number(text, format->channels);
	}
	put(text, "\r\n");
	if (!format->fmtp || !format->fmtp[0])
		return;
	put(text, "a=fmtp:");
	put_number(text, format->pt);
	put(text, " ");
	put(text, format->fmtp);
	put(text, "\r\n");
}

static void put_media(struct text *text, const struct sdp_write_media *media)
{
	static const char *const directions[] = {
		[SDP_INACTIVE] = "a=inactive\r\n",
		[SDP_SENDONLY] = "a=sendonly\r\n",
		[SDP_RECVONLY] = "a=recvonly\r\n",
		[SDP_SENDRECV] = "a=sendrecv\r\n",
	};

	put(text, "m=");
	put(text, media->type);
	put(text, " ");
	put_number(text, media->port);
	put(text, " ");
	put(text, media->proto);
	if (!media->port || media->opaque) {
		put(text, " ");
		put(text, media->rejected_format);
	}
	if (!media->port) {
		put(text, "\r\n");
		return;
	}
	for (size_t i = 0; i < media->n_formats; i++) {
		put(text, " ");
		put_number(text, media->formats[i].pt);
	}
	put(text, "\r\n");
	put_bytes(text, media->lines, media->lines_length);
	if (media->no_rtcp)
		put(text, "b=RS:0\r\nb=RR:0\r\n");
	for (size_t i = 0; i < media->n_formats && !media->lines; i++)
		put_format(text, &media->formats[i]);
	if (media->ptime_ms)
		put_numbered(text, "a=ptime:", media->ptime_ms);
	if (media->maxptime_ms)
		put_numbered(text, "a=maxptime:", media->maxptime_ms);
	if (media->rtcp_mux)
		put(text, "a=rtcp-mux\r\n");
	if (media->rtcp_rsize)
		put(text, "a=rtcp-rsize\r\n");
	for (size_t i = 0; i < media->n_keys; i++) {
		put(text, "a=crypto:");
		put(text, media->keys[i]);
		put(text, "\r\n");
	}
	if (!media->opaque || media->direction != SDP_SENDRECV) // no fax says that it is
		put(text, directions[media->direction]);
}

static void put_address(struct text *text, const struct sdp_address *address)
{
	char host[48];

	put(text, address->family == 6 ? "IN IP6 " : "IN IP4 ");
	put(text, sdp_address_text(address, host, sizeof(host)));
	put(text, "\r\n");
}

int sdp_write(const struct sdp_description *description, char *out, size_t size)
{
	struct text text = {.out = out, .size = size};

	put(&text, "v=0\r\no=- ");
	put_number(&text, description->session_id);
	put(&text, " ");
	put_number(&text, description->version);
	put(&text, " ");
	put_address(&text, &description->address);
	put(&text, "s=-\r\nc=");
	put_address(&text, &description->address);
	put(&text, "t=0 0\r\n");
	for (size_t i = 0; i < description->n_media; i++)
		put_media(&text, &description->media[i]);
	if (text.length >= size)
		return -ENOBUFS;
	out[text.length] = '\0';
	return (int)text.length;
}
