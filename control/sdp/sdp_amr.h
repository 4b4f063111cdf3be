// The parameters of AMR and AMR-WB, for the table of codecs (struct sdp_codec has what each does).
// Private to control/sdp.
#pragma once

#include "sdp_codec.h"

bool sdp_amr_compatible(const char *fmtp, const char *other);
bool sdp_amr_transcodable(const char *fmtp);
bool sdp_amr_wb_transcodable(const char *fmtp);
size_t sdp_amr_write(char *out, size_t size, const struct sdp_fmtp_context *context);
void sdp_amr_read(const char *fmtp, struct sdp_fmtp *out);
