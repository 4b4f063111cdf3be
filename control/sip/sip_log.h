// The log module of the SIP stack, for main's list.
#pragma once

#include "log.h"

extern struct log_module log_sip;
