#!/bin/sh
# Builds the GPU engine's WASM module: $CARGO_TARGET_DIR/web/gpu holds it, ready to be served. The first build compiles
# burn for WASM: a quarter of an hour.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh
. scripts/wasm-target.sh

need_node
npm_packages web-client
say "building the GPU engine's WASM module"
# Two releases of getrandom ask for this flag before they take random numbers from the browser.
export RUSTFLAGS='--cfg getrandom_backend="wasm_js"'
CARGO_TARGET_DIR="$CARGO_TARGET_DIR/gpu" wasm_cargo build --locked --release --manifest-path web-client/gpu/Cargo.toml \
    --target "$wasm_target"
unset RUSTFLAGS
wasm_module "$CARGO_TARGET_DIR/gpu/$wasm_target/release/camelid_web_gpu.wasm" camelid-bindgen-gpu \
    web-client/gpu/bindgen/Cargo.toml "$CARGO_TARGET_DIR/web/gpu" -Os
