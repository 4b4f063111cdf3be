// The parameters of AMR and AMR-WB (RFC 4867 8.1, 8.3). The layout of the payload has to be the
// same on both sides of an offer and its answer; the mode set is the offerer's, and restricts both
// ways; the period and neighbour rules restrict who sends to the one that states them.
#include "sdp_amr.h"

#include <stdio.h>
#include <string.h>

#include "sdp_slice.h"

#define MODES_MAX 9

// The modes of "0,2,4,7" as bits. False: no such list.
static bool read_mode_set(struct sdp_slice text, unsigned int n_modes, uint16_t *out)
{
	uint16_t set = 0;

	while (text.length) {
		struct sdp_slice word = sdp_slice_trim(sdp_slice_take(&text, ','));
		uint64_t mode;

		if (!sdp_slice_number(word, '\0', n_modes - 1, &mode))
			return false;
		set |= (uint16_t)(1 << mode);
	}
	*out = set;
	return true;
}

// 0: all, where nothing is said.
static uint16_t mode_set(const char *fmtp)
{
	uint16_t set;

	return read_mode_set(sdp_fmtp_value(fmtp, "mode-set"), MODES_MAX, &set) ? set : 0;
}

static bool is_same_number(const char *fmtp, const char *other, const char *name)
{
	return sdp_fmtp_number(fmtp, name) == sdp_fmtp_number(other, name);
}

bool sdp_amr_compatible(const char *fmtp, const char *other)
{
	uint16_t set = mode_set(fmtp), other_set = mode_set(other);

	return is_same_number(fmtp, other, "octet-align") && is_same_number(fmtp, other, "crc") &&
	       is_same_number(fmtp, other, "robust-sorting") &&
	       is_same_number(fmtp, other, "interleaving") &&
	       (set == other_set || !set || !other_set);
}

static bool is_transcodable(const char *fmtp, unsigned int n_modes)
{
	uint32_t period = sdp_fmtp_number(fmtp, "mode-change-period");
	uint16_t set;

	return sdp_fmtp_number(fmtp, "octet-align") <= 1 && !sdp_fmtp_number(fmtp, "crc") &&
	       !sdp_fmtp_number(fmtp, "robust-sorting") &&
	       !sdp_fmtp_value(fmtp, "interleaving").length && period <= 2 &&
	       read_mode_set(sdp_fmtp_value(fmtp, "mode-set"), n_modes, &set);
}

bool sdp_amr_transcodable(const char *fmtp)
{
	return is_transcodable(fmtp, 8);
}

bool sdp_amr_wb_transcodable(const char *fmtp)
{
	return is_transcodable(fmtp, 9);
}

// We change modes in whatever period is asked for, and never send a frame twice.
size_t sdp_amr_write(char *out, size_t size, const struct sdp_fmtp_context *context)
{
	const char *offered = context->offered ? context->offered : "";
	struct sdp_slice set = sdp_fmtp_value(offered, "mode-set");
	bool aligned = sdp_fmtp_number(offered, "octet-align") == 1;

	return (size_t)snprintf(out, size, "%s%s%.*s%smode-change-capability=2;max-red=0",
		aligned ? "octet-align=1;" : "", set.length ? "mode-set=" : "", (int)set.length,
		set.data, set.length ? ";" : "");
}

void sdp_amr_read(const char *fmtp, struct sdp_fmtp *out)
{
	out->octet_align = sdp_fmtp_number(fmtp, "octet-align") == 1;
	out->mode_set = mode_set(fmtp);
	out->mode_change_period = sdp_fmtp_number(fmtp, "mode-change-period") == 2 ? 2 : 1;
	out->mode_change_neighbor = sdp_fmtp_number(fmtp, "mode-change-neighbor") == 1;
	out->dtx = true; // every decoder has it
}
