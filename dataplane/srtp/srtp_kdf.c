// The key derivation of RFC 3711 4.3.1: a session key is the keystream of the master key under a
// counter block that is the master salt with a label in it. A salt of 96 bits stands in the upper
// bits (RFC 7714 11).
#include <string.h>

#include "srtp_kdf.h"

enum kdf_label { LABEL_CIPHER, LABEL_AUTH, LABEL_SALT, LABELS_PER_PROTOCOL };

#define LABEL_OFFSET 7 // above the 48-bit index, which is 0 at rate 0

void srtp_kdf(const struct srtp_keying *keying, bool rtcp, srtp_keystream_fn keystream, void *arg,
	struct srtp_session_keys *out)
{
	const struct srtp_suite_info *info = &srtp_suite_infos[keying->suite];
	const struct {
		enum kdf_label label;
		uint8_t *key;
		unsigned int bytes;
	} parts[] = {
		{LABEL_CIPHER, out->cipher, info->key_bytes},
		{LABEL_AUTH, out->auth, sizeof(out->auth)},
		{LABEL_SALT, out->salt, info->salt_bytes},
	};

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint8_t iv[16] = {0};

		memcpy(iv, keying->salt, info->salt_bytes);
		iv[LABEL_OFFSET] ^= parts[i].label + (rtcp ? LABELS_PER_PROTOCOL : 0);
		keystream(arg, keying->key, info->key_bytes, iv, parts[i].key, parts[i].bytes);
	}
}
