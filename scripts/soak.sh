#!/bin/sh
# What takes long: the tests of `make test` that have a short run there, at full length. Hours.
. "$(dirname "$0")/env.sh"
features=$(sh scripts/features.sh)
soak() {
    say "$1"
    shift
    cargo test --locked --workspace --features "$features" "$@" -- --nocapture
}
export CAMELID_SIM_SEEDS="${CAMELID_SIM_SEEDS:-1000}"
soak "simulator: $CAMELID_SIM_SEEDS seeds" --test simulator
