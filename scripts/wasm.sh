#!/bin/sh
# Builds the WASM modules: $CARGO_TARGET_DIR/web/worker holds the light client's worker, ready to be served.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh
. scripts/wasm-target.sh

out="$CARGO_TARGET_DIR/web/worker"
made="$CARGO_TARGET_DIR/$wasm_target/wasm/camelid_web_worker.wasm"
bindgen="$CARGO_TARGET_DIR/bindgen/debug/camelid-bindgen"

need_node
npm_packages web-client
say "building the worker's WASM module"
wasm_cargo build --locked -p camelid-web-worker --profile wasm --target "$wasm_target"
[ "$out/complete" -nt "$made" ] && exit 0
CARGO_TARGET_DIR="$CARGO_TARGET_DIR/bindgen" cargo build --locked --manifest-path web-client/bindgen/Cargo.toml
rm -rf "$out" && mkdir -p "$out"
"$bindgen" "$made" "$out"
module="$out/camelid_web_worker_bg.wasm"
node web-client/node_modules/binaryen/bin/wasm-opt -O3 --enable-simd --enable-bulk-memory --enable-sign-ext \
    --enable-nontrapping-float-to-int --enable-mutable-globals --enable-reference-types --enable-multivalue \
    "$module" -o "$module.small"
mv "$module.small" "$module"
: > "$out/complete"
say "built $module: $(wc -c < "$module") B, compressed $(gzip -9 -c "$module" | wc -c) B"
