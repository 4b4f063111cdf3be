// The REGISTER that we send to trunks (RFC 3261 10.2, RFC 6140 5.2).
#include <errno.h>

#include "registration.h"

#define MESSAGE_SIZE	      8192
#define REGISTRATION_URI_SIZE 512

static void name_write(struct builder *b, const struct trunk_registration *rules)
{
	builder_text(b, "<sip:");
	builder_text(b, rules->user);
	builder_char(b, '@');
	builder_text(b, rules->domain);
	builder_char(b, '>');
}

static void contact_header_write(
	struct builder *b, const struct registration *registration, const struct listener *listener)
{
	const struct trunk_registration *rules = &registration->trunk->registration;
	bool is_tcp = listener_protocol(listener) == TRANSPORT_TCP,
	     is_tls = listener_protocol(listener) == TRANSPORT_TLS;

	builder_text(b, "Contact: <sip:");
	if (!rules->bulk) {
		builder_slice(b, (struct slice){registration->user, TOKEN_SIZE});
		builder_char(b, '@');
	}
	builder_slice(b, listener_sent_by(listener));
	builder_text(b, is_tcp ? ";transport=tcp" : is_tls ? ";transport=tls" : "");
	builder_text(b, rules->bulk ? ";bnc>\r\n" : ">\r\n");
}

static void proof_write(struct builder *b, const struct registration *registration)
{
	const struct trunk *trunk = registration->trunk;
	char uri[REGISTRATION_URI_SIZE];
	struct builder u;

	builder_init(&u, uri, sizeof(uri));
	builder_text(&u, "sip:");
	builder_text(&u, trunk->registration.domain);
	if (trunk->state && !u.overflow)
		digest_memory_write(&trunk->state->proof, &trunk->auth, SLICE("REGISTER"),
			builder_finish(&u), b);
}

static struct slice register_write(struct builder *b, struct registration *registration,
	const struct listener *listener, uint32_t expires_s)
{
	const struct trunk_registration *rules = &registration->trunk->registration;

	builder_text(b, "REGISTER sip:");
	builder_text(b, rules->domain);
	builder_text(b, " SIP/2.0\r\n");
	builder_header_unsigned(b, HEADER_MAX_FORWARDS, 70);
	builder_text(b, "To: ");
	name_write(b, rules);
	builder_text(b, "\r\nFrom: ");
	name_write(b, rules);
	builder_text(b, ";tag=");
	builder_slice(b, (struct slice){registration->tag, TOKEN_SIZE});
	builder_text(b, "\r\n");
	builder_header(b, HEADER_CALL_ID, (struct slice){registration->call_id, TOKEN_SIZE});
	builder_cseq(b, ++registration->cseq, SLICE("REGISTER"));
	contact_header_write(b, registration, listener);
	builder_header_unsigned(b, HEADER_EXPIRES, expires_s);
	if (rules->bulk)
		builder_text(b, "Require: gin\r\nProxy-Require: gin\r\n"); // RFC 6140 5.2
	builder_header(b, HEADER_SUPPORTED, rules->bulk ? SLICE("path, gin") : SLICE("path"));
	proof_write(b, registration);
	builder_body(b, (struct slice){}, (struct slice){});
	return builder_finish(b);
}

int registration_send(
	struct registration *registration, const struct target *target, uint32_t expires_s)
{
	const struct sockaddr *address = (const struct sockaddr *)&target->address;
	struct calls *calls = registration->calls;
	struct flow flow = {.listener = calls_listener(calls, registration->trunk->realm,
				    calls_protocol(target->transport), address)};
	char buffer[MESSAGE_SIZE];
	struct builder b;

	if (!flow.listener || sip_address_from(address, sizeof(target->address), &flow.remote))
		return -EINVAL;
	builder_init(&b, buffer, sizeof(buffer));
	registration->transaction = transaction_start(calls->stack, &flow,
		register_write(&b, registration, flow.listener, expires_s), &registration->owner);
	return registration->transaction ? 0 : -errno;
}
