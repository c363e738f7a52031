#!/bin/sh
# What takes long: the tests of `make test` that have a short run there, at full length. Hours; each can be run alone:
# WHAT=simulator, kills, power-cuts or transports.
. "$(dirname "$0")/env.sh"
features=$(sh scripts/features.sh)
soak() { # what, in words, arguments of cargo test
    [ "${WHAT:-$1}" = "$1" ] || return 0
    say "$2"
    shift 2
    cargo test --locked --workspace --features "$features" "$@"
}
export CAMELID_SIM_SEEDS="${CAMELID_SIM_SEEDS:-1000}"
soak simulator "simulator: $CAMELID_SIM_SEEDS seeds" --test simulator -- --nocapture
# Four networks: a node that starts again looks through its whole chain, and one network's would grow long.
export CAMELID_KILLS="${CAMELID_KILLS:-250}" CAMELID_POWER_CUTS="${CAMELID_POWER_CUTS:-20000}"
for CAMELID_SEED in ${CAMELID_SEED:-1 2 3 4}; do
    export CAMELID_SEED
    soak kills "processes killed $CAMELID_KILLS times at moments of seed $CAMELID_SEED" --test kill -- --nocapture
done
soak power-cuts "the power cut $CAMELID_POWER_CUTS times" --lib -- power_cut --nocapture
# Latency and memory are measured: nothing beside it.
export CAMELID_SOAK=1
soak transports "thousands of requests over one WebRTC connection" --lib -- soak_ --nocapture --test-threads 1
