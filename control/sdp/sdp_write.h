// A session description that we make: everything in it is a value of ours, nothing is copied
// through except format parameters, the attributes of lines that are relayed, and rejected m=
// lines, which have been checked.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sdp.h"

struct sdp_write_format {
	const char *name;
	const char *fmtp; // "" or NULL: none
	uint32_t clock_hz;
	uint8_t channels;
	uint8_t pt;
};

struct sdp_write_media {
	const char *type;
	const char *proto;
	const char *rejected_format; // of a line with port 0
	const struct sdp_write_format *formats;
	size_t n_formats;
	enum sdp_direction direction;
	uint16_t port;			// 0: rejected
	uint16_t ptime_ms, maxptime_ms; // 0: do not state it
	bool rtcp_mux, rtcp_rsize, no_rtcp;
	// Of a line that is relayed: b= and a= as they came; its formats have only their numbers.
	const char *lines;
	size_t lines_length;
	bool opaque;		 // not RTP: rejected_format is its format
	const char *const *keys; // values of a=crypto
	size_t n_keys;
};

struct sdp_description {
	uint64_t session_id, version; // o=
	struct sdp_address address;   // o= and c=
	const struct sdp_write_media *media;
	size_t n_media;
};

// Returns the length of the NUL-terminated text, or -ENOBUFS.
int sdp_write(const struct sdp_description *description, char *out, size_t size);
