#!/bin/sh
# One answer on every engine: at least 100,000 tokens on each kernel of this machine, every logit against the reference.
. "$(dirname "$0")/env.sh"
export CAMELID_BITS_TOKENS="${CAMELID_BITS_TOKENS:-100000}"
say "comparing $CAMELID_BITS_TOKENS tokens on each kernel with the reference engine"
cargo test --locked --workspace --features "$(sh scripts/features.sh)" --test bits -- --nocapture
