// Names that far ends put into Contact and Record-Route: resolved once (RFC 3263), and the dialog's
// requests go there from then on. Until then, and where the name leads nowhere, they go where its
// messages came from, as they do where the name leads there among other places.
//
// Subtle: the dialog may be gone when the answer comes, so it is looked up by its tags.
#include <errno.h>
#include <stdlib.h>

#include "call_private.h"
#include "plan.h"

enum { HOPS_MAX = 2000 }; // asked for at the same time

struct hop {
	LIST_ENTRY(hop) link;
	struct calls *calls;
	const struct realm *realm; // of no other configuration: hops_stop()
	struct resolver_watch *watch;
	struct slice call_id, local_tag, remote_tag, host; // of `text`
	char text[];
};

static void hop_destroy(struct hop *hop)
{
	LIST_REMOVE(hop, link);
	hop->calls->n_hops--;
	resolver_unwatch(hop->watch);
	free(hop);
}

void hops_stop(struct calls *calls)
{
	struct hop *hop;

	while ((hop = LIST_FIRST(&calls->hops)))
		hop_destroy(hop);
}

static const struct resolver_target *target_choose(
	const struct hop *hop, const struct flow *flow, const struct resolver_result *result)
{
	const struct resolver_target *first = NULL;

	for (size_t i = 0; i < result->n; i++) {
		const struct resolver_target *target = &result->targets[i];

		if (target->transport == listener_protocol(flow->listener) &&
			sip_address_equal_host(&target->address, &flow->remote))
			return NULL; // it is there
		if (!first && calls_listener(hop->calls, hop->realm, target->transport,
				      &target->address.any))
			first = target;
	}
	return first;
}

static void dialog_lead(
	const struct hop *hop, struct dialog *dialog, const struct resolver_result *result)
{
	const struct resolver_target *target = target_choose(hop, &dialog->flow, result);
	char address[SIP_ADDRESS_TEXT_SIZE];

	if (!target)
		return;
	dialog->flow = (struct flow){.listener = calls_listener(hop->calls, hop->realm,
					     target->transport, &target->address.any),
		.remote = target->address};
	sip_address_format(&target->address, address);
	log_debug(&log_call, "hop_resolved", "host=" SLICE_FMT " address=%s", SLICE_ARG(hop->host),
		address);
}

static void on_resolved(void *arg, const struct resolver_result *result)
{
	struct hop *hop = arg;
	struct dialog *dialog =
		dialog_find_ids(hop->calls->dialogs, hop->call_id, hop->local_tag, hop->remote_tag);
	struct uri next;

	// It may have said another name by now.
	if (dialog && !dialog_next_hop(dialog, &next) && slice_equal(next.host, hop->host))
		dialog_lead(hop, dialog, result);
	hop_destroy(hop);
}

static struct slice text_put(char **at, struct slice text)
{
	struct slice copy = {*at, text.n};

	if (text.n)
		memcpy(*at, text.p, text.n);
	*at += text.n;
	return copy;
}

static struct hop *hop_create(struct calls *calls, const struct dialog *dialog, struct slice host)
{
	const struct slice *strings = dialog->strings;
	struct hop *hop =
		calloc(1, sizeof(*hop) + strings[DIALOG_CALL_ID].n + strings[DIALOG_LOCAL_TAG].n +
				  strings[DIALOG_REMOTE_TAG].n + host.n + 1);
	char *at;

	if (!hop)
		return NULL;
	at = hop->text;
	hop->calls = calls;
	hop->call_id = text_put(&at, strings[DIALOG_CALL_ID]);
	hop->local_tag = text_put(&at, strings[DIALOG_LOCAL_TAG]);
	hop->remote_tag = text_put(&at, strings[DIALOG_REMOTE_TAG]);
	hop->host = text_put(&at, host); // and a NUL
	return hop;
}

// What the URI says of transport: a sips URI takes TLS (RFC 3263 4.1).
static int transport_of(const struct uri *uri)
{
	struct slice transport;

	if (uri->scheme == URI_SIPS)
		return TRANSPORT_TLS;
	if (!params_find(uri->params, SLICE("transport"), &transport))
		return RESOLVER_ANY;
	return slice_equal_nocase(transport, SLICE("tcp"))   ? TRANSPORT_TCP
	       : slice_equal_nocase(transport, SLICE("tls")) ? TRANSPORT_TLS
							     : TRANSPORT_UDP;
}

void hop_resolve(struct calls *calls, const struct trunk *trunk, const struct dialog *dialog,
	const struct uri *uri)
{
	struct resolver *resolver = calls_resolver(calls);
	struct resolver_question question;
	struct hop *hop;

	if (!resolver || calls->n_hops >= HOPS_MAX || uri->host_is_ipv6)
		return;
	hop = hop_create(calls, dialog, uri->host);
	if (!hop)
		return;
	hop->realm = trunk->realm;
	question = realm_question(trunk->realm);
	question.host = hop->host.p;
	question.port = uri->port;
	question.transport = transport_of(uri);
	hop->watch = resolver_watch(resolver, &question, on_resolved, hop);
	if (!hop->watch) {
		free(hop);
		return;
	}
	LIST_INSERT_HEAD(&calls->hops, hop, link);
	calls->n_hops++;
}
