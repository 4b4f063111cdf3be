// See subscription.h. The subscriber's SUBSCRIBE goes out like any other request of no call
// (relay_request.c); the first NOTIFY, or the 2xx where that is first, makes the dialog with the
// notifier. From then on each request in one dialog is one of ours in the other, and its answer
// goes back.
//
// Subtle: the end. A subscription is dropped when the last NOTIFY ("terminated") has its answer,
// when either side says that it knows nothing of it (481), or when its time is over. Who still
// waits then is told: the subscriber by a NOTIFY, the notifier by 481 to its next one, or by a
// SUBSCRIBE that takes it back. Requests under way outlive it, as who asked is owed an answer.
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "event_body.h"
#include "offer.h"
#include "plan.h"
#include "subscription.h"

enum {
	PACKAGE_SIZE = 64,
	WAIT_S = 32,	      // 64*T1: for the first and the last NOTIFY (timer N, RFC 6665 4.1.2)
	EXPIRES_USUAL = 3600, // where the notifier does not say
	CSEQ_FIRST = 100,     // of requests in a dialog that a NOTIFY has made: above any of ours
};

// One of its dialogs. The notifier's is known by Call-ID and our tag alone until it has its tag.
struct side {
	struct owner owner;
	struct subscription *subscription;
	struct dialog dialog;
};

struct exchange;

struct subscription {
	LIST_ENTRY(subscription) link;
	struct calls *calls;
	struct plan *plan;
	struct subscription **held;    // by the request that asks for it; NULL: none does
	const struct trunk *from, *to; // of the subscriber, and of the notifier
	struct side subscriber, notifier;
	bool has_notifier; // its dialog is whole
	bool accepted;	   // the subscriber has its 2xx
	bool heard;	   // a NOTIFY
	bool ends;	   // it has been taken back, or was a question only
	bool finished;	   // the last NOTIFY has come, before the 2xx
	uint32_t expires_s;
	char id_text[ULID_TEXT_SIZE];
	char package[PACKAGE_SIZE];
	struct event timer;
	LIST_HEAD(, exchange) exchanges;
};

// A request from one side that is one of ours on the other.
struct exchange {
	struct relay relay;
	LIST_ENTRY(exchange) link;	   // while that is not NULL
	struct subscription *subscription; // NULL: gone before its answer
	bool last;			   // NOTIFY "terminated"
};

// Life.

static void timer_set(struct subscription *subscription, uint32_t seconds)
{
	struct timeval after = {.tv_sec = seconds};

	evtimer_add(&subscription->timer, &after);
}

void subscription_drop(struct subscription *subscription)
{
	struct exchange *exchange;

	if (!subscription)
		return;
	while ((exchange = LIST_FIRST(&subscription->exchanges))) {
		LIST_REMOVE(exchange, link);
		exchange->subscription = NULL;
	}
	if (subscription->held)
		*subscription->held = NULL;
	evtimer_del(&subscription->timer);
	LIST_REMOVE(subscription, link);
	subscription->from->state->subscriptions--;
	subscription->calls->counters.subscriptions_now--;
	dialog_fini(&subscription->subscriber.dialog);
	dialog_fini(&subscription->notifier.dialog);
	plan_drop(subscription->plan);
	free(subscription);
}

static void over(struct subscription *subscription, const char *why)
{
	log_info(&log_call, "subscription_over", "id=%s event=%s from=%s to=%s why=%s",
		subscription->id_text, subscription->package, subscription->from->name,
		subscription->to ? subscription->to->name : "-", why);
	subscription_drop(subscription);
}

// Nobody waits for the answers to these.

static void subscriber_tell(struct subscription *subscription, struct slice reason)
{
	struct dialog *dialog = &subscription->subscriber.dialog;
	char buffer[REQUEST_HEAD_SIZE];
	struct builder b;

	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(dialog, METHOD_NOTIFY, &b);
	builder_header(&b, HEADER_EVENT, slice_of(subscription->package));
	builder_text(&b, "Subscription-State: terminated;reason=");
	builder_slice(&b, reason);
	builder_text(&b, "\r\n");
	builder_body(&b, (struct slice){}, (struct slice){});
	transaction_start(subscription->calls->stack, &dialog->flow, builder_finish(&b), NULL);
}

static void notifier_tell(struct subscription *subscription)
{
	struct dialog *dialog = &subscription->notifier.dialog;
	char buffer[REQUEST_HEAD_SIZE];
	struct builder b;

	if (!subscription->has_notifier)
		return; // its first NOTIFY will be refused
	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(dialog, METHOD_SUBSCRIBE, &b);
	builder_header(&b, HEADER_EVENT, slice_of(subscription->package));
	builder_header_unsigned(&b, HEADER_EXPIRES, 0);
	builder_body(&b, (struct slice){}, (struct slice){});
	transaction_start(subscription->calls->stack, &dialog->flow, builder_finish(&b), NULL);
}

static void on_time_over(evutil_socket_t, short, void *arg)
{
	struct subscription *subscription = arg;

	if (subscription->accepted && !subscription->ends) {
		subscriber_tell(subscription, SLICE("timeout"));
		notifier_tell(subscription);
	}
	over(subscription, "time");
}

void subscriptions_end(struct calls *calls)
{
	struct subscription *subscription;

	while ((subscription = LIST_FIRST(&calls->subscriptions))) {
		if (subscription->accepted) {
			subscriber_tell(subscription, SLICE("deactivated"));
			notifier_tell(subscription);
		}
		subscription_drop(subscription);
	}
}

void subscriptions_drop(struct calls *calls)
{
	struct subscription *subscription;

	while ((subscription = LIST_FIRST(&calls->subscriptions)))
		subscription_drop(subscription);
}

const struct trunk *subscription_trunk(const struct owner *owner)
{
	const struct side *side = (const struct side *)owner;

	return side == &side->subscription->subscriber ? side->subscription->from
						       : side->subscription->to;
}

// How it begins.

static void side_init(struct side *side, struct subscription *subscription)
{
	side->owner.kind = OWNER_SUBSCRIPTION;
	side->subscription = subscription;
}

static int side_enter(struct side *side)
{
	side->dialog.user = side;
	return dialog_table_add(side->subscription->calls->dialogs, &side->dialog);
}

static unsigned int check(
	const struct calls *calls, const struct trunk *from, const struct sip_message *subscribe)
{
	const struct trunk_subscriptions *rules = &from->signalling.subscriptions;
	uint32_t most = calls->settings.subscriptions_max;
	struct slice package = event_package(subscribe);

	if (!package.p || package.n >= PACKAGE_SIZE || !event_is_allowed(from, package))
		return 489;
	if ((most && calls->counters.subscriptions_now >= most) ||
		from->state->subscriptions >= rules->max)
		return 503;
	return 0;
}

static int subscriber_begin(
	struct subscription *subscription, const struct transaction *transaction)
{
	const struct sip_message *subscribe = transaction_request(transaction);
	struct side *side = &subscription->subscriber;
	char contact[SIP_ADDRESS_TEXT_SIZE + 64];
	int err = dialog_init_uas(&side->dialog, subscribe, transaction_to_tag(transaction),
		contact_write(subscribe->flow.listener, uri_is_sips(subscribe->uri), contact,
			sizeof(contact)));

	if (!err)
		err = side_enter(side);
	if (!err)
		dialog_flow_update(&side->dialog);
	return err;
}

unsigned int subscription_create(struct calls *calls, const struct trunk *from,
	struct transaction *transaction, struct subscription **out)
{
	const struct sip_message *subscribe = transaction_request(transaction);
	unsigned int status = check(calls, from, subscribe);
	struct slice package = event_package(subscribe);
	struct subscription *subscription;

	if (status)
		return status;
	subscription = calloc(1, sizeof(*subscription));
	if (!subscription)
		return 500;
	subscription->calls = calls;
	subscription->plan = plan_hold(calls->plan);
	subscription->from = from;
	side_init(&subscription->subscriber, subscription);
	side_init(&subscription->notifier, subscription);
	snprintf(subscription->package, sizeof(subscription->package), SLICE_FMT,
		SLICE_ARG(package));
	evtimer_assign(&subscription->timer, calls->settings.base, on_time_over, subscription);
	LIST_INIT(&subscription->exchanges);
	LIST_INSERT_HEAD(&calls->subscriptions, subscription, link);
	from->state->subscriptions++;
	calls->counters.subscriptions_now++;
	if (subscriber_begin(subscription, transaction)) {
		subscription_drop(subscription);
		return 400; // no usable Contact
	}
	*out = subscription;
	subscription->held = out;
	return 0;
}

// Its dialog as far as it is known.
int subscription_try(struct subscription *subscription, const struct trunk *to,
	const struct flow *flow, const struct dialog_request *values)
{
	struct side *side = &subscription->notifier;
	struct dialog *dialog = &side->dialog;

	dialog_fini(dialog);
	*dialog = (struct dialog){.state = DIALOG_EARLY, .flow = *flow, .local_cseq = values->cseq};
	subscription->to = to;
	subscription->has_notifier = false;
	memcpy(subscription->id_text, values->call_id.p, sizeof(subscription->id_text) - 1);
	if (dialog_set(dialog, DIALOG_CALL_ID, values->call_id) ||
		dialog_set(dialog, DIALOG_LOCAL_TAG, values->local_tag) ||
		dialog_set(dialog, DIALOG_CONTACT, values->contact))
		return -ENOMEM;
	return side_enter(side);
}

// The whole dialog takes the place of what was known of it.
static int notifier_take(struct subscription *subscription, struct dialog *dialog)
{
	struct side *side = &subscription->notifier;

	dialog_fini(&side->dialog);
	side->dialog = *dialog;
	subscription->has_notifier = true;
	if (side_enter(side))
		return -EEXIST;
	dialog_flow_update(&side->dialog);
	return 0;
}

unsigned int subscription_accepted(struct subscription *subscription,
	const struct dialog_request *values, const struct sip_message *response, struct builder *b)
{
	uint32_t most = subscription->from->signalling.subscriptions.expires_max_s;
	struct dialog dialog;

	if (!subscription->has_notifier && (dialog_init_uac(&dialog, values, response) ||
						   notifier_take(subscription, &dialog)))
		return 502;
	subscription->accepted = true;
	*subscription->held = NULL;
	subscription->held = NULL;
	subscription->subscriber.dialog.state = DIALOG_CONFIRMED;
	subscription->expires_s = expires_read(response, EXPIRES_USUAL, most);
	subscription->ends = !subscription->expires_s || subscription->finished;
	if (subscription->finished)
		timer_set(subscription, 0);
	else
		timer_set(subscription,
			subscription->heard ? subscription->expires_s + WAIT_S : WAIT_S);
	subscription->calls->counters.subscriptions_begun++;
	builder_header(b, HEADER_CONTACT, subscription->subscriber.dialog.strings[DIALOG_CONTACT]);
	builder_header_unsigned(b, HEADER_EXPIRES, subscription->expires_s);
	eventlist_copy(b, response);
	return 0;
}

void subscription_wish_write(
	struct builder *b, const struct trunk *from, const struct sip_message *subscribe)
{
	uint32_t most = from->signalling.subscriptions.expires_max_s;

	if (message_header(subscribe, HEADER_EXPIRES))
		builder_header_unsigned(b, HEADER_EXPIRES, expires_read(subscribe, most, most));
	eventlist_copy(b, subscribe);
}

// Requests from one side to the other.

static void exchange_gone(struct relay *relay)
{
	struct exchange *exchange = (struct exchange *)relay;

	if (exchange->subscription)
		LIST_REMOVE(exchange, link);
	free(exchange);
}

static struct exchange *exchange_create(struct subscription *subscription,
	const struct relay_ops *ops, struct transaction *transaction, bool to_subscriber)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (!exchange) {
		transaction_reply(transaction, 500);
		return NULL;
	}
	relay_begin(&exchange->relay, subscription->calls, ops, transaction);
	exchange->relay.plans[0] = plan_hold(subscription->plan);
	exchange->relay.from = to_subscriber ? subscription->to : subscription->from;
	exchange->relay.to = to_subscriber ? subscription->from : subscription->to;
	exchange->subscription = subscription;
	LIST_INSERT_HEAD(&subscription->exchanges, exchange, link);
	return exchange;
}

// The body is `body`, which may be another than that of `request`.
static int exchange_send(
	struct exchange *exchange, struct dialog *dialog, struct slice headers, struct slice body)
{
	const struct sip_message *request = transaction_request(exchange->relay.theirs);
	const struct passage passage = {.message = request,
		.from = exchange->relay.from,
		.to = exchange->relay.to,
		.host = listener_sent_by(dialog->flow.listener)};
	size_t size = REQUEST_HEAD_SIZE + headers.n + body.n;
	char *buffer = malloc(size);
	struct builder b;
	int err;

	if (!buffer)
		return -ENOMEM;
	builder_init(&b, buffer, size);
	dialog_request_begin(dialog, request->method, &b);
	builder_slice(&b, headers);
	request_headers_copy(&b, request);
	pass_headers(&b, &passage);
	body_headers_copy(&b, request);
	builder_body(&b, message_value(request, HEADER_CONTENT_TYPE), body);
	err = relay_send(&exchange->relay, &dialog->flow, builder_finish(&b));
	free(buffer);
	return err;
}

// NOTIFY.

static bool ends_it(const struct sip_message *response, unsigned int status)
{
	return !response || status == 481 || status == 405 || status == 489 || status == 501;
}

static void notify_answered(
	struct relay *relay, const struct sip_message *response, unsigned int status)
{
	struct exchange *exchange = (struct exchange *)relay;
	struct subscription *subscription = exchange->subscription;
	bool ends = ends_it(response, status), last = exchange->last;

	if (ends)
		relay_refuse(relay, 481); // the subscriber is gone, and so are we
	else
		relay_answer(relay, response, (struct slice){});
	relay_end(relay);
	if (subscription && last && !ends && !subscription->accepted)
		subscription->finished = true;
	else if (subscription && (ends || last))
		over(subscription, ends ? "subscriber" : "notifier");
}

static const struct relay_ops notify_ops = {.answered = notify_answered, .gone = exchange_gone};

static int notify_send(struct exchange *exchange, const struct sip_message *notify)
{
	struct subscription *subscription = exchange->subscription;
	const struct trunk_subscriptions *rules = &subscription->from->signalling.subscriptions;
	struct dialog *to = &subscription->subscriber.dialog;
	struct slice hidden = {};
	char headers[1024];
	struct builder b;
	int err;

	if (rules->hosts == TRUNK_HOSTS_HIDE && notify->body.n) {
		hidden = event_body_hide(notify->body, listener_sent_by(to->flow.listener));
		if (!hidden.p)
			return -ENOMEM;
	}
	builder_init(&b, headers, sizeof(headers));
	exchange->last = subscription_state_write(&b, notify, rules->expires_max_s);
	eventlist_copy(&b, notify);
	err = exchange_send(exchange, to, builder_finish(&b), hidden.p ? hidden : notify->body);
	free((char *)hidden.p);
	return err;
}

static void notify_relay(struct subscription *subscription, struct transaction *transaction,
	const struct sip_message *notify)
{
	struct exchange *exchange = exchange_create(subscription, &notify_ops, transaction, true);

	if (!exchange)
		return;
	if (!subscription->heard && subscription->accepted)
		timer_set(subscription, subscription->expires_s + WAIT_S);
	subscription->heard = true;
	if (notify_send(exchange, notify)) {
		relay_refuse(&exchange->relay, 500);
		relay_end(&exchange->relay);
		return;
	}
	subscription->calls->counters.notifies_relayed++;
}

// A body that cannot be looked into cannot be cleared of hosts.
static bool is_readable(const struct subscription *subscription, const struct sip_message *notify)
{
	struct slice encoding = message_value(notify, HEADER_CONTENT_ENCODING);

	return !encoding.n || slice_equal_nocase(encoding, SLICE("identity")) ||
	       subscription->from->signalling.subscriptions.hosts == TRUNK_HOSTS_PASS;
}

// In the subscription's dialog there is but one package (RFC 6665 4.4.1).
static void bad_event_answer(
	const struct subscription *subscription, struct transaction *transaction)
{
	char text[PACKAGE_SIZE + 32];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	builder_header(&b, HEADER_ALLOW_EVENTS, slice_of(subscription->package));
	transaction_reply_with(transaction, 489, (struct slice){}, builder_finish(&b));
}

static void notify_take(struct subscription *subscription, struct transaction *transaction,
	const struct sip_message *notify)
{
	if (!slice_equal(event_package(notify), slice_of(subscription->package)))
		bad_event_answer(subscription, transaction);
	else if (!is_readable(subscription, notify))
		transaction_reply_with(
			transaction, 415, (struct slice){}, SLICE("Accept-Encoding: identity\r\n"));
	else
		notify_relay(subscription, transaction, notify);
}

void subscription_notify(
	struct calls *calls, struct transaction *transaction, const struct sip_message *notify)
{
	struct dialog *known =
		dialog_find_ids(calls->dialogs, notify->call_id, notify->to_tag, SLICE(""));
	struct owner *owner = known ? known->user : NULL;
	struct subscription *subscription;
	struct dialog dialog;

	// Also of another fork: one notifier is enough, and this ends its part (RFC 6665 4.4.1).
	if (!owner || owner->kind != OWNER_SUBSCRIPTION || !notify->from_tag.n) {
		calls->counters.notifies_refused++;
		transaction_reply(transaction, 481);
		return;
	}
	subscription = ((struct side *)owner)->subscription;
	if (dialog_init_uas(&dialog, notify, notify->to_tag, known->strings[DIALOG_CONTACT])) {
		transaction_reply(transaction, 400);
		return;
	}
	dialog.local_cseq += CSEQ_FIRST;
	if (notifier_take(subscription, &dialog)) {
		transaction_reply(transaction, 500);
		return;
	}
	notify_take(subscription, transaction, notify);
}

// SUBSCRIBE in the dialog: again, or no longer.

static void subscribe_answered(
	struct relay *relay, const struct sip_message *response, unsigned int status)
{
	struct exchange *exchange = (struct exchange *)relay;
	struct subscription *subscription = exchange->subscription;
	bool granted = response && status < 300;
	char extra[1024];
	struct builder b;

	builder_init(&b, extra, sizeof(extra));
	if (granted && subscription) {
		uint32_t most = subscription->from->signalling.subscriptions.expires_max_s;

		subscription->expires_s = expires_read(response, EXPIRES_USUAL, most);
		subscription->ends = !subscription->expires_s;
		timer_set(subscription, subscription->expires_s + WAIT_S);
		if (!dialog_refresh(&subscription->notifier.dialog, response))
			dialog_flow_update(&subscription->notifier.dialog);
		builder_header(&b, HEADER_CONTACT,
			subscription->subscriber.dialog.strings[DIALOG_CONTACT]);
		builder_header_unsigned(&b, HEADER_EXPIRES, subscription->expires_s);
		eventlist_copy(&b, response);
	}
	if (!response || status == 481 || (granted && !subscription))
		relay_refuse(relay, response ? 481 : status);
	else
		relay_answer(relay, response, builder_finish(&b));
	relay_end(relay);
	if (subscription && status == 481)
		over(subscription, "notifier");
}

static const struct relay_ops subscribe_ops = {
	.answered = subscribe_answered, .gone = exchange_gone};

static void subscribe_take(struct subscription *subscription, struct transaction *transaction,
	const struct sip_message *subscribe)
{
	struct exchange *exchange;
	char headers[1024];
	struct builder b;

	if (!slice_equal(event_package(subscribe), slice_of(subscription->package))) {
		bad_event_answer(subscription, transaction);
		return;
	}
	if (!subscription->has_notifier || !subscription->accepted) {
		refuse_for_now(transaction, false);
		return;
	}
	exchange = exchange_create(subscription, &subscribe_ops, transaction, false);
	if (!exchange)
		return;
	builder_init(&b, headers, sizeof(headers));
	subscription_wish_write(&b, subscription->from, subscribe);
	if (exchange_send(exchange, &subscription->notifier.dialog, builder_finish(&b),
		    subscribe->body)) {
		relay_refuse(&exchange->relay, 500);
		relay_end(&exchange->relay);
	}
}

// What comes in its dialogs.

static bool refuse(struct transaction *transaction)
{
	const struct request_rules rules = {
		.allowed = SLICE("SUBSCRIBE, NOTIFY"), .supported = SLICE("eventlist")};

	return transaction_refuse(transaction, &rules) != 0;
}

void subscription_request(struct owner *owner, struct dialog *dialog,
	struct transaction *transaction, const struct sip_message *request)
{
	struct side *side = (struct side *)owner;
	struct subscription *subscription = side->subscription;
	bool notifies = side == &subscription->notifier;

	if (dialog_request_received(dialog, request)) {
		transaction_reply(transaction, 500);
		return;
	}
	if (refuse(transaction))
		return;
	if (!dialog_refresh(dialog, request))
		dialog_flow_update(dialog);
	if (request->method == METHOD_NOTIFY && notifies)
		notify_take(subscription, transaction, request);
	else if (request->method == METHOD_SUBSCRIBE && !notifies)
		subscribe_take(subscription, transaction, request);
	else
		transaction_reply(transaction, 403); // not its part
}

bool subscriptions_use(const struct calls *calls, const struct listener *listener)
{
	const struct subscription *subscription;

	LIST_FOREACH (subscription, &calls->subscriptions, link)
		if (subscription->subscriber.dialog.flow.listener == listener ||
			(subscription->has_notifier &&
				subscription->notifier.dialog.flow.listener == listener))
			return true;
	return false;
}
