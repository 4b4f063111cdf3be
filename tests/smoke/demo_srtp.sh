#!/bin/bash
# scripts/demo with an encrypting phone on one side: what is heard is what was said.
#
#   baresip 192.0.2.2 (SRTP, PCMU) ---- gateway ---- 198.51.100.2 (RTP, Opus) baresip
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_needs_root
exec "$SLUICE_ROOT/scripts/demo" --built --seconds 6 --no-hugepages --srtp
