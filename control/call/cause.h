// Why calls end, in the numbers of the telephone network.
#pragma once

#include "message.h"

// The cause (Q.850) of an end: what `message` says in a Reason (RFC 3326; may be NULL), else what
// the SIP status is in ISUP (RFC 3398 8.2.6.1). 2xx: 16, normal clearing.
unsigned int cause_of(const struct sip_message *message, unsigned int status);
