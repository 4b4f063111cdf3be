#!/bin/bash
# scripts/demo as a person runs it, with hugepages where the kernel gives some: PCMU on one side,
# Opus on the other, and what is heard is what was said.
#
#   baresip 192.0.2.2 (PCMU) ---- gateway ---- 198.51.100.2 (Opus) baresip
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_needs_root
exec "$SLUICE_ROOT/scripts/demo" --built --seconds 6 --hugepages
