#include "churn.h"

#include <stdlib.h>
#include <string.h>

#include "traffic.h"

#define ID_BASE 10000

struct slot {
	bool exists;
	bool moved;
	bool secure;
	bool codec;
	bool held;
	uint8_t key;	 // counts rekeys
	int64_t request; // that has not been answered, 0: none
	bool deleting;
	uint16_t ports[2]; // of its legs
	uint32_t ssrc;	   // of far end A
	uint16_t sequence;
};

static struct slot slots[CHURN_MAX];
static unsigned int n_slots, next_sender;
static struct sl_client *client;
struct churn_totals churn_totals;

static struct sl_address address_of(enum far_end end, unsigned int i, bool moved)
{
	struct far_address far = far_address(end, i, moved);
	struct sl_address address = {.family = SL_IPV4, .port = far.port};

	for (unsigned int byte = 0; byte < 4; byte++)
		address.bytes[byte] = (uint8_t)(far.ip >> (24 - 8 * byte));
	return address;
}

struct sl_session churn_describe(unsigned int id, unsigned int end, unsigned int i, bool moved)
{
	struct sl_session session = {.n_legs = 2};

	memcpy(session.id.bytes, &id, sizeof(id));
	for (unsigned int leg = 0; leg < 2; leg++)
		session.legs[leg] = (struct sl_leg){
			.local = {.bytes = {192, 0, 2, 1}, .family = SL_IPV4},
			.remote = address_of((enum far_end)(end + leg), i, moved && leg),
			.flags = SL_LEG_RECEIVE | SL_LEG_SEND,
			.source = (uint8_t)!leg,
			.transport = SL_NO_LEG,
			.n_formats = 1,
			.formats = {{.name = "PCMU", .clock_hz = 8000, .channels = 1}},
		};
	return session;
}

static void describe_key(struct sl_srtp *srtp, unsigned int i, uint8_t key, uint8_t direction)
{
	*srtp = (struct sl_srtp){.suite = (uint8_t)(1 + i % 6), .key = {1, direction, key}};
	memcpy(srtp->key + 3, &i, sizeof(i));
}

static struct sl_session describe(unsigned int i)
{
	const struct slot *slot = &slots[i];
	struct sl_session session = churn_describe(ID_BASE + i, CHURN_A, i, slot->moved);
	struct sl_leg *leg = &session.legs[1];

	if (slot->codec)
		leg->formats[0] = (struct sl_format){.name = "opus",
			.clock_hz = 48000,
			.channels = 2,
			.pt = 96,
			.receive_pt = 96,
			.complexity = 0};
	if (slot->held) {
		leg->flags = SL_LEG_HELD | SL_LEG_SEND;
		session.legs[0].flags = SL_LEG_RECEIVE;
	}
	if (slot->secure) {
		describe_key(&leg->srtp_receive, i, slot->key, 1);
		describe_key(&leg->srtp_send, i, slot->key, 2);
	}
	for (unsigned int n = 0; n < 2; n++)
		session.legs[n].local.port = slot->ports[n];
	return session;
}

void churn_start(struct sl_client *to, unsigned int n)
{
	client = to;
	n_slots = n;
}

static bool ask(struct slot *slot, int64_t request)
{
	if (request < 0) // the socket is full: another time
		return false;
	slot->request = request;
	return true;
}

static bool set(unsigned int i)
{
	struct sl_session session = describe(i);
	uint8_t record[300] = {(uint8_t)i};

	session.record_length = (uint16_t)(rand() % (int)sizeof(record));
	return ask(&slots[i], sl_client_session_set(client, &session, record));
}

static bool delete (unsigned int i)
{
	struct sl_session session = describe(i);

	slots[i].deleting = true;
	return ask(&slots[i], sl_client_session_delete(client, &session.id));
}

static void create(unsigned int i)
{
	slots[i] = (struct slot){.secure = rand() % 3 == 0,
		.codec = rand() % 4 == 0,
		.ssrc = (uint32_t)rand(),
		.sequence = (uint16_t)rand()};
	churn_totals.created += set(i);
}

static void change_source(struct slot *slot)
{
	slot->ssrc = (uint32_t)rand();
	slot->sequence = (uint16_t)rand();
	churn_totals.sources++;
}

static void change(unsigned int i)
{
	struct slot *slot = &slots[i];

	switch (rand() % 6) {
	case 0:
		slot->moved = !slot->moved;
		churn_totals.moved += set(i);
		break;
	case 1:
		slot->held = !slot->held;
		churn_totals.held += set(i);
		break;
	case 2:
		slot->key++;
		churn_totals.rekeyed += slot->secure && set(i);
		break;
	case 3:
		slot->codec = !slot->codec;
		churn_totals.codecs += set(i);
		break;
	case 4:
		change_source(slot);
		break;
	default:
		churn_totals.deleted += delete (i);
		break;
	}
}

void churn_step(void)
{
	unsigned int i = (unsigned int)rand() % n_slots;

	if (slots[i].request)
		return;
	if (slots[i].exists)
		change(i);
	else
		create(i);
}

static void take_answer(struct slot *slot, const struct sl_message *message)
{
	const struct sl_session *session = sl_payload_session(message, NULL);

	slot->request = 0;
	if (message->status) {
		churn_totals.refused++;
		if (!churn_totals.refusal)
			churn_totals.refusal = -message->status;
		return;
	}
	slot->exists = !slot->deleting;
	slot->deleting = false;
	for (unsigned int n = 0; n < 2 && slot->exists && session; n++)
		slot->ports[n] = session->legs[n].local.port;
}

bool churn_answer(const struct sl_message *message)
{
	for (unsigned int i = 0; i < n_slots; i++)
		if (slots[i].request == message->request_id) {
			take_answer(&slots[i], message);
			return true;
		}
	return false;
}

bool churn_send(void)
{
	unsigned int i = next_sender / 2, end = next_sender % 2;
	struct slot *slot = &slots[i];

	next_sender = next_sender + 1 == 2 * n_slots ? 0 : next_sender + 1;
	if (!slot->exists)
		return true;
	if (end == 0)
		return traffic_send_churn(
			CHURN_A, i, slot->ports[0], 0, slot->ssrc, slot->sequence++);
	return traffic_send_churn(
		CHURN_B, i, slot->ports[1], slot->codec ? 96 : 0, 0xb0b + i, slot->sequence);
}

bool churn_end(void)
{
	bool done = true;

	for (unsigned int i = 0; i < n_slots; i++) {
		done &= !slots[i].exists && !slots[i].request;
		if (slots[i].exists && !slots[i].request)
			churn_totals.deleted += delete (i);
	}
	return done;
}
