#!/bin/sh
# The page for hours: 500 jobs and 64 MB of chunks over one WebRTC connection, then an hour idle. Memory, channels and latency
# are compared with those after the first minute: nothing beside it. CAMELID_SOAK_JOBS, CAMELID_SOAK_MB and
# CAMELID_SOAK_IDLE_S make it shorter.
. "$(dirname "$0")/env.sh"
export CAMELID_SOAK_JOBS="${CAMELID_SOAK_JOBS:-500}" CAMELID_SOAK_MB="${CAMELID_SOAK_MB:-64}"
export CAMELID_SOAK_IDLE_S="${CAMELID_SOAK_IDLE_S:-3600}" WHAT=soak
exec sh scripts/test-page.sh
