#!/bin/sh
# Builds the light client's modules: $CARGO_TARGET_DIR/web/light holds the one of the page's main thread, web/worker the one
# that computes, ready to be served.
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
say "building the WASM module of the page's main thread"
wasm_cargo build --locked -p camelid-web-light --profile wasm-small --target "$wasm_target"
wasm_module "$CARGO_TARGET_DIR/$wasm_target/wasm-small/camelid_web_light.wasm" camelid-bindgen web-client/bindgen/Cargo.toml \
    "$CARGO_TARGET_DIR/web/light" -Oz
