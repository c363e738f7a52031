#!/bin/sh
# One answer on a browser's WebGPU: every logit of CAMELID_GPU_BROWSER_CASES models (2 if not set) against the reference, in
# Chromium. Where there is no GPU it is SwiftShader's, which takes minutes for a model.
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
say "comparing on WebGPU"
exec node --test --test-reporter=spec tests/browser/gpu/*.test.js
