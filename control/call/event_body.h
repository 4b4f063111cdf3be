// Bodies of event packages name hosts: URIs of who is watched, and the dialogs that they have
// (RFC 4235). Where these are not for the other side, they are taken out here.
#pragma once

#include "slice.h"

// `body` as it may be seen: the host, port and parameters of each SIP, SIPS, PRES and IM URI are
// replaced by `host`, its user stays; the attributes call-id, local-tag and remote-tag of elements
// are left out. Plain text is looked at as text, whatever type it is of. Returns a
// malloced copy, or an absent slice without memory.
struct slice event_body_hide(struct slice body, struct slice host);
