// Reason phrases of status codes, from the registry of RFC 3261 and its extensions.
#pragma once

#include "slice.h"

// The usual phrase; for an unknown code that of its class (x00).
struct slice status_reason(unsigned int status);
