#include "exchange_message.h"

#include <errno.h>
#include <string.h>

#include "store_keys.h"
#include "store_record.h"

enum { VERSION = 1, FLAG_IF_KNOWN = 1 };

struct writer {
	uint8_t *p;
	size_t n;
};

static void put_number(struct writer *w, uint64_t value, unsigned int bytes)
{
	while (bytes-- > 0)
		w->p[w->n++] = (uint8_t)(value >> 8 * bytes);
}

static void put_bytes(struct writer *w, const void *data, size_t n)
{
	memcpy(w->p + w->n, data, n);
	w->n += n;
}

static void put_name(struct writer *w, const char *name)
{
	size_t n = strnlen(name, EXCHANGE_NAME_MAX);

	put_number(w, n, 1);
	put_bytes(w, name, n);
}

static void put_address(struct writer *w, const struct sip_address *address)
{
	bool is_v6 = address->any.sa_family == AF_INET6;

	put_number(w, is_v6 ? 6 : 4, 1);
	if (is_v6)
		put_bytes(w, &address->v6.sin6_addr, 16);
	else
		put_bytes(w, &address->v4.sin_addr, 4);
	put_number(w, sip_address_port(address), 2);
}

size_t exchange_write(const struct exchange_message *message, uint8_t out[EXCHANGE_TEXT_HEAD_MAX])
{
	struct writer w = {.p = out};

	put_number(&w, message->kind, 1);
	put_number(&w, message->protocol, 1);
	put_number(&w, message->if_known ? FLAG_IF_KNOWN : 0, 1);
	put_number(&w, message->mark, 1);
	put_number(&w, message->error, 2);
	put_number(&w, message->boot, 8);
	put_number(&w, message->counter, 8);
	put_name(&w, message->from);
	put_name(&w, message->to);
	put_address(&w, &message->local);
	put_address(&w, &message->remote);
	return w.n;
}

// ---- reading

struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static uint64_t get_number(struct reader *r, unsigned int bytes)
{
	uint64_t value = 0;

	if (r->bad || r->left < bytes) {
		r->bad = true;
		return 0;
	}
	r->left -= bytes;
	while (bytes-- > 0)
		value = value << 8 | *r->p++;
	return value;
}

static void get_bytes(struct reader *r, void *out, size_t n)
{
	if (r->bad || r->left < n) {
		r->bad = true;
		return;
	}
	memcpy(out, r->p, n);
	r->p += n;
	r->left -= n;
}

static void get_name(struct reader *r, char out[EXCHANGE_NAME_MAX + 1])
{
	size_t n = get_number(r, 1);

	r->bad |= n > EXCHANGE_NAME_MAX;
	get_bytes(r, out, n);
	out[r->bad ? 0 : n] = '\0';
	r->bad |= strlen(out) != n;
}

static void get_address(struct reader *r, struct sip_address *out)
{
	uint64_t family = get_number(r, 1);

	memset(out, 0, sizeof(*out));
	if (family == 4) {
		out->v4.sin_family = AF_INET;
		get_bytes(r, &out->v4.sin_addr, 4);
	} else if (family == 6) {
		out->v6.sin6_family = AF_INET6;
		get_bytes(r, &out->v6.sin6_addr, 16);
	} else {
		r->bad = true;
	}
	if (!r->bad)
		sip_address_port_set(out, (uint16_t)get_number(r, 2));
}

int exchange_read(const void *text, size_t length, struct exchange_message *message)
{
	struct reader r = {.p = text, .left = length};
	uint64_t flags;

	*message = (struct exchange_message){};
	message->kind = (uint8_t)get_number(&r, 1);
	message->protocol = (uint8_t)get_number(&r, 1);
	flags = get_number(&r, 1);
	message->if_known = flags & FLAG_IF_KNOWN;
	message->mark = (uint8_t)get_number(&r, 1);
	message->error = (uint16_t)get_number(&r, 2);
	message->boot = get_number(&r, 8);
	message->counter = get_number(&r, 8);
	get_name(&r, message->from);
	get_name(&r, message->to);
	get_address(&r, &message->local);
	get_address(&r, &message->remote);
	message->sip = (struct slice){(const char *)r.p, r.left};
	r.bad |= message->kind >= EXCHANGE_N_KINDS || message->protocol > TRANSPORT_WSS ||
		 !r.left || flags > FLAG_IF_KNOWN ||
		 message->local.any.sa_family != message->remote.any.sa_family;
	return r.bad ? -EBADMSG : 0;
}

// ---- sealing

int exchange_seal(const struct exchange_message *message, struct store_keys *keys,
	uint8_t out[EXCHANGE_DATAGRAM_MAX])
{
	static uint8_t text[EXCHANGE_DATAGRAM_MAX]; // one thread
	const struct store_part header = {out, EXCHANGE_HEADER};
	struct writer w = {.p = out};
	struct store_part secret;
	size_t head;
	int err;

	if (message->sip.n > EXCHANGE_SIP_MAX)
		return -EMSGSIZE;
	head = exchange_write(message, text);
	memcpy(text + head, message->sip.p, message->sip.n);
	secret = (struct store_part){text, head + message->sip.n};
	put_bytes(&w, "SH", 2);
	put_number(&w, VERSION, 1);
	put_number(&w, 0, 1);
	put_number(&w, store_keys_sealing_id(keys), 4);
	err = store_seal(keys, &header, 1, &secret, out + EXCHANGE_HEADER);
	return err ? err : (int)(EXCHANGE_HEADER + STORE_SEAL_OVERHEAD + secret.length);
}

int exchange_open(struct exchange_message *message, struct store_keys *keys, const void *data,
	size_t length, uint8_t text[EXCHANGE_DATAGRAM_MAX])
{
	const struct store_part header = {data, EXCHANGE_HEADER};
	struct reader r = {.p = data, .left = length};
	struct store_part sealed;
	uint64_t version, key_id;
	int err;

	if (length <= EXCHANGE_HEADER + STORE_SEAL_OVERHEAD || length > EXCHANGE_DATAGRAM_MAX ||
		get_number(&r, 2) != ('S' << 8 | 'H'))
		return -EBADMSG;
	version = get_number(&r, 1);
	get_number(&r, 1);
	key_id = get_number(&r, 4);
	if (version != VERSION)
		return -ENOTSUP;
	sealed = (struct store_part){r.p, r.left};
	err = store_open(keys, (uint32_t)key_id, &header, 1, &sealed, text);
	return err ? err : exchange_read(text, sealed.length - STORE_SEAL_OVERHEAD, message);
}

// ---- repetitions

static bool bit_set(struct exchange_window *window, uint64_t counter)
{
	uint64_t *word = &window->taken[counter % EXCHANGE_WINDOW / 64], bit = 1ull << counter % 64;
	bool was = *word & bit;

	*word |= bit;
	return was;
}

static void window_move(struct exchange_window *window, uint64_t counter)
{
	if (counter - window->highest >= EXCHANGE_WINDOW)
		memset(window->taken, 0, sizeof(window->taken));
	else
		for (uint64_t n = window->highest + 1; n != counter + 1; n++)
			window->taken[n % EXCHANGE_WINDOW / 64] &= ~(1ull << n % 64);
	window->highest = counter;
}

int exchange_window_take(struct exchange_window *window, uint64_t boot, uint64_t counter)
{
	if (boot < window->boot)
		return -ESTALE;
	if (boot > window->boot)
		*window = (struct exchange_window){.boot = boot, .highest = counter};
	else if (counter > window->highest)
		window_move(window, counter);
	else if (window->highest - counter >= EXCHANGE_WINDOW)
		return -ESTALE;
	return bit_set(window, counter) ? -EALREADY : 0;
}
