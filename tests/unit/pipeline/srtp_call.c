#include "srtp_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

srtp_t sender;
srtp_t receiver;

void meet_sender(void)
{
	if (sender)
		srtp_dealloc(sender);
	sender = peer_sender(&wanted.legs[0].srtp_receive);
}

void meet_receiver(void)
{
	if (receiver)
		srtp_dealloc(receiver);
	receiver = peer_receiver(&wanted.legs[1].srtp_send);
}

int srtp_call_setup(void **state)
{
	call_setup(state);
	peer_keys(&wanted.legs[0], SUITE, 1);
	peer_keys(&wanted.legs[1], SUITE, 101);
	meet_sender();
	meet_receiver();
	return 0;
}

int srtp_call_teardown(void **state)
{
	srtp_dealloc(sender);
	srtp_dealloc(receiver);
	sender = receiver = NULL;
	return call_teardown(state);
}

struct wire wire(uint16_t sequence)
{
	struct wire wire;

	wire.length = peer_protect(sender, wire.bytes, build_silence(wire.bytes, sequence));
	return wire;
}

void push_from(const char *from, uint16_t from_port, const struct wire *wire)
{
	push_datagram(from, from_port, LOCAL0, wire->bytes, wire->length);
	path_turn();
}

bool arrives(void)
{
	struct frame frame;

	if (!frame_pop(1, &frame))
		return false;
	assert_int_equal(
		peer_unprotect(receiver, frame.bytes + UDP_DATA, frame.length - UDP_DATA), 172);
	return true;
}

bool passes_from(const char *from, uint16_t from_port, const struct wire *wire)
{
	push_from(from, from_port, wire);
	return arrives();
}

bool passes(const struct wire *wire)
{
	return passes_from(FAR0, 4000, wire);
}

bool next_passes(uint16_t sequence)
{
	struct wire packet = wire(sequence);

	return passes(&packet);
}
