// What of a message passes to the other side of the call, besides what dialogs, transactions and
// bodies are made of. Nothing passes that is not named here or by a rule of a trunk: a header that
// we do not know may tell who and where the other side is.
#pragma once

#include "builder.h"
#include "message.h"
#include "trunk.h"

// A message on its way from one trunk to another.
struct passage {
	const struct sip_message *message;
	const struct trunk *from, *to;
	struct slice host;   // ours on the way out: stands for every host of the other side
	struct slice target; // the number that an INVITE goes to
	struct slice user;   // who the sender has proved to be; absent: it is a trunk
};

// pass.c: write the header fields of ours for what came. Fields for which there was no room are
// missing, and logged.
void pass_headers(struct builder *b, const struct passage *passage);

// identity.c: who calls (RFC 3323, 3325).

// Whether From must not say who calls: the caller asked us for it by "Privacy: user" or the header
// level, or for "id" towards a trunk that is not trusted.
bool identity_is_private(const struct passage *passage);
// Whether Privacy has that value.
bool privacy_has(const struct sip_message *message, struct slice value);
// P-Asserted-Identity and Privacy as they pass.
void identity_pass(struct header_fields *fields, const struct passage *passage);
// `"Display" <sip:user@HOST>` with our host from somebody's name-addr, the number as b's trunk
// wants it; a tel URI stays what it is, or becomes one of ours, `as_sip` (RFC 3261 19.1.6). Returns
// false where it is no SIP or tel URI.
bool identity_write(struct builder *b, const struct nameaddr *nameaddr,
	const struct passage *passage, bool as_sip);

// From without a tag as the other side may know it (RFC 3323 4.1), where it is not to be private.
#define IDENTITY_ANONYMOUS "\"Anonymous\" <sip:anonymous@anonymous.invalid>"
void identity_from_write(
	struct builder *b, const struct passage *passage, const struct nameaddr *from);

// Who asked for a call (RFC 3892), with a host of ours: Referred-By of a REFER, else its sender.
void referred_by_write(struct builder *b, const struct passage *passage);

// `<sip:user@HOST>` of who the sender has proved to be: what a registered user says of itself
// counts for nothing.
void identity_proved_write(struct builder *b, const struct passage *passage);

// redirection.c: who forwarded the call, why, how often: Diversion (RFC 5806) and History-Info (RFC
// 7044), as the trunk wants them (RFC 7544).
void redirection_pass(struct header_fields *fields, const struct passage *passage);
