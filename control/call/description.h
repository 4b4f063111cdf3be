// Descriptions of both legs, codecs and relayed lines, and the media session that they make.
#pragma once

#include "call_private.h"

// description.c
// Nothing known.
void description_init(struct call *call);
// The same for a call that goes to another trunk: b's ports are to be chosen anew.
void description_move(struct call *call);
// The codecs that the dataplane has: what calls may be transcoded with from now on.
void description_codecs(const struct sl_codec *codecs, size_t n);
// Where media of each leg is to be: on an address of the family that the far end offered, else of
// that in which it speaks SIP (peers of one trunk are expected to be alike). Ports to be chosen.
void description_place(struct call *call);
// Where the call will need codecs whatever b answers, ask for them with the ports: they are refused
// before b hears of the call.
void description_expect(struct call *call);
// Take what the leg's message describes. Return 0 or the SIP status to refuse with.
unsigned int description_take_offer(struct leg *leg, const struct sip_message *message);
// In a call: tells whether the other leg, if it can be asked, must be, or the answer is due at
// once.
unsigned int description_take_reoffer(
	struct leg *leg, const struct sip_message *message, bool *ask_other);
unsigned int description_take_answer(struct leg *leg, const struct sip_message *message);
bool message_has_sdp(const struct sip_message *message);
// A text for a description, empty at first, which is wiped where it goes out of scope.
static inline void description_text_wipe(char (*text)[NEGOTIATION_TEXT_MAX])
{
	explicit_bzero(*text, strnlen(*text, sizeof(*text)));
}
#define WIPED_DESCRIPTION(name) \
	__attribute__((cleanup(description_text_wipe))) char name[NEGOTIATION_TEXT_MAX] = ""
// Our description for the leg into `out` (NEGOTIATION_TEXT_MAX). Returns 0 or a negative errno.
int description_write(struct leg *leg, char *out);
// The session from what was negotiated, and its record with it.
void description_apply(struct call *call);
// "PCMU/8000", "opus/48000/2"; "" where nothing is agreed.
const char *description_codec(const struct call *call, unsigned int leg, char *out, size_t size);

// The SRTP suite of the leg, "" for plain RTP.
const char *description_suite(const struct call *call, unsigned int leg);
// The keys that a session recovered from the dataplane comes without.
void description_keys_restore(struct call *call);
// Keys of a call that is to be freed.
void description_wipe(struct call *call);

struct sl_address session_address(const struct sdp_address *from, uint16_t port);
// Where media of a leg of the session on that side of the call is to be; its port is left alone.
void session_leg_place(struct call *call, struct sl_leg *leg, int side);
void session_keys_fill(
	struct sl_leg *leg, const struct sdp_crypto *receive, const struct sdp_crypto *send);

// relays.c
// Legs of the session for the lines that are relayed; the ports come with the next answer.
void relays_place(struct call *call);
// The same in a call: whether ports are to be waited for. relays_are_placed(): they are there;
// relays_forget_new(): they cannot be had.
bool relays_wait(struct call *call);
bool relays_are_placed(struct call *call);
void relays_forget_new(struct call *call);
// Those that our description for a side of the call names, 0 where there is none.
void relays_ports(struct call *call, int side, uint16_t ports[NEGOTIATION_RELAYS_MAX]);
void relays_fill(struct call *call, const struct media_summary *media);
void relays_keys_restore(struct call *call, const struct media_summary *media);
