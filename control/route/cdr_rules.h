// How the file of call detail records is kept (call/cdr_file.h).
#pragma once

#include <stdint.h>

// When lines are on the disk for certain (fdatasync). The event loop waits for it.
enum cdr_sync {
	CDR_SYNC_NEVER,	 // when the kernel writes them: lost if the machine dies
	CDR_SYNC_SECOND, // each second
	CDR_SYNC_LINE,	 // each line, before its session is given back
};

struct cdr_rules {
	uint64_t rotate_bytes; // before the file would be longer; 0: never
	uint32_t rotate_s; // at multiples of that since 1970 UTC, if there is any line; 0: never
	uint8_t sync;	   // enum cdr_sync
};
