#!/bin/sh
# Builds the light client's worker: $CARGO_TARGET_DIR/web/worker holds it, ready to be served.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh
. scripts/wasm-target.sh

need_node
npm_packages web-client
say "building the worker's WASM module"
wasm_cargo build --locked -p camelid-web-worker --profile wasm --target "$wasm_target"
wasm_module "$CARGO_TARGET_DIR/$wasm_target/wasm/camelid_web_worker.wasm" camelid-bindgen web-client/bindgen/Cargo.toml \
    "$CARGO_TARGET_DIR/web/worker" -O3
