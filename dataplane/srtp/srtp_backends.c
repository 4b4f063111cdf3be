// The backends that were built in. ipsec-mb exists for x86 only.
#include <stddef.h>

#include "srtp_backend.h"

const struct srtp_backend *const srtp_backends[] = {
#ifdef SLUICE_IPSEC_MB
	&srtp_backend_mb_vaes,
	&srtp_backend_mb,
#endif
	&srtp_backend_libsrtp,
	NULL,
};
