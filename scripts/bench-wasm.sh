#!/bin/sh
# The WASM module in Chromium against the native engine on one thread, in one run: `make bench-wasm`, or
# `sh scripts/bench-wasm.sh --json`. CAMELID_BENCH_ROUNDS says how often each is measured; the best counts.
. "$(dirname "$0")/env.sh"
. scripts/setup-node.sh
. scripts/npm.sh

# What is printed there is no part of the table, nor of the JSON.
{
    need_node
    need_chromium
    sh scripts/wasm.sh
    npm_packages tests/browser
    cargo build --locked -p camelid-browser-tests
    say "making the models (some seconds, once)"
    "$CARGO_TARGET_DIR/debug/browser-bench" models "$CARGO_TARGET_DIR/bench-models"
    say "measuring; other work on this machine spoils it"
} >&2
export CAMELID_WEB="$CARGO_TARGET_DIR/web"
node tests/browser/bench.js "$CARGO_TARGET_DIR/debug/browser-bench" "$CARGO_TARGET_DIR/bench-models" "$@"
