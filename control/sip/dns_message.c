// Reads from the front; every read is checked against the end, and names only ever point backwards,
// so that it always comes to an end.
#include "dns_message.h"

#include <errno.h>
#include <string.h>

enum { HEADER_SIZE = 12, TYPE_SIZE = 4, RECORD_SIZE = 10, RCODE_NXDOMAIN = 3 };

struct reader {
	const uint8_t *data;
	size_t size, at;
	bool bad;
};

static const uint8_t *take(struct reader *r, size_t n)
{
	const uint8_t *bytes = r->data + r->at;

	if (r->bad || n > r->size - r->at) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return bytes;
}

static uint16_t take_16(struct reader *r)
{
	const uint8_t *bytes = take(r, 2);

	return bytes ? (uint16_t)(bytes[0] << 8 | bytes[1]) : 0;
}

static uint32_t take_32(struct reader *r)
{
	uint32_t high = take_16(r);

	return high << 16 | take_16(r);
}

// A name, into `out` (DNS_NAME_SIZE) or nowhere. Labels that are no host's are refused: what is
// asked for next is made of them.
static void take_name(struct reader *r, char *out)
{
	size_t at = r->at, length = 0, limit = r->at;
	bool jumped = false;

	for (;;) {
		uint8_t n = at < r->size ? r->data[at] : 0xff;

		if (n >= 0xc0 && at + 1 < r->size) {
			size_t to = (size_t)(n & 0x3f) << 8 | r->data[at + 1];

			if (!jumped)
				r->at = at + 2;
			jumped = true;
			if (to >= limit)
				break;
			at = limit = to;
			continue;
		}
		if (n > 63 || n > r->size - at - 1 || length + n + 2 > DNS_NAME_SIZE)
			break;
		at++;
		if (!n) {
			if (!jumped)
				r->at = at;
			if (out)
				out[length ? length - 1 : 0] = '\0';
			return;
		}
		for (uint8_t i = 0; i < n; i++)
			if (r->data[at + i] <= ' ' || r->data[at + i] > '~' ||
				r->data[at + i] == '.')
				goto bad;
		if (out) {
			memcpy(out + length, r->data + at, n);
			out[length + n] = '.';
		}
		length += n + 1u;
		at += n;
	}
bad:
	r->bad = true;
}

// One <character-string>.
static void take_text(struct reader *r, char *out, size_t size)
{
	const uint8_t *n = take(r, 1);
	const uint8_t *bytes = n ? take(r, *n) : NULL;
	size_t length = bytes && *n < size ? *n : 0;

	if (length && out)
		memcpy(out, bytes, length);
	if (out)
		out[length] = '\0';
}

static void take_data(struct reader *r, enum dns_type type, struct dns_record *out)
{
	const uint8_t *bytes;

	*out = (struct dns_record){};
	switch (type) {
	case DNS_A:
		bytes = take(r, 4);
		if (bytes)
			memcpy(&out->v4, bytes, 4);
		break;
	case DNS_AAAA:
		bytes = take(r, 16);
		if (bytes)
			memcpy(&out->v6, bytes, 16);
		break;
	case DNS_SRV:
		out->priority = take_16(r);
		out->weight = take_16(r);
		out->port = take_16(r);
		take_name(r, out->name);
		break;
	case DNS_NAPTR:
		out->priority = take_16(r);
		out->weight = take_16(r);
		take_text(r, out->flags, sizeof(out->flags));
		take_text(r, out->service, sizeof(out->service));
		take_text(r, NULL, 256); // the regular expression, which SIP does not use
		take_name(r, out->name);
		break;
	default:
		break;
	}
}

// What stands before the data of a record.
struct head {
	uint16_t type, length;
	uint32_t ttl_s;
};

static struct head take_head(struct reader *r)
{
	struct head head;

	take_name(r, NULL);
	head.type = take_16(r);
	take_16(r); // class: that of the question
	head.ttl_s = take_32(r);
	head.length = take_16(r);
	if (head.length > r->size - r->at)
		r->bad = true;
	return head;
}

static void take_answers(
	struct reader *r, unsigned int n, enum dns_type type, struct dns_answer *answer)
{
	for (unsigned int i = 0; i < n && !r->bad; i++) {
		struct head head = take_head(r);
		size_t end = r->at + head.length;
		struct reader data = {r->data, end, r->at, r->bad};

		if (r->bad)
			return;
		if (head.ttl_s < answer->ttl_s)
			answer->ttl_s = head.ttl_s;
		if (head.type == type && answer->n < DNS_RECORDS_MAX) {
			take_data(&data, type, &answer->records[answer->n]);
			answer->n += !data.bad; // a bad one does not spoil the others
		}
		r->at = end;
	}
}

// RFC 2308 5: how long there is nothing is said by the SOA of the zone.
static uint32_t take_negative_ttl(struct reader *r, unsigned int n)
{
	for (unsigned int i = 0; i < n && !r->bad; i++) {
		struct head head = take_head(r);
		struct reader data = {r->data, r->at + head.length, r->at, r->bad};
		uint32_t minimum_s;

		if (r->bad)
			break;
		r->at += head.length;
		if (head.type != DNS_SOA)
			continue;
		take_name(&data, NULL);
		take_name(&data, NULL);
		take(&data, 16);
		minimum_s = take_32(&data);
		if (!data.bad)
			return minimum_s < head.ttl_s ? minimum_s : head.ttl_s;
	}
	return DNS_NEGATIVE_S;
}

static uint32_t within(uint32_t value, uint32_t most)
{
	return value < 1 ? 1 : value > most ? most : value;
}

int dns_answer_parse(
	const uint8_t *data, size_t size, enum dns_type type, struct dns_answer *answer)
{
	struct reader r = {.data = data, .size = size};
	uint16_t flags, n_questions, n_answers, n_authorities;

	answer->n = 0;
	answer->ttl_s = DNS_TTL_MAX_S;
	take_16(&r);
	flags = take_16(&r);
	n_questions = take_16(&r);
	n_answers = take_16(&r);
	n_authorities = take_16(&r);
	take_16(&r);
	if (r.bad || !(flags & 0x8000))
		return -EBADMSG;
	if ((flags & 0xf) && (flags & 0xf) != RCODE_NXDOMAIN)
		return -EAGAIN;
	for (unsigned int i = 0; i < n_questions && !r.bad; i++) {
		take_name(&r, NULL);
		take(&r, TYPE_SIZE);
	}
	take_answers(&r, n_answers, type, answer);
	if (r.bad)
		return -EBADMSG;
	answer->ttl_s = answer->n
				? within(answer->ttl_s, DNS_TTL_MAX_S)
				: within(take_negative_ttl(&r, n_authorities), DNS_NEGATIVE_MAX_S);
	return 0;
}
