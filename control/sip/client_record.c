// INVITEs of ours without a final response as bytes, so that another process can CANCEL them and
// acknowledge what comes of them.
//
//   u8 protocol | local address | remote address | the request as it was sent, without body and
//   without what neither CANCEL nor ACK nor BYE needs
//   address: u8 family (4, 6) | 4 or 16 bytes | u16 port, big-endian
#include <errno.h>
#include <stdlib.h>

#include "chars.h"
#include "transaction_internal.h"

static void put_address(struct builder *b, const struct sip_address *address)
{
	bool is_v6 = address->any.sa_family == AF_INET6;
	uint16_t port = sip_address_port(address);

	builder_char(b, is_v6 ? 6 : 4);
	if (is_v6)
		builder_slice(b, (struct slice){(const char *)&address->v6.sin6_addr, 16});
	else
		builder_slice(b, (struct slice){(const char *)&address->v4.sin_addr, 4});
	builder_char(b, (char)(port >> 8));
	builder_char(b, (char)port);
}

int transaction_save(const struct transaction *t, void *out, size_t size)
{
	static const enum header_id kept[] = {HEADER_ROUTE, HEADER_FROM, HEADER_TO, HEADER_CALL_ID,
		HEADER_CONTACT, HEADER_AUTHORIZATION, HEADER_PROXY_AUTHORIZATION};
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message invite;
	struct builder b;

	if (t->machine != FSM_CLIENT_INVITE || transaction_is_final(t) || t->is_private)
		return -EINVAL;
	if (client_sent_parse(t, &invite, headers))
		return -EBADMSG;
	builder_init(&b, out, size);
	builder_char(&b, (char)listener_protocol(t->flow.listener));
	put_address(&b, listener_address(t->flow.listener));
	put_address(&b, &t->flow.remote);
	builder_request_line(&b, SLICE("INVITE"), invite.uri);
	builder_header(&b, HEADER_VIA, invite.via.value);
	builder_header_unsigned(&b, HEADER_MAX_FORWARDS, 70);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		builder_copy(&b, &invite, kept[i]);
	builder_cseq(&b, invite.cseq, SLICE("INVITE"));
	builder_body(&b, (struct slice){0}, (struct slice){0});
	return b.overflow ? -ENOSPC : (int)b.n;
}

static int take_address(struct slice *from, struct sip_address *out)
{
	const unsigned char *p = (const unsigned char *)from->p;
	size_t n = from->n && p[0] == 6 ? 16 : 4;

	*out = (struct sip_address){0};
	if (from->n < 1 + n + 2 || (p[0] != 4 && p[0] != 6))
		return -EBADMSG;
	if (n == 16) {
		out->any.sa_family = AF_INET6;
		memcpy(&out->v6.sin6_addr, p + 1, n);
	} else {
		out->any.sa_family = AF_INET;
		memcpy(&out->v4.sin_addr, p + 1, n);
	}
	sip_address_port_set(out, (uint16_t)(p[1 + n] << 8 | p[2 + n]));
	*from = slice_skip(*from, 1 + n + 2);
	return 0;
}

static int flow_take(struct sip_stack *stack, struct slice *from, struct flow *flow)
{
	struct sip_address local;
	unsigned int protocol = from->n ? (unsigned char)from->p[0] : TRANSPORT_WSS + 1;

	*flow = (struct flow){0};
	if (protocol > TRANSPORT_WSS)
		return -EBADMSG;
	*from = slice_skip(*from, 1);
	if (take_address(from, &local) || take_address(from, &flow->remote))
		return -EBADMSG;
	flow->listener = listener_find(stack->transport, (enum transport_protocol)protocol, &local);
	return flow->listener ? 0 : -ENOENT;
}

struct transaction *transaction_resume(
	struct sip_stack *stack, const void *data, size_t size, void *user)
{
	struct slice rest = {data, size};
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message invite;
	struct transaction *t = calloc(1, sizeof(*t));
	int err = t ? 0 : -ENOMEM;
	char *text = NULL;

	if (!err)
		err = flow_take(stack, &rest, &t->flow);
	if (!err) {
		text = malloc(rest.n + 1);
		err = text ? 0 : -ENOMEM;
	}
	if (!err) {
		memcpy(text, rest.p, rest.n);
		t->sent = (struct slice){text, rest.n};
		if (client_sent_parse(t, &invite, headers) || invite.status ||
			invite.method != METHOD_INVITE || invite.via.branch.n != BRANCH_SIZE)
			err = -EBADMSG;
	}
	if (err) {
		free(text);
		free(t);
		errno = -err;
		return NULL;
	}
	t->stack = stack;
	t->user = user;
	t->method = METHOD_INVITE;
	memcpy(t->own_branch, invite.via.branch.p, BRANCH_SIZE);
	t->branch = (struct slice){t->own_branch, BRANCH_SIZE};
	transaction_enter(t, FSM_CLIENT_INVITE, client_hash(stack, SLICE("INVITE"), t->branch));
	t->state = FSM_PROCEEDING; // as far as we know, somebody rings
	transaction_restart(t);
	return t;
}

int transaction_sent(
	const struct transaction *t, struct sip_message *message, struct sip_header *headers)
{
	return transaction_is_client(t) ? client_sent_parse(t, message, headers) : -EINVAL;
}
