// The log module of this folder.
#pragma once

#include "log.h"

extern struct log_module log_registrar;
