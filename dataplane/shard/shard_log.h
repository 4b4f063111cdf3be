#pragma once

#include "log.h"

extern struct log_module log_shard;
