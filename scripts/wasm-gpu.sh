#!/bin/sh
# Builds the GPU engine's WASM module: $CARGO_TARGET_DIR/web/gpu holds it, ready to be served. The first build compiles
# burn for WASM: a quarter of an hour.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh
. scripts/wasm-target.sh

out="$CARGO_TARGET_DIR/web/gpu"
made="$CARGO_TARGET_DIR/gpu/$wasm_target/release/camelid_web_gpu.wasm"

need_node
npm_packages web-client
say "building the GPU engine's WASM module"
# Two releases of getrandom ask for this flag before they take random numbers from the browser.
export RUSTFLAGS='--cfg getrandom_backend="wasm_js"'
CARGO_TARGET_DIR="$CARGO_TARGET_DIR/gpu" wasm_cargo build --locked --release --manifest-path web-client/gpu/Cargo.toml \
    --target "$wasm_target"
unset RUSTFLAGS
[ "$out/complete" -nt "$made" ] && exit 0
CARGO_TARGET_DIR="$CARGO_TARGET_DIR/bindgen" cargo build --locked --manifest-path web-client/gpu/bindgen/Cargo.toml
rm -rf "$out" && mkdir -p "$out"
"$CARGO_TARGET_DIR/bindgen/debug/camelid-bindgen-gpu" "$made" "$out"
module="$out/camelid_web_gpu_bg.wasm"
node web-client/node_modules/binaryen/bin/wasm-opt -Os --enable-simd --enable-bulk-memory --enable-sign-ext \
    --enable-nontrapping-float-to-int --enable-mutable-globals --enable-reference-types --enable-multivalue \
    "$module" -o "$module.small"
mv "$module.small" "$module"
: > "$out/complete"
say "built $module: $(wc -c < "$module") B, compressed $(gzip -9 -c "$module" | wc -c) B"
