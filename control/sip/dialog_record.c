// Dialogs as bytes, so that they outlive the process. Little endian; a record of another version is
// refused, since half a dialog is worse than none.
//
//   u8 version | u8 state | u8 flags | u8 protocol | u32 local, remote, invite CSeq |
//   local address | remote address | 8 strings, each u16 length and bytes
//   address: u8 family (0, 4, 6) | 0, 4 or 16 bytes | u16 port
#include <errno.h>
#include <stdlib.h>

#include "dialog_internal.h"
#include "stack.h"

enum { VERSION = 1, FLAG_UAC = 1, FLAG_SECURE = 2, FLAG_REMOTE_CSEQ = 4 };

static void put_number(struct builder *b, uint32_t number, unsigned int n_bytes)
{
	for (unsigned int i = 0; i < n_bytes; i++)
		builder_char(b, (char)(number >> 8 * i));
}

static void put_address(struct builder *b, const struct sip_address *address)
{
	bool is_v6 = address && address->any.sa_family == AF_INET6;

	if (!address || (!is_v6 && address->any.sa_family != AF_INET)) {
		put_number(b, 0, 1);
		return;
	}
	put_number(b, is_v6 ? 6 : 4, 1);
	if (is_v6)
		builder_slice(b, (struct slice){(const char *)&address->v6.sin6_addr, 16});
	else
		builder_slice(b, (struct slice){(const char *)&address->v4.sin_addr, 4});
	put_number(b, sip_address_port(address), 2);
}

int dialog_save(const struct dialog *dialog, void *out, size_t size)
{
	struct listener *listener = dialog->flow.listener;
	struct sip_address remote = dialog->flow.remote;
	struct builder b;

	// No connection outlives the process.
	if (dialog->flow.connect_port)
		sip_address_port_set(&remote, dialog->flow.connect_port);
	builder_init(&b, out, size < 65536 ? size : 65536);
	put_number(&b, VERSION, 1);
	put_number(&b, dialog->state, 1);
	put_number(&b,
		(dialog->is_uac ? FLAG_UAC : 0) | (dialog->is_secure ? FLAG_SECURE : 0) |
			(dialog->has_remote_cseq ? FLAG_REMOTE_CSEQ : 0),
		1);
	put_number(&b, listener ? listener_protocol(listener) : 0, 1);
	put_number(&b, dialog->local_cseq, 4);
	put_number(&b, dialog->remote_cseq, 4);
	put_number(&b, dialog->invite_cseq, 4);
	put_address(&b, listener ? listener_address(listener) : NULL);
	put_address(&b, &remote);
	for (int i = 0; i < DIALOG_N_STRINGS; i++) {
		put_number(&b, (uint32_t)dialog->strings[i].n, 2);
		builder_slice(&b, dialog->strings[i]);
	}
	return b.overflow ? -ENOSPC : (int)b.n;
}

// Reading: what is not there reads as zero and marks the cursor bad.
struct cursor {
	struct slice rest;
	bool bad;
};

static struct slice take(struct cursor *c, size_t n)
{
	struct slice taken = {c->rest.p, n};

	if (c->bad || n > c->rest.n) {
		c->bad = true;
		return (struct slice){0};
	}
	c->rest = (struct slice){c->rest.p + n, c->rest.n - n};
	return taken;
}

static uint32_t take_number(struct cursor *c, unsigned int n_bytes)
{
	struct slice bytes = take(c, n_bytes);
	uint32_t number = 0;

	for (size_t i = 0; i < bytes.n; i++)
		number |= (uint32_t)(unsigned char)bytes.p[i] << 8 * i;
	return number;
}

static struct sip_address take_address(struct cursor *c)
{
	struct sip_address address = {0};
	uint32_t family = take_number(c, 1);
	struct slice bytes = take(c, family == 6 ? 16 : family == 4 ? 4 : 0);

	if (family == 6 && bytes.n) {
		address.any.sa_family = AF_INET6;
		memcpy(&address.v6.sin6_addr, bytes.p, 16);
	} else if (family == 4 && bytes.n) {
		address.any.sa_family = AF_INET;
		memcpy(&address.v4.sin_addr, bytes.p, 4);
	} else {
		c->bad |= family != 0;
		return address;
	}
	sip_address_port_set(&address, (uint16_t)take_number(c, 2));
	return address;
}

static struct listener *listener_again(struct sip_stack *stack, uint32_t protocol,
	const struct sip_address *local, const struct sip_address *remote)
{
	struct listener *found =
		listener_find(stack_transport(stack), (enum transport_protocol)protocol, local);

	return found ? found
		     : listener_for(
			       stack_transport(stack), (enum transport_protocol)protocol, remote);
}

int dialog_restore(struct dialog *dialog, struct sip_stack *stack, const void *data, size_t size)
{
	struct cursor c = {{data, size}, false};
	struct slice strings[DIALOG_N_STRINGS];
	struct dialog d = {0};
	struct sip_address local;
	uint32_t flags, protocol, state;

	if (take_number(&c, 1) != VERSION)
		return -EBADMSG;
	state = take_number(&c, 1);
	flags = take_number(&c, 1);
	protocol = take_number(&c, 1);
	d.local_cseq = take_number(&c, 4);
	d.remote_cseq = take_number(&c, 4);
	d.invite_cseq = take_number(&c, 4);
	local = take_address(&c);
	d.flow.remote = take_address(&c);
	for (int i = 0; i < DIALOG_N_STRINGS; i++)
		strings[i] = take(&c, take_number(&c, 2));
	if (c.bad || state > DIALOG_TERMINATED)
		return -EBADMSG;
	d.state = (enum dialog_state)state;
	d.is_uac = flags & FLAG_UAC;
	d.is_secure = flags & FLAG_SECURE;
	d.has_remote_cseq = flags & FLAG_REMOTE_CSEQ;
	d.flow.listener = listener_again(stack, protocol, &local, &d.flow.remote);
	if (dialog_strings_set(&d, strings))
		return -ENOMEM;
	*dialog = d;
	return (int)(size - c.rest.n);
}
