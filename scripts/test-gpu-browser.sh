#!/bin/sh
# One answer on a browser's WebGPU: every logit of CAMELID_GPU_BROWSER_CASES models (2 if not set) against the reference, in
# Chromium; checks by the package, and by the page of a real node. Where there is no GPU it is SwiftShader's, which takes
# minutes for a model.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh

need_node
need_chromium
sh scripts/wasm-gpu.sh
npm_packages tests/browser
export CAMELID_WEB="$CARGO_TARGET_DIR/web" CAMELID_VECTORS="$CARGO_TARGET_DIR/browser-vectors"
export CAMELID_GPU_BROWSER_CASES="${CAMELID_GPU_BROWSER_CASES:-2}"
say "writing models, texts and the reference's digests"
rm -rf "$CAMELID_VECTORS"
cargo run --locked -q -p camelid-browser-tests --bin browser-vectors -- "$CAMELID_VECTORS"
say "building the node with the page in it, and the GPU engine in that"
sh scripts/wasm.sh
sh scripts/www.sh
page_sum
# As the tests of the whole workspace do, which compile all of it.
cargo build --locked --workspace --all-targets --features "$(sh scripts/features.sh)"
export CAMELID_BINARY="$CARGO_TARGET_DIR/debug/camelid"
say "comparing on WebGPU"
exec node --test --test-reporter=spec tests/browser/gpu/*.test.js
