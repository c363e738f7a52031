#!/bin/sh
# Builds the node. The first build compiles some 500 crates: ten minutes and more; later ones take seconds.
. "$(dirname "$0")/env.sh"
say "building camelid in $CARGO_TARGET_DIR"
cargo build --locked -p camelid-node --features wgpu
say "built $CARGO_TARGET_DIR/debug/camelid"
