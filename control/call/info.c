// INFO (RFC 6086, and 2976 as most still use it) from one leg to the other: what it carries is
// between the two far ends, so the body goes through as it is, and the final answer comes back. The
// subtle thing is lifetime: an INFO under way outlives the call when that ends, because who asked
// is owed an answer (RFC 3261 15.1.2), so a relay knows two transactions and no call.
#include <errno.h>
#include <stdlib.h>

#include "call_digits.h"
#include "call_private.h"

#define HEAD_SIZE 8192 // of what we write, the body apart

struct info_relay {
	struct owner owner;
	struct calls *calls;
	struct transaction *theirs, *ours; // NULL: closed, or answered
	char id_text[ULID_TEXT_SIZE];
};

static void relay_release(struct info_relay *relay)
{
	if (relay->theirs)
		transaction_user_set(relay->theirs, NULL);
	if (relay->ours)
		transaction_user_set(relay->ours, NULL);
	free(relay);
}

// Headers that say what the body is.
static void body_headers_copy(struct builder *b, const struct sip_message *from)
{
	static const enum header_id ids[] = {HEADER_CONTENT_DISPOSITION, HEADER_CONTENT_ENCODING,
		HEADER_CONTENT_LANGUAGE, HEADER_MIME_VERSION};
	static const char *const names[] = {"Info-Package", "Content-ID", "Recv-Info"};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		builder_copy(b, from, ids[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct slice value = message_value_named(from, slice_of(names[i]));

		if (value.p)
			builder_header_named(b, slice_of(names[i]), value);
	}
}

static void body_copy(struct builder *b, const struct sip_message *from)
{
	body_headers_copy(b, from);
	builder_body(b, message_value(from, HEADER_CONTENT_TYPE), from->body);
}

static int relay_send(struct info_relay *relay, struct leg *to, const struct sip_message *request)
{
	size_t size = HEAD_SIZE + request->body.n;
	char *buffer = malloc(size);
	struct builder b;
	int err;

	if (!buffer)
		return -ENOMEM;
	builder_init(&b, buffer, size);
	dialog_request_begin(&to->dialog, METHOD_INFO, &b);
	body_copy(&b, request);
	relay->ours =
		transaction_start(relay->calls->stack, &to->dialog.flow, builder_finish(&b), relay);
	err = relay->ours ? 0 : -errno;
	free(buffer);
	return err;
}

static void relay_start(struct leg *leg, struct transaction *transaction)
{
	const struct sip_message *request = transaction_request(transaction);
	struct leg *other = leg_other(leg);
	struct info_relay *relay;

	if (!other->has_dialog || other->state == LEG_OVER) {
		transaction_reply(transaction, 480); // nobody there yet, or any more
		return;
	}
	relay = calloc(1, sizeof(*relay));
	if (!relay) {
		transaction_reply(transaction, 500);
		return;
	}
	relay->owner.kind = OWNER_INFO;
	relay->calls = leg->call->calls;
	memcpy(relay->id_text, leg->call->id_text, sizeof(relay->id_text));
	if (relay_send(relay, other, request)) {
		free(relay);
		transaction_reply(transaction, 500);
		return;
	}
	relay->theirs = transaction;
	transaction_user_set(transaction, relay);
	relay->calls->counters.infos_relayed++;
	log_info(&log_call, "info", "call=%s leg=%s", relay->id_text, leg_name(leg));
}

// ICE is between us and each far end, and so are its candidates (RFC 8840).
static bool is_about_transport(const struct sip_message *info)
{
	return slice_equal_nocase(
		       message_value_named(info, SLICE("Info-Package")), SLICE("trickle-ice")) ||
	       message_body_is(info, SLICE("application"), SLICE("trickle-ice-sdpfrag"));
}

void info_received(struct leg *leg, struct transaction *transaction)
{
	const struct sip_message *request = transaction_request(transaction);
	struct info_digit digit;
	int err = info_digit_read(request, &digit);

	if (is_about_transport(request))
		transaction_reply_with(
			transaction, 469, SLICE("Bad Info Package"), SLICE("Recv-Info: \r\n"));
	else if (err == -EBADMSG)
		transaction_reply_with(transaction, 400, SLICE("Bad DTMF Body"), (struct slice){});
	else if (!err && digits_received(leg, &digit))
		transaction_reply(transaction, 200);
	else
		relay_start(leg, transaction);
}

static void answer_back(struct info_relay *relay, const struct sip_message *response)
{
	size_t size = HEAD_SIZE + response->body.n;
	unsigned int status = response->status;
	char *buffer = malloc(size);
	struct builder b;

	// What it says of the request is true of theirs, whose body it was.
	if (status >= 300 && status != 415 && status != 469)
		status = status_pass_on(status);
	builder_init(&b, buffer, buffer ? size : 0);
	response_begin(&b, relay->theirs, status, (struct slice){}, (struct slice){});
	builder_copy(&b, response, HEADER_RETRY_AFTER);
	if (status == 415) {
		builder_copy(&b, response, HEADER_ACCEPT);
		builder_copy(&b, response, HEADER_ACCEPT_ENCODING);
	}
	body_copy(&b, response);
	if (!builder_finish(&b).n || transaction_respond(relay->theirs, builder_finish(&b)))
		transaction_reply(relay->theirs, 500);
	free(buffer);
}

void info_response(struct info_relay *relay, const struct sip_message *response)
{
	struct dialog *dialog = dialog_find(relay->calls->dialogs, response);
	struct leg *gone = response->status == 481 && dialog ? dialog->user : NULL;
	struct call_event event = {
		.type = EVENT_FAIL, .leg = gone, .status = 481, .why = "dialog_gone"};

	if (response->status < 200)
		return;
	if (relay->theirs)
		answer_back(relay, response);
	relay_release(relay);
	if (gone) // the far end has no such call (RFC 3261 12.2.1.2)
		call_event(gone->call, &event);
}

void info_failed(struct info_relay *relay, struct transaction *transaction, unsigned int status)
{
	if (transaction == relay->theirs) {
		relay->theirs = NULL;
		return;
	}
	// A 408 would come too late (RFC 4320 4.1), and is not sent.
	if (relay->theirs)
		transaction_reply(relay->theirs, status == 408 ? 408 : 503);
	relay_release(relay);
}

void info_closed(struct info_relay *relay, struct transaction *transaction)
{
	if (transaction == relay->theirs)
		relay->theirs = NULL;
	if (transaction == relay->ours)
		relay->ours = NULL;
	if (!relay->theirs && !relay->ours)
		free(relay);
}
