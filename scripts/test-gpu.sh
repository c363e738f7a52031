#!/bin/sh
# One answer on the GPU: CAMELID_GPU_TOKENS tokens of random models, every logit against the reference, and the ends of
# every range. CAMELID_GPU names an adapter, by its number or a part of its name.
. "$(dirname "$0")/env.sh"
. scripts/vulkan.sh
export CAMELID_GPU_TOKENS="${CAMELID_GPU_TOKENS:-10000}"
say "comparing $CAMELID_GPU_TOKENS tokens on the GPU with the reference engine"
cargo test --locked --workspace --features "$(sh scripts/features.sh)" --test bits_gpu -- --nocapture
cargo test --locked --workspace --features "$(sh scripts/features.sh)" --lib -- engine:: engines::
