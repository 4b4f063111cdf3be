// What messages of calls carry beside a description (RFC 5621): which parts pass from one trunk to
// the other, and how they are written. Descriptions are ours always; of the rest a part passes,
// unchanged, where both trunks list its type (SIP-I: application/isup and application/qsig, RFC
// 3204).
#pragma once

#include "pass.h"

enum {
	BODIES_MAX = 8192,			    // bytes of parts that pass in one message
	BODIES_ROOM = BODIES_MAX + 16 * 512 + 1024, // what they take when they are written
};

// The description that a message carries, absent without one. Of several parts the first one is it.
struct slice message_sdp(const struct sip_message *message);

// Whether a request may carry what it does from one trunk to the other (`to` NULL: not known yet).
// Returns 0; 400: malformed; 413: too much; 415: what its sender says must be understood does not
// pass.
unsigned int bodies_check(
	const struct sip_message *request, const struct trunk *from, const struct trunk *to);
// Whether it carries signalling of ISUP or QSIG that does not pass.
bool bodies_are_kept_back(
	const struct sip_message *request, const struct trunk *from, const struct trunk *to);
// What we take from a trunk, as a value of Accept. Returns a slice of `out`.
enum { ACCEPT_SIZE = 2048 };
struct slice accept_write(const struct trunk *trunk, char out[ACCEPT_SIZE]);

// Whether anything beside a description passes.
bool bodies_pass(const struct passage *passage);
// The description (may be "") and the parts of the message that pass; the last that is written of a
// message. `passage->message` may be NULL. Parts for which there is no room are left out, and
// logged.
void bodies_write(struct builder *b, const char *description, const struct passage *passage);
