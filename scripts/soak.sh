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
export CAMELID_KILLS="${CAMELID_KILLS:-1000}" CAMELID_POWER_CUTS="${CAMELID_POWER_CUTS:-20000}"
soak "processes killed $CAMELID_KILLS times" --test kill
soak "the power cut $CAMELID_POWER_CUTS times" --lib power_cut
