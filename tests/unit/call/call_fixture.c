// The far ends' messages as text, taken through the parser and the functions that a real call uses.
#include "call_fixture.h"
#include "description.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard.h"
#include "sdp.h"

static const char invite[] = "INVITE sip:2001@127.0.0.1 SIP/2.0\r\n"
			     "Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKa\r\n"
			     "Record-Route: <sip:127.0.0.4;lr>, <sip:127.0.0.5;lr>\r\n"
			     "From: \"Alice\" <sip:alice@127.0.0.2>;tag=a1\r\n"
			     "To: <sip:2001@127.0.0.1>\r\n"
			     "Call-ID: a@127.0.0.2\r\n"
			     "CSeq: 7 INVITE\r\n"
			     "Contact: <sip:alice@127.0.0.2:5060>\r\n"
			     "Content-Length: 0\r\n\r\n";
static const char answer[] = "SIP/2.0 200 OK\r\n"
			     "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKb\r\n"
			     "From: \"Alice\" <sip:alice@127.0.0.1>;tag=ours\r\n"
			     "To: <sip:2001@127.0.0.3>;tag=b1\r\n"
			     "Call-ID: b\r\n"
			     "CSeq: 1 INVITE\r\n"
			     "Contact: <sip:bob@127.0.0.3:5060>\r\n"
			     "Content-Length: 0\r\n\r\n";
static const char description[] = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\n"
				  "c=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
				  "a=rtpmap:0 PCMU/8000\r\n";

static void need(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "call_fixture: %s\n", what);
	abort();
}

static void trunk_init(struct call_fixture *fixture, int index, const char *name, const char *host)
{
	struct trunk *trunk = &fixture->trunk_list[index];

	need(!address_parse(host, 5060, &fixture->peers[index].address), "address");
	trunk->name = name;
	trunk->realm = &fixture->realm;
	trunk->peers = &fixture->peers[index];
	trunk->n_peers = 1;
	trunk->media.codecs[0] = (struct sdp_encoding){"PCMU", 8000, 1};
	trunk->media.n_codecs = 1;
	trunk->media.address_family = 4;
}

void call_fixture_init(struct call_fixture *fixture, const char *cdr_file)
{
	char error[256];
	struct calls_settings settings = {
		.realms = &fixture->realm,
		.n_realms = 1,
		.trunks = &fixture->trunks,
		.routes = &fixture->routes,
		.dataplane = "/nonexistent",
		.cdr_file = cdr_file,
		.max_duration_s = 3600,
	};

	memset(fixture, 0, sizeof(*fixture));
	fixture->realm.name = "lo";
	fixture->realm.n_media = 1;
	fixture->realm.media[0] = sdp_address_parse("127.0.0.1", 9);
	fixture->realm.listeners = &fixture->listener;
	fixture->realm.n_listeners = 1;
	need(!address_parse("127.0.0.1", 0, &fixture->listener.address), "address");
	trunk_init(fixture, 0, "caller", "127.0.0.2");
	trunk_init(fixture, 1, "callee", "127.0.0.3");
	fixture->trunks = (struct trunks){.list = fixture->trunk_list, .n = 2};
	settings.base = fixture->base = event_base_new();
	settings.guard = fixture->guard = guard_create();
	log_call.level = LOG_LEVEL_ERROR;
	fixture->calls = calls_create(&settings, error, sizeof(error));
	need(fixture->calls != NULL, error);
	need(!calls_listen(fixture->calls, error, sizeof(error)), error);
}

void call_fixture_fini(struct call_fixture *fixture)
{
	calls_destroy(fixture->calls);
	guard_destroy(fixture->guard);
	event_base_free(fixture->base);
}

static void message_read(struct call_fixture *fixture, struct sip_message *message, char *buffer,
	const char *text, const char *source)
{
	static struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct message_error error;

	strcpy(buffer, text);
	need(!message_parse(message, headers, buffer, strlen(buffer), &error), text);
	message->flow.listener = fixture->calls->listeners[0].listener;
	need(!sip_address_parse(slice_of(source), 5060, &message->flow.remote), source);
}

static void dialogs_make(struct call_fixture *fixture, struct call *call)
{
	const struct dialog_request request = {
		.call_id = SLICE("b"),
		.local_tag = SLICE("ours"),
		.local_uri = SLICE("\"Alice\" <sip:alice@127.0.0.1>"),
		.remote_uri = SLICE("<sip:2001@127.0.0.3>"),
		.contact = SLICE("<sip:127.0.0.1>"),
		.cseq = 1,
	};
	struct leg *a_leg = &call->legs[LEG_A], *b_leg = &call->legs[LEG_B];
	struct sip_message message;
	char buffer[2048];

	message_read(fixture, &message, buffer, invite, "127.0.0.2");
	need(!dialog_init_uas(&a_leg->dialog, &message, SLICE("toa"), SLICE("<sip:127.0.0.1>")),
		"dialog a");
	need(!dialog_confirm(&a_leg->dialog, NULL), "dialog a");
	need(!dialog_table_add(fixture->calls->dialogs, &a_leg->dialog), "dialog a");
	message_read(fixture, &message, buffer, answer, "127.0.0.3");
	need(!dialog_init_uac(&b_leg->dialog, &request, &message), "dialog b");
	need(!dialog_table_add(fixture->calls->dialogs, &b_leg->dialog), "dialog b");
	a_leg->has_dialog = b_leg->has_dialog = true;
}

static void negotiation_make(struct call_fixture *fixture, struct call *call)
{
	struct negotiation *negotiation = &call->negotiation;
	char out[NEGOTIATION_TEXT_MAX];

	description_init(call);
	need(!sdp_parse(fixture->calls->sdp, description, strlen(description), NULL), "offer");
	need(!negotiation_take_offer(negotiation, LEG_A, fixture->calls->sdp), "offer");
	call->session.legs[LEG_A].local.port = 20000;
	call->session.legs[LEG_B].local.port = 20002;
	need(!description_write(&call->legs[LEG_B], out), "offer to b");
	need(!negotiation_take_answer(negotiation, LEG_B, fixture->calls->sdp), "answer");
	need(!description_write(&call->legs[LEG_A], out), "answer to a");
}

struct call *call_fixture_call(struct call_fixture *fixture)
{
	struct ulid id = ulid_create(now_realtime_ms());
	struct call *call = call_create(fixture->calls, &id);

	need(call != NULL, "call");
	for (int i = 0; i < LEGS; i++) {
		call->legs[i].trunk = &fixture->trunk_list[i];
		call->legs[i].listener = fixture->calls->listeners[0].listener;
		call->legs[i].state = LEG_CONFIRMED;
	}
	strcpy(call->from, "alice");
	strcpy(call->target.number, "2001");
	call->times = (struct call_times){.invite_ms = 1763600000000,
		.ringing_ms = 1763600001000,
		.answer_ms = 1763600003500};
	dialogs_make(fixture, call);
	negotiation_make(fixture, call);
	call->state = CALL_UP;
	return call;
}
