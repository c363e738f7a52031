#!/bin/sh
# The long runs: every test whose name begins with `soak_`. In `make test` it is short; CAMELID_SOAK=1 makes it long, and it then has the
# machine for itself. A part adds its own by naming a test so. ARGS narrows it: ARGS=soak_requests.
. "$(dirname "$0")/env.sh"
export CAMELID_SOAK=1
say "soak: every test named soak_..., one after the other"
# shellcheck disable=SC2086
exec cargo test --locked --workspace --features "$(sh scripts/features.sh)" -- ${ARGS:-soak_} --nocapture --test-threads 1
